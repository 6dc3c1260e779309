# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that Consul's HTTP API takes: option types that send JSON and no Python, and names that it can find again."""

from __future__ import annotations

import json
import math

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError


def text(value):
    """The value of an option that is a text. Numbers and booleans are written as JSON writes them."""
    if isinstance(value, str):
        return encodable(str(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    raise TypeError(f"{_kind(value)} is given where a text is required")


def json_or_text(value):
    """The value of an option that is a text, where a structure stands for its JSON."""
    if not isinstance(value, (dict, list)):
        return text(value)
    try:
        return encodable(json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True))
    except ValueError as error:
        raise TypeError(f"the value cannot be written as JSON: {error}") from None


def with_texts(params, spec, json_options=(), where=""):
    """The options with each text as JSON writes it, or ConsulError. SPEC is an argument spec. Each of JSON_OPTIONS is a text
    where a structure stands for its JSON. Everything else is left as it is, for Ansible to validate."""
    names = {alias: name for name, option in spec.items() for alias in (name, *option.get("aliases", ()))}
    found = dict(params)
    for key, value in params.items():
        option = spec.get(names.get(key), {})
        convert = json_or_text if names.get(key) in json_options else text
        if value is None or "type" not in option:
            continue
        try:
            if option["type"] == "str":
                found[key] = convert(value)
            elif option.get("elements") == "str" and isinstance(value, (list, bool, int, float)):
                found[key] = [convert(item) for item in (value if isinstance(value, list) else [value])]
        except TypeError as error:
            raise ConsulError(f"{where}{key}: {error}") from None
        if "options" not in option:
            continue
        if isinstance(value, dict):
            found[key] = with_texts(value, option["options"], json_options, f"{where}{key}: ")
        elif isinstance(value, list):
            found[key] = [
                with_texts(item, option["options"], json_options, f"{where}{key}[{number}]: ")
                if isinstance(item, dict)
                else item
                for number, item in enumerate(value)
            ]
    return found


def encodable(value):
    """The same text. A part of a surrogate pair alone cannot be sent: Consul would store another character."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise TypeError("the text holds a byte or code point that is not valid UTF-8") from None
    return value


def _kind(value):
    names = {dict: "a dictionary", list: "a list", type(None): "null", float: "a number that is not finite"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def one_line(name):
    """A name as a part of an error."""
    return name if name.isprintable() else ascii(name)[1:-1]


def refuse_unaddressable(what, name):
    """ConsulError if a name cannot be a part of a path of Consul's API. Consul answers such a path with a redirect or with
    HTTP 400, also if it is percent-encoded, so what has the name could never be read or removed by it."""
    reason = unaddressable(name)
    if reason:
        raise ConsulError(
            f"{what} {name!a} {reason}: Consul registers such a name, but cannot find it again to remove it"
        )


def unaddressable(name):
    """Why a name cannot be a part of a path of Consul's API. Empty if it can, as far as its characters show."""
    if name.startswith("/"):
        return "starts with '/'"
    if "//" in name:
        return "has '//'"
    dots = [part for part in name.split("/") if part in (".", "..")]
    if dots:
        return f"has the path segment '{dots[0]}'"
    unprintable = [character for character in name if not character.isprintable()]
    if unprintable:
        return f"has the character U+{ord(unprintable[0]):04X}, which is not printable"
    return ""


def refuse_unknown_characters(client, what, name):
    """ConsulError if this agent does not know a character of the name as printable."""
    if not is_addressable(client, name):
        raise ConsulError(
            f"{what} {name!a} has a character that this version of Consul does not know as printable: Consul registers "
            "such a name, but cannot find it again to remove it"
        )


def is_addressable(client, name):
    """Whether this agent finds a name in a path. Which characters are printable depends on the Unicode version of its
    build, so it is asked."""
    if unaddressable(name):
        return False
    if not name.isascii():
        try:
            client.get("agent/service/" + name, missing_ok=True)
        except ConsulError as error:
            if error.status == 400:
                return False
            if error.status != 403:  # it understood the name
                raise
    return True


def catalog_node(client, name):
    """What the catalog has of the node with this name, or None. If no node has the name, Consul answers with the node that has
    an ID that begins so, as an ID may begin with db1 (agent/consul/state/catalog.go, nodeServices)."""
    found = client.get("catalog/node/" + name, client.query).data
    return found if found and found.get("Node") and found["Node"]["Node"].lower() == name.lower() else None
