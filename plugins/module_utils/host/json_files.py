# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in JSON files that this collection merges its own into. A value is never returned, only its digest."""

from __future__ import annotations

import json
import os

from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import (
    RECORD,
    NotSettings,
    canonical,
    digest,
    leaves,
    parse,
)


def look_at_json_files(paths, key=None, record=RECORD):
    recorded = read_record(record)
    return {path: look_at_json_file(path, key, recorded.get(path) or {}) for path in paths}


def read_record(path):
    try:
        with open(path, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def look_at_json_file(path, key, recorded):
    placed = recorded.get("placed") or {}
    seen = {"error": None, "settings": {}, "changed": recorded.get("changed") or {}}
    try:
        found = leaves(read_settings(path))
    except NotSettings as error:
        return {**seen, "error": str(error)}
    seen["settings"] = {
        name: {
            "digest": keyed(key, canonical(value)) if key else None,
            "placed": placed.get(name) == digest(value),
        }
        for name, value in found.items()
    }
    return seen


def read_settings(path):
    if os.path.islink(path):
        raise NotSettings(f"is a link to {os.readlink(path)}")
    try:
        with open(path, "rb") as file:
            return parse(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise NotSettings(f"cannot be read ({error.strerror})") from None
