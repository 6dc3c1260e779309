# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was on the host before files were placed: noted when they are placed, and put back when they are removed."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from typing import NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry, find, read, sha256

# Programs write them as a whole, so what was there is what was there last.
WRITTEN_BY_PROGRAMS = ("/etc/resolv.conf",)


def noted_former(former, record, changes, backups):
    """The notes with those of the first change of each path: its backup, or null where there was nothing.

    A path that is in the record without a note was placed before such notes were taken. A note of a backup that does not exist
    is left of a change that was undone."""
    after = dict(former)
    for change in changes:
        path, backup = change.path, backups.get(change.path)
        if backup and (path in WRITTEN_BY_PROGRAMS or not _is_noted(after, path)):
            after[path] = backup
        elif change.action == "write" and path not in record and not _is_noted(after, path):
            after[path] = None
    return after


def _is_noted(former, path):
    return path in former and (former[path] is None or os.path.lexists(former[path]))


class Removal(NamedTuple):
    """C(entries) for place(). C(links) are put back after that: their targets by path. C(kept) are the files that stay: somebody
    else has changed them, or it is not known what was there before. C(restored) and C(removed) name the rest by what becomes of
    it, C(merged) the files that lose our settings."""

    entries: list
    links: dict
    kept: list
    restored: list
    removed: list
    merged: list


def matching(paths, patterns):
    """The paths that match a pattern, as in a shell: C(*) stops at a slash."""
    return sorted(
        path
        for path in paths
        if any(
            pattern.count("/") == path.count("/") and all(map(fnmatch.fnmatchcase, path.split("/"), pattern.split("/")))
            for pattern in patterns
        )
    )


def removal(paths, put_back, record, merged, former):
    """How to take these paths back to what was there before. Of PUT_BACK, what was placed stays."""
    plan = Removal([], {}, [], [], [], [])
    for path in paths:
        found = find(path)
        if path in merged:
            if found.kind == "file":
                plan.entries.append(Entry(path, "file", None, None, None, merge={"json": {}, "json_defaults": {}}))
                plan.merged.append(path)
        elif found.kind == "absent":
            # A file that was in the way. One that we have placed, and somebody else has removed, does not come back.
            if path not in record and _backup(former, path):
                _put_back(plan, path, former[path])
        elif path in put_back:
            pass
        elif found.kind != "file" or record.get(path) != sha256(found.content):
            if not _is_put_back(found, _backup(former, path)):
                plan.kept.append(path)
        elif _backup(former, path):
            _put_back(plan, path, former[path])
        elif former.get(path, "unknown"):  # no note, or the backup is gone
            plan.kept.append(path)
        else:
            plan.entries.append(Entry(path, "absent", "root", "root", 0))
            plan.removed.append(path)
    plan.entries.extend(_missing_folders(plan.restored))
    return plan


def _missing_folders(paths):
    """The folders of these paths that do not exist any more, with the attributes of the nearest folder that does."""
    folders = {}
    for path in paths:
        missing, folder = [], os.path.dirname(path)
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        info = os.stat(folder)
        attributes = user_name(info.st_uid), group_name(info.st_gid), stat.S_IMODE(info.st_mode)
        folders.update((one, Entry(one, "directory", *attributes)) for one in missing)
    return folders.values()


def _backup(former, path):
    """The backup of what was there before, None if there was nothing or if the backup is gone."""
    backup = former.get(path)
    return backup if backup and os.path.lexists(backup) else None


def _is_put_back(found, backup):
    """After a run that was cut short."""
    return backup is not None and found == find(backup)


def _put_back(plan, path, backup):
    before = find(backup)
    if before.kind == "link":
        plan.links[path] = before.target
        plan.entries.append(Entry(path, "absent", "root", "root", 0))
    else:
        info = os.lstat(backup)
        plan.entries.append(
            Entry(
                path,
                "file",
                user_name(info.st_uid),
                group_name(info.st_gid),
                stat.S_IMODE(info.st_mode),
                content=read(backup),
                secret=True,
            )
        )
    plan.restored.append(path)


def put_links(links):
    for path, target in sorted(links.items()):
        if not os.path.lexists(path):
            os.symlink(target, path)


def empty_folders(patterns, paths, restored=()):
    """The folders that match a pattern and would be empty without these paths, the deepest first. What is restored may not be
    there yet."""
    gone, found, used = set(paths), [], {os.path.dirname(path) for path in restored}
    folders = {folder for pattern in patterns for folder in glob.glob(pattern)}
    for folder in sorted(folders, key=lambda one: (-one.count("/"), one)):
        if folder in used or not os.path.isdir(folder) or os.path.islink(folder) or os.path.ismount(folder):
            continue
        if all(os.path.join(folder, name) in gone for name in os.listdir(folder)):
            found.append(folder)
            gone.add(folder)
    return found
