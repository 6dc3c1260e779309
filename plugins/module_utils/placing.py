# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares files and folders with what is wanted, and plans the changes."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_id, user_id

READ_ONLY = os.O_RDONLY | os.O_NOFOLLOW


class PlacingError(Exception):
    """The reason why an entry cannot be applied, in a sentence for the user."""


class Entry(NamedTuple):
    """The desired state of a path. C(content) is None unless the state is file.

    C(merge) has the settings that are merged into the JSON in the file, which gives C(content). Then C(owner), C(group) and
    C(mode) may be None, for those of the file, and C(texts) is what a diff shows, before and after."""

    path: str
    state: str
    owner: str
    group: str
    mode: int
    content: bytes = None
    secret: bool = False
    merge: dict = None
    texts: tuple = None


class Found(NamedTuple):
    """What is at a path: C(kind) is absent, file, directory, link or other."""

    kind: str
    uid: int = None
    gid: int = None
    mode: int = None
    content: bytes = None
    target: str = None


class Change(NamedTuple):
    """C(action) is make (a folder), write (a file), attributes (owner, group or mode alone) or remove."""

    entry: Entry
    action: str
    before: Found
    uid: int = None
    gid: int = None

    @property
    def path(self):
        return self.entry.path


def find(path):
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found("absent")
    known = (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))
    if stat.S_ISREG(info.st_mode):
        return Found("file", *known, content=read(path))
    if stat.S_ISLNK(info.st_mode):
        return Found("link", *known, target=os.readlink(path))
    return Found("directory" if stat.S_ISDIR(info.st_mode) else "other", *known)


def read(path):
    with os.fdopen(os.open(path, READ_ONLY), "rb") as file:
        return file.read()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def plan(entries, check_mode=False):
    """The changes that make the host as wanted, in the order in which they are due. PlacingError lists everything that
    is in the way. In check mode a user, a group or a parent folder may be missing: an earlier task may make it."""
    problems, changes = [], []
    states = {entry.path: entry.state for entry in entries}
    for entry in entries:
        if entry.state == "directory" and os.path.isdir(entry.path):
            # A link to a folder, perhaps on another disk, is as good as a folder.
            entry = entry._replace(path=os.path.realpath(entry.path))
        before = find(entry.path)
        uid, gid = user_id(entry.owner), group_id(entry.group)
        problem = _in_the_way(entry, before, states)
        if problem:
            problems.append(f"{entry.path} {problem}")
        elif entry.state != "absent" and not check_mode:
            problems += _missing(entry, uid, gid, states)
        action = _due(entry, before, uid, gid)
        if action:
            changes.append(Change(entry, action, before, uid, gid))
    if problems:
        raise PlacingError("; ".join(dict.fromkeys(problems)))
    order = ["make", "write", "attributes", "remove"]
    # A folder comes after its parent, and is removed before it.
    changes.sort(key=lambda change: (change.path.count("/"), change.path))
    removals = [change for change in changes if change.action == "remove"][::-1]
    others = [change for change in changes if change.action != "remove"]
    return sorted(others, key=lambda change: order.index(change.action)) + removals


def _in_the_way(entry, before, states):
    if before.kind == "other":
        return "is neither a file, a link nor a folder"
    if entry.state == "file" and before.kind == "directory":
        return "is a folder, not a file"
    if entry.state == "directory" and before.kind not in ("absent", "directory"):
        return f"is a {before.kind}, not a folder"
    if entry.state == "absent" and before.kind == "directory":
        if os.path.ismount(entry.path):
            return "is not removed, because it is a mount"
        others = [name for name in os.listdir(entry.path) if states.get(os.path.join(entry.path, name)) != "absent"]
        if others:
            return f"is not removed, because the folder is not empty ({_some(sorted(others))})"
    return None


def _some(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _missing(entry, uid, gid, states):
    parent = os.path.dirname(entry.path)
    if states.get(parent, "directory") != "directory" or (parent not in states and not os.path.isdir(parent)):
        yield f"the folder {parent} does not exist (list it with state directory)"
    if uid is None:
        yield f"the user {entry.owner} does not exist on the host"
    if gid is None:
        yield f"the group {entry.group} does not exist on the host"


def _due(entry, before, uid, gid):
    if entry.state == "absent":
        return None if before.kind == "absent" else "remove"
    if before.kind == "absent" and entry.state == "directory":
        return "make"
    if entry.state == "file" and (before.kind != "file" or before.content != entry.content):
        return "write"
    return None if (before.uid, before.gid, before.mode) == (uid, gid, entry.mode) else "attributes"
