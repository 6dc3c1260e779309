# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a server be restarted now? Asked of three real servers under deny, of which one is stopped and started again."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts import known_leader, wait_for_quorum
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import SERVER_POLICY
from conftest import ROOT_TOKEN, Agent


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """Three servers."""
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}}
    agents = []
    try:
        for number in range(3):
            config = {"node_name": f"server{number}", "bootstrap_expect": 3, "acl": acl}
            config["retry_join"] = [f"127.0.0.1:{agents[0].ports['serf_lan']}"] if agents else []
            config["retry_interval"] = "1s"
            # Otherwise the two others are soon a healthy cluster of two, which of_site is for.
            config["autopilot"] = {"cleanup_dead_servers": False}
            agents.append(Agent(tmp_path_factory.mktemp("server"), config=config, token=ROOT_TOKEN))
            agents[-1].launch()
        yield agents
    finally:
        for agent in agents:
            if agent.process.poll() is None:
                agent.stop()


@pytest.fixture
def servers(agents):
    """Three healthy servers. The last one is the leader: a test before this one may have changed it."""
    for agent in agents:
        agent.wait_for(lambda agent=agent: healthy(agent) == 3, "three healthy servers", 60)
    leader = agents[0].api("GET", "/v1/status/leader")
    return sorted(agents, key=lambda agent: address(agent) == leader)


def address(agent):
    return f"127.0.0.1:{agent.ports['server']}"


def healthy(agent):
    return sum(one["Healthy"] for one in agent.api("GET", "/v1/operator/autopilot/health")["Servers"])


@pytest.fixture(scope="module", params=["a server's token", "a token for nothing"])
def client_of(request, agents):
    """How the module asks: with the token of a server, or with one that may not ask for the health of servers."""
    rules = SERVER_POLICY["rules"] if "server" in request.param else 'key "none" { policy = "read" }'
    agents[0].wait_for(lambda: healthy(agents[0]) == 3, "three healthy servers", 60)
    token = agents[0].token_for(rules)

    def client(agent):
        made = ConsulClient(port=agent.http_port, token=token, retries=0, consistency="stale", timeout=3)
        agent.wait_for(lambda: known_leader(made), "its leader")
        return made

    return client


def test_a_server_is_restarted_only_while_the_others_hold_the_quorum(servers, client_of):
    first, second, leader = servers
    assert wait_for_quorum(client_of(first), address(first), 5)

    first.stop()
    for agent in (second, leader):
        with pytest.raises(ConsulError, match="2 of the other 2 servers .* only 1 are "):
            wait_for_quorum(client_of(agent), address(agent), 3)

    first.launch()
    first.wait_for(lambda: known_leader(client_of(first)), "its leader")
    assert wait_for_quorum(client_of(second), address(second), 20)


def test_an_address_that_is_none_of_the_servers(servers, client_of):
    with pytest.raises(ConsulError, match="this server should be 127.0.0.1:1 in the cluster"):
        wait_for_quorum(client_of(servers[0]), "127.0.0.1:1", 0)


def test_without_a_leader_a_server_is_restarted(servers, client_of):
    first, second, leader = servers
    client = client_of(first)
    for agent in (second, leader):
        agent.stop()
    try:
        first.wait_for(lambda: not first.api("GET", "/v1/status/leader"), "that the leader is gone")
        assert wait_for_quorum(client, address(first), 1) is False
    finally:
        for agent in (second, leader):
            agent.launch()
    first.wait_for(lambda: healthy(first) == 3, "three healthy servers", 60)
