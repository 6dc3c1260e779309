# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the lock is renewed, and when it is freed. Real runs are in tests/integration/test_lock.py."""

from __future__ import annotations

import pytest
from ansible import constants
from ansible_collections.dockyard.consul.plugins.plugin_utils import lock_keeper


class Run:
    """A run that goes on for some turns. C(then) is what happens in a turn, by its number."""

    def __init__(self, folder, turns, **then):
        self.file = folder / "note"
        self.file.write_text("session")
        self.turns = turns
        self.then = then
        self.turn = 0
        self.renewed = 0
        self.has_lock = True

    def goes_on(self):
        self.turn += 1
        self.then.get(f"turn{self.turn}", lambda _run: None)(self)
        return self.turn <= self.turns

    def renew(self):
        self.renewed += 1
        return self.has_lock

    def watch(self, seconds=0):
        return lock_keeper.watch(self.file, "session", seconds, self.renew, self.goes_on)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(lock_keeper, "LOOK_SECONDS", 0)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "ansible-local"
    made.mkdir()
    return made


def release(run):
    run.file.write_text("")


def delete_file(run):
    run.file.unlink()


def end(run):
    run.file.unlink()
    run.file.parent.rmdir()


def lose(run):
    run.has_lock = False


def lose_contact(run):
    run.has_lock = None


def take_another(run):
    run.file.write_text("another session")


def test_it_is_renewed_while_the_run_goes_on(folder):
    run = Run(folder, 5)
    run.watch()
    assert run.renewed == 5


def test_not_before_it_is_due(folder):
    run = Run(folder, 5)
    run.watch(seconds=60)
    assert run.renewed == 0


@pytest.mark.parametrize(
    ("then", "frees", "renewed"),
    [
        ({}, False, 5),  # killed: Ansible did not delete its folder
        ({"turn6": end}, True, 5),
        ({"turn3": end}, True, 2),  # the folder goes shortly before the process
        ({"turn3": delete_file}, True, 2),  # and the file before the folder
        ({"turn3": release}, False, 2),
        ({"turn3": lose}, False, 3),
        ({"turn3": lose_contact}, False, 5),
        ({"turn3": take_another}, False, 2),
    ],
)
def test_how_it_ends(folder, then, frees, renewed):
    run = Run(folder, 5, **then)
    assert run.watch() is frees
    assert run.renewed == renewed


def test_three_hosts_renew_it(folder, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(folder))
    hosts = ["app1", "app2", "app1", "app3", "app4"]
    assert [lock_keeper.is_wanted("dockyard/lock", "s", host) for host in hosts] == [True, True, False, True, False]
    assert lock_keeper.is_wanted("dockyard/lock", "another", "app1")


def test_the_note_of_the_run(folder, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(folder))
    assert lock_keeper.session_of("dockyard/lock") is None
    lock_keeper.note("dockyard/lock", "s")
    assert lock_keeper.session_of("dockyard/lock") == "s"
    assert lock_keeper.session_of("other") is None
    assert lock_keeper.session_of("dockyard_lock") is None
    lock_keeper.forget("dockyard/lock")
    lock_keeper.forget("dockyard/lock")
    assert lock_keeper.session_of("dockyard/lock") is None
