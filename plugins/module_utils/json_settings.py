# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in a JSON object, merged with those of somebody else. It is used on managed hosts and on the controller.

A setting is a value that is not a mapping. Its name is its JSON pointer (RFC 6901): C(/log-opts/max-size).
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import NamedTuple

# What this collection has merged into which file.
RECORD = "/var/lib/dockyard/merged.json"


class NotSettings(Exception):
    """Why nothing can be merged into a file: the end of a sentence about it, without any of its values."""


class Merged(NamedTuple):
    """C(settings) is the whole object. The others name settings: C(changed) those that differ from before, C(kept) the
    defaults that were left out because somebody else has set them, C(placed) ours, with the digest of each value."""

    settings: dict
    changed: list
    kept: list
    placed: dict


def parse(content):
    """The object in a file. An empty file has none, and counts as an empty object."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotSettings("is not text in UTF-8") from None
    if not text.strip():
        return {}
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotSettings(f"is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except (ValueError, RecursionError):
        raise NotSettings("is JSON that cannot be read") from None
    if not isinstance(found, dict):
        raise NotSettings("holds no JSON object")
    return found


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotSettings(f"has the key {json.dumps(twice)} twice in one object")
    return found


def _refuse_constant(name):
    raise NotSettings(f"is not JSON ({name} is no number there)")


def as_text(settings, like=b""):
    """An object as the content of a file, indented as that file is."""
    indent = re.search(rb"^[{]\s*\n([ \t]+)", like)
    options = {"indent": indent.group(1).decode() if indent else 4}
    try:
        return f"{json.dumps(settings, ensure_ascii=False, **options)}\n".encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
        return f"{json.dumps(settings, **options)}\n".encode()


def canonical(value):
    """The same bytes for the same JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(value):
    return hashlib.sha256(canonical(value)).hexdigest()


def leaves(settings, above=""):
    """The settings by their names. A mapping without any has no name: to merge it changes nothing."""
    found = {}
    for key, value in settings.items():
        name = f"{above}/{str(key).replace('~', '~0').replace('/', '~1')}"
        found.update(leaves(value, name) if isinstance(value, dict) else {name: value})
    return found


def goal(wanted, defaults, found):
    """The settings that have to be there, by name, and the names of the defaults that are left out.

    FOUND tells of each setting in the file whether it is ours. A default is left out where the file has another one
    in its place that is not ours.
    """
    target, kept = leaves(wanted), []
    for name, value in leaves(defaults).items():
        if any(overlap(name, other) for other in target):
            continue
        if any(overlap(name, other) for other, is_ours in found.items() if not is_ours):
            kept.append(name)
        else:
            target[name] = value
    return target, kept


def overlap(one, other):
    """Whether two settings cannot be in the same object, or are the same."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def merge(found, wanted, defaults, placed):
    """WANTED and DEFAULTS in what was FOUND. PLACED has the digests of what was placed before. A setting that is as it
    was placed then is ours: it is changed, and removed if it is not in WANTED or DEFAULTS any more."""
    before = leaves(found)
    ours = {name: placed.get(name) == digest(value) for name, value in before.items()}
    target, kept = goal(wanted, defaults, ours)
    after = copy.deepcopy(found)
    for name, is_ours in ours.items():
        if is_ours and name not in target:
            _remove(after, name)
    for name, value in target.items():
        if name not in before or canonical(before[name]) != canonical(value):
            _set(after, name, value)
    new = leaves(after)
    changed = sorted(
        name
        for name in {**before, **new}
        if name not in before or name not in new or canonical(before[name]) != canonical(new[name])
    )
    return Merged(
        settings=after,
        changed=changed,
        kept=sorted(kept),
        placed={name: digest(value) for name, value in target.items() if ours.get(name) or name in changed},
    )


def _keys(name):
    return [key.replace("~1", "/").replace("~0", "~") for key in name.split("/")[1:]]


def _set(settings, name, value):
    *above, last = _keys(name)
    for key in above:
        if not isinstance(settings.get(key), dict):
            settings[key] = {}
        settings = settings[key]
    settings[last] = value


def _remove(settings, name):
    """Remove a setting, and the mappings that have nothing left in them."""
    key, *below = _keys(name)
    if not below:
        del settings[key]
        return
    _remove(settings[key], name[name.index("/", 1) :])
    if not settings[key]:
        del settings[key]
