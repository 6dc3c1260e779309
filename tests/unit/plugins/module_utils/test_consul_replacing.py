# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
import subprocess

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import consul_replacing
from ansible_collections.dockyard.consul.plugins.module_utils.consul_replacing import Replaced, replace, running


class Service:
    name = "consul"

    def __init__(self):
        self.done = []

    def systemctl(self, *command, unit=True):
        assert not unit
        self.done.append(" ".join(command))


@pytest.fixture
def service(monkeypatch):
    service = Service()
    monkeypatch.setattr(consul_replacing, "end", lambda pid: service.done.append(f"kill {pid}"))
    monkeypatch.setattr(consul_replacing, "give_to_user", lambda folder: service.done.append(f"chown {folder}"))
    return service


@pytest.mark.parametrize(
    "unit, done",
    [
        ("old", ["disable old.service", "daemon-reload", "kill 42", "stop old.service"]),
        ("consul", ["daemon-reload", "kill 42"]),
        (None, ["daemon-reload", "kill 42"]),
        ("session-3.scope", ["daemon-reload", "kill 42"]),
    ],
)
def test_an_agent_is_killed_and_its_unit_does_not_start_it_again(service, unit, done):
    replace(service, [Replaced(42, unit, "consul")], "/opt/consul")
    assert service.done == done


def test_the_data_of_an_agent_that_ran_as_root(service):
    replace(service, [Replaced(42, "consul", "root")], "/opt/consul")
    assert service.done[-1] == "chown /opt/consul"


def test_what_still_runs(monkeypatch):
    found = {"1": {"pid": 1, "started": 5_000_000, "unit": "old", "user": "consul"}, "2": None}
    monkeypatch.setattr(consul_replacing, "process", lambda _proc, pid: found[pid])
    monkeypatch.setattr(consul_replacing.os.path, "isdir", lambda path: path != "/proc/3")
    wanted = [{"pid": pid, "started": 5_000_100, "unit": "old"} for pid in (1, 2, 3)]
    (one,) = running(wanted)
    assert str(one) == "the agent of old (process 1)"
    assert running([{"pid": 1, "started": 9_000_000, "unit": "old"}]) == [], "another process with the same number"


def test_a_process_ends():
    with subprocess.Popen(["sleep", "60"]) as process:
        consul_replacing.end(process.pid)
        assert process.wait() == -9


def test_the_files_are_given_away(tmp_path, monkeypatch):
    (tmp_path / "raft").mkdir()
    (tmp_path / "raft" / "raft.db").touch()
    user, given = pwd.getpwuid(os.getuid()), []
    monkeypatch.setattr(consul_replacing.pwd, "getpwnam", lambda name: {"consul": user}[name])
    monkeypatch.setattr(
        consul_replacing.os, "lchown", lambda path, *_ids: given.append(os.path.relpath(path, tmp_path))
    )
    consul_replacing.give_to_user(str(tmp_path))
    assert {".", "raft", "raft/raft.db"} <= {os.path.normpath(path) for path in given}
