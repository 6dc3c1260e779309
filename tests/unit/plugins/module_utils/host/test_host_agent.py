# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.host.agent import (
    acl_default_policy,
    look_at_agent,
    look_at_checks,
    look_at_cluster,
    shortened,
    unknown_services,
)


class FakeClient:
    """Answers from a dictionary; what is not in it is out of order."""

    def __init__(self, **data):
        self.data = {path.replace("__", "/"): value for path, value in data.items()}
        self.refused = set()
        self.asked, self.query = [], {}

    def get(self, path, _query=None):
        self.asked.append(path)
        if path in self.refused:
            raise ConsulError(f"GET {path}: HTTP 403", status=403)
        if path not in self.data:
            raise ConsulError(f"GET {path}: no answer within 5 s")
        return Answer(200, self.data[path], None)


SELF = {
    "Config": {"Version": "1.8.7", "NodeName": "app1", "NodeID": "1-2", "Datacenter": "dc1", "Server": False},
    "Member": {"Addr": "192.0.2.31"},
    "DebugConfig": {"DNSDomain": "consul.", "ACLsEnabled": True, "ACLDefaultPolicy": "deny"},
    "Stats": {"serf_lan": {"encrypted": "true"}},
}
CHECK = {"Node": "app1", "ServiceID": "web-1", "CheckID": "c", "Name": "web", "Notes": ""}
CHECKS = {
    "good": {**CHECK, "Type": "http", "Status": "passing", "Output": "fine"},
    "bad": {**CHECK, "Status": "critical", "Output": "connection\n refused"},
}
SERVICES = {"web-1": {"ID": "web-1", "Service": "web", "Port": 80}}


def test_an_agent():
    client = FakeClient(
        agent__self=SELF, agent__checks=CHECKS, agent__services=SERVICES, status__leader="192.0.2.11:8300"
    )
    assert look_at_agent(client) == {
        "error": None,
        "errors": {},
        "version": "1.8.7",
        "node": "app1",
        "node_id": "1-2",
        "datacenter": "dc1",
        "encrypted": True,
        "domain": "consul",
        "acl_default_policy": "deny",
        "address": "192.0.2.31",
        "server": False,
        "outputs": {"bad": "connection refused"},
        "checks": {
            "good": {"service_id": "web-1", "name": "web", "type": "http", "status": "passing", "output": "fine"},
            "bad": {
                "service_id": "web-1",
                "name": "web",
                "type": "",
                "status": "critical",
                "output": "connection refused",
            },
        },
        "services": SERVICES,
        "leader": "192.0.2.11:8300",
    }


def test_a_question_that_is_refused_hides_no_other():
    client = FakeClient(agent__checks=CHECKS, agent__services=None, status__leader="")
    client.refused = {"agent/self"}
    seen = look_at_agent(client)
    assert seen["error"] == "GET agent/self: HTTP 403" and seen["errors"] == {"self": seen["error"]}
    assert seen["checks"].keys() == {"good", "bad"} and seen["services"] == {} and seen["leader"] == ""
    assert "version" not in seen


def test_the_leader_is_no_part_of_the_agents_own_error():
    client = FakeClient(agent__self=SELF, agent__checks={}, agent__services={})
    seen = look_at_agent(client)
    assert seen["error"] is None and seen["errors"] == {"leader": "GET status/leader: no answer within 5 s"}
    assert seen["node"] == "app1"


def test_an_agent_that_is_silent_is_asked_once():
    client = FakeClient(agent__checks=CHECKS, status__leader="")
    message = "GET agent/self: no answer within 5 s"
    assert look_at_agent(client) == {"error": message, "errors": {"self": message}}
    assert client.asked == ["agent/self"]
    assert look_at_checks(FakeClient()) == {"error": "GET agent/checks: no answer within 5 s"}


def test_its_checks_alone():
    checks = {
        "b": {"Status": "passing", "Output": "fine"},
        "a": {"Status": "passing", "Output": ""},
        "c": {"Status": "warning", "Output": "so so"},
    }
    assert look_at_checks(FakeClient(agent__checks=checks)) == {
        "error": None,
        "passing": ["a", "b"],
        "outputs": {"c": "so so"},
    }


def test_a_cluster():
    client = FakeClient(
        status__leader="192.0.2.11:8300",
        status__peers=["192.0.2.11:8300"],
        agent__members=[
            {"Name": "s1", "Addr": "192.0.2.11", "Status": 1, "Tags": {"role": "consul", "build": "1.8.7+dfsg1:abc"}},
            {"Name": "app1", "Addr": "192.0.2.31", "Status": 4, "Tags": {"role": "node", "build": "1.8.7:"}},
        ],
        catalog__services={"web": []},
        catalog__service__web=[
            {
                "ServiceName": "web",
                "ServiceID": "web-1",
                "Node": "app1",
                "Address": "192.0.2.31",
                "ServiceAddress": "",
                "ServicePort": 80,
            }
        ],
        health__state__any=[{**CHECK, "Status": "critical", "Output": "x" * 1000}],
    )
    seen = look_at_cluster(client)
    assert seen["error"] is None and seen["leader"] == "192.0.2.11:8300"
    assert seen["members"] == [
        {"name": "s1", "address": "192.0.2.11", "state": "alive", "server": True, "version": "1.8.7+dfsg1"},
        {"name": "app1", "address": "192.0.2.31", "state": "failed", "server": False, "version": "1.8.7"},
    ]
    assert seen["instances"] == [{"service": "web", "id": "web-1", "node": "app1", "address": "192.0.2.31", "port": 80}]
    assert seen["checks"][0]["output"] == "x" * 300


def test_a_cluster_that_is_silent_is_told_of():
    assert look_at_cluster(FakeClient(status__leader="")) == {"error": "GET status/peers: no answer within 5 s"}


def test_output_as_one_line():
    assert shortened(" two\nlines\t") == "two lines"
    assert shortened(None) == ""


NODE = {"Node": "app1", "ID": "1-2", "Address": "192.0.2.31"}
CATALOG = {"Node": NODE, "Services": {"web-1": {"ID": "web-1", "Service": "web", "Port": 80, "ModifyIndex": 12}}}
SEEN = {"node": "app1", "address": "192.0.2.31", "services": {"web-1": {"name": "web", "modify_index": 12}}}
AGENT = {"agent__self": SELF, "agent__checks": {}, "agent__services": SERVICES, "status__leader": "192.0.2.11:8300"}


def test_the_catalog_of_a_node():
    client = FakeClient(**AGENT, catalog__node__app1=CATALOG)
    seen = look_at_agent(client, "app1")
    assert seen["catalog"] == SEEN and seen["services"] == SERVICES and seen["errors"] == {}
    assert client.asked.count("agent/services") == 1


def test_the_catalog_is_not_read_without_a_node():
    assert "catalog" not in look_at_agent(FakeClient(**AGENT))


@pytest.mark.parametrize("entry", [None, {}, {"Node": None, "Services": {}}])
def test_a_node_that_the_catalog_does_not_have(entry):
    seen = look_at_agent(FakeClient(**AGENT, catalog__node__app1=entry), "app1")
    assert seen["catalog"] is None and seen["errors"] == {}


def test_a_node_without_services():
    seen = look_at_agent(FakeClient(**AGENT, catalog__node__app1={"Node": NODE, "Services": None}), "app1")
    assert seen["catalog"] == {**SEEN, "services": {}}


@pytest.mark.parametrize("path", ["agent/services", "status/leader"])
def test_the_catalog_is_not_read_without(path):
    client = FakeClient(**AGENT, catalog__node__app1=CATALOG)
    client.refused = {path}
    assert "catalog" not in look_at_agent(client, "app1") and "catalog/node/app1" not in client.asked


def test_the_catalog_is_not_read_without_a_leader():
    client = FakeClient(**{**AGENT, "status__leader": ""}, catalog__node__app1=CATALOG)
    assert "catalog" not in look_at_agent(client, "app1") and "catalog/node/app1" not in client.asked


def test_a_catalog_that_does_not_answer_is_no_part_of_the_agents_own_error():
    seen = look_at_agent(FakeClient(**AGENT), "app1")
    assert "catalog" not in seen and seen["error"] is None
    assert seen["errors"] == {"catalog": "GET catalog/node/app1: no answer within 5 s"}


class Busy(FakeClient):
    """An agent that registers a service after it was first asked."""

    def get(self, path, _query=None):
        answer = super().get(path)
        if path == "agent/services":
            self.data[path] = SERVICES
        return answer


def test_a_service_that_is_registered_during_the_look():
    """The catalog has it, and the agent had not when it was asked before."""
    client = Busy(**{**AGENT, "agent__services": None}, catalog__node__app1=CATALOG)
    seen = look_at_agent(client, "app1")
    assert seen["catalog"] == SEEN and seen["services"] == SERVICES


def test_an_agent_that_stops_during_the_look():
    client = FakeClient(**{**AGENT, "agent__services": {}}, catalog__node__app1=CATALOG)
    client.get = lambda path, _query=None, get=client.get: (
        client.asked.count(path) and client.refused.add(path) or get(path)
    )
    seen = look_at_agent(client, "app1")
    assert client.asked.count("agent/services") == 2
    assert "catalog" not in seen and seen["errors"] == {"catalog": "GET agent/services: HTTP 403"}


def test_services_that_the_agent_does_not_know():
    registered = {"consul": {"name": "consul"}, "web-1": {"name": "web"}, "web-2": {"name": "web"}}
    assert unknown_services(registered, {"web-1": {}}) == ["web-2"]


@pytest.mark.parametrize(
    "debug, policy",
    [
        ({}, None),
        ({"ACLsEnabled": True, "ACLDefaultPolicy": "allow"}, "allow"),
        ({"ACLsEnabled": False, "ACLDefaultPolicy": "allow"}, "disabled"),
        ({"ACLsEnabled": True, "ACLResolverSettings": {"ACLDefaultPolicy": "deny"}}, "deny"),
        ({"ACLResolverSettings": {"ACLsEnabled": False, "ACLDefaultPolicy": "deny"}}, "disabled"),
    ],
)
def test_the_acl_default_policy(debug, policy):
    assert acl_default_policy(debug) == policy


@pytest.mark.parametrize("policy, is_management", [("1", True), ("2", False)])
def test_a_management_token(policy, is_management):
    token = {"Policies": [{"ID": f"00000000-0000-0000-0000-00000000000{policy}"}]}
    answers = {"agent__self": SELF, "agent__checks": {}, "agent__services": {}, "status__leader": ""}
    client = FakeClient(acl__token__self=token, **answers)
    assert look_at_agent(client, management=True)["management"] is is_management
    client.refused.add("acl/token/self")
    assert "403" in look_at_agent(client, management=True)["errors"]["management"]
    assert "management" not in look_at_agent(client)
