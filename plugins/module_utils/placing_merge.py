# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries whose content is made on the host: settings that are merged into the JSON object of a file."""

from __future__ import annotations

import json
import time

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import (
    NotSettings,
    as_text,
    digest,
    leaves,
    merge,
    parse,
)
from ansible_collections.dockyard.consul.plugins.module_utils.placing import PlacingError, find


def merged_entries(entries, record):
    """The entries with the content of each merged file, and what was merged, by path."""
    found, merges, problems = [], {}, []
    for entry in entries:
        if entry.merge is None:
            found.append(entry)
            continue
        placed = (record.get(entry.path) or {}).get("placed") or {}
        try:
            entry, merges[entry.path] = _merged(entry, placed)
        except NotSettings as error:
            problems.append(f"{entry.path} {error}")
        found.append(entry)
    if problems:
        raise PlacingError(f"{'; '.join(problems)}. Correct that first")
    return found, merges


def _merged(entry, placed):
    before = find(entry.path)
    if before.kind not in ("file", "absent"):
        raise NotSettings(f"is no file but a {before.kind}")
    old = parse(before.content or b"")
    merged = merge(old, entry.merge["json"], entry.merge["json_defaults"], placed)
    is_there = before.kind == "file"
    is_right = is_there and not merged.changed
    entry = entry._replace(
        # Where nothing changes, the file stays to the byte.
        content=before.content if is_right else as_text(merged.settings, before.content or b""),
        owner=entry.owner or (user_name(before.uid) if is_there else "root"),
        group=entry.group or (group_name(before.gid) if is_there else "root"),
        mode=entry.mode if entry.mode is not None else (before.mode if is_there else 0o644),
        texts=_texts(old, merged, placed, entry.secret),
    )
    return entry, merged


def _texts(old, merged, placed, secret):
    """The settings of a diff, before and after. A value that somebody else has set is not shown."""
    before, after = leaves(old), leaves(merged.settings)
    others = len(before.keys() - set(merged.changed) - set(merged.kept))
    common = [f"{name}: (stays as it is on the host)" for name in merged.kept]
    common += [f"({others} other settings)"] if others else []

    def line(name, value, is_shown):
        return f"{name}: {json.dumps(value) if is_shown and not secret else '(hidden)'}"

    was = [
        line(name, before[name], placed.get(name) == digest(before[name])) for name in merged.changed if name in before
    ]
    will_be = [line(name, after[name], True) for name in merged.changed if name in after]
    return tuple("".join(f"{one}\n" for one in [*common, *lines]) for lines in (was, will_be))


def updated_record(record, entries, merges):
    """The record of what was merged, with when each setting was changed, in microseconds since 1970."""
    now = time.time_ns() // 1000
    after = dict(record)
    for entry in entries:
        merged = merges.get(entry.path)
        if merged is None:
            after.pop(entry.path, None)
        elif merged.placed or entry.path in after:
            changed = {**(after.get(entry.path) or {}).get("changed", {}), **dict.fromkeys(merged.changed, now)}
            after[entry.path] = {"placed": merged.placed, "changed": changed}
    return after
