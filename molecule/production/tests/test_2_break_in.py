# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who tries to get in is refused. Strangers with an agent of their own (gossip without the key, RPC without a certificate,
auto_encrypt without a node's token) are the business of the scenario `locked`, which has the same defaults."""

from __future__ import annotations

import json
import socket
import ssl

import pytest

from lab.testing import RPC_OVER_TLS, ask

NO_TOKEN = "00000000-0000-0000-0000-000000000001"
KINDS = ["consul1", "redis1", "app1", "lb1", "lb2", "registry1"]
READS = [
    "kv/probe",
    "kv/?recurse",
    "kv/?keys",
    "acl/tokens",
    "acl/policies",
    "session/list",
    "query",
    "agent/self",
    "agent/metrics",
    "operator/raft/configuration",
]
WRITES = [
    ("kv/probe", "mine"),
    ("agent/service/register", {"Name": "probe"}),
    ("catalog/register", {"Node": "probe", "Address": "192.0.2.1"}),
    ("agent/maintenance?enable=true", None),
    ("agent/reload", None),
    ("agent/leave", None),
    ("agent/force-leave/app1", None),
    ("acl/token", {"Description": "mine"}),
    ("acl/bootstrap", None),
]


@pytest.fixture(scope="module", autouse=True)
def something_to_read(lab):
    lab.consul("kv/probe", method="PUT", data="for the operator's eyes only")
    yield
    lab.consul("kv/probe", method="DELETE")


# Without a token, or with a wrong one


@pytest.mark.parametrize("host", KINDS)
def test_who_has_no_token_reads_and_changes_nothing(lab, host):
    """Apart from nodes and services, with Consul before 1.17; see the README of consul_agent."""
    for path in READS:
        reply = lab.api(host, path)
        # What Consul may not show of a list, it leaves out of it.
        assert reply.status in (403, 404) or reply.text in ("[]", "{}", "null"), (path, reply)
    for path, data in WRITES:
        assert lab.api(host, path, method="PUT", data=data).status == 403, path
    # Who he is to the agent: whoever asks its DNS.
    reply = lab.api(host, "acl/token/self")
    assert reply.status == 403 or [policy["Name"] for policy in reply.json()["Policies"]] == ["dns"]


@pytest.mark.parametrize("host", KINDS)
def test_a_wrong_token_is_refused(lab, host):
    for path in ("catalog/nodes", "kv/probe", "agent/self"):
        assert lab.api(host, path, token=NO_TOKEN).status == 403, path
    for path, data in WRITES:
        assert lab.api(host, path, NO_TOKEN, method="PUT", data=data).status == 403, path


# From another host


@pytest.mark.parametrize("host", KINDS)
def test_the_plain_api_is_reached_from_the_host_itself_only(lab, host):
    with pytest.raises(OSError):
        ask(f"http://{lab.address(host)}:8500/v1/status/leader", timeout=3)


def test_the_servers_api_wants_a_certificate_of_the_sites_ca_and_a_token(lab, tmp_path):
    token = lab.secret("operator/management.token")
    for server in lab.hosts("consul_server"):
        assert lab.https(server, "kv/probe?raw", token).text == json.dumps("for the operator's eyes only")
        assert lab.https(server, "kv/probe").status == 403
        assert lab.https(server, "kv/probe", NO_TOKEN).status == 403
        with pytest.raises(OSError):  # TLS 1.3 tells the client with the first answer only
            lab.https(server, "kv/probe", token, tls=lab.as_operator(certificate=None))

    lab.run(
        *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
        *["-subj", "/CN=server.dc1.consul", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
    )
    from_another_ca = lab.as_operator(certificate=None)
    from_another_ca.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(OSError):
        lab.https("consul1", "kv/probe", token, tls=from_another_ca)


@pytest.mark.parametrize("server", ["consul1", "consul2", "consul3"])
def test_rpc_wants_a_certificate(lab, server):
    def what_it_says(certificate: str | None) -> bytes:
        with socket.create_connection((lab.address(server), 8300), timeout=10) as connection:
            connection.sendall(RPC_OVER_TLS)
            with lab.as_operator(certificate).wrap_socket(connection, server_hostname="server.dc1.consul") as rpc:
                # With TLS 1.3 the handshake is over before a server says what it refuses.
                rpc.settimeout(2)
                return rpc.recv(1)

    with pytest.raises(ssl.SSLError, match="certificate"):
        what_it_says(certificate=None)
    with pytest.raises(TimeoutError):  # it waits for what is asked by one who has a certificate
        what_it_says(certificate=server)


# With a token that is for something else


def registers(name: str):
    return ("PUT", "agent/service/register", {"Name": name, "ID": f"probe-{name}", "Port": 1})


READS_ALL_NODES = ("GET", "catalog/node/consul1", None)
MAY_AND_MAY_NOT = [
    # token, on which host, what it is for, what it is not for
    (
        "node/app1/service-mydemo.token",
        "app1",
        [("GET", "kv/redis", None), registers("mydemo")],
        [registers("redis"), ("PUT", "kv/redis", 1)],
    ),
    (
        "node/app1/service-mydemo.token",
        "app1",
        [],
        [("GET", "kv/probe", None), ("GET", "acl/tokens", None), ("GET", "agent/self", None)],
    ),
    ("service/redis.token", "redis1", [registers("redis")], [registers("mydemo"), ("GET", "kv/redis", None)]),
    ("service/registry.token", "registry1", [registers("registry")], [registers("redis"), ("GET", "kv/redis", None)]),
    (
        "node/app2/agent.token",
        "app2",
        [("GET", "agent/services", None)],
        [registers("mydemo"), ("GET", "kv/redis", None)],
    ),
    (
        "operator/dns.token",
        "lb1",
        [READS_ALL_NODES],
        [("GET", "kv/redis", None), registers("mydemo"), ("GET", "agent/self", None)],
    ),
    (
        "operator/monitoring.token",
        "app1",
        [("GET", "agent/metrics", None)],
        [("GET", "kv/redis", None), registers("mydemo")],
    ),
    (
        "operator/monitoring.token",
        "consul1",
        [("GET", "operator/raft/configuration", None)],
        [("PUT", "agent/leave", None)],
    ),
    (
        "operator/deployer.token",
        "app1",
        [("GET", "kv/redis", None)],
        [("PUT", "kv/probe", 1), ("GET", "acl/tokens", None), registers("redis")],
    ),
]


@pytest.mark.parametrize(("token", "host", "may", "may_not"), MAY_AND_MAY_NOT)
def test_a_token_is_good_for_its_purpose_and_for_nothing_else(lab, token, host, may, may_not):
    secret = lab.secret(token)
    for method, path, data in may_not:
        assert lab.api(host, path, secret, method, data).status == 403, (method, path)
    for method, path, data in may:
        assert lab.api(host, path, secret, method, data).status == 200, (method, path)
        if data and path == "agent/service/register":
            assert lab.api(host, f"agent/service/deregister/{data['ID']}", secret, "PUT").status == 200


def test_the_apps_token_knows_its_own_node_only(lab):
    nodes = lab.api("app1", "catalog/nodes", lab.secret("node/app1/service-mydemo.token")).json()
    assert [node["Node"] for node in nodes] == ["app1"]


def test_a_nodes_token_writes_no_other_node(lab):
    foreign = {"Node": "app2", "Address": "192.0.2.1", "SkipNodeUpdate": True, "Check": {"Name": "probe"}}
    assert lab.api("app1", "catalog/register", lab.secret("node/app1/agent.token"), "PUT", foreign).status == 403


# As an ordinary user, on the host

TO_BE_FOUND = "what anybody on this host may read"


def test_secrets_are_not_where_an_ordinary_user_looks(lab):
    secrets = lab.secret_values()
    known = {
        "operator/gossip.key",
        "operator/management.token",
        "operator/redis.password",
        "node/app1/service-mydemo.token",
        "ca.key",
        "demo.key",
    }
    assert known <= secrets.keys()
    values = "\n".join(secrets.values())
    for host in lab.hosts():
        assert lab.secrets_in(lab.exec(host, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")) == [], host
        journal = lab.exec(host, "journalctl --no-pager --output cat")
        assert "consul" in journal, f"{host}: an empty journal tells nothing"
        assert lab.secrets_in(journal) == [], host
        # By his own eyes, and all that there is; what he looks for lies where he does not look. That he does look is seen
        # by what he finds.
        found = lab.exec(
            host,
            f"umask 022; cat >/dev/shm/values; echo '{TO_BE_FOUND}' >/var/tmp/to-be-found;"
            " setpriv --reuid 65534 --regid 65534 --clear-groups"
            " grep --recursive --no-messages --devices=skip --files-with-matches -F -f /dev/shm/values"
            " /etc /home /root /tmp /var /run /usr/local; rm /dev/shm/values /var/tmp/to-be-found",
            f"{TO_BE_FOUND}\n{values}",
        )
        assert found == "/var/tmp/to-be-found", host


def test_the_engine_shows_no_secret(lab):
    for host in lab.hosts("mydemo"):
        shown = lab.exec(
            host, "docker inspect mydemo; docker history --no-trunc $(docker inspect -f '{{.Image}}' mydemo)"
        )
        logs = lab.exec(host, "docker logs mydemo 2>&1")
        assert "/health" in logs, f"{host}: no requests in the container's logs"
        shown += logs
        assert lab.secrets_in(shown) == [], host
        # What runs in the container has its token from a file that only it reads.
        assert lab.exec(host, "docker exec mydemo sh -c 'cat $CONSUL_HTTP_TOKEN_FILE'") == lab.secret(
            f"node/{host}/service-mydemo.token"
        )
    values = "\n".join(lab.secret_values().values())
    image = lab.exec("app1", "docker inspect -f '{{.Image}}' mydemo")
    # Each layer is an archive within the archive, not compressed: of the app's source a line is found.
    look = "grep --text --only-matching -F -f /dev/shm/values | sort --unique; rm /dev/shm/values"
    found = lab.exec(
        "app1", f"cat >/dev/shm/values; docker save {image} | {look}", f"X-Served-By\n{values}", timeout=120
    )
    assert found == "X-Served-By"
