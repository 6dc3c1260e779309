# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that renews a lock for as long as a run of Ansible goes on.

Tasks of a release may take longer than the lock lasts: a container that stops, a migration, a prompt. Ansible has no place for
work between tasks or after the last one, so the action forks a process, as Ansible forks one for each task. It ends

- when the run has released the lock, or lost it;
- when the run has ended by itself, by an error or by Ctrl-C, in which case it frees the lock;
- when the process of the run was killed. It leaves the lock to end by itself then, since a task of that run may still be at work
  on a host.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.dockyard.consul.plugins.plugin_utils import controller

LOOK_SECONDS = 0.5
# So many hosts renew a lock, each by its own agent: one of them may fail.
KEEPERS = 3


def note_of(key: str) -> Path:
    """The file that says that this run has the lock, with the session. Ansible deletes its folder when a run ends by itself."""
    return Path(constants.DEFAULT_LOCAL_TMP) / f"dockyard.lock.{quote(key, safe='')}"


def session_of(key: str) -> str | None:
    """The session that this run has a lock with."""
    return _content(note_of(key)) or None


def note(key: str, session: str) -> None:
    file = note_of(key)
    candidate = file.with_name(f"{file.name}.{os.getpid()}")
    candidate.write_text(session, encoding="ascii")
    candidate.replace(file)


def forget(key: str) -> None:
    """The file stays: one that is missing means that the run ends."""
    note(key, "")


def is_wanted(key: str, session: str, host: str) -> bool:
    """Whether the agent of this host is to help to renew the lock."""
    for number in range(KEEPERS):
        try:
            with note_of(f"{key}.{session}.{number}").open("x", encoding="utf-8") as file:
                file.write(host)
            return True
        except FileExistsError:
            if note_of(f"{key}.{session}.{number}").read_text(encoding="utf-8") == host:
                return False
    return False


def keep(key: str, session: str, seconds: float, renew: Callable[[], bool | None], free: Callable[[], None]) -> None:
    """Fork a process that calls RENEW every so many SECONDS. It returns whether the run still has the lock, None if that is not
    known. FREE is called after the run has ended."""
    main = controller.main_pid()
    since = controller.started(main)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # Forked twice, so that nobody has to wait for it.
    try:
        if not os.fork():
            _keep_detached(note_of(key), session, seconds, renew, free, lambda: controller.runs(main, since))
    finally:
        os._exit(0)


def _keep_detached(
    file: Path,
    session: str,
    seconds: float,
    renew: Callable[[], bool | None],
    free: Callable[[], None],
    run_goes_on: Callable[[], bool],
) -> None:
    os.setsid()
    # The caller of ansible-playbook may wait until nobody has its output open.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    Display().verbosity = 0  # which would be sent to the run
    # Ansible's own folder goes with the run.
    folder = constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix="ansible-dockyard-lock-")
    try:
        if watch(file, session, seconds, renew, run_goes_on):
            free()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watch(
    file: Path, session: str, seconds: float, renew: Callable[[], bool | None], run_goes_on: Callable[[], bool]
) -> bool:
    """Renew until the run has ended. Returns whether the lock is to be freed."""
    due = time.monotonic() + seconds
    while run_goes_on():
        content = _content(file)
        if content is None:  # Ansible deletes its folder shortly before the process ends
            pass
        elif content != session:  # released
            return False
        elif time.monotonic() >= due:
            due = time.monotonic() + seconds
            if renew() is False:
                return False
        time.sleep(LOOK_SECONDS)
    return not file.exists()


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
