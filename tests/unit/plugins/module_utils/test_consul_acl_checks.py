# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from acl_items import ONE, TWO, policy, role, token
from ansible_collections.dockyard.consul.plugins.module_utils.consul_acl_checks import (
    problems_of_changes,
    problems_of_input,
    problems_with_consul,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_acls import ANONYMOUS, Change

SECRET = "99999999-2222-3333-4444-555555555551"


def node(name, datacenter="dc1"):
    return {"node_name": name, "datacenter": datacenter}


def service(name, *datacenters):
    return {"service_name": name, "datacenters": list(datacenters)}


def problems(secrets=None, **lists):
    return problems_of_input({"policies": [], "roles": [], "tokens": [], **lists, "secrets": secrets or {}})


def test_good_input():
    assert problems(
        policies=[policy(), policy("A_b-9" + "x" * 123, rules='{"acl": "read"}', datacenters=["dc-1_a"])],
        roles=[role("x" * 256), role(node_identities=[node("a"), node("a-b_c.d".replace(".", ""))])],
        tokens=[
            token(service_identities=[service("web", "dc1"), service("api")], expiration_ttl="1h"),
            token(TWO, state="absent"),
            token(ANONYMOUS, policies=["dns"]),
        ],
        secrets={ONE: SECRET},
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    "item, words",
    [
        (policy("a b"), "policy: 'a b' is not a valid name."),
        (policy("x" * 129), "at most 128."),
        (policy(None), "policy: None is not a valid name."),
        (policy("ä"), "not a valid name"),
        (policy("a\n"), "not a valid name"),
        (policy(rules=' {"acl": '), "policy/dns: rules begin with '{' but are not JSON"),
        (policy(datacenters=["DC1"]), "policy/dns: 'DC1' is not a valid datacenter"),
    ],
)
def test_policies(item, words):
    (problem,) = problems(policies=[item])
    assert words in problem


@pytest.mark.parametrize(
    "item, words",
    [
        (role("x" * 257), "at most 256."),
        (role(node_identities=[node("App1")]), "role/shop: 'App1' is not a valid node_name"),
        (role(node_identities=[node("app1-")]), "not a valid node_name"),
        (role(node_identities=[node("x" * 257)]), "not a valid node_name"),
        (role(node_identities=[node("app1", "DC1")]), "role/shop: 'DC1' is not a valid datacenter"),
        (role(node_identities=[node("app1", None)]), "role/shop: '' is not a valid datacenter"),
        (role(service_identities=[service("Web")]), "role/shop: 'Web' is not a valid service_name"),
        (role(service_identities=[service("web", "a b")]), "role/shop: 'a b' is not a valid datacenter"),
        (role(service_identities=[service("web", "a"), service("web")]), "service identity 'web' is listed twice"),
    ],
)
def test_roles(item, words):
    (problem,) = problems(roles=[item])
    assert words in problem


@pytest.mark.parametrize(
    "item, words",
    [
        (token(None), "tokens[0]: accessor_id is missing"),
        (token("", state="absent"), "tokens[0]: accessor_id is missing"),
        (token("ABCDEFAB-2222-3333-4444-555555555551"), "is not a UUID in lower case"),
        (token("app1"), "token/app1: the accessor_id is not a UUID in lower case"),
        (token("00000000-0000-0000-0000-000000000017"), "Consul reserves accessors"),
        (token(ANONYMOUS, state="absent"), "the anonymous token cannot be deleted"),
        (token(ANONYMOUS, local=True), "the anonymous token can be neither local nor expire"),
        (token(ANONYMOUS, expiration_ttl="1h"), "the anonymous token can be neither local nor expire"),
        (token(service_identities=[service("Web")]), f"token/{ONE}: 'Web' is not a valid service_name"),
        (token(local=True, service_identities=[service("web", "dc1")]), "of a local token cannot have datacenters"),
        (
            token(expiration_ttl="1h", expiration_time="2026-11-26T12:00:00Z"),
            "set expiration_ttl or expiration_time, not both",
        ),
        (token(expiration_ttl="1d"), "expiration_ttl: '1d' is not a duration"),
        (token(expiration_ttl="-1h"), "'-1h' must be longer than 0"),
        (token(expiration_time="tomorrow"), "expiration_time: 'tomorrow' is not a time"),
    ],
)
def test_tokens(item, words):
    (problem,) = problems(tokens=[item])
    assert words in problem


def test_twice():
    found = problems(policies=[policy("a"), policy("A")], roles=[role(), role()], tokens=[token(), token()])
    assert [problem.split(".")[0] for problem in found] == [
        "policy/a is listed twice",
        "role/shop is listed twice",
        f"token/{ONE} is listed twice",
    ]


@pytest.mark.parametrize(
    "secrets, words",
    [
        ({SECRET: ONE}, "1 of 1 keys are not the accessor_id"),
        ({ONE: SECRET, TWO: SECRET[:-1] + "2"}, "1 of 2 keys are not the accessor_id"),
        ({ONE: SECRET + "\n"}, f"the secret of token/{ONE} is not a UUID in lower case"),
        ({ONE: SECRET[:-1] + "A"}, "is not a UUID in lower case"),
        ({ONE: 5}, "is not a UUID in lower case"),
        ({ONE: None}, "is not a UUID in lower case"),
        ({ONE: ONE}, "is also an accessor_id"),
        ({ANONYMOUS: SECRET}, "cannot be set"),
    ],
)
def test_secrets(secrets, words):
    (problem,) = problems(secrets, tokens=[token(), token(ANONYMOUS)])
    assert words in problem and SECRET[:-1] not in problem


def test_one_secret_of_two_tokens():
    found = problems({ONE: SECRET, TWO: SECRET}, tokens=[token(), token(TWO)])
    assert len(found) == 2 and all("is also the secret of another token" in problem for problem in found)
    assert SECRET not in str(found)


GLOBAL = {"ID": "00000000-0000-0000-0000-000000000001", "Name": "global-management"}


def with_consul(**lists):
    acls = SimpleNamespace(policies={"global-management": GLOBAL, "kv": {"ID": "p", "Name": "kv"}}, roles={}, tokens={})
    return problems_with_consul({"policies": [], "roles": [], "tokens": [], **lists}, acls)


def test_what_is_listed_or_exists_can_be_linked():
    assert with_consul(
        policies=[policy(), policy("old", state="absent")],
        roles=[role(policies=["dns", "kv"]), role("gone", state="absent", policies=["none"])],
        tokens=[token(policies=["dns", "global-management"], roles=["shop"])],
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    "lists, words",
    [
        ({"roles": [role(policies=["dns"])]}, "role/shop: policy 'dns' does not exist in Consul and is not listed"),
        ({"tokens": [token(policies=["dns"])]}, f"token/{ONE}: policy 'dns' does not exist"),
        ({"tokens": [token(roles=["shop"])]}, f"token/{ONE}: role 'shop' does not exist"),
        (
            {"policies": [policy("kv", state="absent")], "tokens": [token(policies=["kv"])]},
            f"token/{ONE}: policy 'kv' is removed by this task.",
        ),
        ({"policies": [policy("KV")]}, "policy/KV: Consul has it as 'kv'. Use the same upper and lower case."),
        ({"policies": [policy("global-management", state="absent")]}, "comes with Consul and cannot be deleted"),
        ({"policies": [policy("global-management", rules="")]}, "Only its description can be set"),
    ],
)
def test_what_cannot_be_done(lists, words):
    (problem,) = with_consul(**lists)
    assert words in problem


@pytest.mark.parametrize(
    "operation, legacy, own, words",
    [
        ("remove", True, TWO, "this is a legacy token, and the task would remove it."),
        ("replace", True, TWO, "this is a legacy token, and the task would replace it, as Consul cannot change"),
        ("update", True, TWO, None),
        ("remove", False, ONE, "this task uses this token, and would remove it."),
        ("replace", False, ONE, "this task uses this token, and would replace it"),
        ("update", False, ONE, None),
        ("remove", False, TWO, None),
    ],
)
def test_what_must_not_be_deleted(operation, legacy, own, words):
    change = Change(operation, "token", ONE, {}, {}, {"AccessorID": ONE, "Legacy": legacy}, {})
    found = problems_of_changes([change], lambda: own)
    assert len(found) == bool(words) and all(words in problem for problem in found)


def test_the_token_in_use_is_asked_for_only_where_it_matters():
    change = Change("remove", "policy", "dns", {}, None, {"ID": "p"}, None)
    assert problems_of_changes([change], lambda: pytest.fail("asked")) == []
