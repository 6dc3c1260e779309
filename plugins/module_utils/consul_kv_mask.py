# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the keys and values of consul_kv is shown in diffs, results and logs."""

from __future__ import annotations

import json

from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import as_data
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_values import (
    described,
    folder,
    from_base64,
    is_leaf,
    is_wrapped,
    parsed,
    readable,
    too_deep,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import HIDDEN, HIDDEN_CHANGED, matches

LONGEST_SHOWN = 64 * 1024


class Mask:
    """Of the module's parameters, also before they have been validated: what cannot be understood hides everything."""

    def __init__(self, params):
        patterns = params.get("secret_keys") or []
        if isinstance(patterns, str):
            patterns = [part.strip() for part in patterns.split(",")]
        understood = isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns)
        self.everything = params.get("secret") not in (False, None) or not understood
        self.patterns = patterns if understood else []

    def hides(self, key):
        return self.everything or matches(key, self.patterns)

    def shown(self, record, old=None):
        """A record's value for a diff: JSON objects as structures, so that one field can be hidden or seen to change."""
        if self.hides(record.key) or self.conceals(record.value):
            return HIDDEN if old is None or old.value == record.value else HIDDEN_CHANGED
        content = hide(readable(record.value), self.patterns, readable(old.value) if old else None)
        if isinstance(content, str) and len(content) > LONGEST_SHOWN:
            return described("text", record.value)
        return content

    def data(self, record):
        """A record for the result, with what is secret hidden."""
        data = as_data(record)
        if self.hides(record.key) or self.conceals(record.value):
            data.pop("Base64", None)
            return dict(data, Value=HIDDEN)
        if "Value" in data:
            content = readable(record.value)
            shown = hide(content, self.patterns)
            if shown != content:
                data["Value"] = shown if isinstance(shown, str) else to_json(shown)
        return data

    def conceals(self, content):
        """Whether a binary value is perhaps an object in another encoding, so that its fields cannot be found."""
        if not self.patterns:
            return False
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return begins_as_json(content.decode(json.detect_encoding(content), errors="replace"))
        return False

    def params(self, params):
        """The module's parameters, for logs."""
        shown = dict(params)
        if params.get("value") is not None:
            shown["value"] = self.given(str(params.get("key")), params["value"])
        values = params.get("values")
        if values:
            if self.everything or not isinstance(values, dict) or too_deep(values):
                shown["values"] = HIDDEN
            else:
                shown["values"] = self.tree(values, str(params.get("prefix") or ""))
        return shown

    def tree(self, values, parent):
        shown = {}
        for name, value in values.items():
            key = folder(parent) + str(name)
            shown[name] = self.given(key, value) if is_leaf(value) or self.hides(key) else self.tree(value, key)
        return shown

    def given(self, key, value):
        """A value as the user gives it."""
        if self.hides(key) or (self.patterns and too_deep(value)):
            return HIDDEN
        if not self.patterns or not is_wrapped(value, "$base64"):
            return hide(value, self.patterns)
        try:
            content = from_base64(value["$base64"])
        except ValueError:
            return HIDDEN
        read = readable(content)
        return value if not self.conceals(content) and hide(read, self.patterns) == read else {"$base64": HIDDEN}


def hide(value, patterns, other=None):
    """The value with the fields that match hidden, also those of JSON in a text. One that differs from C(other)'s says
    that it changed."""
    if not patterns:
        return value
    if isinstance(value, dict):
        others = other if isinstance(other, dict) else {}
        return {
            key: _hidden(item, others.get(key, item))
            if matches(key, patterns)
            else hide(item, patterns, others.get(key, item))
            for key, item in value.items()
        }
    if isinstance(value, list):
        others = other if isinstance(other, list) and len(other) == len(value) else value
        return [hide(item, patterns, others[number]) for number, item in enumerate(value)]
    if isinstance(value, str) and begins_as_json(value):
        return _hide_in_text(value, patterns, other if isinstance(other, str) else value)
    return value


def _hide_in_text(text, patterns, other):
    try:
        content = parsed(text)
    except ValueError:
        return _hidden(text, other)  # a more tolerant parser may find the fields
    try:
        other = parsed(other)
    except ValueError:
        other = content
    shown = hide(content, patterns, other)
    return text if shown == content else to_json(shown)


def _hidden(value, other):
    return HIDDEN if value == other else HIDDEN_CHANGED


def begins_as_json(text):
    """Whether the first character that can be seen, quotes aside, is that of a JSON object or list."""
    for char in text:
        if char.isprintable() and not char.isspace() and char not in "\"'\\":
            return char in "{["
    return False


def to_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
