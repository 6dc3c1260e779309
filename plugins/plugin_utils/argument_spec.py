# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares values with a role's argument spec, with messages for users.

Types convert as in a module, except that a list or a dict must be one: a role would use a string as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import shown

Spec = Mapping[str, Any]


class WrongType(ValueError):
    """The value has another type. The text is the end of a sentence: what it must be."""


def convert(value: Any, spec: Spec) -> Any:
    """The value as the type of its option. Raises WrongType."""
    try:
        make, meaning = TYPES[spec.get("type", "str")]
    except KeyError:
        return value  # raw, json and the like: whatever it is
    try:
        return make(value, spec)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, WrongType) else WrongType(meaning) from error


def _text(value: Any, _spec: Spec) -> str:
    if value is None or isinstance(value, (Mapping, list, tuple)):
        raise TypeError
    if isinstance(value, float):  # YAML has made 1.1 of the version 1.10.
        raise WrongType("text: put it in quotes, because YAML reads this as a number and drops zeros at its end")
    return value if isinstance(value, str) else str(value)


def _whole_number(value: Any, _spec: Spec) -> int:
    if isinstance(value, bool):
        raise TypeError
    return check_type_int(value)


def _number(value: Any, _spec: Spec) -> float:
    if isinstance(value, bool):
        raise TypeError
    return check_type_float(value)


def _truth(value: Any, _spec: Spec) -> bool:
    return check_type_bool(value)


def _list(value: Any, spec: Spec) -> list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise TypeError
    elements = {**spec, "type": spec.get("elements", "raw")}
    try:
        return [convert(one, elements) for one in value]
    except WrongType as error:
        raise WrongType(f"a list, and each of its elements {error}") from error


def _dict(value: Any, spec: Spec) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    options = spec.get("options") or {}
    converted = dict(value)
    for name in options.keys() & value.keys():
        try:
            converted[name] = convert(_listed(value[name], options[name]), options[name])
        except WrongType:
            pass  # reported with its own name by complaints()
    return converted


def _listed(value: Any, spec: Spec) -> Any:
    """In a dict, one text stands for a list of one, as in C(server_name: www.example.com)."""
    return [value] if spec.get("type") == "list" and isinstance(value, str) else value


TYPES: dict[str, tuple[Callable[[Any, Spec], Any], str]] = {
    "str": (_text, "text"),
    "path": (_text, "a path"),
    "int": (_whole_number, "a whole number"),
    "float": (_number, "a number"),
    "bool": (_truth, "true or false"),
    "list": (_list, "a list"),
    "dict": (_dict, "a dictionary"),
}


def complaints(name: str, value: Any, spec: Spec) -> Iterator[str]:
    """What is wrong with a value by its spec, in sentences. A secret value (no_log) is not shown."""
    what = name if spec.get("no_log") else f"{name} is {shown(value) if value is not None else 'empty'}"
    try:
        converted = convert(value, spec)
    except WrongType as error:
        yield (
            f"{what} has the wrong type. It must be {error}." if spec.get("no_log") else f"{what}. It must be {error}."
        )
        return
    choices = spec.get("choices")
    if choices:
        for one in converted if isinstance(converted, list) else [converted]:
            if one not in choices:
                yield f"{name} is {shown(one)}. It must be one of: {', '.join(map(str, choices))}."
    if spec.get("options"):
        for label, entry in _entries(name, converted):
            yield from _entry_complaints(label, entry, spec["options"])


def _entries(name: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A dict as it is; of a list of dicts, each with its name or its position."""
    if isinstance(value, Mapping):
        yield name, value
        return
    for position, entry in enumerate(value):
        own = entry.get("name")
        yield f"{name}[{own if isinstance(own, str) and own else position}]", entry


def _entry_complaints(label: str, entry: Mapping[str, Any], options: Mapping[str, Spec]) -> Iterator[str]:
    for key in entry:
        if key not in options:
            yield f"{label} has the unknown key {shown(key)}. Known keys: {', '.join(options)}."
    for key, spec in options.items():
        if key in entry:
            yield from complaints(f"{label}.{key}", _listed(entry[key], spec), spec)
        elif spec.get("required"):
            yield f"{label} has no '{key}', which is required."
