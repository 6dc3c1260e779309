# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_mask import (
    LONGEST_SHOWN,
    Mask,
    begins_as_json,
    hide,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Record
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_values import as_bytes


def record(value):
    return Record("k", value, 0, 9, 9, 0, None)


def test_nothing_secret_shows_however_long_the_value():
    mask = Mask({"secret": False, "secret_keys": ["password"]})
    long = as_bytes("k", {"password": "S3cret", "text": "x" * (LONGEST_SHOWN + 1)})
    assert "S3cret" not in str(mask.data(record(long)))
    assert "S3cret" not in str(mask.shown(record(long)))
    assert "S3cret" not in str(mask.params({"key": "k", "value": long.decode()}))


def test_a_long_text_is_described():
    text = b"x" * (LONGEST_SHOWN + 1)
    for patterns in ([], ["password"]):
        assert Mask({"secret_keys": patterns}).shown(record(text)).startswith("(text, 65537 bytes")


@pytest.mark.parametrize("secret", [True, "yes", "what?", 1])
def test_parameters_are_hidden_even_before_they_are_validated(secret):
    assert "S3cret" not in str(Mask({"secret": secret}).params({"value": "S3cret", "values": {"a": "S3cret"}}))


@pytest.mark.parametrize("patterns", ["a,pass*", " password ", {"password": 1}, [5, "password"], 5])
def test_patterns_are_understood_before_they_are_validated_or_everything_is_hidden(patterns):
    shown = Mask({"secret_keys": patterns}).params({"key": "k", "value": {"password": "S3cret"}})
    assert "S3cret" not in str(shown)


def test_a_tree_is_shown_but_for_its_secrets():
    values = {
        "user": "u",
        "password": "S3cret",
        "folder": {"db": {"$json": {"password": "S3cret", "port": 1}}, "plain": {"$base64": "/w=="}},
        "hidden": {"$base64": base64.b64encode(b'{"password": "S3cret"}').decode()},
        "list": [{"password": "S3cret"}],
        "private": {"a": "S3cret"},
    }
    shown = Mask({"secret_keys": ["password", "app/private"]}).params({"prefix": "app", "values": values})["values"]
    assert shown == {
        "user": "u",
        "password": "(hidden)",
        "folder": {"db": {"$json": {"password": "(hidden)", "port": 1}}, "plain": {"$base64": "/w=="}},
        "hidden": {"$base64": "(hidden)"},
        "list": [{"password": "(hidden)"}],
        "private": "(hidden)",
    }


@pytest.mark.parametrize("text", ["{", " [", '"{', "\ufeff{", "\u00a0\n{", "\x00[", "'\"{", '"\\"{'])
def test_texts_that_begin_as_json(text):
    assert begins_as_json(text)


@pytest.mark.parametrize("text", ["", " ", "a{", "5", '"a"', "-", "\ufeff"])
def test_texts_that_do_not(text):
    assert not begins_as_json(text)


def test_fields():
    old = {"a": {"password": 1}, "l": [{"password": 1}], "text": json.dumps({"password": 1, "user": 2})}
    new = {"a": {"password": 2}, "l": [{"password": 2}], "text": json.dumps({"password": 2, "user": 2})}
    assert hide(new, ["pass*"], new) == {
        "a": {"password": "(hidden)"},
        "l": [{"password": "(hidden)"}],
        "text": '{"password":"(hidden)","user":2}',
    }
    assert hide(new, ["pass*"], old) == {
        "a": {"password": "(hidden, changed)"},
        "l": [{"password": "(hidden, changed)"}],
        "text": '{"password":"(hidden, changed)","user":2}',
    }
    assert hide(new, ["other"], old) == new and hide(new, [], old) == new


DUPLICATES = [
    '{"a":{"password":"S3cret"},"a":1}',
    '{"password":"S3cret","password":"(hidden)"}',
    '[{"a":"S3cret","\\u0061":1}]',
    json.dumps({"config": '{"password":"S3cret","password":"(hidden)"}'}),
    json.dumps(["x", json.dumps({"config": '{"a":{"password":"S3cret"},"a":1}'})]),
]


@pytest.mark.parametrize("text", DUPLICATES)
def test_a_field_that_is_given_twice_hides_nothing_from_the_mask(text):
    """A parser keeps the last of the two, and the text is shown."""
    mask = Mask({"secret_keys": ["password"]})
    coded = base64.b64encode(text.encode()).decode()
    for seen in (
        mask.shown(record(text.encode())),
        mask.shown(record(text.encode()), record(b"{}")),
        mask.data(record(text.encode())),
        mask.params({"key": "k", "value": text}),
        mask.params({"values": {"a": {"b": text}, "list": [text]}}),
        mask.params({"key": "k", "value": {"$base64": coded}}),
    ):
        assert "S3cret" not in str(seen) and coded not in str(seen) and "hidden" in str(seen)


def test_what_only_looks_like_json_is_hidden_as_a_whole():
    assert hide({"text": '{"password": 1,}'}, ["password"]) == {"text": "(hidden)"}
    assert hide('{"password": 1,}', ["password"], '{"password": 2,}') == "(hidden, changed)"
    assert hide('{"password": 1,}', []) == '{"password": 1,}'
