# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a real agent: through a reverse proxy, by another TLS name, with a folder of CAs. And what is no agent."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import select
import shutil
import socket
import socketserver
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_settings import settings_from
from test_faults import Relay

PASSWORD = "pässword"
AUTH = "Authorization: Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()


def kv(**options):
    return {"dockyard.consul.consul_kv": options}


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_not_consul(in_process, tmp_path):
    """Tasks that report that there is nothing to do, where Consul has nothing."""
    tasks = [
        {"dockyard.consul.consul_kv": {"key": "k", "state": "absent"}},
        {"dockyard.consul.consul_service": {"name": "web", "state": "absent"}},
        {"dockyard.consul.consul_service_info": {"name": "web"}},
        {"dockyard.consul.consul_maintenance": {"state": "disabled"}},
        {"dockyard.consul.consul_acl": {"policies": [{"name": "p", "state": "absent"}], "wait": 0}},
    ]
    files = functools.partial(Files, directory=tmp_path)
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), files)) as port:
        for words in in_process.failures(*tasks, connection={"port": port, "retries": 0}):
            assert f"http://127.0.0.1:{port}: HTTP 404: File not found " in words
            assert words.endswith(
                "a web server or a proxy answered, not Consul's HTTP API: check host, port, scheme and path_prefix)"
            )


def behind(agent, path, auth):
    """A reverse proxy that serves the agent's API under a path, and asks for a password."""

    def treat(request, forward):
        head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
        method, target, _version = head.splitlines()[0].split()
        if auth not in head:
            return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        if not target.startswith(path + "/v1/"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        return forward(request.replace(f"{method} {path}".encode(), method.encode() + b" ", 1))

    return serving(Relay(agent, treat))


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_reverse_proxy(in_process, agent):
    with behind(agent, "/consul", AUTH) as port:
        options = {"port": port, "path_prefix": "consul", "http_auth": f"u:{PASSWORD}"}
        address = {"CONSUL_HTTP_ADDR": f"http://u:p%C3%A4ssword@127.0.0.1:{port}/consul"}
        written, again = in_process.run(
            kv(key="k", value="v", **options), kv(key="k", value="v") | {"environment": address}, connection={}
        )
        assert written["changed"] and not again["changed"] and agent.raw("k") == b"v"
        assert PASSWORD not in str([written, again])
        (wrong,) = in_process.failures(kv(key="k", **{**options, "http_auth": "u:s3cret"}), connection={})
        assert wrong.endswith("(a proxy in front of Consul requires a user and a password: check http_auth)")
        assert "s3cret" not in in_process.output
        with pytest.raises(ConsulError, match="not Consul's HTTP API: check host, port, scheme and path_prefix"):
            ConsulClient(port=port, http_auth=f"u:{PASSWORD}").get("kv/k", missing_ok=True)


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_a_password_and_a_token(agent):
    agent.api("PUT", "/v1/kv/k", b"v")
    with behind(agent, "", AUTH) as port:
        environ = {"CONSUL_HTTP_AUTH": f"u:{PASSWORD}", "CONSUL_HTTP_TOKEN": agent.token}
        assert ConsulClient(**settings_from({"port": port}, environ)).get("kv/k").data[0]["Value"] == "dg=="


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_the_host_and_the_token(in_process, agent):
    host, token = in_process.failures(kv(key="k", host="http://127.0.0.1:8500"), kv(key="k", token="“7d9bdb8e”"))
    assert host == "host: 'http://127.0.0.1:8500' is a URL: set scheme: http, host: 127.0.0.1, port: 8500 instead"
    assert token.startswith("the token holds a character that is not ASCII")
    assert "7d9bdb8e" not in in_process.output


def test_an_ipv6_host(running_agent, tmp_path):
    # The other address is for the test itself.
    with running_agent(tmp_path, config={"addresses": {"http": "127.0.0.1 ::1"}}) as there:
        there.api("PUT", "/v1/kv/k", b"v")
        address = settings_from({}, {"CONSUL_HTTP_ADDR": f"[::1]:{there.http_port}"})
        for options in ({"host": "[::1]", "port": there.http_port}, {"host": "::1", "port": there.http_port}, address):
            assert ConsulClient(**options).get("kv/k").status == 200


class TCPRelay(socketserver.ThreadingTCPServer):
    """Another address for a TCP port."""

    daemon_threads = True


class TCPRelayed(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            peers = {self.request: upstream, upstream: self.request}
            while True:
                for ready in select.select(list(peers), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    peers[ready].sendall(data)


def test_the_tls_server_name(deny_agent):
    """The agent's certificate names localhost and 127.0.0.1, not the address here."""
    relay = TCPRelay(("127.0.0.2", 0), TCPRelayed)
    relay.port = deny_agent.ports["https"]
    with serving(relay) as port:
        elsewhere = {**deny_agent.connection, "host": "127.0.0.2", "port": port, "retries": 0}
        by_variable = settings_from(elsewhere, {"CONSUL_TLS_SERVER_NAME": "localhost"})
        for options in ({**elsewhere, "tls_server_name": "localhost"}, by_variable):
            assert ConsulClient(**options).get("agent/self").status == 200
        for options in (elsewhere, {**elsewhere, "tls_server_name": "consul.example"}):
            name = options.get("tls_server_name", "127.0.0.2")
            with pytest.raises(ConsulError, match=f"TLS failed: .*{name}"):
                ConsulClient(**options).get("agent/self")


def test_a_folder_of_ca_certificates(deny_agent, certificates, tmp_path):
    cas, stranger = tmp_path / "cas", tmp_path / "stranger"
    (cas / "more").mkdir(parents=True)
    shutil.copy(certificates / "stranger-ca.pem", cas / "a.pem")
    shutil.copytree(cas, stranger)
    shutil.copy(certificates / "ca.pem", cas / "more/b.crt")
    connection = {name: value for name, value in deny_agent.connection.items() if name != "ca_path"}
    for options in ({**connection, "ca_path": str(cas)}, settings_from(connection, {"CONSUL_CAPATH": str(cas)})):
        assert ConsulClient(**options).get("agent/self").status == 200
    with pytest.raises(ConsulError, match="TLS failed: .*verify failed"):
        ConsulClient(**connection, ca_path=str(stranger), retries=0).get("agent/self")
    (cas / "junk").write_text("junk", encoding="utf-8")
    with pytest.raises(ConsulError, match=f"cannot use ca_path .{cas}/junk., client_cert or client_key: "):
        ConsulClient(**connection, ca_path=str(cas))


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_namespaces_and_partitions_of_an_open_source_agent(in_process, agent):
    """Neither may be ignored, since a write would then reach the wrong place."""
    agent.api("PUT", "/v1/kv/k", b"v")
    namespace, partition = in_process.failures(
        kv(key="k", value="other", namespace="team"), kv(key="k", value="other", partition="team")
    )
    assert "Namespaces are a Consul Enterprise feature" in namespace
    assert namespace.endswith(
        "(this agent is open source: leave out namespace and partition, and their environment variables)"
    )
    assert partition == (
        f"partition: the agent at http://127.0.0.1:{agent.http_port} has no admin partitions. Only Consul Enterprise 1.11"
        " and newer has them"
    )
    assert agent.raw("k") == b"v"
    for path in ("agent/services", "agent/checks", "session/list", "health/service/web", "catalog/node/tester"):
        with pytest.raises(ConsulError, match="Namespaces are a Consul Enterprise feature"):
            ConsulClient(port=agent.http_port, namespace="team").get(path)


def test_a_path_that_an_agent_does_not_know(open_agent):
    client = ConsulClient(port=open_agent.http_port)
    with pytest.raises(ConsulError, match="HTTP 404: Not Found .*not Consul's HTTP API"):
        client.get("nonsense", missing_ok=True)
    assert client.get("agent/service/none", missing_ok=True).status == 404
    assert client.get("agent/health/service/name/none", missing_ok=True).status == 404
    assert client.get("kv/none", missing_ok=True).status == 404
