# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster without ACLs, gossip encryption and TLS gets all of them in the runs of docs/adopt.md, in which no node fails. The
tests run in their order."""

from __future__ import annotations

import socket

import pytest

pytestmark = pytest.mark.chaos

SERVICES = [(host, "consul") for host in ("old1", "old2", "old3", "app1")]
# Seconds that an agent may be without an answer: docs/adopt.md has those that were measured. The first server waits for the leader.
SERVER_OUTAGE, CLIENT_OUTAGE = 30, 15
RPC = b"\x00"  # the first byte on Consul's RPC port of a request without TLS
UNITS = {"old3": "consul-server"}
# What consul_agent_config_extra has in the three runs.
RUNS = [
    {
        "encrypt_verify_incoming": False,
        "encrypt_verify_outgoing": False,
        "tls": {
            "defaults": {"verify_incoming": False, "verify_outgoing": False},
            "internal_rpc": {"verify_server_hostname": False},
        },
    },
    {
        "encrypt_verify_incoming": False,
        "encrypt_verify_outgoing": True,
        "tls": {"defaults": {"verify_incoming": False}},
    },
    {},
]


def accepts_without_tls(lab, server: str) -> bool:
    with socket.create_connection((lab.address(server), 8300), timeout=2) as connection:
        connection.sendall(RPC)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True  # waits for the request
        except ConnectionResetError:
            return False


def test_it_is_refused_and_the_way_is_named(lab, before):
    """Deny is the default."""
    agents = lab.agents()
    run = lab.site("site", consul_agent_adopt=True, consul_agent_data_dir="/opt/consul")
    assert not run.ok and not run.changed, run.output
    words = " ".join(run.output.split())
    for host in lab.hosts():
        problems = words.partition(f"with the variables of {host}:")[2]
        for section in ("A cluster without gossip encryption", "A cluster without TLS", "From allow to deny"):
            assert f"docs/adopt.md of the collection has the steps ('{section}')" in problems, (host, section)
    assert lab.agents() == agents and lab.state() == before


def set_run(lab, number: int) -> None:
    lab.lines.update(
        consul_agent_adopt=True,
        consul_agent_data_dir="/opt/consul",
        consul_agent_acl_default_policy="allow",
        consul_agent_config_extra=RUNS[number - 1],
    )


def run_site(lab, number: int, names, figures, what: str) -> None:
    """No service leaves DNS."""
    set_run(lab, number)
    run = lab.site("site")
    assert run.ok, run.output
    names.go_on()
    figures.append((f"{what}, run {number}", str(names)))
    assert names.missing == []


def test_a_server_alone_gets_no_acls(lab, before):
    """It would refuse all requests."""
    agents = lab.agents()
    set_run(lab, 1)
    run = lab.site("site", "--limit", "old1")
    assert not run.ok and not run.changed, run.output
    assert "would give it ACLs without old2, old3." in " ".join(run.output.split())
    assert lab.agents() == agents and lab.state() == before


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_node_fails_on_the_way(lab, before, number, names, members, figures):
    run_site(lab, number, names, figures, "to encryption and TLS")
    members.go_on()
    figures.append((f"lists of members, run {number}", str(members)))
    assert members.failed == []
    for host, seconds in names.silence.items():
        assert seconds < (CLIENT_OUTAGE if host == "app1" else SERVER_OUTAGE), str(names)
    assert {**lab.state(), "tokens": set()} == before
    assert all(accepts_without_tls(lab, server) == (number < 3) for server in lab.hosts("consul_server"))

    status = lab.site("status")
    assert status.ok, status.output


def test_it_is_encrypted_and_has_acls(lab):
    for host in lab.hosts():
        found = lab.consul("agent/self", host)
        config = found["DebugConfig"]
        assert found["Stats"]["serf_lan"]["encrypted"] == "true"
        assert config["EncryptVerifyIncoming"] and config["EncryptVerifyOutgoing"] and config["ACLsEnabled"]
        assert lab.api(host, "acl/tokens").status == 403, "without a token"
    run = lab.site("site")
    assert run.ok and not run.changed, run.changes


# Back, and over again


@pytest.mark.parametrize("number", [2, 1])
def test_the_way_back(lab, before, number, names, figures):
    run_site(lab, number, names, figures, "back")
    assert {**lab.state(), "tokens": set()} == before
    assert all(accepts_without_tls(lab, server) for server in lab.hosts("consul_server"))


def test_back_from_the_takeover(lab, before):
    """One host at a time. Each server takes part in Raft again before the next one is stopped."""
    leader = lab.leader()
    servers = [host for host in lab.hosts("consul_server") if host != leader]
    for host in ["app1", *servers, leader]:
        run = lab.site("uninstall", "--limit", host, uninstall_confirm=True, uninstall_servers=True)
        assert run.ok, run.output
        lab.exec(host, "rm -f /opt/consul/serf/*.keyring")
        lab.exec(host, f"systemctl enable --now {UNITS.get(host, 'consul')}")
        lab.wait_for(lambda: set(lab.members().values()) == {1} and is_healthy(lab), 90, f"{host} is back")
    lab.wait_for(lambda: lab.state() == before, 30, "the cluster is as before")
    for host in lab.hosts():
        found = lab.consul("agent/self", host)
        assert found["Stats"]["serf_lan"]["encrypted"] == "false" and not found["DebugConfig"]["ACLsEnabled"]


def is_healthy(lab) -> bool:
    """By Autopilot, as docs/adopt.md has it, and on each server."""
    for server in lab.hosts("consul_server"):
        reply = lab.api(server, "operator/autopilot/health")
        if reply.status != 200 or len(reply.json()["Servers"]) < 3 or not reply.json()["Healthy"]:
            return False
    return True


def test_a_run_that_is_killed_after_the_first_server_is_completed_by_the_next(lab, before, names, figures):
    """That server refuses requests until the next run."""
    set_run(lab, 1)
    first = next(host for host in lab.hosts("consul_server") if host != lab.leader())
    lab.interrupted_playbook(f"(item={first})", "playbooks/site.yml", **lab.lines)
    has_acls = {server: lab.api(server, "acl/token/self").status != 401 for server in lab.hosts("consul_server")}
    assert [server for server, has in has_acls.items() if has] == [first]
    run_site(lab, 1, names, figures, "after a run that was killed")
    assert {**lab.state(), "tokens": set()} == before and set(lab.members().values()) == {1}
    run = lab.site("site")
    assert run.ok and not run.changed, run.changes
