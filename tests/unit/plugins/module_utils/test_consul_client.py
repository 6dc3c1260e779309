# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import consul_client
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
    settings_from,
)


@pytest.fixture
def server():
    """An HTTP server that gives the answers put in C(answers), in order, and keeps what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.server.asked.append((self.command, self.path, dict(self.headers)))
            status, body = self.server.answers.pop(0)
            if callable(body):
                body(self)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Consul-Index", "7")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = answer

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(server, **options):
    return ConsulClient(port=server.server_port, token="T0ken", **{"retries": 0, **options})


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, {}),
        ({"CONSUL_HTTP_ADDR": "10.0.0.1:8501"}, {"host": "10.0.0.1", "port": 8501}),
        ({"CONSUL_HTTP_ADDR": "https://c.example"}, {"scheme": "https", "host": "c.example"}),
        ({"CONSUL_HTTP_ADDR": "[::1]:8500"}, {"host": "::1", "port": 8500}),
        ({"CONSUL_HTTP_ADDR": "unix:///run/consul.sock"}, {"unix_socket": "/run/consul.sock"}),
        ({"CONSUL_HTTP_SSL": "1"}, {"scheme": "https"}),
        ({"CONSUL_HTTP_SSL_VERIFY": "false"}, {"validate_certs": False}),
        ({"CONSUL_HTTP_TOKEN": "t"}, {"token": "t"}),
        (
            {"CONSUL_CACERT": "/ca", "CONSUL_CLIENT_CERT": "/c", "CONSUL_CLIENT_KEY": "/k"},
            {"ca_path": "/ca", "client_cert": "/c", "client_key": "/k"},
        ),
    ],
)
def test_settings_from_the_environment(environ, expected):
    assert settings_from({"host": None}, environ) == {"token": None, **expected}


def test_an_explicit_option_wins():
    environ = {
        "CONSUL_HTTP_ADDR": "https://other:1",
        "CONSUL_HTTP_TOKEN": "other",
        "CONSUL_HTTP_TOKEN_FILE": "/nowhere",
        "CONSUL_HTTP_SSL_VERIFY": "0",
    }
    given = {"host": "mine", "port": 2, "scheme": "http", "token": "t", "validate_certs": True}
    assert settings_from(given, environ) == given
    assert settings_from({"host": "mine", "token": "t"}, {"CONSUL_HTTP_ADDR": "unix:///s"}) == {
        "host": "mine",
        "token": "t",
    }


def test_the_token_file_wins_over_the_token(tmp_path):
    (tmp_path / "token").write_text(" from-file\n", encoding="utf-8")
    environ = {"CONSUL_HTTP_TOKEN": "from-env", "CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token")}
    assert settings_from({}, environ)["token"] == "from-file"
    with pytest.raises(ConsulError, match="CONSUL_HTTP_TOKEN_FILE"):
        settings_from({}, {"CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    "environ",
    [
        {"CONSUL_HTTP_ADDR": "ftp://x"},
        {"CONSUL_HTTP_ADDR": "x:port"},
        {"CONSUL_HTTP_SSL_VERIFY": "maybe"},
    ],
)
def test_nonsense_in_the_environment_is_named(environ):
    with pytest.raises(ConsulError, match=next(iter(environ))):
        settings_from({}, environ)


def test_the_token_goes_in_a_header(server):
    server.answers = [(200, b"[1]")]
    answer = client_of(server, consistency="stale").get("kv/a b/\u00e9", {"dc": "x"})
    assert (answer.data, answer.index) == ([1], 7)
    ((_method, path, headers),) = server.asked
    assert path == "/v1/kv/a%20b/%C3%A9?dc=x&stale="
    assert headers["X-Consul-Token"] == "T0ken"


@pytest.mark.parametrize(
    "answer, words",
    [
        ((403, b"ACL not found"), "ACL not found (the token is unknown"),
        ((403, b"Permission denied"), "policies do not allow"),
        ((500, b"No cluster leader"), "no server is the leader"),
        ((400, b'json: unknown field "UDP"'), "version of Consul does not know that field"),
        ((200, b"<html>"), "not JSON"),
        ((301, b""), "HTTP 301"),
        ((0, lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)), "the connection broke"),
        ((0, lambda handler: handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nhalf")), "broke"),
        ((0, lambda handler: time.sleep(0.5)), "no answer within 0.2 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_in_one_line(server, answer, words):
    server.answers = [answer]
    with pytest.raises(ConsulError) as raised:
        client_of(server, timeout=0.2).get("kv/a")
    message = str(raised.value)
    assert words in message and "GET /v1/kv/a" in message
    assert "\n" not in message and "T0ken" not in message
    assert (raised.value.method, raised.value.path) == ("GET", "/v1/kv/a")


def test_connection_refused():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        client = ConsulClient(port=bound.getsockname()[1], retries=1)
        started = time.monotonic()
        with pytest.raises(ConsulError, match="connection refused: no agent listens"):
            client.get("agent/self")
    assert time.monotonic() - started >= consul_client.RETRY_FIRST_PAUSE, "was not tried again"


def test_missing_ok(server):
    server.answers = [(404, b""), (404, b"")]
    assert client_of(server).get("kv/a", missing_ok=True).data is None
    with pytest.raises(ConsulError):
        client_of(server).get("kv/a")


@pytest.mark.parametrize("trouble", [(429, b"slow down"), (500, b"No cluster leader"), (503, b"")])
def test_passing_trouble_is_outlived(server, trouble):
    server.answers = [trouble, trouble, (200, b"true")]
    assert client_of(server, retries=2).get("kv/a").data is True
    server.answers = [trouble, trouble]
    with pytest.raises(ConsulError):
        client_of(server, retries=1).get("kv/a")


def test_what_is_not_idempotent_is_not_repeated(server):
    server.answers = [(503, b""), (200, b"true")]
    with pytest.raises(ConsulError):
        client_of(server, retries=3).put("txn", data=[])
    assert len(server.asked) == 1


def test_other_errors_are_not_repeated(server):
    server.answers = [(500, b"rpc error"), (200, b"true")]
    with pytest.raises(ConsulError, match="rpc error"):
        client_of(server, retries=3).get("kv/a")


def test_a_blocking_query_may_take_its_time(server):
    def late(handler):
        time.sleep(0.4)
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n[]")

    server.answers = [(0, late)]
    assert client_of(server, timeout=0.2).get("health/checks/a", {"index": 1}, wait=0.5).data == []
    assert server.asked[0][1].endswith("?index=1&wait=500ms")


def test_no_proxy_for_loopback(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers = [(200, b"1")]
    assert client_of(server).get("kv/a").data == 1


def test_bad_options_are_told_at_once(tmp_path):
    with pytest.raises(ConsulError, match="line break") as raised:
        ConsulClient(token="T0ken\n")
    assert "T0ken" not in str(raised.value)
    with pytest.raises(ConsulError, match="ca_path: there is no file"):
        ConsulClient(ca_path=str(tmp_path / "none"))
    (tmp_path / "junk.pem").write_text("junk", encoding="utf-8")
    with pytest.raises(ConsulError, match="cannot use ca_path"):
        ConsulClient(scheme="https", ca_path=str(tmp_path / "junk.pem"))


def test_tls_spoken_to_a_plain_server(server):
    with pytest.raises(ConsulError, match="TLS failed|connection broke"):
        client_of(server, scheme="https").get("kv/a")
