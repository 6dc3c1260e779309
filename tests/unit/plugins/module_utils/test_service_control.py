# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import service_control
from ansible_collections.dockyard.consul.plugins.module_utils.service_control import Log, Service

START = 1_764_170_000_000_000
RUNNING = {
    "load": "loaded",
    "active": "active",
    "sub": "running",
    "enabled": "enabled",
    "fragment": "",
    "type": "notify",
    "result": "success",
    "pid": 42,
    "restarts": 0,
    "job": 0,
    "begun": START,
    "started": START,
    "changed": START,
    "daemon_reload": False,
    "can_reload": True,
    "reload_failed": False,
    "binary_replaced": False,
    "unsteady": False,
    "workers": {8: START},
    "workers_started": START,
}
FAILED = {"active": "failed", "sub": "failed", "result": "exit-code", "pid": 0}


class Done(Exception):
    """The module has ended, with this result."""


class Host:
    """A host whose unit goes through the states given, and stays in the last; and a module that runs there."""

    def __init__(self, states, check_mode, **params):
        self.states = [{**RUNNING, **state} for state in states]
        self.check_mode = check_mode
        self.params = {
            "name": "toy",
            "reads": [],
            "reload_reads": [],
            "enabled": True,
            "workers": False,
            "restart": True,
            "refused_log": None,
            "timeout": 0,
            **params,
        }
        self.commands = []
        self.warnings = []

    def read_units(self, run_command, names, workers=()):
        return {"toy": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def run_command(self, arguments):
        self.commands.append(" ".join(arguments))
        return 0, "toy: no such port\n" if arguments[:2] == ["journalctl", "-u"] else "", ""

    def warn(self, text):
        self.warnings.append(text)

    def exit_json(self, **result):
        raise Done(result)

    fail_json = exit_json


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(service_control, "POLL_SECONDS", 0)
    monkeypatch.setattr(service_control, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(service_control, "SILENCE_SECONDS", 0.01)

    def run(*states, check_mode=False, **params):
        host = Host(states, check_mode, **params)
        monkeypatch.setattr(service_control, "read_units", host.read_units)
        with pytest.raises(Done) as done:
            Service(host).run()
        return done.value.args[0], host

    return run


@pytest.fixture
def file(tmp_path):
    """A file that was placed after the start."""
    path = tmp_path / "toy.conf"
    path.touch()
    return path


def later(**state):
    """Times after everything that a test has done."""
    at = time.time_ns() // 1000 + 10_000_000
    return {"begun": at, "started": at, "changed": at, **state}


def test_nothing(run):
    result, host = run({})
    assert (result["changed"], result["due"], host.commands) == (False, "nothing", [])
    assert result["diff"]["before"] == result["diff"]["after"]


def test_restart(run, file):
    result, host = run({}, {}, {"job": 5}, later(), reads=[str(file)], timeout=5)
    assert (result["changed"], result["due"]) == (True, "restart")
    assert host.commands == [
        "systemctl daemon-reload",
        "systemctl reset-failed toy.service",
        "systemctl --no-block restart toy.service",
    ]
    assert [result["diff"][when]["due"] for when in ("before", "after")] == ["restart", "nothing"]
    assert host.warnings == []


def test_check_mode_runs_no_command(run, file):
    result, host = run({"enabled": "disabled"}, check_mode=True, reads=[str(file)])
    assert (result["changed"], result["due"], host.commands) == (True, "restart", [])
    assert result["diff"]["after"] == {"active": "active", "enabled": "enabled", "due": "nothing"}


def test_a_restart_that_is_held_back(run, file):
    result, host = run({"enabled": "disabled"}, reads=[str(file)], restart=False)
    assert (result["changed"], result["due"]) == (True, "restart")
    assert host.commands == ["systemctl enable toy.service"]
    result, host = run({}, reads=[str(file)], restart=False)
    assert (result["changed"], result["due"], host.commands, host.warnings) == (False, "restart", [], [])


def test_a_restart_that_does_not_help_is_a_warning(run):
    _result, host = run({"binary_replaced": True})
    assert "After the restart of toy, a restart is still due" in host.warnings[0]


def test_a_start_under_way_with_older_files_is_begun_again(run):
    _result, host = run({"active": "activating", "sub": "auto-restart"}, later())
    assert "systemctl --no-block restart toy.service" in host.commands
    _result, host = run({"active": "inactive", "sub": "dead"}, later())
    assert "systemctl --no-block start toy.service" in host.commands


def test_a_start_that_fails_shows_the_journal(run):
    result, _host = run({"active": "inactive", "sub": "dead"}, FAILED)
    assert result["msg"].startswith("toy does not run after its start (failed, failed, exit-code). Correct what")
    assert result["msg"].endswith(":\ntoy: no such port")


def test_a_start_that_takes_too_long(run):
    result, _host = run({"active": "inactive", "sub": "dead"}, {"active": "activating", "sub": "start"})
    assert "(activating, start, after 0 s)" in result["msg"]


@pytest.mark.parametrize(
    "died", [{"pid": 43}, {"restarts": 1}, FAILED, {"active": "activating", "sub": "auto-restart"}]
)
def test_a_simple_unit_has_to_stay(run, died):
    result, _host = run({"active": "inactive", "sub": "dead"}, {"type": "simple"}, {"type": "simple"}, {**died})
    assert "toy does not run after its start" in result["msg"]


def test_a_unit_between_two_crashes(run):
    result, _host = run({"unsteady": True, "restarts": 3}, {"unsteady": True, "restarts": 4}, check_mode=True)
    assert result["due"] == "start"
    result, _host = run({"unsteady": True, "restarts": 3}, {"restarts": 3}, check_mode=True)
    assert result["due"] == "nothing"


def test_no_such_unit(run):
    none = {"load": "not-found", "active": "inactive", "enabled": ""}
    result, host = run(none)
    assert "There is no unit toy.service" in result["msg"] and host.commands == ["systemctl daemon-reload"]
    assert run(none, later())[0]["due"] == "nothing"
    assert run(none, check_mode=True)[0]["due"] == "start"


def test_reload(run, file):
    result, host = run(
        {},
        {"active": "reloading", "sub": "reload"},
        later(begun=START, started=START),
        reload_reads=[str(file)],
        timeout=5,
    )
    assert (result["changed"], result["due"]) == (True, "reload")
    assert host.commands == ["systemctl --no-block reload toy.service"]


def test_a_reload_that_fails(run, file):
    result, _host = run({}, {"reload_failed": True}, reload_reads=[str(file)])
    assert "its reload command failed" in result["msg"] and result["msg"].endswith("\ntoy: no such port")


def test_a_reload_brings_a_new_worker(run, file):
    new = later(begun=START, started=START)
    new.update(workers={8: START, 9: new["changed"]}, workers_started=new["changed"])
    result, _host = run({}, {}, {}, new, reload_reads=[str(file)], workers=True, timeout=5)
    assert result["due"] == "reload"


def test_a_reload_without_a_new_worker_shows_what_the_log_got_since(run, file, tmp_path, monkeypatch):
    log = tmp_path / "error.log"
    log.write_text("[emerg] of last week\n")
    command = Host.run_command

    def reload(self, arguments):
        with log.open("a") as appended:
            appended.write("[emerg] bind() failed\n[notice] x\n[emerg] still could not bind()\n")
        return command(self, arguments)

    monkeypatch.setattr(Host, "run_command", reload)
    result, _host = run({}, reload_reads=[str(file)], workers=True, refused_log=str(log), timeout=5)
    assert "started no new worker" in result["msg"]
    assert result["msg"].endswith(f"errors in {log}:\n[emerg] bind() failed\n[emerg] still could not bind()")


def test_a_file_from_the_future_is_dated_now(run, file, tmp_path):
    link, nowhere = tmp_path / "link", tmp_path / "nowhere"
    link.symlink_to(file)
    nowhere.symlink_to("/nonexistent")
    future = time.time() + 3600
    for path in (file, link, nowhere):
        os.utime(path, (future, future), follow_symlinks=False)
    result, _host = run({}, {}, later(), reads=[str(tmp_path / "*")])
    assert f"{file} is dated in the future" in result["reasons"]
    assert all(path.lstat().st_mtime <= time.time() for path in (file, link, nowhere))


def test_patterns_and_what_does_not_exist(run, file, tmp_path):
    service = Service(Host([{}], False, reads=[str(tmp_path), str(tmp_path / "*.conf"), str(tmp_path / "none")]))
    assert list(service.files("reads")) == [str(tmp_path), str(file)]


def test_a_log_that_was_rotated(tmp_path):
    path = tmp_path / "error.log"
    path.write_text("[emerg] a long line of last week\n")
    log = Log(str(path))
    assert log.new_emergencies() == []
    path.write_text("[emerg] new\n")
    assert log.new_emergencies() == ["[emerg] new"]
    path.unlink()
    assert log.new_emergencies() == Log(None).new_emergencies() == []
