# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a module and Consul, with a real agent behind a small relay or behind TLS."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Change, KVStore, WriteError


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, ca, days="2"):
    openssl(
        folder,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.csr",
        "-subj",
        f"/CN={name}",
    )
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost", encoding="utf-8")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
        "-out", f"{name}.pem", "-days", days, "-extfile", "san",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tls(tmp_path_factory, running_agent):
    """An agent that speaks HTTPS and demands a client's certificate; the folder holds all certificates."""
    folder = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "stranger-ca"):
        openssl(
            folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
            "-subj", f"/CN={ca}", "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
    certificate(folder, "server", "ca")
    certificate(folder, "client", "ca")
    config = {
        "verify_incoming_https": True,
        "ca_file": str(folder / "ca.pem"),
        "cert_file": str(folder / "server.pem"),
        "key_file": str(folder / "server.key"),
    }
    with running_agent(folder, config=config, https=True) as agent:
        yield agent


def https(agent, **options):
    folder = agent.folder
    files = {"ca_path": f"{folder}/ca.pem", "client_cert": f"{folder}/client.pem", "client_key": f"{folder}/client.key"}
    return ConsulClient(scheme="https", port=agent.ports["https"], retries=0, **{**files, **options})


def test_https_with_a_client_certificate(tls):
    assert https(tls).get("agent/self").data["Config"]["NodeName"] == "tester"


@pytest.mark.parametrize(
    "options",
    [{"ca_path": "stranger-ca.pem"}, {"ca_path": None}, {"client_cert": None, "client_key": None}],
    ids=["another CA", "the host's CAs", "no client certificate"],
)
def test_tls_failures_say_so(tls, options):
    options = {name: value and str(tls.folder / value) for name, value in options.items()}
    with pytest.raises(ConsulError, match="TLS failed: .*; check scheme, ca_path, client_cert and client_key"):
        https(tls, **options).get("agent/self")


def test_http_spoken_to_https(tls):
    with pytest.raises(ConsulError, match="HTTP request to an HTTPS server"):
        ConsulClient(port=tls.ports["https"], retries=0).get("agent/self")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_https_from_the_environment(playbook, tls):
    environment = {
        "CONSUL_HTTP_ADDR": f"https://localhost:{tls.ports['https']}",
        "CONSUL_CACERT": f"{tls.folder}/ca.pem",
        "CONSUL_CLIENT_CERT": f"{tls.folder}/client.pem",
        "CONSUL_CLIENT_KEY": f"{tls.folder}/client.key",
    }
    written, read, found, unchanged = playbook.run(
        {"dockyard.consul.consul_kv": {"key": "k", "value": "v"}},
        {"dockyard.consul.consul_kv_info": {"key": "k"}},
        {"dockyard.consul.consul_service_info": {"name": "consul"}},
        {"dockyard.consul.consul_maintenance": {"state": "disabled"}},
        connection={},
        environment=environment,
    )
    assert written["changed"] and read["data"]["Value"] == "v"
    assert [item["node"] for item in found["instances"]] == ["tester"]
    assert not unchanged["changed"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_second_writer_is_never_overwritten(agent):
    store = KVStore(ConsulClient(port=agent.http_port))
    agent.api("PUT", "/v1/kv/b", b"theirs")
    with pytest.raises(WriteError, match="b: .*index is stale.*run again") as raised:
        store.apply([Change("cas", key, b"mine") for key in ("a", "b")])
    assert raised.value.written == []
    assert agent.key_names() == ["b"] and agent.raw("b") == b"theirs"


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_was_written_before_a_failure_is_told(agent):
    store = KVStore(ConsulClient(port=agent.http_port))
    agent.api("PUT", "/v1/kv/k0099", b"theirs")
    with pytest.raises(WriteError, match=r"64 key\(s\) had been written") as raised:
        store.apply([Change("cas", f"k{number:04}", b"mine") for number in range(100)])
    assert raised.value.written == [f"k{number:04}" for number in range(64)]
    assert len(agent.key_names()) == 65


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_no_agent(playbook):
    tasks = (
        {"dockyard.consul.consul_kv": {"key": "k", "state": "absent"}},
        {"dockyard.consul.consul_kv_info": {"key": "k"}},
        {"dockyard.consul.consul_service": {"name": "k", "state": "absent"}},
        {"dockyard.consul.consul_service_info": {"name": "k", "wait_for": {"state": "absent"}}},
        {"dockyard.consul.consul_maintenance": {"state": "disabled"}},
    )
    for words in playbook.failures(*tasks, connection={"port": 1, "retries": 0}):
        assert "connection refused: no agent listens there" in words
        assert "\n" not in words
