# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.placing import plan
from ansible_collections.dockyard.consul.plugins.module_utils.placing_transaction import (
    StateFile,
    Transaction,
    new_name,
    old_name,
    recover,
)
from placing_sets import absent, due, file, snapshot, whole_set


@pytest.fixture
def journal(tmp_path):
    return StateFile(str(tmp_path / "state" / "placing.json"))


def test_a_set_is_placed_and_nothing_is_left_over(host, journal):
    transaction = Transaction(plan(whole_set(host)), journal)
    transaction.apply()
    transaction.commit()
    assert recover(journal) == []
    assert due(*whole_set(host)) == []
    assert (host / "kept").read_text() == "old kept\n", "the link was replaced, not its target"
    assert {str(path.relative_to(host)) for path in host.rglob("*")} == {
        *("a", "b", "c", "kept", "link", "made", "made/e", "made/deeper")
    }
    assert os.stat(host / "c").st_mtime == 10**9, "its content was not written"
    assert not os.path.exists(journal.path)


def test_undo_puts_everything_back(host, journal):
    before = snapshot(host)
    transaction = Transaction(plan(whole_set(host)), journal)
    transaction.apply()
    assert snapshot(host) != before
    transaction.undo()
    assert snapshot(host) == before
    assert not os.path.exists(journal.path)


STEPS = [("mkdir", 1), ("mkdir", 2), ("fsync", 2), ("fsync", 4), ("chmod", 1), ("chmod", 2)]
STEPS += [("rename", number) for number in (2, 3, 4, 5, 6)]


class Stop(BaseException):
    """As a kill: nothing after it runs."""


def stop_at(monkeypatch, name, number, path, error):
    """The nth call of a function of os fails that has to do with this path."""
    calls = []
    real = getattr(os, name)

    def function(*arguments, **options):
        calls.append(arguments)
        if len(calls) == number:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, function)
    return calls


@pytest.mark.parametrize("name, number", STEPS)
def test_a_failure_at_any_step_leaves_every_old_file(host, journal, monkeypatch, name, number):
    before = snapshot(host)
    transaction = Transaction(plan(whole_set(host)), journal)
    Path(journal.path).parent.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        calls = stop_at(patch, name, number, host, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            transaction.apply()
    assert len(calls) == number
    transaction.undo()
    assert snapshot(host) == before


@pytest.mark.parametrize("name, number", [*STEPS, ("link", 1), ("link", 3)])
def test_the_next_run_undoes_what_a_killed_one_left(host, journal, monkeypatch, name, number):
    def without_times(found):
        return {path: what[:4] + (what[4] if what[0][0] == "-" else None,) for path, what in found.items()}

    before = without_times(snapshot(host))
    Path(journal.path).parent.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        stop_at(patch, name, number, host, Stop())
        with pytest.raises(Stop):
            Transaction(plan(whole_set(host)), journal).apply()
    recover(StateFile(journal.path))
    assert without_times(snapshot(host)) == before


def test_a_run_that_was_killed_after_it_committed_is_only_cleaned_up_after(host, journal):
    transaction = Transaction(plan(whole_set(host)), journal)
    transaction.apply()
    transaction.commit()
    assert os.path.exists(old_name(str(host / "a")))
    recover(StateFile(journal.path))
    assert due(*whole_set(host)) == []
    assert not list(host.rglob(".*"))


def test_what_somebody_wrote_after_the_kill_is_left_alone(host, journal):
    Transaction(plan([file(host / "a"), file(host / "new")]), journal).apply()
    for name in ("a", "new"):
        (host / name).write_text("by hand\n")
    assert recover(StateFile(journal.path)) == []
    assert (host / "a").read_text() == (host / "new").read_text() == "by hand\n"


def test_a_leftover_of_long_ago_is_not_put_back(host, journal, monkeypatch):
    Path(old_name(str(host / "new"))).write_text("of long ago")
    transaction = Transaction(plan([file(host / "new")]), journal)
    Path(journal.path).parent.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        stop_at(patch, "fsync", 2, host, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            transaction.apply()
    transaction.undo()
    assert not (host / "new").exists()


@pytest.fixture
def mounted(host, monkeypatch):
    """A file that can neither be renamed over nor linked, as a mount."""
    path = str(host / "a")
    rename, link = os.rename, os.link

    def busy(source, destination):
        if path in (source, destination):
            raise OSError(errno.EBUSY, "Device or resource busy", source, None, destination)
        rename(source, destination)

    def across(source, destination, **options):
        if source == path:
            raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, destination)
        link(source, destination, **options)

    monkeypatch.setattr(os, "rename", busy)
    monkeypatch.setattr(os, "link", across)
    return host / "a"


@pytest.mark.parametrize("content", ["a much longer new content\n", "x"])
def test_a_mount_is_written_in_place(host, journal, mounted, content):
    before, inode = snapshot(host), mounted.stat().st_ino
    transaction = Transaction(plan([file(mounted, content, 0o600), file(host / "b")]), journal)
    transaction.apply()
    assert (mounted.read_text(), mounted.stat().st_ino) == (content, inode)
    assert stat.S_IMODE(mounted.stat().st_mode) == 0o600
    transaction.undo()
    assert snapshot(host) == before and mounted.stat().st_ino == inode


def test_a_mount_that_was_half_written_is_put_back_by_the_next_run(host, journal, mounted):
    Transaction(plan([file(mounted), file(host / "b")]), journal).apply()
    mounted.write_text("ne")
    assert str(mounted) in recover(StateFile(journal.path))
    assert mounted.read_text() == "old a\n" and (host / "b").read_text() == "old b\n"


def test_a_mount_cannot_be_removed(host, journal, mounted):
    before = snapshot(host)
    transaction = Transaction(plan([file(host / "b"), absent(mounted)]), journal)
    with pytest.raises(OSError, match="busy"):
        transaction.apply()
    transaction.undo()
    assert snapshot(host) == before


def test_a_new_content_is_never_readable_by_others_before_it_is_placed(host, journal, monkeypatch):
    seen = []
    fchown = os.fchown

    def look(descriptor, *owner):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fchown(descriptor, *owner)

    monkeypatch.setattr(os, "fchown", look)
    Transaction(plan([file(host / "a", mode=0o640)]), journal).apply()
    assert seen and set(seen) == {0o600}


def test_a_link_planted_where_the_new_content_goes_is_not_followed(host, journal):
    Path(new_name(str(host / "a"))).symlink_to(host / "kept")
    Transaction(plan([file(host / "a")]), journal).apply()
    assert (host / "kept").read_text() == "old kept\n" and (host / "a").read_text() == "new\n"


def test_the_state_is_kept_from_others(journal):
    journal.write({"a": 1})
    assert stat.S_IMODE(os.stat(journal.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(journal.path)).st_mode) == 0o700
    assert journal.read() == {"a": 1}


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_state_that_cannot_be_read_is_an_empty_one(journal, content):
    journal.write({})
    Path(journal.path).write_text(content, encoding="latin-1")
    assert journal.read() == {}
