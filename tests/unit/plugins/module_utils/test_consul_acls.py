# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from acl_items import ONE, TWO, policy, role, token
from ansible_collections.dockyard.consul.plugins.module_utils import consul_acls
from ansible_collections.dockyard.consul.plugins.module_utils.consul_acls import (
    ANONYMOUS,
    Acls,
    instant,
    may_come,
    normal_rules,
    plan,
    policy_hash,
    shown_role,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError

SECRET, OTHER = "99999999-2222-3333-4444-555555555551", "99999999-2222-3333-4444-555555555552"
NOON = instant("2026-11-26T12:00:00Z")


def planned(acls=None, secrets=None, **lists):
    acls = {"policies": {}, "roles": {}, "tokens": {}, **(acls or {})}
    params = {"policies": [], "roles": [], "tokens": [], **lists, "secrets": secrets or {}}
    return plan(params, SimpleNamespace(**acls), NOON)


def told(changes):
    return [(change.operation, change.kind, change.name) for change in changes]


def known_policy(**fields):
    return {"dns": {"ID": "p1", "Name": "dns", "Description": "", "Rules": "", "Datacenters": None, **fields}}


def known_token(**fields):
    times = {"CreateTime": "2026-11-26T11:00:00.5Z"}
    return {ONE: {"AccessorID": ONE, "SecretID": SECRET, "Description": "", "Local": False, **times, **fields}}


def test_order():
    acls = {
        "policies": {**known_policy(), "old": {**known_policy()["dns"], "Name": "old"}},
        "roles": {"old": {"ID": "r1", "Name": "old", "Description": ""}},
        "tokens": known_token(),
    }
    changes = planned(
        acls,
        policies=[policy("old", state="absent"), policy("dns", rules="x"), policy("new")],
        roles=[role("old", state="absent"), role("shop")],
        tokens=[token(state="absent"), token(TWO)],
    )
    assert told(changes) == [
        ("update", "policy", "dns"),
        ("create", "policy", "new"),
        ("create", "role", "shop"),
        ("create", "token", TWO),
        ("remove", "token", ONE),
        ("remove", "role", "old"),
        ("remove", "policy", "old"),
    ]


def test_what_is_absent_needs_no_removal():
    absent = {"policies": [policy(state="absent")], "roles": [role(state="absent")], "tokens": [token(state="absent")]}
    assert planned(**absent) == []


@pytest.mark.parametrize(
    "record, options, changes",
    [
        ({}, {}, False),
        ({"Rules": "a\nb"}, {"rules": " \r\na\r\nb\n\n"}, False),
        ({"Rules": "a\nb"}, {"rules": "a\n b"}, True),
        ({"Rules": "a"}, {}, True),
        ({"Description": "theirs"}, {}, False),
        ({"Description": "theirs"}, {"description": ""}, True),
        ({"Datacenters": ["b", "a"]}, {"datacenters": ["a", "b"]}, False),
        ({"Datacenters": ["a"]}, {}, True),
        ({"Datacenters": ["a"]}, {"datacenters": ["b"]}, True),
    ],
)
def test_policies(record, options, changes):
    assert bool(planned({"policies": known_policy(**record)}, policies=[policy(**options)])) == changes


def test_a_policy_of_consul_keeps_its_rules():
    record = known_policy(ID="00000000-0000-0000-0000-000000000001", Rules="acl", Description="Builtin")
    assert planned({"policies": record}, policies=[policy()]) == []
    (change,) = planned({"policies": record}, policies=[policy(description="mine")])
    assert change.body["Rules"] == "acl" and change.body["Description"] == "mine"


NODE = {"node_name": "app1", "datacenter": "dc1"}
WEB = {"service_name": "web", "datacenters": []}


@pytest.mark.parametrize(
    "record, options, changes",
    [
        ({}, {}, False),
        ({"Policies": [{"ID": "2", "Name": "b"}, {"ID": "1", "Name": "a"}]}, {"policies": ["a", "b", "a"]}, False),
        ({"Policies": [{"ID": "2", "Name": "b"}]}, {}, True),
        ({}, {"policies": ["a"]}, True),
        ({"NodeIdentities": [{"NodeName": "app1", "Datacenter": "dc1"}]}, {"node_identities": [NODE, NODE]}, False),
        ({"NodeIdentities": [{"NodeName": "app1", "Datacenter": "dc1"}]}, {}, True),
        ({"NodeIdentities": [{"NodeName": "app1", "Datacenter": "dc2"}]}, {"node_identities": [NODE]}, True),
        ({"ServiceIdentities": [{"ServiceName": "web"}]}, {"service_identities": [WEB]}, False),
        ({"ServiceIdentities": [{"ServiceName": "web", "Datacenters": ["a"]}]}, {"service_identities": [WEB]}, True),
    ],
)
def test_what_roles_and_tokens_grant(record, options, changes):
    roles = {"shop": {"ID": "r1", "Name": "shop", "Description": "", **record}}
    assert bool(planned({"roles": roles}, roles=[role(**options)])) == changes
    assert bool(planned({"tokens": known_token(**record)}, tokens=[token(**options)])) == changes


@pytest.mark.parametrize(
    "record, secret, options, operation",
    [
        ({}, SECRET, {}, None),
        ({}, None, {}, None),
        ({}, OTHER, {}, "replace"),
        ({}, SECRET, {"roles": ["a"]}, "update"),
        ({"Roles": [{"Name": "a"}]}, SECRET, {}, "update"),
        ({"Legacy": True}, SECRET, {}, "update"),
        ({}, SECRET, {"local": True}, "replace"),
        ({"ExpirationTime": "2026-11-26T15:00:00+01:00"}, None, {"expiration_time": "2026-11-26T14:00:00Z"}, None),
        ({"ExpirationTime": "2026-11-26T15:00:00Z"}, None, {"expiration_time": "2026-11-26T14:00:00Z"}, "replace"),
        ({"ExpirationTime": "2026-11-26T15:00:00Z"}, None, {}, "replace"),
        ({}, None, {"expiration_time": "2026-11-26T14:00:00Z"}, "replace"),
        ({}, None, {"expiration_time": "2026-11-26T11:59:59Z"}, "remove"),
        ({"ExpirationTime": "2026-11-26T12:30:00.5Z"}, None, {"expiration_ttl": "1h30m"}, None),
        ({"ExpirationTime": "2026-11-26T12:30:00.5Z"}, None, {"expiration_ttl": "2h"}, "replace"),
        ({}, None, {"expiration_ttl": "2h"}, "replace"),
    ],
)
def test_an_existing_token(record, secret, options, operation):
    changes = planned({"tokens": known_token(**record)}, {ONE: secret} if secret else {}, tokens=[token(**options)])
    assert [change.operation for change in changes] == ([operation] if operation else [])
    assert SECRET not in str([(change.before, change.after) for change in changes])
    assert OTHER not in str([(change.before, change.after) for change in changes])


def test_what_is_sent_for_a_token():
    options = {"description": "d", "policies": ["a"], "roles": ["r"], "node_identities": [NODE]}
    (created,) = planned(secrets={ONE: SECRET}, tokens=[token(**options, service_identities=[WEB])])
    assert created.body == {
        "AccessorID": ONE,
        "SecretID": SECRET,
        "Description": "d",
        "Local": False,
        "Policies": [{"Name": "a"}],
        "Roles": [{"Name": "r"}],
        "NodeIdentities": [{"NodeName": "app1", "Datacenter": "dc1"}],
        "ServiceIdentities": [{"ServiceName": "web", "Datacenters": []}],
    }
    assert created.after["secret_id"] == "(hidden)"
    record = known_token(AccessorID=ONE.upper(), ExpirationTime="2026-11-26T14:00:00Z")
    item = token(description="d", expiration_time="2026-11-26T14:00:00Z")
    (updated,) = planned({"tokens": record}, {ONE: SECRET}, tokens=[item])
    assert updated.operation == "update"
    assert not {"SecretID", "ExpirationTime"} & set(updated.body)
    (replaced,) = planned({"tokens": record}, {ONE: OTHER}, tokens=[item])
    assert replaced.body["SecretID"] == OTHER and replaced.body["ExpirationTime"] == "2026-11-26T14:00:00Z"
    assert (replaced.before["secret_id"], replaced.after["secret_id"]) == ("(hidden)", "(hidden, changed)")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01 00:00:01.000000002z", 10**9 + 2),
        ("1970-01-01T01:30:01+01:30", 10**9),
        ("1969-12-31T23:00:01-01:00", 10**9),
        ("0001-01-01T00:00:00Z", -62135596800 * 10**9),
    ],
)
def test_instants(text, expected):
    assert instant(text) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-11-26", "2026-11-26T12:00:00", "2026-13-26T12:00:00Z"])
def test_what_is_not_an_instant(text):
    with pytest.raises(ValueError, match="is not a time: write it as"):
        instant(text)


def test_rules():
    assert normal_rules(None) == normal_rules(" \r\n") == ""
    assert normal_rules("\ta {\r\n\tb\r}\n") == "a {\n\tb\n}"


def test_the_hash_is_consuls():
    """As Consul 1.8.7 gave it."""
    record = {"Name": "a", "Description": "", "Datacenters": ["nodc"]}
    rules = 'key_prefix "x" { policy = "read" }\r\n'
    assert policy_hash(record, rules) == "PCIArtfBEjCNZQJDXclottclh8agMKPsxqALpk/RaP0="


def test_what_a_diff_shows():
    assert shown_role({"Description": "", "Policies": None}) == {}


class Client:
    """Returns the given answer for each path of the API, or raises it."""

    retries = 1

    def __init__(self, **answers):
        self.answers, self.asked, self.query = answers, [], {}

    def get(self, path, params=None, missing_ok=False):
        self.asked.append(path)
        answer = self.answers[path.split("/")[1]]
        if isinstance(answer, Exception):
            raise answer
        return Answer(200, answer, None)


def test_only_what_differs_is_read():
    def listed(name, rules):
        record = {"ID": "p-" + name, "Name": name, "Description": "", "Datacenters": None}
        return {**record, "Hash": policy_hash(record, rules)}

    client = Client(
        policies=[listed("same", "a"), listed("other", "b")],
        roles=[],
        tokens=[],
        policy={"Name": "other", "Rules": "b"},
    )
    acls = Acls(client)
    acls.load(0)
    acls.read_rules([policy("same", rules="a"), policy("other", rules="c"), policy("new", rules="d")])
    assert client.asked[3:] == ["acl/policy/p-other"]
    assert acls.policies["same"]["Rules"] == "a" and acls.policies["other"]["Rules"] == "b"


def test_a_token_that_expires_meanwhile():
    gone = ConsulError("HTTP 403", 403, detail="ACL not found")
    acls = Acls(Client(policies=[], roles=[], tokens=list(known_token().values()), token=gone))
    acls.load(0)
    acls.read_secrets([ONE, TWO])
    assert acls.tokens == {}


IN_USE = ConsulError("HTTP 500", 500, detail="Invalid Token: AccessorID is already in use")


@pytest.mark.parametrize(
    ("token_read", "waits"),
    [(ConsulError("HTTP 403", 403, detail="ACL not found"), True), (known_token()[ONE], False)],
    ids=["expired", "somebody else's"],
)
def test_the_accessor_of_an_expired_token_becomes_free(monkeypatch, token_read, waits):
    """As the leader removes it about a second later."""
    refusals = [IN_USE, IN_USE]

    class Reaping(Client):
        def put(self, path, _params, body, idempotent):
            if refusals:
                raise refusals.pop()
            self.asked.append((path, body["AccessorID"]))

    monkeypatch.setattr(consul_acls, "PAUSE", 0)
    client = Reaping(token=token_read)
    (change,) = planned(tokens=[token(ONE)], secrets={ONE: SECRET})
    if waits:
        Acls(client).apply(change)
        assert client.asked[-1] == ("acl/token", ONE)
    else:
        with pytest.raises(ConsulError, match="500"):
            Acls(client).apply(change)


@pytest.mark.parametrize(
    "status, words, expected",
    [
        (500, "No cluster leader", True),
        (403, "ACL not found", True),
        (500, "The ACL system is currently in legacy mode.", True),
        (429, "", True),
        (403, "Permission denied", False),
        (401, "ACL support disabled", False),
        (None, None, False),
    ],
)
def test_what_may_come(status, words, expected):
    assert may_come(ConsulError("x", status, detail=words)) == expected


def test_the_anonymous_token_has_no_secret_to_compare():
    record = {ANONYMOUS: {"AccessorID": ANONYMOUS, "Description": "Anonymous Token", "Local": False}}
    assert planned({"tokens": record}, tokens=[token(ANONYMOUS)]) == []
    (change,) = planned({"tokens": record}, tokens=[token(ANONYMOUS, policies=["dns"])])
    assert change.operation == "update" and change.body["Description"] == "Anonymous Token"
