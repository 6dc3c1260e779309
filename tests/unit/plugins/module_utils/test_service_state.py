# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import service_state
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import (
    STEADY,
    TICK,
    SystemdError,
    binary_replaced,
    children,
    due,
    earlier,
    emergencies,
    full_name,
    microseconds,
    modified,
    obstacle,
    outcome,
    read_units,
    settled_at,
    short_name,
)

START = 1_764_170_000_000_000
SECOND = 1_000_000
RUNNING = {
    "load": "loaded",
    "active": "active",
    "sub": "running",
    "enabled": "enabled",
    "fragment": "/lib/systemd/system/toy.service",
    "type": "notify",
    "result": "success",
    "pid": 42,
    "restarts": 0,
    "job": 0,
    "begun": START,
    "started": START + SECOND,
    "changed": START + SECOND,
    "daemon_reload": False,
    "can_reload": True,
    "reload_failed": False,
    "binary_replaced": False,
    "unsteady": False,
}
RELOADED = {**RUNNING, "changed": START + 60 * SECOND}


def decided(unit=None, reads=None, reload_reads=None, **options):
    decision = due("toy", {**RUNNING, **(unit or {})}, reads or {}, reload_reads or {}, **options)
    return decision.due, decision.reasons


# --- what is due -----------------------------------------------------------------------------------------------------


def test_nothing():
    assert decided(reads={"/a": START - SECOND}, reload_reads={"/b": START - SECOND}) == ("nothing", [])


@pytest.mark.parametrize(
    "unit, reason",
    [
        ({"active": "inactive", "sub": "dead"}, "toy is not running"),
        ({"active": "deactivating", "sub": "stop"}, "toy is not running"),
        ({"active": "failed", "sub": "failed", "result": "exit-code"}, "toy has failed (exit-code)"),
        (
            {"active": "activating", "sub": "auto-restart", "result": "signal"},
            "toy keeps failing (signal), and systemd is about to start it again",
        ),
        ({"active": "activating", "sub": "start"}, "toy is still starting"),
        ({"load": "not-found", "active": "inactive", "enabled": ""}, "there is no unit toy yet"),
    ],
)
def test_a_unit_that_does_not_run_is_started_whatever_its_files(unit, reason):
    assert decided(unit, reads={"/a": START + SECOND}) == ("start", [reason])


def test_a_changed_file_is_a_restart():
    assert decided(reads={"/a": START - SECOND, "/b": START + SECOND}) == (
        "restart",
        ["/b is newer than the start of toy"],
    )


def test_a_file_placed_while_the_unit_was_starting_may_not_have_been_read():
    assert decided({"started": START + 90 * SECOND}, reads={"/a": START + SECOND})[0] == "restart"
    assert decided({"started": START + 90 * SECOND, "changed": START + 90 * SECOND}, {}, {"/a": START + SECOND}) == (
        "reload",
        ["/a is newer than the start of toy"],
    )


def test_a_replaced_binary_and_a_changed_unit_file_are_a_restart():
    assert decided({"binary_replaced": True, "daemon_reload": True}) == (
        "restart",
        ["the binary of toy was replaced", "systemd has not read the changed unit file of toy"],
    )


def test_a_file_that_a_reload_reads():
    reload_reads = {"/a": START + 30 * SECOND}
    assert decided(reload_reads=reload_reads) == ("reload", ["/a is newer than the start of toy"])
    assert decided(RELOADED, reload_reads=reload_reads) == ("nothing", [])
    assert decided(RELOADED, reload_reads={"/a": START + 61 * SECOND}) == (
        "reload",
        ["/a is newer than the last reload of toy"],
    )
    assert decided(RELOADED, reads=reload_reads)[0] == "restart"


def test_a_restart_reloads_too():
    assert decided(reads={"/a": START + SECOND}, reload_reads={"/b": START + SECOND}) == (
        "restart",
        ["/a is newer than the start of toy", "/b is newer than the start of toy"],
    )


def test_a_reload_that_failed_is_due_again():
    assert decided({**RELOADED, "reload_failed": True}, reload_reads={"/a": START - SECOND}) == (
        "reload",
        ["the last reload of toy failed"],
    )
    assert decided({**RELOADED, "reload_failed": True}, reads={"/a": START - SECOND}) == ("nothing", [])


def test_a_reload_that_brought_no_new_worker_is_due_again():
    refused = {**RELOADED, "workers_started": START + 2 * SECOND}
    reload_reads = {"/a": START + 30 * SECOND}
    assert decided(refused, reload_reads=reload_reads, workers=True) == (
        "reload",
        ["/a is newer than the newest worker of toy"],
    )
    taken_up = {**RELOADED, "workers_started": START + 61 * SECOND}
    assert decided(taken_up, reload_reads=reload_reads, workers=True) == ("nothing", [])


def test_a_worker_that_replaces_a_crashed_one_has_read_nothing():
    unit = {**RELOADED, "workers_started": START + 90 * SECOND}
    assert decided(unit, reload_reads={"/a": START + 70 * SECOND}, workers=True) == (
        "reload",
        ["/a is newer than the last reload of toy"],
    )


def test_without_a_worker_systemd_counts():
    unit = {**RELOADED, "workers_started": 0}
    assert decided(unit, reload_reads={"/a": START + 30 * SECOND}, workers=True) == ("nothing", [])


@pytest.mark.parametrize("state", ["disabled", "enabled-runtime", "linked", "linked-runtime"])
def test_enable(state):
    assert decided({"enabled": state}) == ("enable", ["toy is not enabled at boot"])
    assert decided({"enabled": state}, enabled=False) == ("nothing", [])
    assert decided({"enabled": state, "active": "inactive"}) == (
        "start",
        ["toy is not running", "toy is not enabled at boot"],
    )


@pytest.mark.parametrize("state", ["enabled", "static", "indirect", "generated", "alias", ""])
def test_what_needs_no_enabling(state):
    assert decided({"enabled": state}) == ("nothing", [])


def test_a_file_from_the_future_is_named():
    now = START + 100 * SECOND
    assert decided(reads={"/a": now + 1, "/b": now}, now=now) == (
        "restart",
        [
            "/a is newer than the start of toy",
            "/b is newer than the start of toy",
            "/a is dated in the future",
        ],
    )
    assert decided({"active": "inactive"}, reload_reads={"/a": now + 1}, now=now)[1] == [
        "toy is not running",
        "/a is dated in the future",
    ]


def test_within_a_tick_a_file_counts_as_newer_and_what_waits_for_settled_at_is_not_due_again():
    # The date of a file is up to a tick before the moment at which it was written.
    assert decided(reads={"/a": START - TICK + 1})[0] == "restart"
    assert decided(reads={"/a": START - TICK})[0] == "nothing"

    files = {"/a": START - 7 * SECOND, "/b": START - SECOND}
    acted = settled_at(files)
    assert decided({"begun": acted, "started": acted, "changed": acted}, reads=files)[0] == "nothing"
    # /proc rounds the start of a worker down by less than a tick.
    unit = {"begun": START - 90 * SECOND, "started": START - 90 * SECOND, "changed": acted}
    assert decided({**unit, "workers_started": acted - TICK + 1}, {}, files, workers=True)[0] == "nothing"


def test_what_acts():
    def acts(unit, restart, reads=None, reload_reads=None):
        return due("toy", {**RUNNING, **unit}, reads or {}, reload_reads or {}).acts(restart)

    new = {"/a": START + SECOND}
    assert not acts({}, True)
    assert acts({}, True, reads=new) and not acts({}, False, reads=new)
    assert acts({}, False, reload_reads=new)
    assert acts({"active": "failed"}, False)
    assert acts({"enabled": "disabled"}, False, reads=new)


# --- what stands in the way, and how it went -------------------------------------------------------------------------


def refused(unit, reload_reads=None):
    whole = {**RUNNING, **unit}
    return obstacle("toy", whole, due("toy", whole, {}, reload_reads or {}))


def test_obstacles():
    assert refused({}) == ""
    assert refused({"load": "not-found", "active": "inactive"}) == ""
    assert "systemctl unmask toy" in refused({"load": "masked", "enabled": "masked", "active": "inactive"})
    assert "Correct it in /lib/systemd/system/toy.service" in refused({"load": "bad-setting"})
    no_reload = {"can_reload": False}
    assert refused(no_reload) == ""
    assert "has no ExecReload" in refused(no_reload, reload_reads={"/a": START + SECOND})


@pytest.mark.parametrize(
    "unit, expected",
    [
        ({}, "up"),
        ({"job": 7}, "wait"),
        ({"active": "activating", "sub": "start"}, "wait"),
        ({"active": "deactivating", "sub": "stop-sigterm"}, "wait"),
        ({"active": "reloading", "sub": "reload"}, "wait"),
        ({"pid": 0}, "wait"),
        ({"pid": 0, "type": "forking"}, "up"),
        ({"pid": 0, "type": "oneshot", "sub": "exited"}, "up"),
        ({"active": "failed", "sub": "failed"}, "down"),
        ({"active": "inactive", "sub": "dead"}, "down"),
        ({"active": "activating", "sub": "auto-restart", "job": 7}, "down"),
        ({"active": "activating", "sub": "auto-restart-queued"}, "down"),
        ({"restarts": 3}, "up"),
        ({"restarts": 4}, "down"),
    ],
)
def test_outcome(unit, expected):
    assert outcome({**RUNNING, **unit}, restarts=3) == expected


def test_emergencies():
    log = "2026 [notice] 1#1: signal\n2026 [emerg] 1#1: bind() failed\n2026 [emerg] 1#1: still could not bind()\n"
    assert emergencies(log) == ["2026 [emerg] 1#1: bind() failed", "2026 [emerg] 1#1: still could not bind()"]


# --- reading ---------------------------------------------------------------------------------------------------------

SHOWN = """\
Type=notify
MainPID={pid}
Result=success
ReloadResult=success
NRestarts=0
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/lib/systemd/system/redis-server.service
DropInPaths=/etc/systemd/system/redis-server.service.d/a.conf /run/b.conf
UnitFileState=enabled
StateChangeTimestamp=Thu 2026-11-26 16:45:28.659483 UTC
InactiveExitTimestamp=Thu 2026-11-26 16:45:28.610457 UTC
ActiveEnterTimestamp=Thu 2026-11-26 16:45:28.659483 UTC
CanReload=no
Job=
NeedDaemonReload=no
"""
NOT_FOUND = """\
MainPID=0
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
StateChangeTimestamp=
InactiveExitTimestampMonotonic=0
"""


def systemctl(*blocks, code=0, error=""):
    def run_command(arguments, **_):
        run_command.arguments = arguments
        return code, "\n".join(blocks), error

    return run_command


def test_one_call_for_all_units():
    run_command = systemctl(SHOWN.format(pid=0), NOT_FOUND)
    units = read_units(run_command, ["redis-server", "nope.service", "redis-server.service"])
    assert run_command.arguments[-3:] == ["--", "redis-server.service", "nope.service"]
    assert list(units) == ["redis-server", "nope"]
    redis = units["redis-server"]
    assert redis["begun"] == 1795711528_610457
    assert redis["started"] == redis["changed"] == 1795711528_659483
    assert redis["drop_ins"] == ["/etc/systemd/system/redis-server.service.d/a.conf", "/run/b.conf"]
    assert (redis["load"], redis["enabled"], redis["can_reload"], redis["job"]) == ("loaded", "enabled", False, 0)
    assert (units["nope"]["load"], units["nope"]["started"], units["nope"]["pid"]) == ("not-found", 0, 0)
    assert due("nope", units["nope"], {}, {}).due == "start"


def test_no_units_is_no_call():
    assert read_units(None, []) == {}


@pytest.mark.parametrize(
    "run_command, message",
    [
        (systemctl(code=1, error="System has not been booted with systemd as init system"), "has not been booted"),
        (systemctl(code=1, error="systemctl: unrecognized option '--timestamp=us+utc'"), "Version 248 or newer"),
        (systemctl(SHOWN.format(pid=0), NOT_FOUND), "described 2 units where 1"),
        (systemctl(SHOWN.format(pid=0).replace(".659483", "")), "has no microseconds"),
    ],
)
def test_when_systemd_cannot_be_asked(run_command, message):
    with pytest.raises(SystemdError, match=message):
        read_units(run_command, ["redis-server"])


def test_no_systemctl():
    def run_command(*_, **__):
        raise FileNotFoundError(2, "No such file or directory", "systemctl")

    with pytest.raises(SystemdError, match="systemctl cannot be run"):
        read_units(run_command, ["redis-server"])


def test_names():
    assert [short_name(name) for name in ("nginx", "nginx.service", "a.timer")] == ["nginx", "nginx", "a.timer"]
    assert [full_name(name) for name in ("nginx", "a.timer", "b.c")] == ["nginx.service", "a.timer", "b.c.service"]


def test_microseconds():
    assert microseconds("Thu 1970-01-01 00:00:01.000002 UTC") == 1_000_002
    assert microseconds("") == microseconds("n/a") == 0


def test_a_clock_that_was_set_since():
    offset = 1_000 * SECOND
    assert earlier(1_500 * SECOND, 500 * SECOND, offset) == 1_500 * SECOND
    # The two clocks are read one after the other.
    assert earlier(1_500 * SECOND + 40, 500 * SECOND, offset) == 1_500 * SECOND + 40
    # Set back by an hour since: today's clock puts the start an hour earlier.
    assert earlier(5_100 * SECOND, 500 * SECOND, offset) == 1_500 * SECOND
    # Set forward by a minute since: files of that time are dated by the clock of that time.
    assert earlier(1_440 * SECOND, 500 * SECOND, offset) == 1_440 * SECOND
    assert earlier(0, 0, offset) == 0


def test_a_unit_between_two_crashes_is_unsteady():
    now = START + 60 * SECOND
    restarted = {**RUNNING, "restarts": 1, "started": now - STEADY + 1}
    assert service_state.unsteady(restarted, now)
    assert not service_state.unsteady({**restarted, "started": now - STEADY}, now)
    assert not service_state.unsteady({**restarted, "restarts": 0}, now)
    assert not service_state.unsteady({**restarted, "active": "failed"}, now)


@pytest.fixture
def child():
    before = time.time_ns() // 1000
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    after = time.time_ns() // 1000
    yield process, before, after
    process.kill()
    process.wait()


def test_the_start_of_a_child_is_rounded_down_by_less_than_a_tick(child):
    process, before, after = child
    at = children(os.getpid())[process.pid]
    # Two clocks are compared: 1 ms for that.
    assert before - TICK - 1000 < at <= after + 1000


def test_a_child_that_has_ended_does_not_count(child):
    process, *_times = child
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays as a zombie
    assert process.pid not in children(os.getpid())


def test_the_newest_worker_counts(monkeypatch):
    monkeypatch.setattr(service_state, "children", lambda pid: {8: START, 9: START + SECOND} if pid == 42 else {})
    unit = read_units(systemctl(SHOWN.format(pid=42)), ["redis-server"], workers=["redis-server.service"])[
        "redis-server"
    ]
    assert unit["workers_started"] == START + SECOND
    unit = read_units(systemctl(SHOWN.format(pid=0)), ["redis-server"], workers=["redis-server"])["redis-server"]
    assert (unit["workers"], unit["workers_started"]) == ({}, 0)


def test_a_binary_that_was_replaced(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([program, "60"])
    try:
        assert not binary_replaced(process.pid)
        tmp_path.joinpath("new").touch()
        os.replace(tmp_path / "new", program)
        assert binary_replaced(process.pid)
    finally:
        process.kill()
        process.wait()
    assert not binary_replaced(process.pid)


def test_modified(tmp_path):
    file, link, nowhere = tmp_path / "file", tmp_path / "link", tmp_path / "nowhere"
    file.write_text("a")
    link.symlink_to(file)
    nowhere.symlink_to("/nonexistent")
    os.utime(link, (10, 10), follow_symlinks=False)
    os.utime(file, ns=(0, 20_000_001_999))
    assert modified(str(file)) == modified(str(link)) == 20_000_001
    os.utime(link, (30, 30), follow_symlinks=False)
    assert modified(str(link)) == 30_000_000
    os.utime(nowhere, (40, 40), follow_symlinks=False)
    assert modified(str(nowhere)) == 40_000_000
    assert modified(str(tmp_path / "none")) is None
