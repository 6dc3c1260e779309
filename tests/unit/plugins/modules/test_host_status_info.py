# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import calendar
import http.server
import json
import os
import socket
import socketserver
import struct
import subprocess
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.modules import host_status_info as module
from ansible_collections.dockyard.consul.plugins.modules.host_status_info import (
    SRV,
    A,
    DNSError,
    Docker,
    Resolver,
    answers,
    look_at_agent,
    look_at_ages,
    look_at_certificates,
    look_at_checks,
    look_at_cluster,
    look_at_docker,
    look_up,
    name_of_system,
    packed,
    shortened,
    why_nginx_is_silent,
    without_tag,
)


class FakeClient:
    """Answers from a dictionary; what is not in it is out of order."""

    def __init__(self, **data):
        self.data = {path.replace("__", "/"): value for path, value in data.items()}

    def get(self, path):
        if path not in self.data:
            raise ConsulError(f"GET {path}: no answer within 5 s")
        return Answer(200, self.data[path], None)


# Consul

SELF = {"Config": {"Version": "1.8.7", "NodeName": "app1", "Server": False}, "Member": {"Addr": "192.0.2.31"}}
CHECK = {"Node": "app1", "ServiceID": "web-1", "CheckID": "c", "Name": "web", "Notes": ""}


def test_an_agent():
    checks = {
        "good": {"Status": "passing", "Output": "fine"},
        "bad": {"Status": "critical", "Output": "connection\n refused"},
    }
    assert look_at_agent(FakeClient(agent__self=SELF, agent__checks=checks)) == {
        "error": None,
        "version": "1.8.7",
        "node": "app1",
        "address": "192.0.2.31",
        "server": False,
        "outputs": {"bad": "connection refused"},
    }


def test_an_agent_that_is_silent_is_told_of():
    assert look_at_agent(FakeClient(agent__self=SELF)) == {"error": "GET agent/checks: no answer within 5 s"}
    assert look_at_checks(FakeClient()) == {"error": "GET agent/checks: no answer within 5 s"}


def test_its_checks_alone():
    checks = {
        "b": {"Status": "passing", "Output": "fine"},
        "a": {"Status": "passing", "Output": ""},
        "c": {"Status": "warning", "Output": "so so"},
    }
    assert look_at_checks(FakeClient(agent__checks=checks)) == {
        "error": None,
        "passing": ["a", "b"],
        "outputs": {"c": "so so"},
    }


def test_a_cluster():
    client = FakeClient(
        status__leader="192.0.2.11:8300",
        status__peers=["192.0.2.11:8300"],
        agent__members=[
            {"Name": "s1", "Addr": "192.0.2.11", "Status": 1, "Tags": {"role": "consul", "build": "1.8.7+dfsg1:abc"}},
            {"Name": "app1", "Addr": "192.0.2.31", "Status": 4, "Tags": {"role": "node", "build": "1.8.7:"}},
        ],
        catalog__services={"web": []},
        catalog__service__web=[
            {
                "ServiceName": "web",
                "ServiceID": "web-1",
                "Node": "app1",
                "Address": "192.0.2.31",
                "ServiceAddress": "",
                "ServicePort": 80,
            }
        ],
        health__state__any=[{**CHECK, "Status": "critical", "Output": "x" * 1000}],
    )
    seen = look_at_cluster(client)
    assert seen["error"] is None and seen["leader"] == "192.0.2.11:8300"
    assert seen["members"] == [
        {"name": "s1", "address": "192.0.2.11", "state": "alive", "server": True, "version": "1.8.7+dfsg1"},
        {"name": "app1", "address": "192.0.2.31", "state": "failed", "server": False, "version": "1.8.7"},
    ]
    assert seen["instances"] == [{"service": "web", "id": "web-1", "node": "app1", "address": "192.0.2.31", "port": 80}]
    assert seen["checks"][0]["output"] == "x" * 300


def test_a_cluster_that_is_silent_is_told_of():
    assert look_at_cluster(FakeClient(status__leader="")) == {"error": "GET status/peers: no answer within 5 s"}


def test_output_as_one_line():
    assert shortened(" two\nlines\t") == "two lines"
    assert shortened(None) == ""


# Docker


@pytest.fixture
def engine(tmp_path):
    """An engine's API on a socket: a function that says what it answers, and the object that asks it."""
    said = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(said[self.path]).encode() if self.path in said else b""
            self.send_response(200 if self.path in said else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self):
            return "socket"

        def log_message(self, *_args):
            pass

    path = str(tmp_path / "docker.sock")
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield said, Docker(2, path, str(pid_file))
        server.shutdown()


ID, DIGEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WHOLE = {"HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}, "Config": {"Env": ["TOKEN=secret"]}}


@pytest.mark.parametrize(
    "image, digests, expected",
    [
        (f"registry:5000/web@{DIGEST}", None, ("registry:5000/web", DIGEST)),
        ("registry:5000/web:1.0", [f"registry:5000/web@{DIGEST}"], ("registry:5000/web", DIGEST)),
        ("registry:5000/web", [f"registry:5000/web@{DIGEST}"], ("registry:5000/web", DIGEST)),
        ("web:1.0", [], ("web", ID)),
        # its tag was given to another image since
        (ID, [f"registry:5000/web@{DIGEST}"], ("registry:5000/web", DIGEST)),
        # its image was removed
        ("web:1.0", None, ("web", ID)),
    ],
)
def test_the_image_of_a_container(engine, image, digests, expected):
    said, docker = engine
    said["/version"] = {"Version": "26.1.5"}
    said["/containers/json?all=1"] = [
        {"Id": "1", "Names": ["/web"], "Image": image, "ImageID": ID, "State": "running", "Status": "Up 2 hours"}
    ]
    said["/containers/1/json"] = WHOLE
    if digests is not None:
        said[f"/images/{ID}/json"] = {"RepoDigests": digests}
    seen = look_at_docker(docker)
    assert seen["error"] is None and seen["version"] == "26.1.5"
    one = seen["containers"][0]
    assert (one["image"], one["digest"]) == expected
    assert one["kept"] and one["name"] == "web" and "secret" not in str(seen)


@pytest.mark.parametrize("policy, kept", [("no", False), ("", False), ("always", True), ("on-failure", False)])
def test_which_containers_the_engine_keeps_running(engine, policy, kept):
    said, docker = engine
    said["/version"] = {"Version": "26.1.5"}
    said["/containers/json?all=1"] = [
        {
            "Id": "1",
            "Names": ["/once"],
            "Image": f"web@{DIGEST}",
            "ImageID": ID,
            "State": "exited",
            "Status": "Exited (0)",
        }
    ]
    said["/containers/1/json"] = {"HostConfig": {"RestartPolicy": {"Name": policy}}}
    (one,) = look_at_docker(docker)["containers"]
    assert one["kept"] == kept


def test_a_container_that_goes_while_it_is_looked_at(engine):
    said, docker = engine
    said["/version"] = {"Version": "26.1.5"}
    said["/containers/json?all=1"] = [{"Id": "1"}]
    assert look_at_docker(docker) == {"error": None, "version": "26.1.5", "containers": []}


def test_an_engine_that_does_not_run_is_not_asked(engine, tmp_path):
    """systemd listens on its socket, and would start it."""
    _said, docker = engine
    process = subprocess.Popen(["true"])
    process.wait()
    for pid in (str(process.pid), "", None):
        docker.pid_file = str(tmp_path / "none.pid")
        if pid is not None:
            (tmp_path / "none.pid").write_text(pid)
        assert "the engine does not run" in look_at_docker(docker)["error"]


def test_an_engine_that_is_silent_or_gone(tmp_path):
    path = str(tmp_path / "docker.sock")
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    docker = Docker(0.2, path, str(pid_file))
    assert path in look_at_docker(docker)["error"]
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        assert "no answer within 0.2 s" in look_at_docker(docker)["error"]


def test_a_repository_without_its_tag():
    assert without_tag("host:5000/web") == "host:5000/web"
    assert without_tag("host:5000/web:1.0") == "host:5000/web"


# nginx


def test_an_nginx_that_does_not_run():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert "connection refused" in why_nginx_is_silent(port, 1)
        free.listen()
        assert "no answer within 0.2 s" in why_nginx_is_silent(port, 0.2)


# DNS


def reply(records, flags=0x8180, additional=()):
    """A reply to a question for web.service.consul, each record as (type, data), the names as pointers to the question's."""
    question = packed("web.service.consul") + struct.pack(">2H", A, 1)
    whole = struct.pack(">6H", 7, flags, 1, len(records), 0, len(additional)) + question
    for kind, content in records:
        whole += b"\xc0\x0c" + struct.pack(">2HIH", kind, 1, 0, len(content)) + content
    for owner, content in additional:
        whole += packed(owner) + struct.pack(">2HIH", A, 1, 0, len(content)) + content
    return whole


def srv(port, target):
    return SRV, struct.pack(">3H", 1, 1, port) + packed(target)


def test_answers_of_a_nameserver():
    two = [(A, bytes([192, 0, 2, 32])), (A, bytes([192, 0, 2, 31]))]
    assert answers(reply(two), A) == ["192.0.2.31", "192.0.2.32"]
    assert answers(reply([]), A) == []
    assert answers(reply([], flags=0x8183), A) == []  # no such name
    with pytest.raises(DNSError, match="SERVFAIL"):
        answers(reply([], flags=0x8182), A)


def test_answers_with_ports():
    given = reply(
        [srv(5001, "c000021f.addr.dc1.consul"), srv(5002, "other.consul")],
        additional=[("c000021f.addr.dc1.consul", bytes([192, 0, 2, 31]))],
    )
    assert answers(given, SRV) == ["192.0.2.31:5001", "other.consul:5002"]


def test_a_reply_that_goes_round_in_a_circle():
    with pytest.raises(DNSError, match="circle"):
        answers(struct.pack(">6H", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0c" + b"\0" * 4, A)


@pytest.fixture
def nameserver():
    """A nameserver whose replies over UDP are cut short."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())

        def serve():
            query, client = udp.recvfrom(512)
            udp.sendto(query[:2] + reply([], flags=0x8380)[2:], client)
            connection, _client = tcp.accept()
            with connection:
                query = connection.recv(512)[2:]
                whole = query[:2] + reply([(A, bytes([192, 0, 2, 31]))])[2:]
                connection.sendall(struct.pack(">H", len(whole)) + whole)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{tcp.getsockname()[1]}"


def test_what_is_cut_short_over_udp_is_asked_for_over_tcp(nameserver):
    assert Resolver(nameserver, 2).ask("web.service.consul", A) == ["192.0.2.31"]


@pytest.mark.parametrize(
    "address, place",
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("10.20.0.11:8600", ("10.20.0.11", 8600)),
        ("[::1]:8600", ("::1", 8600)),
        ("::1", ("::1", 53)),
    ],
)
def test_where_a_nameserver_is(address, place):
    assert Resolver(address, 1).place == place


class FakeResolver:
    place = ("127.0.0.1", 53)

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    def ask(self, name, kind):
        self.asked.append((name, kind))
        one = self.replies.pop(0)
        if isinstance(one, Exception):
            raise one
        return one


def test_the_names_are_those_that_nginx_has():
    resolver = FakeResolver(["192.0.2.31"], [], ["192.0.2.31:5001"])
    services = [
        {"name": "web", "port": 80},
        {"name": "blue", "port": 80, "upstream": "blue.web.service.consul"},
        {"name": "many", "port": "srv"},
    ]
    found = look_up(services, "example", resolver)
    assert resolver.asked == [("web.service.example", A), ("blue.web.service.consul", A), ("many.service.example", SRV)]
    assert found[0] == {"service": "web", "name": "web.service.example", "answers": ["192.0.2.31"], "error": None}


def test_who_is_silent_is_asked_once():
    resolver = FakeResolver(DNSError("no answer within 3 s"))
    found = look_up([{"name": "a"}, {"name": "b"}], "consul", resolver)
    assert [one["error"] for one in found] == ["127.0.0.1:53: no answer within 3 s"] * 2
    resolver = FakeResolver(DNSError("SERVFAIL"), ["192.0.2.31"])
    found = look_up([{"name": "a"}, {"name": "b"}], "consul", resolver)
    assert [one["error"] for one in found] == ["127.0.0.1:53: SERVFAIL", None]


# Certificates and keys


def make_certificate(path, days):
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=web",
        ]
        + ["-days", str(days), "-out", str(path)],
        check=True,
        capture_output=True,
    )


# From 2050 on a certificate writes its dates in another form.
@pytest.mark.parametrize("days", [1, 10000])
def test_when_a_certificate_ends_is_as_openssl_says(tmp_path, days):
    path = tmp_path / "web.pem"
    make_certificate(path, days)
    said = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    year, month, rest = said.strip().partition("=")[2].rstrip("Z").split("-")
    date, clock = rest.split(" ")
    expected = calendar.timegm((int(year), int(month), int(date), *map(int, clock.split(":"))))
    seen = look_at_certificates([str(path)])
    assert [one["ends"] for one in seen] == [expected]
    fingerprint = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert fingerprint.strip().partition("=")[2].replace(":", "").lower() == seen[0]["fingerprint"]


def test_of_several_certificates_in_a_file_that_which_ends_first(tmp_path):
    for name, days in (("long", 300), ("brief", 3)):
        make_certificate(tmp_path / f"{name}.pem", days)
    both = tmp_path / "both.crt"
    both.write_text((tmp_path / "long.pem").read_text() + (tmp_path / "brief.pem").read_text())
    seen = look_at_certificates([str(tmp_path / "*.pem"), str(both), str(tmp_path / "none.pem")])
    assert [os.path.basename(one["path"]) for one in seen] == ["both.crt", "brief.pem", "long.pem"]
    assert seen[0]["fingerprint"] == seen[1]["fingerprint"] != seen[2]["fingerprint"]


@pytest.mark.parametrize(
    "text, error",
    [
        ("no certificate", "no certificate in PEM form"),
        ("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n", ""),
        ("-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n", ""),
    ],
)
def test_what_is_no_certificate_is_told_of(tmp_path, text, error):
    path = tmp_path / "web.pem"
    path.write_text(text)
    (seen,) = look_at_certificates([str(path)])
    assert seen["ends"] is None and seen["error"] and error in seen["error"]


def test_keys_among_certificates_are_left_out(tmp_path):
    (tmp_path / "dhparam.pem").write_text("-----BEGIN DH PARAMETERS-----")
    assert look_at_certificates([str(tmp_path / "*.pem")]) == []


def test_the_age_of_a_secret_and_not_what_it_is(tmp_path):
    (tmp_path / "gossip.key").write_text("secret")
    os.utime(tmp_path / "gossip.key", (1000, 1000))
    assert look_at_ages([str(tmp_path / "*.key"), str(tmp_path / "tokens/*")]) == [
        {"path": str(tmp_path / "gossip.key"), "written": 1000}
    ]


def test_the_name_of_the_system(tmp_path):
    (tmp_path / "os").write_text('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    assert name_of_system(str(tmp_path / "os")) == "Debian GNU/Linux 12 (bookworm)"
    assert name_of_system(str(tmp_path / "none")) == "unknown"


# All of it


class FakeModule:
    def __init__(self, **params):
        defaults = {
            "agent": True, "checks": False, "cluster": False, "docker": False, "nginx_status_port": 0, "services": [],
            "nameserver": "127.0.0.1", "domain": "consul", "certificates": [], "ages": [], "timeout": 1.0,
        }  # fmt: skip
        self.params = {**defaults, **params}


def test_an_agent_that_is_silent_is_not_asked_for_the_cluster():
    known = module.execute(FakeModule(cluster=True), FakeClient())
    assert known["consul"] == known["cluster"] == {"error": "GET agent/self: no answer within 5 s"}
    assert not known["changed"]


def test_only_what_is_asked_for():
    known = module.execute(FakeModule(agent=False), FakeClient())
    assert known.keys() == {"changed", "os", "dns", "certificates", "ages"}
    assert "checks" in module.execute(FakeModule(agent=False, checks=True), FakeClient())


def test_a_service_without_a_name():
    with pytest.raises(ConsulError, match="one has no name"):
        module.execute(FakeModule(agent=False, services=[{"port": 80}]), FakeClient())
