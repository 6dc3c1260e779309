# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import consul_replacing
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_replacing import Replaced, replace, running


class Service:
    name = "consul"
    module = SimpleNamespace(run_command=None)

    def __init__(self, folder):
        self.done, self.folder, self.fails_at = [], folder, None

    def systemctl(self, *command, unit=True, check=True):
        assert not unit
        self.done.append(" ".join(command))
        if command[0] == "stop":
            self.done.append(sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.conf")))
        if command[0] == self.fails_at:
            raise SystemExit


MAIN = {"old": {"pid": 42}, "cron": {"pid": 7}}


@pytest.fixture
def service(monkeypatch, tmp_path):
    service = Service(tmp_path)
    monkeypatch.setattr(consul_replacing, "RUNTIME_UNITS", str(tmp_path))
    monkeypatch.setattr(consul_replacing, "read_units", lambda _run, names: {name: MAIN[name] for name in names})
    monkeypatch.setattr(consul_replacing, "end", lambda pid: service.done.append(f"end {pid}"))
    monkeypatch.setattr(consul_replacing, "give_to_user", lambda folder: service.done.append(f"chown {folder}"))
    return service


def stopped(unit):
    drop_in = f"{unit}.service.d/zzz-dockyard-replaced.conf"
    return ["daemon-reload", f"stop {unit}.service", [drop_in]]


@pytest.mark.parametrize(
    "unit, done",
    [
        ("old", ["disable old.service", *stopped("old"), "end 42", "daemon-reload"]),
        ("consul", [*stopped("consul"), "end 42", "daemon-reload"]),
        (None, ["end 42"]),
        ("session-3.scope", ["end 42"]),
    ],
)
def test_an_agent_is_killed_and_its_unit_does_not_start_it_again(service, unit, done):
    replace(service, [Replaced(42, unit, "consul")], None)
    assert service.done == done and not list(service.folder.iterdir())


def test_a_unit_is_stopped_by_sigkill_alone(service):
    """At SIGTERM, and by an ExecStop with 'consul leave', an agent leaves the cluster."""
    with consul_replacing.stops_at_once(service, "old"):
        (drop_in,) = service.folder.rglob("*.conf")
        assert set(drop_in.read_text().splitlines()) >= {
            "[Service]",
            "Restart=no",
            "KillSignal=SIGKILL",
            "ExecStop=",
        }


def test_after_a_failure_the_unit_is_as_it_was(service):
    service.fails_at = "stop"
    with pytest.raises(SystemExit):
        replace(service, [Replaced(42, "old", "consul")], None)
    assert service.done[-1] == "daemon-reload" and not list(service.folder.iterdir())


def test_the_unit_of_another_program_is_not_stopped(service):
    """Nor is anything else, before."""
    replaced = [Replaced(42, "old", "consul"), Replaced(43, "cron", "root")]
    with pytest.raises(ConsulError, match="the agent of cron .process 43. was started by another program"):
        replace(service, replaced, None)
    assert service.done == []


def test_the_data_of_an_agent_that_ran_as_root(service):
    replace(service, [Replaced(42, "consul", "root")], "/opt/consul")
    assert service.done[-1] == "chown /opt/consul"


def test_what_still_runs(monkeypatch):
    found = {"1": {"pid": 1, "started": 5_000_000, "unit": "old"}, "2": None}
    monkeypatch.setattr(consul_replacing, "process", lambda _proc, pid: found[pid])
    monkeypatch.setattr(consul_replacing.os.path, "isdir", lambda path: path != "/proc/3")
    wanted = [{"pid": pid, "started": 5_000_100, "unit": "old", "user": "hashi"} for pid in (1, 2, 3)]
    (one,) = running(wanted)
    assert str(one) == "the agent of old (process 1)" and one.user == "hashi"
    assert running([{"pid": 1, "started": 9_000_000, "unit": "old"}]) == [], "another process with the same number"


def test_a_process_ends():
    with subprocess.Popen(["sleep", "60"]) as process:
        consul_replacing.end(process.pid)
        assert process.wait() == -9


def test_a_process_that_has_ended_meanwhile():
    with subprocess.Popen(["true"]) as process:
        process.wait()
        consul_replacing.end(process.pid)


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
