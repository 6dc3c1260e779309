# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of consul_kv: from what a playbook gives to the bytes that Consul stores, and back to something to read."""

from __future__ import annotations

import base64
import hashlib
import json
import math

from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import MAX_VALUE, named

# Deeper JSON is text here. Python's recursion limit is near 300 levels of the functions that walk a structure.
DEEPEST = 100


def as_bytes(key, value):
    """What is written for a value as the user gives it."""
    try:
        content = _encoded(value)
    except UnicodeEncodeError as error:
        raise ConsulError(f"{named(key)}: the value is not valid Unicode text") from error
    except RecursionError as error:
        raise ConsulError(f"{named(key)}: the value is nested too deeply") from error
    except ValueError as error:
        raise ConsulError(f"{named(key)}: {error}") from error
    if len(content) > MAX_VALUE:
        raise ConsulError(f"{named(key)}: the value has {len(content)} bytes, Consul takes at most {MAX_VALUE}")
    return content


def _encoded(value):
    if value is None:
        return b""
    if isinstance(value, str):
        return to_bytes(value, errors="surrogate_or_strict")
    if is_wrapped(value, "$base64"):
        return from_base64(value["$base64"])
    return canonical_json(value["$json"] if is_wrapped(value, "$json") else value)


def is_wrapped(value, *names):
    return isinstance(value, dict) and len(value) == 1 and set(value) <= set(names)


def is_leaf(value):
    """Whether this is a value, and not a folder of them."""
    return not isinstance(value, dict) or is_wrapped(value, "$base64", "$json")


def from_base64(text):
    """The bytes, or ValueError. White space is allowed, as the command base64 writes it."""
    if not isinstance(text, str):
        raise ValueError("the content of $base64 is not text: put it in quotes")  # noqa: TRY004 - for the caller, it is one
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError(f"the content of $base64 is not base64: {error}") from error


def canonical_json(value):
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError("JSON has no NaN and no infinity: give a number, or write the word in quotes") from error
    return text.encode("utf-8")


def wanted_values(params):
    """The bytes of each key of the option C(values)."""
    wanted = {}
    for key, value in flatten(params["values"], params["prefix"]):
        if not key:
            raise ConsulError("values: a key is empty")
        if key in wanted:
            raise ConsulError(f"values: {named(key)} is given twice")
        wanted[key] = as_bytes(key, value)
    return wanted


def flatten(tree, parent=""):
    """Pairs of key and leaf of a nested mapping."""
    for name, value in tree.items():
        key = folder(parent) + str(name)
        if is_leaf(value):
            yield key, value
        else:
            yield from flatten(value, key)


def folder(prefix):
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def readable(content):
    """Bytes as a JSON structure if they are one, else as text, else as a description."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return described("binary", content)
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return parsed(text)
    except ValueError:
        return text


def parsed(text):
    """JSON as a structure. ValueError if it is none, or if the structure would not have all that is in the text."""
    try:
        data = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if too_deep(data):
        raise ValueError("nested too deeply")
    return data


def _refuse_constant(name):
    raise ValueError(f"JSON has no {name}")


def _finite(text):
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _without_duplicates(pairs):
    """json.loads would keep the last of them. What the others hold could then not be hidden."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("an object has a field twice")
    return data


def too_deep(data):
    level = [data]
    for _depth in range(DEEPEST):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


def described(kind, content):
    return f"({kind}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]})"
