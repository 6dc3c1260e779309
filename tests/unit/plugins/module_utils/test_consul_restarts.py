# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import socket
import struct
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import consul_restarts
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts import (
    ANSWERS,
    REFUSES,
    SILENT,
    accepts,
    dns_state,
    healthy_servers,
    known_leader,
    needed_without,
    passing,
    refusal,
    wait_for_quorum,
)

LEADER = "192.0.2.1:8300"


class Client:
    """Answers with what the test has for a path: data, or an error to raise."""

    def __init__(self, answers):
        self.answers = answers

    def get(self, path, **_options):
        answer = self.answers[path]
        if isinstance(answer, ConsulError):
            raise answer
        return Answer(200, answer, None)


@pytest.mark.parametrize(("servers", "needed"), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_how_many_others_the_quorum_needs(servers, needed):
    assert needed_without(servers) == needed


A, B, C, D, E = (f"192.0.2.{number}:8300" for number in range(1, 6))


def test_a_server_is_restarted_only_while_the_others_hold_the_quorum():
    assert refusal(A, {A, B, C}, {A, B, C}) == ""
    assert refusal(A, {B, C}, {A, B, C}) == ""
    assert "2 of the other 2 servers must be healthy" in refusal(A, {A, B}, {A, B, C})
    assert f"only 1 are ({B})" in refusal(A, {A, B}, {A, B, C})
    assert refusal(A, {A, B, C, D}, {A, B, C, D, E}) == ""
    assert "(none)" in refusal(A, {A}, {A, B})
    assert refusal(A, {A}, {A}) == ""


def test_a_server_that_autopilot_has_removed_is_missing_all_the_same():
    assert "only 2 of the 3 servers of the site" in refusal(A, {A, B}, {A, B}, of_site=3)
    assert "only 1 of the 3 servers of the site" in refusal(A, {A}, {A}, of_site=3)
    assert refusal(A, {A, B}, {A, B}, of_site=2) == ""
    # Two more that are still to be set up.
    assert refusal(A, {A, B, C}, {A, B, C}, of_site=5) == ""


def test_a_server_that_the_cluster_does_not_know_is_not_restarted():
    """It could be one of those that count as the others."""
    said = refusal(D, {A, B, C}, {A, B, C})
    assert D in said and A in said and "consul_agent_bind_addr" in said


def autopilot(*healthy, servers=(A, B, C)):
    return {"Healthy": False, "Servers": [{"Address": one, "Healthy": one in healthy} for one in servers]}


class Cluster(Client):
    """Each question about a path gets the next answer, and the last one again and again."""

    def get(self, path, **_options):
        answers = self.answers[path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return Client({path: answer}).get(path)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(consul_restarts, "PAUSE", 0.01)


@pytest.fixture
def ports(monkeypatch):
    """The RPC ports that accept connections, at first all."""
    closed = set()
    monkeypatch.setattr(consul_restarts, "accepts", lambda address: address not in closed)
    return closed


def test_the_server_that_was_restarted_before_is_waited_for(ports):
    health = [autopilot(A, B), ConsulError("no leader", status=500), autopilot(A, B, C)]
    assert wait_for_quorum(
        Cluster({"status/leader": ["", LEADER], "operator/autopilot/health": health, "status/peers": [[]]}), A, 5
    )


def test_a_quorum_that_does_not_come_is_an_error(ports):
    cluster = Cluster({"status/leader": [LEADER], "operator/autopilot/health": [autopilot(A, B)]})
    with pytest.raises(ConsulError, match="Bring the others back"):
        wait_for_quorum(cluster, A, 0.05)


def test_what_is_not_known_of_the_others_is_an_error(ports):
    lost = ConsulError("HTTP 500", status=500)
    cluster = Cluster({"status/leader": [LEADER], "operator/autopilot/health": [lost], "status/peers": [lost]})
    with pytest.raises(ConsulError, match="state of the other servers is not known"):
        wait_for_quorum(cluster, A, 0.05)


@pytest.mark.parametrize("answer", ["", ConsulError("no agent")])
def test_without_a_leader_there_is_nothing_to_lose(answer):
    assert wait_for_quorum(Cluster({"status/leader": [answer]}), A, 0.05) is False


def test_autopilot_says_which_servers_are_healthy(ports):
    servers = [{"Address": LEADER, "Healthy": True}, {"Address": "192.0.2.2:8300", "Healthy": False}]
    body = {"Healthy": False, "Servers": servers}
    assert healthy_servers(Client({"operator/autopilot/health": body})) == ({LEADER}, {LEADER, "192.0.2.2:8300"})
    # With the status 429 the client of this collection raises.
    busy = ConsulError("HTTP 429", status=429, detail=json.dumps(body))
    assert healthy_servers(Client({"operator/autopilot/health": busy})) == ({LEADER}, {LEADER, "192.0.2.2:8300"})


def test_a_server_that_has_just_stopped_is_not_healthy_whatever_autopilot_says(ports):
    ports.add(B)
    health = {"operator/autopilot/health": autopilot(A, B, C)}
    assert healthy_servers(Client(health)) == ({A, C}, {A, B, C})


def test_without_a_token_a_server_counts_that_takes_connections():
    refused = ConsulError("HTTP 403", status=403, detail="ACL not found")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        gone = f"127.0.0.1:{other.getsockname()[1]}"
        other.close()
        client = Client({"operator/autopilot/health": refused, "status/peers": [address, gone]})
        assert healthy_servers(client) == ({address}, {address, gone})
    assert not accepts(address) and not accepts("nonsense")


def test_no_leader_is_told_from_no_answer():
    assert known_leader(Client({"status/leader": LEADER})) == LEADER
    assert known_leader(Client({"status/leader": ""})) == ""
    assert known_leader(Client({"status/leader": ConsulError("x", status=500)})) == ""
    assert known_leader(Client({"status/leader": ConsulError("refused")})) is None


def test_passing_checks():
    assert passing({"a": {"Status": "passing"}, "b": {"Status": "critical"}, "c": {"Status": "warning"}}) == {"a"}


@pytest.mark.parametrize(("rcode", "state"), [(0, ANSWERS), (3, ANSWERS), (2, REFUSES), (5, REFUSES)])
def test_dns_answers_unless_it_serves_nobody(rcode, state):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def reply():
            query, client = server.recvfrom(512)
            server.sendto(query[:2] + struct.pack(">H", 0x8180 | rcode) + query[4:], client)

        thread = threading.Thread(target=reply)
        thread.start()
        assert dns_state(server.getsockname()[1], "consul.service.consul") == state
        thread.join()


def test_dns_that_is_silent_does_not_answer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        assert dns_state(server.getsockname()[1], "consul.service.consul", timeout=0.1) == SILENT
