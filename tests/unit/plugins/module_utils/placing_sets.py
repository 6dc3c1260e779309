# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of files to place, and how to see what became of the old ones."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry, plan

OWNER, GROUP = user_name(os.geteuid()), group_name(os.getegid())


def file(path, content="new\n", mode=0o644, owner=OWNER, group=GROUP):
    return Entry(str(path), "file", owner, group, mode, content.encode())


def directory(path, mode=0o755):
    return Entry(str(path), "directory", OWNER, GROUP, mode)


def absent(path):
    return Entry(str(path), "absent", OWNER, GROUP, 0)


def whole_set(host):
    """Something of everything."""
    return [
        absent(host / "gone/d"),
        absent(host / "gone"),
        file(host / "a"),
        file(host / "b", "other\n", 0o600),
        file(host / "c", "old c\n", 0o600),
        file(host / "link"),
        directory(host / "made"),
        file(host / "made/e"),
        directory(host / "made/deeper", 0o700),
    ]


def due(*entries, check_mode=False):
    return [(Path(change.path).name, change.action) for change in plan(list(entries), check_mode)]


def snapshot(folder):
    """All that is below a folder: kind, content, owner, mode and time of change."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        at = os.lstat(path)
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path)] = (stat.filemode(at.st_mode), at.st_uid, at.st_gid, what, at.st_mtime_ns)
    return found
