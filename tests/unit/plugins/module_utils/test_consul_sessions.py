# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import (
    Sessions,
    body_of,
    differences,
    oldest,
    problem_of,
    refusal,
    settings_of,
    shown_session,
)

ID = "3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d"
RECORD = {
    "ID": ID,
    "Name": "lock",
    "Node": "app1",
    "LockDelay": 15_000_000_000,
    "Behavior": "release",
    "TTL": "",
    "NodeChecks": ["serfHealth"],
    "ServiceChecks": None,
    "CreateIndex": 8,
    "ModifyIndex": 8,
}


def params(**options):
    return {
        "state": "present",
        "name": "lock",
        "id": None,
        "node": None,
        "checks": ["serfHealth"],
        "service_checks": [],
        "ttl": None,
        "behavior": "release",
        "lock_delay": 15,
        **options,
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ttl": 1},
        {"ttl": 86400},
        {"lock_delay": 0},
        {"lock_delay": 60},
        {"checks": []},
        {"state": "absent"},
        {"state": "absent", "node": "app2"},
        {"state": "renewed", "name": None, "id": ID},
        {"state": "absent", "name": None, "id": ID.upper()},
    ],
)
def test_options_that_are_right(options):
    assert problem_of(params(**options)) is None


@pytest.mark.parametrize(
    "options, words",
    [
        ({"name": None}, "name is empty: a session is found again by its name"),
        ({"name": ""}, "name is empty"),
        ({"id": ID}, "id: Consul chooses the id of a new session"),
        ({"ttl": 0}, "ttl: 0 is out of range. Consul takes at most 86400 seconds"),
        ({"ttl": 86401}, "ttl: 86401 is out of range"),
        ({"node": "a//b"}, "node 'a//b' has '//'"),
        ({"node": "a\nb", "state": "absent"}, "node 'a\\nb' has the character U+000A"),
        ({"node": ""}, "node is empty"),
        ({"lock_delay": -1}, "lock_delay: -1 is out of range. Consul takes 0 to 60 seconds"),
        ({"lock_delay": 61}, "lock_delay: 61 is out of range"),
        ({"checks": [""]}, "checks has an empty id"),
        ({"service_checks": ["a", ""]}, "service_checks has an empty id"),
        ({"state": "absent", "name": None}, "set either id or name with state: absent"),
        ({"state": "renewed", "id": ID}, "set either id or name with state: renewed"),
        ({"state": "absent", "name": None, "id": "lock"}, "id: 'lock' is not the id of a session"),
        ({"state": "absent", "name": None, "id": ""}, "id: '' is not the id of a session"),
        ({"state": "absent", "name": None, "id": ID, "node": "app1"}, "node: an id already stands for one session"),
    ],
)
def test_options_that_are_wrong(options, words):
    assert problem_of(params(**options)).startswith(words)


def test_the_settings_of_a_session():
    assert settings_of(RECORD) == {
        "behavior": "release",
        "ttl": None,
        "lock_delay": 15,
        "checks": ["serfHealth"],
        "service_checks": [],
    }
    other = {
        **RECORD,
        "TTL": "1m30s",
        "LockDelay": 500_000_000,
        "NodeChecks": None,
        "Checks": ["b", "a"],
        "ServiceChecks": [{"ID": "s", "Namespace": ""}],
    }
    assert settings_of(other) == {
        "behavior": "release",
        "ttl": 90,
        "lock_delay": 0.5,
        "checks": ["a", "b"],
        "service_checks": ["s"],
    }


def test_a_session_reads_back_as_it_was_asked_for():
    asked = params(ttl=60, behavior="delete", lock_delay=0, checks=["b", "serfHealth", "b"], service_checks=["s"])
    body = body_of(asked, "app1")
    assert body == {
        "Name": "lock",
        "Node": "app1",
        "Behavior": "delete",
        "LockDelay": "0s",
        "NodeChecks": ["b", "serfHealth"],
        "ServiceChecks": [{"ID": "s"}],
        "TTL": "60s",
    }
    assert differences({**RECORD, **body, "LockDelay": 0}, asked) == []
    assert "TTL" not in body_of(params(), "app1")


def test_differences_in_one_line():
    asked = params(ttl=60, lock_delay=5, checks=[], service_checks=["s"])
    assert differences(RECORD, asked) == [
        ("ttl", None, 60),
        ("lock_delay", 15, 5),
        ("checks", ["serfHealth"], []),
        ("service_checks", [], ["s"]),
    ]
    assert refusal(RECORD, differences(RECORD, asked)) == (
        f"session lock on node app1 ({ID}) has other settings: ttl is not set instead of 60, lock_delay is 15 instead of 5,"
        " checks is [serfHealth] instead of [], service_checks is [] instead of [s]. Consul cannot change a session. Set"
        " recreate: true to destroy it, which ends its locks, and to create it again"
    )


def test_a_name_that_is_not_printable_stays_in_one_line():
    record = {**RECORD, "Name": "a\nb", "NodeChecks": ["c\nd"]}
    assert refusal(record, differences(record, params())).startswith(
        f"session a\\nb on node app1 ({ID}) has other settings: checks is [c\\nd] instead of [serfHealth]. "
    )


class Client:
    """Returns the same answer to each question, and refuses to write."""

    def __init__(self, datacenter=None, agent=None, refusal=None):
        self.query, self.datacenter, self.agent, self.refusal = {}, datacenter, agent, refusal

    def get(self, path, params=None):
        if self.agent is None:
            raise ConsulError("Permission denied", 403)
        return Answer(200, self.agent, None)

    def put(self, path, params=None, data=None, idempotent=False):
        raise ConsulError("PUT: HTTP 500: " + self.refusal, 500, detail=self.refusal)


def agent(server=True, least="0s"):
    return {
        "Config": {"Datacenter": "dc1", "NodeName": "app1"},
        "DebugConfig": {"ServerMode": server, "SessionTTLMin": least},
    }


@pytest.mark.parametrize("datacenter", [None, "dc1", "DC1"])
def test_the_node_of_the_agent(datacenter):
    assert Sessions(Client(datacenter, agent())).own_node() == "app1"


def test_the_agent_has_no_node_in_another_datacenter():
    with pytest.raises(
        ConsulError, match="^node is not set, and is required here: the agent's node app1 is in dc1, not in"
    ):
        Sessions(Client("dc2", agent())).own_node()
    with pytest.raises(
        ConsulError, match="^node is not set, and the token may not read the name of the agent's node: "
    ):
        Sessions(Client()).own_node()


@pytest.mark.parametrize(
    "client, ttl",
    [
        (Client(None, agent()), 9),
        (Client(None, agent(least="30s")), 29),
        (Client("dc1", agent(least="1m0s")), 59),
    ],
)
def test_a_ttl_that_the_server_refuses(client, ttl):
    with pytest.raises(
        ConsulError, match=f"^ttl: {ttl} is out of range. .* at least {ttl + 1} seconds .session_ttl_min"
    ):
        Sessions(client).refuse_short_ttl(ttl)
    Sessions(client).refuse_short_ttl(ttl + 1)
    Sessions(client).refuse_short_ttl(None)


@pytest.mark.parametrize("client", [Client(None, agent(server=False)), Client("dc2", agent()), Client()])
def test_only_consul_itself_knows_the_least_ttl_elsewhere(client):
    Sessions(client).refuse_short_ttl(1)


def test_consul_refuses_a_ttl():
    sessions = Sessions(Client(refusal="Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"))
    words = (
        "^ttl: 5 is out of range. Consul takes 10s to 24h0m0s here .session_ttl_min of the servers is the lower limit.$"
    )
    with pytest.raises(ConsulError, match=words):
        sessions.create({"TTL": "5s"})


def test_the_oldest():
    assert oldest([]) is None
    assert oldest([{**RECORD, "CreateIndex": 9}, RECORD]) is RECORD


def test_the_diff():
    assert shown_session(None) == {}
    assert shown_session({**RECORD, "TTL": "90s", "LockDelay": 500_000_000}) == {
        "name": "lock",
        "node": "app1",
        "behavior": "release",
        "ttl": 90,
        "lock_delay": 0.5,
        "checks": ["serfHealth"],
        "service_checks": [],
    }
