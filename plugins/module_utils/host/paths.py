# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Type, owner, mode and digest of files and folders."""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import os
import stat

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import modified

# A larger file, such as a program, has no digest.
LARGEST_DIGESTED = 1 << 20


def look_at_paths(patterns, key=None):
    """What there is by path, the patterns that were looked for, and by pattern why one could not be looked for."""
    found, looked_for, errors = {}, [], {}
    for pattern in dict.fromkeys(pattern.rstrip("/") or "/" for pattern in patterns):
        try:
            matching = {path: found.get(path) or entry(path, key) for path in expand(pattern)}
        except OSError as error:
            # Not added to looked_for: that a path is missing from the result would mean that it does not exist.
            errors[pattern] = str(error)
        else:
            found.update({path: one for path, one in matching.items() if one})
            looked_for.append(pattern)
    return found, looked_for, errors


def expand(pattern):
    """The paths that a pattern can mean, whether or not they exist. C(*) and C(?) stop at a slash, and match a leading
    dot as well."""
    found = [""]
    for part in pattern.split("/")[1:]:
        if "*" in part or "?" in part:
            found = [
                f"{folder}/{name}" for folder in found for name in names_in(folder) if fnmatch.fnmatchcase(name, part)
            ]
        else:
            found = [f"{folder}/{part}" for folder in found]
    return found


def names_in(folder):
    try:
        return sorted(name for name in os.listdir(folder or "/") if is_text(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_text(name):
    """Whether JSON can hold the name."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def entry(path, key):
    """A path as it is, or None if there is none."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    one = {
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": user_name(status.st_uid),
        "group": group_name(status.st_gid),
        "mtime": status.st_mtime_ns // 1000,
    }
    if stat.S_ISREG(status.st_mode):
        return {"type": "file", "size": status.st_size, "digest": digest(path, status.st_size, key), **one}
    if stat.S_ISDIR(status.st_mode):
        return {"type": "directory", **one}
    if stat.S_ISLNK(status.st_mode):
        # Whoever reads the link reads its target: both times count.
        return {"type": "link", "target": os.readlink(path), **one, "mtime": modified(path), **folder_behind(path)}
    return {"type": "other", **one}


def folder_behind(link):
    """The folder that a link leads to."""
    if not os.path.isdir(link):
        return {}
    status = os.stat(link)
    return {
        "folder": {
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "owner": user_name(status.st_uid),
            "group": group_name(status.st_gid),
        }
    }


def digest(path, size, key):
    """The keyed digest of a file, or None where there is no key, or the file is large or cannot be read."""
    if not key or size > LARGEST_DIGESTED:
        return None
    try:
        with open(path, "rb") as file:
            return keyed(key, file.read())
    except OSError:
        return None


def keyed(key, content):
    return hmac.new(key, content, hashlib.sha256).hexdigest()
