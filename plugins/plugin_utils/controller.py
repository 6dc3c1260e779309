# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of ansible-playbook on the controller: who it is, and whether it still runs."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Of the fields of /proc/PID/stat after the name of the program, which ends with the last bracket.
STARTED = 19
STATE = 0


def main_pid() -> int:
    """The process that Ansible has forked this one from, where it has."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent and parent.pid else os.getpid()


def process(pid: int) -> dict[str, Any]:
    """What tells a process from all others, also from a later one with its number."""
    return {"machine": machine(), "pid": pid, "started": started(pid)}


def machine() -> str | None:
    """The running kernel and the namespace of process ids: in another container, a number is another process. None where there
    is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return None


def started(pid: int) -> int | None:
    """When the process started, in clock ticks since the start of the machine. None if it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in "ZX" else int(fields[STARTED])


def has_ended(holder: Mapping[str, Any]) -> bool:
    """Whether a process was on this machine and has ended. False where nobody can tell."""
    here = machine()
    if here is None or holder.get("machine") != here or not holder.get("pid") or not holder.get("started"):
        return False
    now = started(holder["pid"])
    if now is None:
        return not is_of_another_user(holder["pid"])
    return now != holder["started"]


def runs(pid: int, since: int | None) -> bool:
    """Whether this process still runs."""
    if since is not None:
        return started(pid) == since
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_of_another_user(pid: int) -> bool:
    """Whether another user has a process with this number. /proc does not show it where it is mounted with hidepid."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False


def operator() -> str:
    """User and host, as others are to see them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
