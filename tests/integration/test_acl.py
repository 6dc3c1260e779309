# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import datetime
import threading
import time
import urllib.error
import uuid

import pytest
from conftest import ROOT_TOKEN, Agent

ANONYMOUS = "00000000-0000-0000-0000-000000000002"
ONE, TWO, THREE = (f"11111111-2222-3333-4444-55555555555{number}" for number in (1, 2, 3))
EXPIRING = "11111111-2222-3333-4444-555555555559"
FIRST, SECOND, LATER = (f"99999999-aaaa-bbbb-cccc-dddddddddd0{number}" for number in (1, 2, 3))

READ_A = 'key_prefix "a/" { policy = "read" }\n'
READ_B = 'key_prefix "b/" {\r\n  policy = "read"\r\n}\r\n'
SECRETS = {ONE: FIRST, TWO: SECOND}
SITE = {
    "policies": [
        {"name": "read-a", "description": "Reads a", "rules": READ_A},
        {"name": "read-b", "rules": READ_B, "datacenters": ["dc1"]},
    ],
    "roles": [
        {"name": "both", "policies": ["read-a", "read-b"], "node_identities": [{"node_name": "n", "datacenter": "dc1"}]},
        {"name": "web", "description": "Web", "service_identities": [{"service_name": "web", "datacenters": ["dc1"]}]},
    ],
    "tokens": [
        {"accessor_id": ONE, "description": "one", "policies": ["read-b", "read-a"], "roles": ["web"]},
        {"accessor_id": TWO, "roles": ["both"], "service_identities": [{"service_name": "api"}], "local": True},
    ],
}  # fmt: skip
KEYS = [
    "policy/read-a", "policy/read-b", "role/both", "role/web", f"token/{ONE}", f"token/{TWO}"
]  # fmt: skip


def acl(**options):
    return {"dockyard.consul.consul_acl": {"secrets": {}, **options}}


def absent(lists):
    """The same objects, to be removed."""
    names = ("name", "accessor_id")
    return {
        kind: [{**{key: value for key, value in item.items() if key in names}, "state": "absent"} for item in items]
        for kind, items in lists.items()
    }


def state(agent):
    """All that Consul has, as it shows it by itself, without indexes and without the token that may expire meanwhile."""
    found = {}
    for kind, name in (("policy", "ID"), ("role", "ID"), ("token", "AccessorID")):
        plural = "policies" if kind == "policy" else kind + "s"
        for listed in agent.api("GET", f"/v1/acl/{plural}"):
            if listed.get(name) == EXPIRING:
                continue
            record = agent.api("GET", f"/v1/acl/{kind}/{listed[name]}")
            found[kind, listed[name]] = {key: value for key, value in record.items() if not key.endswith("Index")}
    return found


def indexes(agent):
    return {
        item.get("AccessorID", item.get("ID")): item["ModifyIndex"]
        for kind in ("policies", "roles", "tokens")
        for item in agent.api("GET", f"/v1/acl/{kind}")
        if item.get("AccessorID") != EXPIRING
    }


def may_read(agent, token, key):
    """Whether Consul lets a token read a key. None if it does not know the token."""
    agent.api("PUT", f"/v1/kv/{key}", b"x")
    try:
        return bool(agent.api("GET", f"/v1/kv/{key}", token=token))
    except urllib.error.HTTPError as error:
        words = error.read().decode()
        return None if "ACL not found" in words else False


def token_of(agent, accessor):
    try:
        return agent.api("GET", f"/v1/acl/token/{accessor}")
    except urllib.error.HTTPError:
        return None


@pytest.fixture(scope="module", autouse=True)
def expiring(deny_agent):
    """A token with the shortest life that Consul allows, made before the other tests so that they are the wait for it."""
    body = {"AccessorID": EXPIRING, "SecretID": LATER, "ExpirationTTL": "60s"}
    made = deny_agent.api("PUT", "/v1/acl/token", body)
    yield made
    deny_agent.api("DELETE", f"/v1/acl/token/{EXPIRING}")


@pytest.fixture
def agent(deny_agent):
    """Under deny. What the test leaves is removed."""
    before = {kind: set(ids) for kind, ids in ids_of(deny_agent).items()}
    yield deny_agent
    for kind, ids in ids_of(deny_agent).items():
        for identity in ids - before[kind]:
            deny_agent.api("DELETE", f"/v1/acl/{kind}/{identity}")
    deny_agent.api("PUT", f"/v1/acl/token/{ANONYMOUS}", {"Description": "Anonymous Token"})


def ids_of(agent):
    return {
        "token": {item["AccessorID"] for item in agent.api("GET", "/v1/acl/tokens")},
        "role": {item["ID"] for item in agent.api("GET", "/v1/acl/roles")},
        "policy": {item["ID"] for item in agent.api("GET", "/v1/acl/policies")},
    }


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_four_ways(playbook, agent, scheme, monkeypatch):
    if scheme == "http":
        monkeypatch.setattr(agent, "connection", {"port": agent.http_port, "token": ROOT_TOKEN})
    created = playbook.four_ways(acl(**SITE, secrets=SECRETS), acl(**absent(SITE)), lambda: state(agent))
    assert list(created["operations"]) == KEYS and set(created["operations"].values()) == {"create"}
    assert created["tokens"] == [{"accessor_id": ONE, "description": "one"}, {"accessor_id": TWO, "description": ""}]
    assert "policy/read-a" in created["diff"]["after"] and "(hidden)" in created["diff"]["after"]


def test_what_is_created_works(in_process, agent):
    in_process.run(acl(**SITE, secrets=SECRETS))
    assert may_read(agent, FIRST, "a/k") and may_read(agent, FIRST, "b/k") and may_read(agent, SECOND, "a/k")
    one, two = token_of(agent, ONE), token_of(agent, TWO)
    assert (one["SecretID"], two["SecretID"]) == (FIRST, SECOND)
    assert two["Local"] and two["ServiceIdentities"] == [{"ServiceName": "api"}]
    assert [role["Name"] for role in two["Roles"]] == ["both"]


def test_what_is_no_longer_listed_is_taken_away(in_process, agent):
    in_process.run(acl(**SITE, secrets=SECRETS))
    assert may_read(agent, FIRST, "b/k") and may_read(agent, SECOND, "b/k")
    less = acl(
        policies=[{"name": "read-a", "rules": READ_A}, {"name": "read-b"}],
        roles=[{"name": "both", "policies": ["read-a"]}],
        tokens=[{"accessor_id": ONE, "policies": ["read-a"]}],
        secrets={ONE: FIRST},
    )
    changed, again = in_process.run(less, less)
    assert changed["operations"] == {"policy/read-b": "update", "role/both": "update", f"token/{ONE}": "update"}
    assert changed["diff"]["before"] != changed["diff"]["after"]
    assert not again["changed"] and again["operations"] == {}
    assert may_read(agent, FIRST, "a/k") and may_read(agent, SECOND, "a/k")
    assert may_read(agent, FIRST, "b/k") is False and may_read(agent, SECOND, "b/k") is False
    one = token_of(agent, ONE)
    assert one["Description"] == "one" and one["SecretID"] == FIRST and "Roles" not in one
    policies = {policy["Name"]: policy for policy in agent.api("GET", "/v1/acl/policies")}
    assert policies["read-a"]["Description"] == "Reads a"

    # The policy alone, which the role lists still.
    widened = in_process.run(acl(policies=[{"name": "read-a", "rules": READ_A + 'key "b/k" { policy = "read" }'}]))
    assert widened["operations"] == {"policy/read-a": "update"}
    assert may_read(agent, SECOND, "b/k")


def test_what_is_not_listed_is_left_alone(in_process, agent):
    by_hand = agent.token_for(READ_B)
    in_process.run(acl(**SITE, secrets=SECRETS))
    before = state(agent)
    again, removed = in_process.run(acl(**SITE, secrets=SECRETS), acl(tokens=absent(SITE)["tokens"]))
    assert not again["changed"]
    assert removed["operations"] == {f"token/{ONE}": "remove", f"token/{TWO}": "remove"}
    assert may_read(agent, by_hand, "b/k")
    gone = {("token", ONE), ("token", TWO)}
    assert state(agent) == {key: value for key, value in before.items() if key not in gone}


def test_a_converged_run_writes_nothing(in_process, agent):
    in_process.run(acl(**SITE, secrets=SECRETS))
    before = indexes(agent)
    same = {**SITE, "policies": [{**SITE["policies"][0], "rules": "\r\n" + READ_A.replace("\n", "\r\n")}]}
    again = in_process.run(acl(**same, secrets=SECRETS))
    assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"] == ""
    assert indexes(agent) == before


def test_another_secret(in_process, agent):
    in_process.run(acl(**SITE, secrets=SECRETS))
    task = acl(**SITE, secrets={**SECRETS, ONE: LATER.replace("dddd", "eeee")})
    foretold = in_process.run(task, check=True)
    assert may_read(agent, FIRST, "a/k")
    replaced, again = in_process.run(task, task)
    assert replaced["operations"] == foretold["operations"] == {f"token/{ONE}": "replace"}
    assert replaced["diff"] == foretold["diff"] and "(hidden, changed)" in replaced["diff"]["after"]
    assert not again["changed"]
    assert may_read(agent, FIRST, "a/k") is None
    assert may_read(agent, LATER.replace("dddd", "eeee"), "a/k")


def test_a_secret_that_consul_makes(in_process, agent):
    task = acl(tokens=[{"accessor_id": ONE}, {"accessor_id": TWO}])
    created, again = in_process.run(task, task)
    assert created["operations"] == {f"token/{ONE}": "create", f"token/{TWO}": "create"} and not again["changed"]
    secret = token_of(agent, ONE)["SecretID"]
    assert secret not in in_process.output


def test_a_task_that_failed_in_the_middle_is_made_good(in_process, agent):
    """The rules are refused by Consul itself, after the first policy."""
    wrong = {**SITE, "policies": [SITE["policies"][0], {"name": "read-b", "rules": "keyy {"}]}
    failure = in_process.run(acl(**wrong, secrets=SECRETS), fails=True)
    assert failure["msg"].startswith("policy/read-b: PUT /v1/acl/policy at https://127.0.0.1:")
    assert "Failed to parse ACL rules" in failure["msg"] and "\n" not in failure["msg"]
    assert failure["written"] == ["policy/read-a"]
    made_good = in_process.run(acl(**SITE, secrets=SECRETS))
    assert list(made_good["operations"]) == KEYS[1:]


def test_bad_input(in_process, agent):
    before = state(agent)
    tasks = [
        acl(
            policies=[{"name": "good"}, {"name": "a b"}, {"name": "twice"}, {"name": "Twice"}],
            roles=[{"name": "r", "policies": ["none"], "service_identities": [{"service_name": "Web"}]}],
            tokens=[{"description": "no accessor"}, {"accessor_id": ONE.replace("1", "A")}, {"accessor_id": TWO, "roles": ["s"]}],
            secrets={THREE: FIRST},
        ),
        acl(policies=[{"name": "global-management", "state": "absent"}], tokens=[{"accessor_id": ANONYMOUS, "state": "absent"}]),
        acl(tokens=[{"accessor_id": ONE, "expiration_ttl": "1s"}]),
    ]  # fmt: skip
    many, builtin, short = in_process.failures(*tasks)
    for words in (
        "Nothing was changed. policy: 'a b' is not a valid name.",
        "policy/twice is listed twice.",
        "role/r: 'Web' is not a valid service_name.",
        "tokens[0]: accessor_id is missing.",
        "the accessor_id is not a UUID in lower case.",
        "secrets: 1 of 1 keys are not the accessor_id of a token of this task.",
        "role/r: policy 'none' does not exist in Consul and is not listed in this task.",
        f"token/{TWO}: role 's' does not exist in Consul and is not listed in this task.",
    ):
        assert words in many
    assert "policy/global-management: this policy comes with Consul and cannot be deleted." in builtin
    assert f"token/{ANONYMOUS}: the anonymous token cannot be deleted." in builtin
    assert f"token/{ONE}: PUT /v1/acl/token" in short and "ExpirationTime cannot be less than 1m0s" in short
    assert state(agent) == before


def test_what_this_task_would_create_exists_in_check_mode(in_process, agent):
    linked = {"roles": [{"name": "r", "policies": ["new"]}], "tokens": [{"accessor_id": ONE, "roles": ["r"]}]}
    assert in_process.run(acl(policies=[{"name": "new"}], **linked), check=True)["changed"]
    (failure,) = in_process.failures(acl(**linked), check=True)
    assert "role/r: policy 'new' does not exist in Consul" in failure


def test_a_secret_that_is_not_made_yet_is_empty_in_check_mode(in_process, agent):
    """As that of a second service before its first release."""
    task = acl(tokens=[{"accessor_id": ONE}], secrets={ONE: ""})
    assert in_process.run(task, check=True)["operations"] == {f"token/{ONE}": "create"}
    assert token_of(agent, ONE) is None
    assert "is not a UUID in lower case" in in_process.run(task, fails=True)["msg"]
    assert token_of(agent, ONE) is None


def test_the_anonymous_token_and_global_management(in_process, agent):
    policies = [{"name": "read-a", "rules": READ_A}, {"name": "global-management", "description": "All"}]
    task = acl(policies=policies, tokens=[{"accessor_id": ANONYMOUS, "policies": ["read-a"]}])
    without = acl(
        policies=[{"name": "global-management", "description": "Builtin Policy that grants unlimited access"}],
        tokens=[{"accessor_id": ANONYMOUS}],
    )
    given, again, taken = in_process.run(task, task, without)
    assert given["operations"] == {
        "policy/read-a": "create", "policy/global-management": "update", f"token/{ANONYMOUS}": "update"
    }  # fmt: skip
    assert not again["changed"] and len(taken["operations"]) == 2
    assert token_of(agent, ANONYMOUS)["Description"] == "Anonymous Token"


def test_a_legacy_token(in_process, agent):
    body = {"Name": "old", "Type": "client", "Rules": 'key "a/k" { policy = "read" }'}
    secret = agent.api("PUT", "/v1/acl/create", body)["ID"]

    def accessor_of_old():
        return next(item["AccessorID"] for item in agent.api("GET", "/v1/acl/tokens") if item["Description"] == "old")

    accessor = agent.wait_for(accessor_of_old, "the accessor that it gives a legacy token")
    assert may_read(agent, secret, "a/k")
    removal, other = in_process.failures(
        acl(tokens=[{"accessor_id": accessor, "state": "absent"}]),
        acl(tokens=[{"accessor_id": accessor}], secrets={accessor: FIRST}),
    )
    assert f"token/{accessor}: this is a legacy token, and the task would remove it." in removal
    assert "the task would replace it" in other and secret not in in_process.output
    task = acl(
        policies=[{"name": "read-b", "rules": READ_B}], tokens=[{"accessor_id": accessor, "policies": ["read-b"]}]
    )
    updated, again = in_process.run(task, task)
    assert updated["operations"][f"token/{accessor}"] == "update" and not again["changed"]
    assert may_read(agent, secret, "b/k") and may_read(agent, secret, "a/k") is False


def test_the_token_in_use_is_not_deleted(in_process, agent):
    own = agent.api("GET", "/v1/acl/token/self")["AccessorID"]
    item = {"accessor_id": own, "policies": ["global-management"]}
    removal, other = in_process.failures(
        acl(tokens=[{"accessor_id": own, "state": "absent"}]), acl(tokens=[item], secrets={own: FIRST})
    )
    assert f"token/{own}: this task uses this token, and would remove it." in removal
    assert "would replace it" in other
    assert not in_process.run(acl(tokens=[item]))["changed"]


def test_expiration(playbook, agent):
    """Another expiration replaces the token; the same one does not, however it is written."""
    moment = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(hours=2)
    elsewhere = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))

    def task(**options):
        return acl(tokens=[{"accessor_id": ONE, **options}, {"accessor_id": TWO, **options}], secrets=SECRETS)

    ttl, at, past = task(expiration_ttl="1h"), task(expiration_time=f"{moment:%Y-%m-%dT%H:%M:%SZ}"), task(
        expiration_time="2026-01-01T00:00:00Z"
    )  # fmt: skip
    results = playbook.run(
        ttl, ttl, task(expiration_ttl="60m", description="d"), task(expiration_ttl="2h"), at,
        task(expiration_time=elsewhere.isoformat()), task(), past, past
    )  # fmt: skip
    operations = [set(result["operations"].values()) for result in results]
    assert operations == [
        {"create"}, set(), {"update"}, {"replace"}, {"replace"}, set(), {"replace"}, {"remove"}, set()
    ]  # fmt: skip
    assert results[-2]["tokens"] == [], "the task after it asks nothing again"


def test_secrets_stay_out_of_sight(playbook, agent):
    """Also those in the wrong place. The unit tests show what the module writes to a host's journal."""
    secrets = [str(uuid.uuid4()) for _number in range(6)]
    variables = {f"secret{number}": secret for number, secret in enumerate(secrets)}
    tokens = [{"accessor_id": ONE, "description": "shown"}, {"accessor_id": TWO}]
    playbook.run(
        acl(tokens=tokens, secrets={ONE: "{{ secret0 }}", TWO: "{{ secret1 }}"}),
        acl(tokens=tokens, secrets={ONE: "{{ secret2 }}", TWO: "{{ secret1 }}"}),
        *(
            {**task, "ignore_errors": True}
            for task in (
                acl(tokens=tokens, secrets={ONE: "{{ secret2 }}\n"}),
                acl(tokens=tokens, secrets={"{{ secret3 }}": ONE}),
                acl(tokens=tokens, secrets={ONE: "{{ secret2 }}", TWO: "{{ secret2 }}"}),
                acl(tokens=[{"accessor_id": ONE, "secret_id": "{{ secret4 }}\n"}]),
                acl(tokens=tokens, secrets="{{ secret5 }}"),
            )
        ),
        acl(tokens=absent({"tokens": tokens})["tokens"], secrets={ONE: "{{ secret2 }}"}),
        variables=variables,
        verbose=True,
    )
    assert "shown" in playbook.output and "(hidden, changed)" in playbook.output
    assert "is not a UUID in lower case" in playbook.output and "secret_id" in playbook.output
    shown = [secret for secret in [*secrets, ROOT_TOKEN] if secret in playbook.output]
    assert shown == []


def test_tokens_without_the_right(in_process, agent):
    reader = agent.token_for('acl = "read"')
    in_process.run(acl(**SITE, secrets=SECRETS))
    tasks = [
        acl(**SITE, secrets=SECRETS, token=reader),
        acl(policies=[{"name": "read-a"}], token=reader),
        acl(**SITE, token=agent.token_for(READ_A)),
        acl(**SITE, token=str(uuid.uuid4()), wait=0),
    ]
    started = time.monotonic()
    hidden, write, none, unknown = in_process.failures(*tasks)
    assert time.monotonic() - started < 15, "an error that stays is waited for"
    assert f"token/{ONE}: Consul hides its secret, so it cannot be compared." in hidden
    assert write.startswith("policy/read-a: PUT /v1/acl/policy/") and "Permission denied" in write
    assert "GET /v1/acl/policies" in none and "Permission denied" in none
    assert "Consul's ACL system is not ready after 0 s" in unknown and "the token is unknown to Consul" in unknown


@pytest.mark.parametrize("wait", [0, 30])
def test_acls_are_off(in_process, open_agent, wait):
    connection = {"port": open_agent.http_port}
    started = time.monotonic()
    (failure,) = in_process.failures(acl(**SITE, wait=wait), connection=connection)
    assert "ACL support disabled (the agent runs without ACLs" in failure
    assert time.monotonic() - started < 20


def requests(agent):
    """How many requests for all policies, the first of the module, are in the log."""
    return (agent.folder / "agent.log").read_text(encoding="utf-8", errors="replace").count("/v1/acl/policies")


def test_no_leader_at_first(in_process, tmp_path):
    """The first of two servers that elect a leader together. The module is there before the second."""
    settings = {
        "bootstrap_expect": 2,
        "log_level": "debug",  # which has the requests
        "acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN}},
    }
    with contextlib.ExitStack() as stack:
        servers = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            server = Agent(tmp_path / name, {**settings, "node_name": name}, ROOT_TOKEN)
            servers.append(server)
        first, second = servers
        second.config["retry_join"] = [f"127.0.0.1:{first.ports['serf_lan']}"]
        first.launch()
        stack.callback(first.stop)
        first.wait_for(lambda: first.api("GET", "/v1/status/leader") == "", "that it has no leader")

        connection = {"port": first.http_port, "token": ROOT_TOKEN}
        (failure,) = in_process.failures(acl(**SITE, secrets=SECRETS, wait=1), connection=connection)
        assert "Consul's ACL system is not ready after 1 s" in failure
        assert "legacy mode. (no leader has set up the ACL system yet: check that enough servers are up)" in failure

        def elect(asked):
            first.wait_for(lambda: requests(first) > asked, "a request of the module")
            second.launch()

        thread = threading.Thread(target=elect, args=[requests(first)])
        thread.start()
        created, again = in_process.run(
            acl(**SITE, secrets=SECRETS), acl(**SITE, secrets=SECRETS), connection=connection
        )
        thread.join()
        stack.callback(second.stop)
        assert list(created["operations"]) == KEYS and not again["changed"]
        assert may_read(first, FIRST, "a/k")

        second.process.kill()
        first.wait_for(lambda: first.api("GET", "/v1/status/leader") == "", "that it has no leader any more")
        (failure,) = in_process.failures(acl(**SITE, wait=1), connection=connection)
        assert "not ready after 1 s" in failure and "HTTP 500: No cluster leader (no server is the leader" in failure


def test_an_expired_token_is_created_again(in_process, agent, expiring):
    """The last test, as it waits for the rest of the minute."""
    task = acl(tokens=[{"accessor_id": EXPIRING, "expiration_ttl": "60s"}], secrets={EXPIRING: LATER})
    expires = datetime.datetime.fromisoformat(expiring["ExpirationTime"][:19] + "+00:00")
    # The run of a playbook takes some seconds, in which the token may expire.
    if (expires - datetime.datetime.now(datetime.UTC)).total_seconds() > 20:
        assert not in_process.run(task)["changed"]
    agent.wait_for(lambda: token_of(agent, EXPIRING) is None, "that the token has expired", 65)
    created, again = in_process.run(task, task)
    assert created["operations"] == {f"token/{EXPIRING}": "create"} and not again["changed"]
    renewed = token_of(agent, EXPIRING)
    assert renewed["SecretID"] == LATER and renewed["CreateTime"] > expiring["CreateTime"]
