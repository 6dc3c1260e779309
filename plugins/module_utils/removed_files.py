# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes back what was placed."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import parse
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import Places, place
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry, find
from ansible_collections.dockyard.consul.plugins.module_utils.placing_former import (
    empty_folders,
    matching,
    put_links,
    removal,
)


def remove_placed(patterns, put_back=(), folders=(), check_mode=False, places=None):
    """Take back what was placed at the paths that match, or raise PlacingError and leave the host as it was. Of PUT_BACK, only
    what is gone comes back. Returns the result of the module."""
    places = places or Places()
    plan = empty = None

    def entries():
        """Under the lock, and after a run that was interrupted was undone."""
        nonlocal plan, empty
        record, merged, former = places.record.read(), places.merged.read(), places.former.read()
        known = {**record, **merged, **former}
        removed = matching(known, patterns)
        only_back = set(matching(known, put_back)) - set(removed)
        plan = removal([*removed, *sorted(only_back)], only_back, record, merged, former)
        gone = [entry.path for entry in plan.entries if entry.state == "absent" and entry.path not in plan.links]
        empty = empty_folders(folders, gone, plan.restored)
        return [*plan.entries, *(Entry(folder, "absent", "root", "root", 0) for folder in empty)]

    result = place(entries, check_mode=check_mode, places=places)
    if not check_mode:
        put_links(plan.links)
        former = places.former.read()
        left = [path for path in plan.merged if former.get(path, "") is None and is_empty(path)]
        if left:
            place([Entry(path, "absent", "root", "root", 0) for path in left], places=places)
        forget(places, {entry.path for entry in plan.entries})
    return {
        "changed": result["changed"] or bool(plan.links),
        "removed": sorted([*plan.removed, *empty]),
        "restored": sorted(plan.restored),
        "merged": [path for path in plan.merged if path in result["merged"]],
        "kept": sorted(plan.kept),
        "diff": result["diff"],
        "recovered": result["recovered"],
    }


def is_empty(path):
    """Whether a JSON file has no setting left."""
    found = find(path)
    return found.kind == "file" and parse(found.content) == {}


def forget(places, paths):
    for file in (places.record, places.merged, places.former):
        before = file.read()
        after = {path: what for path, what in before.items() if path not in paths}
        if after != before:
            file.write(after)
