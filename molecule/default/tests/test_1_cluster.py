# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster: who is in it, by which certificates, and who is kept out."""

from __future__ import annotations

import json
import socket
import ssl

import pytest

from lab.testing import ask

SERVICES = [("consul1", "consul"), ("lb1", "consul")]
RPC_OVER_TLS = b"\x03"  # the first byte on Consul's RPC port says what follows; see agent/pool/conn.go in its source


def test_every_node_is_alive(lab):
    alive = {member["Name"] for member in lab.consul("agent/members") if member["Status"] == 1}
    assert alive == set(lab.hosts())


def test_every_check_of_every_node_passes(lab):
    def failing():
        return [check for check in lab.consul("health/state/any") if check["Status"] != "passing"]

    lab.wait_for(lambda: not failing(), 30, "every check passes")


def test_the_server_certificates_chain_to_the_sites_ca(lab, tmp_path):
    for server in lab.hosts("consul_server"):
        certificate = tmp_path / f"{server}.pem"
        certificate.write_text(lab.exec(server, "cat /etc/consul.d/agent.pem"))
        name = "server.dc1.consul"
        lab.run("openssl", "verify", "-CAfile", lab.secrets / "ca.pem", "-verify_hostname", name, certificate)
        for address in ("127.0.0.1", lab.address(server)):
            lab.run("openssl", "verify", "-CAfile", lab.secrets / "ca.pem", "-verify_ip", address, certificate)


def test_the_rpc_port_shows_that_certificate_and_wants_one_in_turn(lab):
    context = ssl.create_default_context(cafile=lab.secrets / "ca.pem")
    with socket.create_connection((lab.address("consul1"), 8300), timeout=10) as connection:
        connection.sendall(RPC_OVER_TLS)
        # What a server refuses shows only once we read: with TLS 1.3 the handshake is over before it says so.
        with context.wrap_socket(connection, server_hostname="server.dc1.consul") as rpc:
            assert ("DNS", "server.dc1.consul") in rpc.getpeercert()["subjectAltName"]
            with pytest.raises(ssl.SSLError, match="certificate"):
                rpc.recv(1)


def test_the_clients_hold_an_auto_encrypt_certificate(lab):
    """A client has none on its disk; yet its RPC gets through to a server that, as seen above, wants one."""
    for client in lab.hosts("consul_client"):
        config = lab.consul("agent/self", client)["DebugConfig"]
        assert config["AutoEncryptTLS"] and config["VerifyOutgoing"] and config["VerifyServerHostname"]
        assert lab.exec(client, "find / -xdev -name '*.pem' -user consul -o -path '/etc/consul.d/*.key'") == ""
        assert lab.exec(client, "ls /etc/consul.d/*.pem") == "/etc/consul.d/ca.pem"
        assert {node["Node"] for node in lab.consul("catalog/nodes?consistent", client)} >= set(lab.hosts())


@pytest.fixture
def stranger(lab):
    """A host that is none of the site's, on the same network, with the same Consul. Gives a function that starts its
    agent with a configuration."""
    container = lab.container("stranger")

    def start(**config):
        config |= {"node_name": "stranger", "data_dir": "/tmp/consul", "datacenter": "dc1", "log_level": "debug"}
        lab.exec("stranger", "cat > /tmp/agent.json", stdin=json.dumps(config))
        address = lab.exec("stranger", "hostname --ip-address")
        agent = f"/opt/usr/bin/consul agent -config-file=/tmp/agent.json -bind={address} -client=0.0.0.0"
        lab.run("docker", "exec", "--detach", container, "sh", "-c", f"{agent} > /tmp/log 2>&1")
        return address

    lab.run("docker", "rm", "--force", container)
    lab.run(
        *["docker", "run", "--rm", "--detach", "--name", container, "--network", lab.name],
        *["--label", f"dockyard.lab={lab.name}", "--init", "--entrypoint", "sleep", _image(lab), "600"],
    )
    lab.exec("stranger", "dpkg-deb --extract /var/cache/apt/archives/consul_*.deb /opt")
    yield start
    lab.run("docker", "rm", "--force", container)
    if "stranger" in _members(lab):
        lab.consul("agent/force-leave/stranger?prune", method="PUT")
        lab.wait_for(lambda: "stranger" not in _members(lab), 30, "the stranger is forgotten")


def _image(lab):
    return lab.run("docker", "inspect", "--format", "{{.Config.Image}}", lab.container("consul1")).stdout.strip()


def _members(lab):
    return {member["Name"] for member in lab.consul("agent/members")}


def _stranger_log(lab, text):
    return text in lab.exec("stranger", "cat /tmp/log")


def test_a_stranger_without_the_gossip_key_cannot_join(lab, stranger):
    stranger(retry_join=[lab.address("consul1")])
    lab.wait_for(lambda: _stranger_log(lab, "Join cluster failed, will retry"), 30, "the stranger tried to join")
    assert "stranger" not in _members(lab)


def test_a_stranger_with_the_key_but_no_certificate_cannot_use_rpc(lab, stranger):
    address = stranger(retry_join=[lab.address("consul1")], encrypt=lab.secret("operator/gossip.key"))
    lab.wait_for(lambda: "stranger" in _members(lab), 30, "the stranger is in the gossip")
    lab.wait_for(lambda: _stranger_log(lab, "adding server"), 30, "the stranger knows of the server")
    for path in ("catalog/nodes", "kv/redis", "health/service/mydemo"):
        answer = ask(f"http://{address}:8500/v1/{path}")
        assert answer.status == 500 and "rpc error" in answer.text, answer
        assert lab.secret("operator/redis.password") not in answer.text
