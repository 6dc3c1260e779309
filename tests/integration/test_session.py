# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import types

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import Sessions
from ansible_collections.dockyard.consul.plugins.modules import consul_session, consul_session_info

OPTIONS = {"ttl": 60, "behavior": "delete", "lock_delay": 0}
DEFAULTS = {
    "name": None,
    "id": None,
    "node": None,
    "checks": ["serfHealth"],
    "service_checks": [],
    "ttl": None,
    "behavior": "release",
    "lock_delay": 15,
    "recreate": False,
    "state": "present",
}
NOBODY = "11111111-2222-3333-4444-555555555555"


def session(**options):
    return {"dockyard.consul.consul_session": options}


def info(**options):
    return {"dockyard.consul.consul_session_info": options}


def direct(module, agent, token=None, check_mode=False, **options):
    """The module's result, without the time that Ansible takes."""
    given = {**DEFAULTS, **options} if module is consul_session else {"id": None, "name": None, "node": None, **options}
    client = ConsulClient(port=agent.http_port, token=token)
    return module.execute(types.SimpleNamespace(params=given, check_mode=check_mode), client)


@pytest.fixture(autouse=True)
def no_sessions(agent):
    yield
    for record in agent.api("GET", "/v1/session/list"):
        agent.api("PUT", f"/v1/session/destroy/{record['ID']}")


def listed(agent):
    """All sessions, without what Consul chooses."""
    chosen = ("ID", "CreateIndex", "ModifyIndex")
    return [
        {name: value for name, value in record.items() if name not in chosen}
        for record in agent.api("GET", "/v1/session/list")
    ]


def lock(agent, key, identity):
    return agent.api("PUT", f"/v1/kv/{key}?acquire={identity}", b"x")


def test_four_ways(playbook, agent):
    task = session(name="lock", **OPTIONS)
    created = playbook.four_ways(task, session(name="lock", state="absent"), lambda: listed(agent))
    assert created["session"]["ID"] == created["session_id"] and created["session"]["Node"] == "tester"
    assert (created["session"]["TTL"], created["session"]["LockDelay"]) == ("60s", 0)
    assert created["diff"]["before"] == "" and "ttl: 60\n" in created["diff"]["after"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_with_the_token_in_the_environment(playbook, agent):
    connection = {name: value for name, value in agent.connection.items() if name != "token"}
    environment = {"CONSUL_HTTP_TOKEN": agent.token}
    created, again, found, gone = playbook.run(
        session(name="lock"),
        session(name="lock"),
        info(),
        session(name="lock", state="absent"),
        connection=connection,
        environment=environment,
    )
    assert created["changed"] and not again["changed"] and gone["changed"]
    assert found["sessions"] == [created["session"]] == [again["session"]]
    assert agent.token not in str([created, again, found, gone])
    assert listed(agent) == []


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_renewal_and_info(playbook, agent):
    expired = agent.api("PUT", "/v1/session/create", {"Name": "gone"})["ID"]
    agent.api("PUT", f"/v1/session/destroy/{expired}")
    agent.api("PUT", "/v1/session/create", {"Name": "other"})
    created, again, by_name, by_id, foretold, missing, one, named, on_node, elsewhere = playbook.run(
        session(name="lock", ttl=60) | {"register": "created"},
        session(name="lock", ttl=60),
        session(name="lock", state="renewed"),
        session(state="renewed", id="{{ created.session_id }}"),
        session(state="renewed", name="lock") | {"check_mode": True},
        session(state="renewed", id=expired) | {"ignore_errors": True},
        info(id=expired),
        info(name="lock"),
        info(node="TESTER"),
        info(node="other", name="lock"),
    )
    assert not any(result["changed"] for result in (again, by_name, by_id, foretold))
    assert [result["renewed"] for result in (created, again, by_name, by_id, foretold)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert missing["msg"] == (
        f"session {expired} does not exist: it expired, a check ended it, or somebody destroyed it. Its locks are lost"
    )
    assert one["sessions"] == elsewhere["sessions"] == []
    assert named["sessions"] == [created["session"]]
    assert [record["Name"] for record in on_node["sessions"]] == ["other", "lock"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_other_settings(in_process, agent):
    first = agent.api("PUT", "/v1/session/create", {"Name": "lock", "LockDelay": "0s"})["ID"]
    second = agent.api("PUT", "/v1/session/create", {"Name": "lock", "LockDelay": "0s"})["ID"]
    assert lock(agent, "held", first)
    task = session(name="lock", lock_delay=0, checks=[])
    (refused,) = in_process.failures(task)
    assert refused.startswith(
        f"session lock on node tester ({first}) has other settings: checks is [serfHealth] instead of []."
    )
    assert agent.api("GET", "/v1/kv/held")[0]["Session"] == first
    recreate = session(name="lock", lock_delay=0, checks=[], recreate=True)
    foretold, same, recreated, again = in_process.run(
        recreate | {"check_mode": True}, session(name="lock", lock_delay=0), recreate, recreate
    )
    assert same["session_id"] == first and not same["changed"]
    assert foretold["changed"] and recreated["changed"] and not again["changed"]
    assert foretold["diff"] == recreated["diff"] and "checks: []\n" in recreated["diff"]["after"]
    assert [record["ID"] for record in agent.api("GET", "/v1/session/list")] == [recreated["session_id"]]
    assert recreated["session_id"] not in (first, second)
    assert "Session" not in agent.api("GET", "/v1/kv/held")[0]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_checks_of_a_session(agent):
    for name, status in (("good", "passing"), ("bad", "critical")):
        check = {"CheckID": name, "TTL": "1h", "Status": status}
        agent.api("PUT", "/v1/agent/service/register", {"Name": name, "Check": check})
    agent.wait_for(lambda: len(agent.api("GET", "/v1/health/node/tester")) == 3, "the checks")
    for options, words in (
        ({"checks": ["none"]}, "^node tester has no check none. It has: bad, good, serfHealth$"),
        (
            {"service_checks": ["bad"]},
            "^check bad of node tester is critical, and Consul then creates no session with it$",
        ),
        ({"node": "nobody"}, "^node: Consul knows no node 'nobody'$"),
        ({"ttl": 5}, "^ttl: 5 is out of range. Consul takes at least 10 seconds .session_ttl_min of the servers.$"),
        ({"name": "a\nb", "state": "renewed"}, r"^session a\\nb on node tester does not exist"),
    ):
        for check_mode in (True, False):
            with pytest.raises(ConsulError, match=words):
                direct(consul_session, agent, None, check_mode, **{"name": "lock", **options})
    results = [direct(consul_session, agent, name="lock", service_checks=["good"]) for _run in range(2)]
    assert [result["changed"] for result in results] == [True, False]
    agent.api("PUT", "/v1/agent/check/fail/good")
    agent.wait_for(lambda: not agent.api("GET", "/v1/session/list"), "that the check ended the session")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_name_is_taken_once(agent):
    """Eight at once, all on one node: afterwards there is one session, and all have its id."""
    barrier, ids = threading.Barrier(8), []
    params = {**DEFAULTS, "name": "lock", "node": "tester"}

    def create():
        sessions = Sessions(ConsulClient(port=agent.http_port))
        barrier.wait()
        created = sessions.create({"Name": "lock", "Node": "tester"})
        ids.append(consul_session.settle(sessions, created, params)["ID"])

    threads = [threading.Thread(target=create) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8 and set(ids) == {record["ID"] for record in agent.api("GET", "/v1/session/list")}
    assert len(set(ids)) == 1


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    def test_a_token_without_the_right(self, agent):
        """What the token may not read does not look as if it were gone."""
        there = agent.api("PUT", "/v1/session/create", {"Name": "lock"})["ID"]
        reader = agent.token_for('session_prefix "" { policy = "read" }')
        by_name = {"name": "lock", "node": "tester"}
        may_not_read = 'it requires the rule session "tester" { policy = "read" }$'
        may_not_write = 'it requires the rule session "tester" { policy = "write" }$'
        unknown = "the token is unknown to Consul"
        for token, options, check_mode, words in (
            (None, {**by_name, "state": "absent"}, False, may_not_read),
            (None, {**by_name, "state": "absent"}, True, may_not_read),
            (None, by_name, False, may_not_read),
            (
                None,
                {"name": "lock"},
                False,
                "^node is not set, and the token may not read the name of the agent's node: ",
            ),
            (None, {"id": there, "state": "absent"}, False, "Permission denied"),
            (None, {"id": there, "state": "renewed"}, False, "Permission denied"),
            (None, {"id": there, "state": "renewed"}, True, 'the rule session_prefix "" { policy = "read" }$'),
            (reader, {**by_name, "state": "absent"}, False, "Permission denied"),
            (reader, {**by_name, "state": "absent"}, True, may_not_write),
            (reader, {"name": "new", "node": "tester"}, False, "Permission denied"),
            (reader, {"name": "new", "node": "tester"}, True, may_not_write),
            (NOBODY, {**by_name, "state": "absent"}, False, unknown),
        ):
            with pytest.raises(ConsulError, match=words):
                direct(consul_session, agent, token, check_mode, **options)
        for token, options, words in (
            (None, {}, 'it requires the rule session_prefix "" { policy = "read" }$'),
            (None, {"node": "tester"}, may_not_read),
            (NOBODY, {}, unknown),
        ):
            with pytest.raises(ConsulError, match=words):
                direct(consul_session_info, agent, token, **options)
        assert [record["ID"] for record in agent.api("GET", "/v1/session/list")] == [there]

    def test_least_privilege(self, in_process, agent):
        token = agent.token_for('session "tester" { policy = "write" }')
        task = session(name="lock", node="tester")
        results = in_process.run(
            task | {"check_mode": True}, task, task, session(name="lock", node="tester", state="absent"),
            connection={"port": agent.http_port, "token": token},
        )  # fmt: skip
        assert [result["changed"] for result in results] == [True, True, False, True]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_session_that_nobody_confirms(agent, monkeypatch):
    """The answer to the creation is lost."""
    sessions = Sessions(ConsulClient(port=agent.http_port))

    def lost(*_arguments):
        raise ConsulError("PUT /v1/session/create: the connection broke")

    monkeypatch.setattr(sessions.client, "put", lost)
    with pytest.raises(ConsulError, match="whether the session was created is not known: run again"):
        sessions.create({})
