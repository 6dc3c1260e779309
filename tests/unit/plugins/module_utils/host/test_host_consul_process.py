# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host import consul_process
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_process import (
    look_at_data,
    look_at_processes,
    mark_main,
    shown_options,
    started_at,
    unit_of,
)

KEY = bytes(range(32))
GOSSIP_KEYS = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="]


@pytest.fixture
def proc(tmp_path):
    """A function that adds a process to a folder like /proc, and that folder."""
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "uptime").touch()

    def add(pid, command, comm="consul", cgroup="0::/system.slice/consul.service\n", files=()):
        one = folder / str(pid)
        (one / "fd").mkdir(parents=True)
        (one / "exe").symlink_to("/usr/bin/consul")
        (one / "comm").write_text(comm + "\n")
        (one / "cmdline").write_bytes("\0".join(command).encode() + b"\0")
        (one / "cgroup").write_text(cgroup)
        (one / "stat").write_text(f"{pid} ({comm}) S 1 " + "0 " * 17 + "500 0\n")
        for number, target in enumerate(files):
            os.symlink(target, one / "fd" / str(number))
        return one

    return add, str(folder)


def test_a_server(proc):
    add, folder = proc
    files = ["/dev/null", "/srv/consul/raft/raft.db", "/srv/consul/serf/local.snapshot", "socket:[1]"]
    add(42, ["/usr/bin/consul", "agent", "-config-dir=/etc/consul.d", "-encrypt=secret"], files=files)
    (one,) = look_at_processes(folder)
    assert one.pop("started") > 0
    assert one == {
        "pid": 42,
        "unit": "consul",
        "binary": "/usr/bin/consul",
        "config_dirs": ["/etc/consul.d"],
        "config_files": [],
        "options": {},
        "contained": False,
        "user": getpass.getuser(),
        "data_dir": "/srv/consul",
        "server": True,
        "error": None,
    }


def test_a_client_before_it_has_a_snapshot(proc):
    add, folder = proc
    add(42, ["consul", "agent", "-data-dir", "/opt/consul", "-config-file", "a.hcl", "--config-file=b.json"])
    (one,) = look_at_processes(folder)
    assert (one["data_dir"], one["server"], one["config_files"]) == ("/opt/consul", False, ["a.hcl", "b.json"])


def test_what_is_no_agent(proc):
    add, folder = proc
    add(1, ["consul", "version"])
    add(2, ["/usr/bin/dockerd", "agent"], comm="dockerd")
    add(3, ["consul", "agent"]).joinpath("stat").unlink()  # it ends meanwhile
    assert look_at_processes(folder) == []


def test_open_files_of_another_user(proc):
    add, folder = proc
    shutil.rmtree(add(42, ["consul", "agent", "-data-dir=/opt/consul"]) / "fd")
    (one,) = look_at_processes(folder)
    assert one["server"] is None and one["data_dir"] == "/opt/consul" and "No such file" in one["error"]


def test_options_on_the_command_line():
    arguments = ["consul", "agent", "-dev", "-encrypt", "secret", "-retry-join=a", "-config-dir", "/a", "-data-dir"]
    assert shown_options(arguments) == ({"config_dirs": ["/a"], "config_files": []}, {})


def test_settings_on_the_command_line():
    arguments = [
        "consul",
        "agent",
        "-server",
        "-ui=false",
        "-node",
        "old1",
        "--dns-port=53",
        "-http-port",
        "x",
        "-data-dir=/a",
    ]
    settings = {"server": True, "ui": False, "node_name": "old1", "ports.dns": 53, "data_dir": "/a"}
    assert shown_options(arguments)[1] == settings


def test_an_agent_in_a_container(proc):
    add, folder = proc
    add(42, ["consul", "agent"])
    for pid, namespace in {"42": "pid:[2]", "self": "pid:[1]"}.items():
        os.makedirs(f"{folder}/{pid}/ns")
        os.symlink(namespace, f"{folder}/{pid}/ns/pid")
    assert look_at_processes(folder)[0]["contained"]
    for pid, namespace in {"42": "net:[2]", "self": "net:[1]"}.items():
        os.symlink(namespace, f"{folder}/{pid}/ns/net")
    assert look_at_processes(folder) == [], "with a network of its own it is another host"


@pytest.mark.parametrize(
    "cgroups, unit",
    [
        ("0::/system.slice/consul.service\n", "consul"),
        ("9:name=systemd:/docker/abc/system.slice/consul.service\n1:cpu:/docker/abc\n0::/docker/abc\n", "consul"),
        ("0::/system.slice/docker-abc.scope\n", "docker-abc.scope"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        ("0::/system.slice/system-consul.slice/consul@dc1.service\n", "consul@dc1"),
        ("0::/system.slice/supervisor.service\n", "supervisor"),
        # A unit of a user is another one than that of the system with the same name.
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/consul.service\n", "user@1000"),
        ("0::/user.slice/user-1/user@1.service/user.slice/libpod-a.scope/system.slice/consul.service\n", "consul"),
        ("0::/\n", None),
        ("5:devices:/system.slice/other.service\n", None),
    ],
)
def test_the_unit_of_a_process(cgroups, unit):
    assert unit_of(cgroups) == unit


def test_the_main_process_of_a_unit():
    agents = [
        {"pid": 1, "unit": "old"},
        {"pid": 2, "unit": "cron"},
        {"pid": 3, "unit": "a.scope"},
        {"pid": 4, "unit": None},
    ]
    asked = []

    def read(names):
        asked.extend(names)
        return {"cron": {"pid": 9}}

    mark_main(agents, {"old": {"pid": 1}}, read)
    assert asked == ["cron"]
    assert [agent["main"] for agent in agents] == [True, False, None, None]


def test_when_a_process_started():
    before = time.time()
    process = subprocess.Popen(["sleep", "60"])
    try:
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
            started = started_at(stat.read()) / 1e6
    finally:
        process.kill()
        process.wait()
    assert before - 0.05 < started < time.time() + 0.05


# Data folders


def make_data(folder, keyring=None, node_id=None):
    (folder / "serf").mkdir(parents=True)
    if keyring is not None:
        (folder / "serf" / "local.keyring").write_text(keyring)
    if node_id:
        (folder / "node-id").write_text(node_id)
    return str(folder)


def test_a_data_folder(tmp_path):
    path = make_data(tmp_path / "data", json.dumps(GOSSIP_KEYS), "1-2-3\n")
    seen = look_at_data([f"{path}/", str(tmp_path / "none"), path], KEY)
    digests = [hmac.new(KEY, key.encode(), hashlib.sha256).hexdigest() for key in GOSSIP_KEYS]
    assert seen == {
        path: {
            "error": None,
            "owner": getpass.getuser(),
            "node_id_on_disk": "1-2-3",
            "gossip_key_digests": digests,
            "services_without_token": [],
            "checks_without_token": [],
        }
    }


def test_services_without_a_token(tmp_path):
    path = make_data(tmp_path / "data")
    (tmp_path / "data" / "services").mkdir()
    kept = [
        {"Token": "secret", "Service": {"ID": "a", "Service": "a"}},
        {"Token": "", "Service": {"ID": "b-1", "Service": "b"}},
        {"Service": {"ID": "", "Service": "c"}},
        [],
        {"Token": ""},
    ]
    for number, one in enumerate(kept):
        (tmp_path / "data" / "services" / str(number)).write_text(json.dumps(one))
    (tmp_path / "data" / "services" / "half").write_text('{"Token": "sec')
    seen = look_at_data([path])[path]
    assert seen["services_without_token"] == ["b-1", "c"] and "secret" not in str(seen)


def test_checks_without_a_token(tmp_path):
    """Of the node, or added to a service. Those of a service without a token are not repeated."""
    path = make_data(tmp_path / "data")
    kept = {
        "services": [{"Token": "", "Service": {"ID": "b-1", "Service": "b"}}, {"Token": "", "Service": {"ID": ""}}],
        "checks": [
            {"Token": "", "Check": {"CheckID": "disk", "ServiceID": ""}},
            {"Token": "secret", "Check": {"CheckID": "load", "ServiceID": ""}},
            {"Token": "", "Check": {"CheckID": "service:b-1", "ServiceID": "b-1"}},
            {"Token": "", "Check": {"CheckID": "a-up", "ServiceID": "a"}},
            {"Token": "", "Check": {"CheckID": "short"}},
            {"Token": "", "Check": {"ID": "another program's"}},
            {"Token": "", "Check": None},
        ],
    }
    for folder, files in kept.items():
        (tmp_path / "data" / folder).mkdir()
        for number, one in enumerate(files):
            (tmp_path / "data" / folder / str(number)).write_text(json.dumps(one))
    seen = look_at_data([path])[path]
    assert (seen["services_without_token"], seen["checks_without_token"]) == (["b-1"], ["disk", "a-up", "short"])


def test_a_cluster_without_gossip_encryption(tmp_path):
    path = make_data(tmp_path / "data")
    seen = look_at_data([path], KEY)[path]
    assert (seen["error"], seen["node_id_on_disk"], seen["gossip_key_digests"]) == (None, None, [])


def test_no_digests_without_a_key(tmp_path):
    path = make_data(tmp_path / "data", json.dumps(GOSSIP_KEYS))
    assert look_at_data([path])[path]["gossip_key_digests"] is None


@pytest.mark.parametrize("keyring", ['["secret"', '{"secret": 1}', "[5]"])
def test_a_keyring_that_is_broken_is_not_shown(tmp_path, keyring):
    path = make_data(tmp_path / "data", keyring, "1-2-3")
    seen = look_at_data([path], KEY)[path]
    assert "is not a list of keys" in seen["error"] and "secret" not in str(seen) and seen["gossip_key_digests"] is None
    assert seen["node_id_on_disk"] == "1-2-3"


def test_agents_of_this_machine_are_found_without_an_error():
    assert isinstance(consul_process.look_at_processes(), list)
