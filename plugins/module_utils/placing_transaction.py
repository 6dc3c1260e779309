# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out changes of files and folders, all or nothing.

The new contents are written next to their destinations and renamed into place. The old ones are kept until the commit.
A journal on the host lists what is under way, so that the next run undoes what a killed one left half done.
"""

from __future__ import annotations

import errno
import json
import os
import stat

from ansible_collections.dockyard.consul.plugins.module_utils.placing import PlacingError, find, read, sha256

# rename() fails with these where the destination is a mount, such as resolv.conf in a container.
NOT_RENAMED = (errno.EBUSY, errno.EXDEV, errno.EPERM)


class NotPutBack(PlacingError):
    """A failure that left changes on the host."""


def new_name(path):
    """Where the new content of a path is written. Programs that read a folder's files skip a name with a leading dot."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.dockyard-new")


def old_name(path):
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.dockyard-old")


class Transaction:
    """Carries changes out. Either C(undo) ends it, or C(commit) and then C(recover), which removes the old contents."""

    def __init__(self, changes, journal):
        self.changes = changes
        self.journal = journal
        self.times = {}

    def apply(self):
        for folder in sorted({os.path.dirname(change.path) for change in self.changes}):
            if os.path.isdir(folder):
                info = os.stat(folder)
                self.times[folder] = (info.st_atime_ns, info.st_mtime_ns)
        for change in self.changes:
            _remove(old_name(change.path))  # it would be put back
        self.journal.write({"done": False, "in_place": [], "steps": [_step(change) for change in self.changes]})
        for change in self.changes:
            if change.action == "make":
                os.mkdir(change.path, 0o700)
                _set_attributes(change.path, change.uid, change.gid, change.entry.mode)
        writes = [change for change in self.changes if change.action == "write"]
        # A full disk shows here, before anything is replaced.
        for change in writes:
            create(new_name(change.path), change.entry.content, change.uid, change.gid, change.entry.mode)
        for change in writes:
            self._place(change)
        for change in self.changes:
            if change.action == "attributes":
                _set_attributes(change.path, change.uid, change.gid, change.entry.mode)
            elif change.action == "remove" and change.before.kind != "directory":
                # A folder still holds the old files that may be put back. It is removed after the commit.
                os.rename(change.path, old_name(change.path))

    def _place(self, change):
        path, new, old = change.path, new_name(change.path), old_name(change.path)
        if change.before.kind != "absent":
            _keep(path, old)
        try:
            os.rename(new, path)
        except OSError as error:
            if error.errno not in NOT_RENAMED or change.before.kind != "file":
                raise
            if os.path.samestat(os.lstat(path), os.lstat(old)):
                _copy(path, old)
            self.journal.write({**self.journal.read(), "in_place": [*self.journal.read()["in_place"], path]})
            _write_in_place(path, change.entry.content)
            _set_attributes(path, change.uid, change.gid, change.entry.mode)
            os.unlink(new)

    def commit(self):
        """From here on the next run cleans up after a killed one, and undoes nothing."""
        self.journal.write({**self.journal.read(), "done": True})

    def undo(self):
        recover(self.journal)
        for folder, times in self.times.items():
            os.utime(folder, ns=times)


def _step(change):
    before = change.before
    return {
        "path": change.path,
        "action": change.action,
        "placed": sha256(change.entry.content) if change.action == "write" else None,
        "kind": before.kind,
        "attributes": None if before.kind == "absent" else [before.uid, before.gid, before.mode],
    }


def recover(journal):
    """End what the journal lists: clean up if it was committed, otherwise put everything back. Returns the paths that
    were put back. OSError leaves the journal for the next run."""
    state = journal.read()
    if not state:
        return []
    put_back = []
    for step in reversed(state["steps"]):
        if not state["done"] and _undo(step, step["path"] in state["in_place"]):
            put_back.append(step["path"])
        for leftover in (new_name(step["path"]), old_name(step["path"])):
            _remove(leftover)
    for step in state["steps"]:
        if state["done"] and step["action"] == "remove" and step["kind"] == "directory":
            _remove_folder(step["path"])
    journal.remove()
    return put_back


def _undo(step, in_place):
    """Whether there was anything to put back."""
    path, old = step["path"], old_name(step["path"])
    if step["action"] == "make":
        return _remove_folder(path)
    if step["action"] == "attributes":
        return find(path).kind == step["kind"] and _set_attributes(path, *step["attributes"])
    if step["kind"] == "directory":
        return False  # it is not removed before the commit
    found = find(path)
    # What somebody has put there since is left alone.
    is_ours = found.kind == "file" and step["placed"] == sha256(found.content)
    if not os.path.lexists(old):
        if is_ours and step["kind"] == "absent":
            os.unlink(path)
            return True
        return False
    if not (is_ours or in_place or found.kind == "absent"):
        return False
    if find(old) == found:
        return False  # it was not replaced
    try:
        os.rename(old, path)
    except OSError as error:
        if error.errno not in NOT_RENAMED:
            raise
        info = os.lstat(old)
        _write_in_place(path, read(old))
        _set_attributes(path, info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    return True


def _remove(path):
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass


def _remove_folder(path):
    """Whether the folder was there and empty."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise
        return False
    return True


def create(path, content, uid, gid, mode):
    """A new file, which nobody else can read before it has its owner and mode."""
    _remove(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException:
        _remove(path)
        raise


def _keep(path, old):
    """A second name for what is at a path: the same inode where the file system can, otherwise a copy."""
    _remove(old)
    try:
        os.link(path, old, follow_symlinks=False)
    except OSError:
        _copy(path, old)


def _copy(path, copy):
    copy_as_it_is(path, copy)
    info = os.lstat(path)
    os.utime(copy, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)


def copy_as_it_is(path, copy):
    """Copy a file or a link with its owner and mode."""
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):
        _remove(copy)
        os.symlink(os.readlink(path), copy)
        os.lchown(copy, info.st_uid, info.st_gid)
    else:
        create(copy, read(path), info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))


def _write_in_place(path, content):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), "wb") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _set_attributes(path, uid, gid, mode):
    """Whether anything changed."""
    info = os.lstat(path)
    if (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (uid, gid, mode):
        return False
    if (info.st_uid, info.st_gid) != (uid, gid):
        os.lchown(path, uid, gid)
    os.chmod(path, mode)  # after the owner: a change of owner takes setuid bits away
    return True


class StateFile:
    """A JSON object in a file that only root can read, in a folder that only root can enter."""

    def __init__(self, path):
        self.path = path

    def read(self):
        """The object. An empty one if there is no such file, or no object in it."""
        try:
            found = json.loads(read(self.path))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, value):
        private_folder(os.path.dirname(self.path))
        new = f"{self.path}.new"
        create(new, json.dumps(value, indent=1, sort_keys=True).encode(), os.geteuid(), os.getegid(), 0o600)
        os.rename(new, self.path)

    def remove(self):
        _remove(self.path)


def private_folder(path):
    """Ensure that a folder exists which only root can enter; missing parents become such folders too."""
    if not os.path.isdir(path):
        private_folder(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass  # another process was first
