# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import http.server
import json
import socket
import threading
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import consul_client
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_settings import settings_from


@pytest.fixture
def server():
    """An HTTP server that gives the answers put in C(answers), in order, and keeps what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.server.asked.append((self.command, self.path, dict(self.headers)))
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.bodies.append(json.loads(sent) if sent else None)
            status, body = self.server.answers.pop(0)
            if callable(body):
                body(self)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked, server.bodies = [], [], []
    server.headers = {"X-Consul-Index": "7"}
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
        ({"CONSUL_CAPATH": "/cas"}, {"ca_path": "/cas"}),
        ({"CONSUL_CAPATH": "/cas", "CONSUL_CACERT": "/ca"}, {"ca_path": "/ca"}),
        ({"CONSUL_TLS_SERVER_NAME": "consul.example"}, {"tls_server_name": "consul.example"}),
        ({"CONSUL_NAMESPACE": "n", "CONSUL_PARTITION": "p"}, {"namespace": "n", "partition": "p"}),
        (
            {"CONSUL_HTTP_ADDR": "http://h:1/consul/"},
            {"scheme": "http", "host": "h", "port": 1, "path_prefix": "consul"},
        ),
        ({"CONSUL_HTTP_ADDR": "h/a/b%20c"}, {"host": "h", "path_prefix": "a/b c"}),
        ({"CONSUL_HTTP_ADDR": "http://u:p%40@h:1"}, {"scheme": "http", "host": "h", "port": 1, "http_auth": "u:p@"}),
        ({"CONSUL_HTTP_ADDR": "u@h"}, {"host": "h", "http_auth": "u:"}),
        ({"CONSUL_HTTP_AUTH": "u:p"}, {"http_auth": "u:p"}),
        ({"CONSUL_HTTP_AUTH": "u:p", "CONSUL_HTTP_ADDR": "a:b@h"}, {"host": "h", "http_auth": "u:p"}),
        ({"CONSUL_HTTP_ADDR": ":8501"}, {"port": 8501}),
        ({"CONSUL_HTTP_ADDR": "unix:///s", "CONSUL_HTTP_SSL": "1"}, {"unix_socket": "/s"}),
        ({"CONSUL_HTTP_ADDR": "UNIX:///run/consul.sock"}, {"unix_socket": "/run/consul.sock"}),
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


def test_a_socket_replaces_the_whole_address():
    environ = {"CONSUL_HTTP_ADDR": "https://u:p@other:1/path", "CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_TOKEN": "t"}
    assert settings_from({"unix_socket": "/s"}, environ) == {"unix_socket": "/s", "token": "t"}
    given = {"unix_socket": "/s", "scheme": "https", "token": "t"}
    assert settings_from(given, environ) == given


def test_tls_that_is_asked_for_wins_over_the_address():
    """As for the consul command line."""
    environ = {"CONSUL_HTTP_ADDR": "http://h:8500", "CONSUL_HTTP_SSL": "true"}
    assert settings_from({}, environ)["scheme"] == "https"
    assert settings_from({"scheme": "http"}, environ)["scheme"] == "http"


@pytest.mark.parametrize("own", [{"host": "mine"}, {"unix_socket": "/s"}])
def test_another_host_gets_no_password_of_the_address(own):
    environ = {"CONSUL_HTTP_ADDR": "http://u:p@other:1/path"}
    assert settings_from(own, environ).keys() & {"http_auth", "path_prefix"} == set()
    assert settings_from(own, {**environ, "CONSUL_HTTP_AUTH": "a:b"})["http_auth"] == "a:b"


def test_the_token_file_wins_over_the_token(tmp_path):
    (tmp_path / "token").write_text(" from-file\n", encoding="utf-8")
    environ = {"CONSUL_HTTP_TOKEN": "from-env", "CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token")}
    assert settings_from({}, environ)["token"] == "from-file"
    with pytest.raises(ConsulError, match="CONSUL_HTTP_TOKEN_FILE"):
        settings_from({}, {"CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "missing")})
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(ConsulError, match="CONSUL_HTTP_TOKEN_FILE names is not text$"):
        settings_from({}, environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"CONSUL_HTTP_ADDR": "ftp://x"},
        {"CONSUL_HTTP_ADDR": "x:port"},
        {"CONSUL_HTTP_SSL_VERIFY": "maybe"},
        {"CONSUL_HTTP_ADDR": "::1"},
        {"CONSUL_HTTP_ADDR": "[::1"},
        {"CONSUL_HTTP_ADDR": "h:99999"},
        {"CONSUL_HTTP_ADDR": "http://h:1?a=b"},
        {"CONSUL_HTTP_ADDR": "http://h:1/#top"},
        {"CONSUL_HTTP_ADDR": "http://h:1 "},
        {"CONSUL_HTTP_ADDR": "http://u:s3cret@h:port"},
        {"CONSUL_HTTP_ADDR": "ftp://u:s3cret@h"},
        {"CONSUL_HTTP_ADDR": "http://u:s3cret@h?a"},
        {"CONSUL_HTTP_ADDR": "http://u:s3cret/@h"},
    ],
)
def test_nonsense_in_the_environment_is_named(environ):
    with pytest.raises(ConsulError, match=next(iter(environ))) as raised:
        settings_from({}, environ)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "host, words",
    [
        ("", "host is empty"),
        ("http://h:8500", "is a URL: set scheme: http, host: h, port: 8500 instead"),
        ("https://h/consul", "is a URL: set scheme: https, host: h, path_prefix: consul instead"),
        ("http://[::1", "is a URL: set scheme, host and port instead"),
        ("unix:///run/consul.sock", "is a UNIX socket: set unix_socket: /run/consul.sock"),
        ("h:8500", "holds a port: set host: h and port: 8500"),
        ("[::1]:8500", "holds a port: set host: ::1 and port: 8500"),
        ("h:", "is neither a name nor an address"),
        ("[h]", "is neither a name nor an address"),
        ("1:2:3", "is neither a name nor an address"),
        ("h/consul", "has a character that is not part of a host"),
        (" h", "has a character that is not part of a host"),
        ("h\n", "has a character that is not part of a host"),
        ("http://u:s3cret@h:8500", "holds a '@': set the user and the password in http_auth"),
    ],
)
def test_what_is_not_a_host(host, words):
    with pytest.raises(ConsulError) as raised:
        ConsulClient(host=host)
    assert words in str(raised.value)
    assert "s3cret" not in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "host, url",
    [
        ("h", "http://h:8500"),
        ("::1", "http://[::1]:8500"),
        ("[::1]", "http://[::1]:8500"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:8500"),
        ("127.0.0.1", "http://127.0.0.1:8500"),
    ],
)
def test_hosts(host, url):
    assert ConsulClient(host=host).base_url == url


def test_an_ipv6_host_is_reached(monkeypatch):
    class Server(http.server.HTTPServer):
        address_family = socket.AF_INET6
        timeout = 5

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Consul-Index: 1\r\n\r\n[1]")

        def log_message(self, *args):
            pass

    with Server(("::1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert ConsulClient(host="[::1]", port=server.server_port).get("kv/a").data == [1]
        thread.join()


def test_the_path_and_the_password(server):
    server.answers = [(200, b"1"), (200, b"1")]
    client_of(server, path_prefix="/a b/", http_auth="u:\u00e9").get("kv/a")
    client_of(server, http_auth="u").get("kv/a")
    (_get, path, headers), (_again, _path, only_user) = server.asked
    assert path == "/a%20b/v1/kv/a"
    assert base64.b64decode(headers["Authorization"].split()[1]).decode() == "u:\u00e9"
    assert base64.b64decode(only_user["Authorization"].split()[1]) == b"u:"
    server.answers = [(401, b"")]
    with pytest.raises(ConsulError, match="requires a user and a password: check http_auth") as raised:
        client_of(server, http_auth="u:s3cret").get("kv/a")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("path", ["kv/a", "kv/a/b", "acl/token/x", "agent/service/web", "agent/services"])
@pytest.mark.parametrize(
    "status, body, kind",
    [
        (404, b"", "text/plain"),
        (404, b"404 page not found", "text/plain"),
        (404, b"<html>\n<p>Error response</p></html>", "text/html"),
        (404, b"[]", "application/json"),
        (404, b'{"error": "unknown"}', "application/json"),
    ],
)
def test_a_404_that_is_not_of_consul(server, path, status, body, kind):
    server.headers = {"Content-Type": kind}
    server.answers = [(status, body)]
    with pytest.raises(
        ConsulError, match="a web server or a proxy answered, not Consul's HTTP API: check host"
    ) as raised:
        client_of(server).get(path, missing_ok=True)
    assert "\n" not in str(raised.value) and "<" not in str(raised.value)


@pytest.mark.parametrize(
    "path, body",
    [
        ("kv/a", b"[]"),
        ("kv/a", b"null"),
        ("session/list", b"[]"),
        ("health/service/web", b"[]"),
        ("catalog/node/web", b"null"),
        ("agent/services", b"[]"),
        ("agent/services", b'"ok"'),
        ("agent/self", b"null"),
        ("agent/members", b"{}"),
    ],
)
def test_an_answer_that_is_not_of_consul(server, path, body):
    server.headers = {"Content-Type": "application/json"}
    server.answers = [(200, body)]
    with pytest.raises(ConsulError, match="a web server or a proxy answered, not Consul's HTTP API: check host"):
        client_of(server).get(path, missing_ok=True)


@pytest.mark.parametrize(
    "path, body",
    [
        ("agent/service/web", b"unknown service ID: web"),
        ("agent/service/web", b'Unknown service ID "web". Ensure that the service ID is passed, not the service name.'),
        ("agent/health/service/name/web", b"[]"),
        ("agent/health/service/name/web", b"ServiceName web Not Found"),
        ("session/renew/x", b"Session id 'x' not found"),
        ("agent/health/service/id/web", b'{"AggregatedStatus":"critical","Service":null,"Checks":null}'),
    ],
)
def test_what_an_agent_does_not_have_is_missing(server, path, body):
    server.headers = {}
    server.answers = [(404, body)]
    assert client_of(server).get(path, missing_ok=True) == (404, None, None)


def test_the_namespace_and_the_partition(server):
    options = {"namespace": "n", "partition": "p"}
    server.answers = [(200, b"[]"), (200, b"1"), (200, b"true")]
    client = client_of(server, **options)
    client.get("kv/a", {"dc": "x"})
    client.put("txn", data=[{"KV": {"Verb": "get", "Key": "a"}}])
    paths = [path for _method, path, _headers in server.asked]
    assert paths == ["/v1/partitions", "/v1/kv/a?ns=n&partition=p&dc=x", "/v1/txn?ns=n&partition=p"]
    assert server.bodies[-1] == [{"KV": {"Verb": "get", "Key": "a", "Namespace": "n", "Partition": "p"}}]


@pytest.mark.parametrize("kind", ["Service", "Check"])
def test_a_transaction_names_the_namespace_where_consul_reads_it(server, kind):
    server.answers = [(200, b"{}")]
    client_of(server, namespace="n").put("txn", data=[{kind: {"Verb": "cas", kind: {"Name": "a"}}}])
    assert server.bodies[-1] == [{kind: {"Verb": "cas", kind: {"Name": "a", "Namespace": "n"}}}]


def test_the_query_for_another_datacenter(server):
    assert client_of(server).query == {} and client_of(server, datacenter="dc2").query == {"dc": "dc2"}


@pytest.mark.parametrize("status", [403, 500])
def test_a_partition_that_may_not_be_listed(server, status):
    server.answers = [(status, b""), (200, b"1")]
    assert client_of(server, partition="p").get("kv/a").data == 1


def test_an_agent_without_partitions(server):
    server.headers = {}
    server.answers = [(404, b"")]
    with pytest.raises(ConsulError, match="^partition: the agent at .* has no admin partitions"):
        client_of(server, partition="p").get("kv/a")


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
    with pytest.raises(ConsulError, match="HTTP 404: Not Found$"):
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
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Consul-Index: 8\r\n\r\n[]")

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
    for token in ("T0k\u00ebn", "\u201cT0ken\u201d"):
        with pytest.raises(ConsulError, match="a character that is not ASCII") as raised:
            ConsulClient(token=token)
        assert token not in str(raised.value)
    for port in (0, -1, 65536):
        with pytest.raises(ConsulError, match=f"port: {port} is not a TCP port"):
            ConsulClient(port=port)
    for timeout in (0, -1.5, float("nan"), float("inf")):
        with pytest.raises(ConsulError, match=f"timeout: {timeout:g} is not a number of seconds above 0"):
            ConsulClient(timeout=timeout)
    with pytest.raises(ConsulError, match="retries: -1 is below 0"):
        ConsulClient(retries=-1)
    with pytest.raises(ConsulError, match="unix_socket: 'run/consul.sock' is not an absolute path"):
        ConsulClient(unix_socket="run/consul.sock")
    with pytest.raises(ConsulError, match="path_prefix: 'a\\?b' is not the path of a URL"):
        ConsulClient(path_prefix="a?b")
    with pytest.raises(ConsulError, match="ca_path: there is no file"):
        ConsulClient(ca_path=str(tmp_path / "none"))
    (tmp_path / "junk.pem").write_text("junk", encoding="utf-8")
    with pytest.raises(ConsulError, match="cannot use ca_path"):
        ConsulClient(scheme="https", ca_path=str(tmp_path / "junk.pem"))
    with pytest.raises(ConsulError, match="cannot use ca_path .*junk.pem"):
        ConsulClient(scheme="https", ca_path=str(tmp_path))
    (tmp_path / "junk.pem").unlink()
    with pytest.raises(ConsulError, match=f"ca_path: the folder {tmp_path} has no files"):
        ConsulClient(scheme="https", ca_path=str(tmp_path))


def test_a_missing_socket(tmp_path):
    with pytest.raises(ConsulError, match="No such file or directory; check that the agent runs, and unix_socket$"):
        ConsulClient(unix_socket=str(tmp_path / "none"), retries=0).get("kv/a")


def test_tls_spoken_to_a_plain_server(server):
    with pytest.raises(ConsulError, match="TLS failed|connection broke"):
        client_of(server, scheme="https").get("kv/a")
