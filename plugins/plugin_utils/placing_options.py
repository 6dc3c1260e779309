# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action C(files) reads in its options, and how it compares that with the look."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import canonical, goal
from ansible_collections.dockyard.consul.plugins.plugin_utils import look
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

SOURCES = ("content", "src", "template", "json")
KEYS = {"path", "state", "when", "owner", "group", "mode", "secret", "json_defaults", *SOURCES}
DEFAULT_MODES = {"file": "0644", "directory": "0755", "absent": "0000"}
# Exists after a run that was killed. The module then undoes what that run left.
JOURNAL = "/var/lib/dockyard/placing.json"


class InvalidOption(Exception):
    """A wrong option, in a sentence for the user, and the value, whose line in the user's file Ansible shows."""

    def __init__(self, message: str, value: object = None) -> None:
        super().__init__(message)
        self.value = value


@dataclass(frozen=True)
class Entry:
    """C(owner), C(group) and C(mode) are None where those of a file that is merged with stay."""

    path: str
    state: str
    owner: str | None
    group: str | None
    mode: str | None
    secret: bool
    source: str | None = None
    value: Any = None
    """The text, file or template that C(source) names, or both kinds of settings that are merged."""


def entries_of(files: object) -> list[Entry]:
    """The option C(files), or InvalidOption."""
    if not isinstance(files, list) or not files:
        raise InvalidOption("files must be a list with at least one file or folder.", files)
    found: dict[str, Entry] = {}
    for number, file in enumerate(files, 1):
        if isinstance(file, Mapping) and not _truth(str(file.get("path")), "when", file, True):
            continue
        entry = _entry(number, file)
        if entry.path in found:
            raise InvalidOption(f"{entry.path} is listed twice in files.", file)
        found[entry.path] = entry
    return list(found.values())


def _entry(number: int, file: object) -> Entry:
    if not isinstance(file, Mapping):
        raise InvalidOption(f"Entry {number} of files must be a mapping with path.", file)
    path = file.get("path")
    if not isinstance(path, str) or not path:
        raise InvalidOption(f"Entry {number} of files has no path.", file)
    if not path.startswith("/"):
        raise InvalidOption(f"{path}: path must be absolute.", path)
    if len(path) > 1:
        path = path.removesuffix("/")
    if path == "/" or "\0" in path or os.path.normpath(path) != path or path.startswith("//"):
        raise InvalidOption(f"{path}: path must not be / and must not contain '//', '.' or '..'.", file["path"])
    if unknown := sorted(str(key) for key in file.keys() - KEYS):
        known = ", ".join(sorted(KEYS))
        raise InvalidOption(f"{path}: unknown key {', '.join(unknown)}. Known keys: {known}.", file)
    given = {key: value for key, value in file.items() if value is not None}
    sources = [source for source in SOURCES if source in given]
    if len(sources) > 1:
        raise InvalidOption(f"{path}: set only one of {', '.join(sources)}.", file)
    state = given.get("state", "file" if sources else None)
    if state not in DEFAULT_MODES:
        allowed = ", ".join(DEFAULT_MODES)
        raise InvalidOption(
            f"{path}: {f'{state!r} is not a state' if state else 'set content, src, template, json or state'}."
            f" States: {allowed}.",
            given.get("state", file),
        )
    if state == "file" and not sources:
        raise InvalidOption(f"{path}: set one of content, src, template or json.", file)
    if state == "directory" and sources:
        raise InvalidOption(f"{path}: state {state} takes no {sources[0]}.", file)
    if state == "absent":  # where a variable decides whether there is a file, its content may stand there
        sources = []
    elif "json_defaults" in given and sources != ["json"]:
        raise InvalidOption(f"{path}: json_defaults requires json, which may be empty.", file)
    value = given[sources[0]] if sources else None
    if sources == ["json"]:
        value = {source: _settings(path, source, given) for source in ("json", "json_defaults")}
    for source in sources:
        if source == "json" or (source == "src" and is_list_of_files(given[source])):
            continue
        if not isinstance(given[source], str) or (source != "content" and not given[source]):
            kind = (
                "text (for a structure use a filter such as to_json)" if source == "content" else "the path of a file"
            )
            raise InvalidOption(f"{path}: {source} must be {kind}.", file)
    stays = sources == ["json"]
    return Entry(
        path=str(path),
        state=str(state),
        owner=None if stays and "owner" not in given else _name(path, "owner", given),
        group=None if stays and "group" not in given else _name(path, "group", given),
        mode=None if stays and "mode" not in given else _mode(path, state, given),
        secret=_truth(path, "secret", given, False),
        source=sources[0] if sources else None,
        value=value,
    )


def _settings(path: str, source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as plain JSON."""
    value = given.get(source, {})
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{path}: {source} must be a mapping.", value)
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"{path}: {source} cannot be written as JSON: {error}.", value) from None


def _name(path: str, key: str, given: Mapping[str, Any]) -> str:
    value = given.get(key, "root")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[^\s:]+", value):
        raise InvalidOption(f"{path}: {key} {value!r} is not a name or a number.", value)
    # The look has the names of those numbers that have one.
    return "root" if value == "0" else str(value)


def _mode(path: str, state: str, given: Mapping[str, Any]) -> str:
    value = given.get("mode", DEFAULT_MODES[state])
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3,4}", value):
        raise InvalidOption(f'{path}: mode {value!r} is not a quoted octal number such as "0640".', value)
    return f"{int(value, 8):04o}"


def is_list_of_files(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(file, str) and file for file in value)


def _truth(path: str, key: str, given: Mapping[str, Any], default: bool) -> bool:
    value = given.get(key, default)
    words = {"true": True, "yes": True, "false": False, "no": False}
    value = words.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(value, bool):
        raise InvalidOption(f"{path}: {key} must be true or false.", value)
    return value


def validate_of(command: object) -> str | None:
    """The option C(validate), or InvalidOption."""
    if command is None:
        return None
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError as error:
        raise InvalidOption(f"validate cannot be split into words: {error}.", command) from None
    if not words:
        raise InvalidOption("validate must be a command.", command)
    return str(command)


def is_as_wanted(entry: Entry, content: bytes | None, known: Look) -> bool:
    """Whether the look says that the host has this already."""
    found = known.path(entry.path)
    if found is None:
        return False
    if entry.state == "directory" and "folder" in found:
        found = {"type": "directory", **found["folder"]}
    if entry.state == "absent" or found["type"] != entry.state:
        return found["type"] == entry.state
    wanted = {"mode": entry.mode, "owner": entry.owner, "group": entry.group}
    if any(value not in (None, found.get(key)) for key, value in wanted.items()):
        return False
    if entry.source == "json":
        return is_merged(entry, known)
    return content is None or found.get("digest") == look.digest(content)


def is_merged(entry: Entry, known: Look) -> bool:
    """Whether the look says that the file has the settings that are merged into it, and no former ones of ours."""
    file = (known.get("json_files") or {}).get(entry.path)
    if not file or file["error"]:
        return False
    found = file["settings"]
    target, _kept = goal(
        entry.value["json"], entry.value["json_defaults"], {name: one["placed"] for name, one in found.items()}
    )
    if any(one["placed"] and name not in target for name, one in found.items()):
        return False
    return all(
        name in found and found[name]["digest"] == look.digest(canonical(value)) for name, value in target.items()
    )


def was_interrupted(known: Look) -> bool:
    """Whether the look says that a run was killed while it placed files."""
    return (known.path(JOURNAL) or look.ABSENT)["type"] != "absent"
