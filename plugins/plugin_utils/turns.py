# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts of several hosts: so many at a time, and none after one that failed.

The files are in Ansible's folder for the run, which all its forks share. So C(throttle) holds whatever the strategy: under
C(free), Ansible counts the tasks of each included file by themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ansible import constants

PAUSE = 0.2


def failed_on(kind: str) -> str:
    """The host on which a restart of this kind has failed in this run, or an empty string."""
    note = _note(kind)
    return note.read_text(encoding="utf-8") if note.exists() else ""


def note_failure(kind: str, host: str) -> None:
    _note(kind).write_text(host, encoding="utf-8")


def _note(kind: str) -> Path:
    return Path(constants.DEFAULT_LOCAL_TMP) / f"dockyard.restart_failed.{kind}"


@contextlib.contextmanager
def turn(folder: Path, kind: str, at_a_time: int) -> Iterator[None]:
    """Wait until fewer than so many restart. The locks end with the process that holds them."""
    if not at_a_time:
        yield
        return
    while True:
        for number in range(at_a_time):
            with (folder / f"dockyard.restart_{kind}_{number}").open("w") as file:
                if is_locked(file):
                    yield
                    return
        time.sleep(PAUSE)


def is_locked(file: IO[str]) -> bool:
    """Whether this process has the lock of the file now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
