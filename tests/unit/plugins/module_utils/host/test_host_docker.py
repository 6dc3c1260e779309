# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import subprocess
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.docker import (
    Docker,
    flags_of,
    look_at_docker,
    without_tag,
)


@pytest.fixture
def engine(tmp_path):
    """An engine's API on a socket: a function that says what it answers, and the object that asks it."""
    said = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = said.get(self.path, 404)
            body = b"" if isinstance(answer, int) else json.dumps(answer).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
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
WHOLE = {
    "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
    "Config": {"Image": "web:1.0", "Labels": {"shop": "yes"}, "Env": ["TOKEN=secret"]},
}
INFO = {
    "ServerVersion": "26.1.5",
    "LiveRestoreEnabled": True,
    "Swarm": {"LocalNodeState": "inactive"},
    "HttpProxy": "secret",
}


def test_the_engine(engine):
    said, docker = engine
    said["/info"], said["/containers/json?all=1"] = INFO, []
    seen = look_at_docker(docker)
    assert (seen["version"], seen["live_restore"], seen["swarm"]) == ("26.1.5", True, False)
    assert "secret" not in str(seen)
    said["/info"] = {**INFO, "LiveRestoreEnabled": False, "Swarm": {"LocalNodeState": "active"}}
    seen = look_at_docker(docker)
    assert (seen["live_restore"], seen["swarm"]) == (False, True)


@pytest.mark.parametrize(
    "line, flags",
    [
        ("dockerd -H fd:// --containerd=/run/c.sock", ["containerd", "host"]),
        ("dockerd --dns 10.0.0.1 -D -lwarn --log-opt max-size=1m", ["debug", "dns", "log-level", "log-opt"]),
        ("dockerd --http-proxy=http://user:secret@proxy", ["http-proxy"]),
        ("dockerd", []),
        ("dockerd --config-file=/etc/docker/daemon.json --config-file /etc/docker/daemon.json", []),
        ("dockerd --config-file /srv/daemon.json", ["config-file"]),
        ("dockerd --config-file=/etc/docker/daemon.json.mine", ["config-file"]),
    ],
)
def test_the_options_on_the_command_line_have_no_values(tmp_path, line, flags):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_text(line.replace(" ", "\0") + "\0")
    assert flags_of("7", str(tmp_path)) == flags
    assert flags_of("8", str(tmp_path)) == []


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
    said["/info"] = INFO
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
    assert one["image_ref"] == "web:1.0" and one["labels"] == {"shop": "yes"}


def test_images(engine):
    said, docker = engine
    said["/info"] = INFO
    said["/containers/json?all=1"] = []
    there = f"registry:5000/web@{DIGEST}"
    said[f"/images/{there}/json"] = {"Id": ID, "RepoDigests": [there], "Config": {"Cmd": ["run"], "Env": ["A=secret"]}}
    said["/images/bare:1/json"] = {"Id": ID, "RepoDigests": None, "Config": {"Cmd": None}}
    seen = look_at_docker(docker, [there, "bare:1", "none:1"])
    assert seen["images"] == {
        there: {"id": ID, "repo_digests": [there], "cmd": ["run"]},
        "bare:1": {"id": ID, "repo_digests": [], "cmd": []},
        "none:1": None,
    }


@pytest.mark.parametrize("policy, kept", [("no", False), ("", False), ("always", True), ("on-failure", False)])
def test_which_containers_the_engine_keeps_running(engine, policy, kept):
    said, docker = engine
    said["/info"] = INFO
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
    said["/containers/1/json"] = {**WHOLE, "HostConfig": {"RestartPolicy": {"Name": policy}}}
    (one,) = look_at_docker(docker)["containers"]
    assert one["kept"] == kept


def test_a_container_that_goes_while_it_is_looked_at(engine):
    said, docker = engine
    said["/info"] = INFO
    said["/containers/json?all=1"] = [{"Id": "1"}]
    seen = look_at_docker(docker)
    assert seen["error"] is None and seen["containers"] == []


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


def test_the_process_of_the_unit_counts_before_the_pid_file(engine, tmp_path):
    """With pidfile in daemon.json, the file is in another place."""
    said, docker = engine
    said["/info"], said["/containers/json?all=1"] = INFO, []
    docker.pid_file = str(tmp_path / "none.pid")
    docker.unit_pid = os.getpid()
    assert look_at_docker(docker)["error"] is None


def listed(name):
    return {"Id": name, "Names": [f"/{name}"], "Image": f"web@{DIGEST}", "ImageID": ID, "State": "running", "Status": ""}


def test_each_part_is_kept_if_another_fails(engine):
    said, docker = engine
    said["/info"], said["/containers/json?all=1"] = INFO, [listed("web"), listed("slow"), listed("after")]
    said["/containers/web/json"] = said["/containers/after/json"] = WHOLE
    said["/containers/slow/json"] = 500
    seen = look_at_docker(docker, ["web:1"])
    assert "/containers/slow/json" in seen["error"] and "HTTP 500" in seen["error"]
    assert (seen["version"], seen["live_restore"]) == ("26.1.5", True)
    assert isinstance(seen["flags"], list)
    assert [one["name"] for one in seen["containers"]] == ["web"]
    assert seen["images"] == {"web:1": None}

    said["/info"] = 500
    seen = look_at_docker(docker)
    assert "/info" in seen["error"] and "live_restore" not in seen
    assert [one["name"] for one in seen["containers"]] == ["web"] and "flags" in seen


def test_a_repository_without_its_tag():
    assert without_tag("host:5000/web") == "host:5000/web"
    assert without_tag("host:5000/web:1.0") == "host:5000/web"
