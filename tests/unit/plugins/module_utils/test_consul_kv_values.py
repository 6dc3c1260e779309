# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_values import (
    DEEPEST,
    as_bytes,
    parsed,
    readable,
    too_deep,
    wanted_values,
)


@pytest.mark.parametrize(
    "value, expected",
    [
        ("text", b"text"),
        ("é", "é".encode()),
        (None, b""),
        (5, b"5"),
        (True, b"true"),
        ([2, 1], b"[2,1]"),
        ({"b": 1, "a": "é"}, '{"a":"é","b":1}'.encode()),
        ({"$json": "text"}, b'"text"'),
        ({"$base64": "/w=="}, b"\xff"),
        ({"$base64": " /w\n==\r\n"}, b"\xff"),
        ({"$base64": ""}, b""),
    ],
)
def test_values_as_bytes(value, expected):
    assert as_bytes("k", value) == expected


def nested(levels):
    value = 1
    for _level in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value, words",
    [
        ({"$base64": "!"}, "not base64"),
        ({"$base64": "YWI"}, "not base64"),
        ({"$base64": 1234}, "not text"),
        ({"$base64": None}, "not text"),
        ("x" * 524289, "524289 bytes"),
        (float("nan"), "no NaN"),
        ([float("inf")], "no NaN"),
        ({"$json": {"a": float("-inf")}}, "no NaN"),
        ({"a": "\ud800"}, "not valid Unicode"),
        ("\ud800", "not valid Unicode"),
        (nested(100_000), "nested too deeply"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "",
)
def test_values_that_cannot_be(value, words):
    with pytest.raises(ConsulError, match=f"k: .*{words}"):
        as_bytes("k", value)


@pytest.mark.parametrize("prefix", ["app", "app/"])
def test_folders(prefix):
    tree = {"a": {"b": 1, "c/d": {"e": 2}}, "f/": "", "g": {"$json": {}}, "h": {}}
    assert wanted_values({"values": tree, "prefix": prefix}) == {
        "app/a/b": b"1",
        "app/a/c/d/e": b"2",
        "app/f/": b"",
        "app/g": b"{}",
    }


def test_a_key_given_twice():
    with pytest.raises(ConsulError, match="a/b is given twice"):
        wanted_values({"values": {"a/b": 1, "a": {"b": 2}}, "prefix": ""})


@pytest.mark.parametrize(
    "content, expected",
    [
        (b'\n {"a": 1}\n', {"a": 1}),
        (b"[1]", [1]),
        (b"5", "5"),
        (b"{", "{"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": 1e999}', '{"a": 1e999}'),
        (b'{"a": -1e999}', '{"a": -1e999}'),
        (b'{"a": 1e300}', {"a": 1e300}),
        (b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        (b'[{"b": {"a": 1, "\\u0061": 1}}]', '[{"b": {"a": 1, "\\u0061": 1}}]'),
        (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
        (b"[" * 200_000, "[" * 200_000),
        (b"[" + b"9" * 5000 + b"]", "[" + "9" * 5000 + "]"),
        (b"\xff", "(binary, 1 bytes, sha256 a8100ae6aa1940d0)"),
    ],
    ids=lambda value: str(value)[:10],
)
def test_what_is_read(content, expected):
    assert readable(content) == expected


def test_depth():
    assert not too_deep(nested(DEEPEST - 1)) and too_deep(nested(DEEPEST))
    assert parsed(json.dumps(nested(DEEPEST - 1))) == nested(DEEPEST - 1)
    with pytest.raises(ValueError, match="deeply"):
        parsed(json.dumps(nested(DEEPEST)))
