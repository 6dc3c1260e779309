# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a host come from: placed by this collection, or brought by a package and unmodified."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.dockyard.consul.plugins.module_utils.conffiles import md5

# The record of the module files.
RECORD = "/var/lib/dockyard/placed.json"


def look_at_origins(paths, conffile_md5s, record=RECORD):
    """For each file in C(paths): V(placed) if it is as this collection placed it, V(package) if it is a conffile that is as
    its package brought it. All other files are missing from the result. OSError if the record cannot be read."""
    placed = placed_digests(record)
    found = {}
    for path in paths:
        if path not in placed and path not in conffile_md5s:
            continue
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if path in placed and hashlib.sha256(content).hexdigest() == placed[path]:
            found[path] = "placed"
        elif path in conffile_md5s and md5(content) == conffile_md5s[path]:
            found[path] = "package"
    return found


def placed_digests(record=RECORD):
    """{path: SHA-256} of what the module files has placed. It ignores a record that is no JSON, and so does this."""
    try:
        with open(record, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
