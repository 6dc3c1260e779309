# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import controller


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def end(process):
    process.stdin.close()
    process.wait(20)


def test_a_process_that_ended(sleeper):
    holder = controller.process(sleeper.pid)
    assert not controller.has_ended(holder) and controller.runs(sleeper.pid, holder["started"])
    end(sleeper)
    assert controller.has_ended(holder) and not controller.runs(sleeper.pid, holder["started"])


def test_one_that_is_dead_and_not_awaited_has_ended(sleeper):
    holder = controller.process(sleeper.pid)
    sleeper.stdin.close()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert controller.has_ended(holder)


@pytest.mark.parametrize(
    ("changed", "has_ended"),
    [
        ({"started": 1}, True),  # another process has its number now
        ({"machine": "another/1"}, False),
        ({"machine": None}, False),
        ({"pid": None}, False),
        ({"started": None}, False),
    ],
)
def test_what_is_known_of_another_process(changed, has_ended):
    assert controller.has_ended({**controller.process(os.getpid()), **changed}) is has_ended


@pytest.mark.parametrize(("answer", "has_ended"), [(PermissionError, False), (ProcessLookupError, True)])
def test_proc_may_hide_the_processes_of_other_users(monkeypatch, answer, has_ended):
    """With the mount option hidepid."""
    holder = controller.process(os.getpid())

    def kill(_pid, _signal):
        raise answer

    monkeypatch.setattr(controller, "started", lambda _pid: None)
    monkeypatch.setattr(controller.os, "kill", kill)
    assert controller.has_ended(holder) is has_ended


def test_without_proc_no_process_has_ended(monkeypatch):
    holder = {**controller.process(os.getpid()), "started": 1}
    monkeypatch.setattr(controller, "machine", lambda: None)
    assert not controller.has_ended(holder)


def test_without_proc_a_process_is_asked(sleeper):
    assert controller.runs(sleeper.pid, None)
    end(sleeper)
    assert not controller.runs(sleeper.pid, None)


def test_the_name_of_a_program_may_have_brackets_and_spaces(tmp_path):
    program = tmp_path / "a) b (c"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert controller.started(process.pid)
        end(process)


def test_in_a_process_that_ansible_forked_the_run_is_the_parent():
    assert controller.main_pid() == os.getpid()


def test_an_operator_has_a_user_and_a_host(monkeypatch):
    monkeypatch.setattr(controller.socket, "gethostname", lambda: "control1")
    monkeypatch.setattr(controller.getpass, "getuser", lambda: "anna")
    assert controller.operator() == "anna@control1"

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(controller.getpass, "getuser", nobody)
    assert controller.operator() == f"{os.getuid()}@control1"
