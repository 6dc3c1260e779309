# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Record
from ansible_collections.dockyard.consul.plugins.modules.consul_kv import (
    LONGEST_SHOWN,
    Mask,
    as_bytes,
    setting,
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
    ],
)
def test_values_as_bytes(value, expected):
    assert as_bytes("k", value) == expected


@pytest.mark.parametrize("value, words", [({"$base64": "!"}, "not base64"), ("x" * 524289, "524289 bytes")])
def test_values_that_cannot_be(value, words):
    with pytest.raises(ConsulError, match=f"k: .*{words}"):
        as_bytes("k", value)


@pytest.mark.parametrize("prefix", ["app", "app/"])
def test_folders(prefix):
    nested = {"a": {"b": 1, "c/d": {"e": 2}}, "f/": ""}
    assert wanted_values({"values": nested, "prefix": prefix}) == {
        "app/a/b": b"1",
        "app/a/c/d/e": b"2",
        "app/f/": b"",
    }


def test_a_key_given_twice():
    with pytest.raises(ConsulError, match="a/b is given twice"):
        wanted_values({"values": {"a/b": 1, "a": {"b": 2}}, "prefix": ""})


def record(value, flags=0):
    return Record("k", value, flags, 9, 9, 0, None)


def test_setting():
    assert setting("k", b"v", record(b"v", flags=3), None) is None
    assert setting("k", b"v", record(b"v", flags=3), 3) is None
    assert setting("k", b"v", record(b"v", flags=3), 4).flags == 4
    assert setting("k", b"w", record(b"v", flags=3), None).flags == 3
    assert setting("k", b"w", record(b"v"), None).index == 9
    assert setting("k", b"", None, None).index == 0


def test_nothing_secret_shows_however_long_the_value():
    mask = Mask({"secret": False, "secret_keys": ["password"]})
    long = as_bytes("k", {"password": "S3cret", "text": "x" * (LONGEST_SHOWN + 1)})
    assert "S3cret" not in str(mask.data(record(long)))
    assert "S3cret" not in str(mask.shown(record(long)))
    assert "S3cret" not in str(mask.params({"key": "k", "value": long.decode()}))


@pytest.mark.parametrize("secret", [True, "yes", "what?", 1])
def test_parameters_are_hidden_even_before_they_are_validated(secret):
    assert "S3cret" not in str(Mask({"secret": secret}).params({"value": "S3cret", "values": {"a": "S3cret"}}))
