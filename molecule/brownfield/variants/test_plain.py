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
RPC = b"\x00"  # the first byte on Consul's RPC port of a request without TLS
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


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_node_fails_on_the_way(lab, before, number, names, members, figures):
    lab.lines.update(
        consul_agent_adopt=True,
        consul_agent_data_dir="/opt/consul",
        consul_agent_acl_default_policy="allow",
        consul_agent_config_extra=RUNS[number - 1],
    )
    run = lab.site("site")
    assert run.ok, run.output
    names.two_more_rounds()
    figures.append((f"to encryption and TLS, run {number}", f"{names}; {members.answers} lists of members"))
    assert members.answers > 10 and members.failed == []
    assert names.answers > 10 and names.missing == []
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
