# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""consul_member against four real servers and a client under deny. Servers and client are stopped, removed, and join again."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.modules import consul_member
from conftest import ROOT_TOKEN, Agent
from in_process import Module


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """Four servers and a client, by the names of their nodes."""
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}}
    agents = {}
    try:
        for name in ("server0", "server1", "server2", "server3", "client0"):
            config = {"node_name": name, "acl": acl, "retry_interval": "1s"}
            config |= {"bootstrap_expect": 4} if name.startswith("server") else {"server": False, "bootstrap_expect": 0}
            config["retry_join"] = [f"127.0.0.1:{agents['server0'].ports['serf_lan']}"] if agents else []
            # The module is to do it, not Consul by itself.
            config["autopilot"] = {"cleanup_dead_servers": False}
            # Five agents on few cores must not lose their leader by themselves.
            config["performance"] = {"raft_multiplier": 3}
            agents[name] = Agent(tmp_path_factory.mktemp(name), config=config, token=ROOT_TOKEN)
            agents[name].launch()
        agents["server0"].wait_for(lambda: len(nodes(agents)) == 5, "five nodes in the catalog", 60)
        yield agents
    finally:
        for agent in agents.values():
            if agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait(20)


@pytest.fixture
def member(agents):
    first = agents["server0"]
    # The test before may have killed the leader.
    first.wait_for(lambda: first.api("GET", "/v1/health/service/consul?passing&consistent"), "a leader", 60)
    return Module(consul_member, agents["server0"])


def nodes(agents):
    return {one["Node"] for one in agents["server0"].api("GET", "/v1/catalog/nodes")}


def members(agents):
    return {one["Name"] for one in agents["server0"].api("GET", "/v1/agent/members")}


def peers(agents):
    return len(agents["server0"].api("GET", "/v1/status/peers"))


def kill(agent):
    agent.process.kill()
    agent.process.wait(20)


def a_client_is_removed_at_once_and_its_name_can_be_used_again(agents, member):
    client = agents["client0"]
    service = {"Name": "web", "Port": 8000}
    client.wait_for(lambda: client.api("GET", "/v1/status/leader"), "the leader")
    client.api("PUT", "/v1/agent/service/register", service)
    kill(client)
    rehearsed = member(check_mode=True, name="client0")
    assert rehearsed["changed"] and rehearsed["member"]["name"] == "client0"
    assert "client0" in nodes(agents)
    removed = member(name="CLIENT0")
    assert removed["changed"] and removed["member"]["server"] is False, removed
    assert "client0" not in nodes(agents) | members(agents)
    again = member(name="client0")
    assert not again["changed"] and again["member"] is None
    # Another host, which has another node ID.
    client.config["node_id"] = "11111111-2222-3333-4444-555555555555"
    client.launch()
    agents["server0"].wait_for(lambda: "client0" in nodes(agents), "the new node of this name")


def a_node_whose_agent_runs_is_not_removed(agents, member):
    failed = member(name="client0", wait_seconds=0)
    assert "the agent of client0 still runs" in failed["msg"]
    assert "client0" in nodes(agents)


def a_node_without_an_agent_is_removed_from_the_catalog(agents, member):
    agents["server0"].api("PUT", "/v1/catalog/register", {"Node": "printer", "Address": "192.0.2.9"})
    removed = member(name="printer")
    assert removed["changed"] and removed["member"]["status"] is None
    assert "printer" not in nodes(agents)


def another_datacenter_is_refused(agents, member):
    assert "is not in the datacenter west" in member.refusal(name="client0", datacenter="west")


def a_token_that_sees_no_member_is_refused(agents, member):
    first = agents["server0"]
    token = first.token_for('key "x" { policy = "read" }')
    # The leader may be another one.
    first.wait_for(lambda: first.api("GET", "/v1/agent/members", token=token) == [], "the new token")
    member.connection = {**first.connection, "token": token}
    try:
        assert "shows no member" in member.refusal(name="client0")
    finally:
        member.connection = first.connection


def a_server_is_removed_while_enough_remain(agents, member):
    first = agents["server0"]
    first.wait_for(lambda: peers(agents) == 4, "four peers")
    too_few = member.refusal(name="server3", min_servers=4)
    assert "server3 is a server, and 3 would remain" in too_few
    kill(agents["server3"])
    removed = member(name="server3")
    assert removed["changed"] and removed["member"]["peer"], removed
    assert peers(agents) == 3
    assert "server3" not in nodes(agents) | members(agents)


def test_nodes_are_removed_from_a_cluster(agents, member):
    """One test, as the workers of pytest-xdist would each make a cluster for theirs."""
    for step in (
        a_client_is_removed_at_once_and_its_name_can_be_used_again,
        a_node_whose_agent_runs_is_not_removed,
        a_node_without_an_agent_is_removed_from_the_catalog,
        another_datacenter_is_refused,
        a_token_that_sees_no_member_is_refused,
        a_server_is_removed_while_enough_remain,
    ):
        step(agents, member)
