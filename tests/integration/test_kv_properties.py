# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for consul_kv whatever the key and the value, tried with many of them on a real agent."""

from __future__ import annotations

import base64
import json
import sys

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import KVStore, in_a_url
from ansible_collections.dockyard.consul.plugins.modules import consul_kv, consul_kv_info
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import Module

# Text that UTF-8 can hold; and often what makes keys difficult: slashes, dots, escapes, white space, other alphabets.
CHARACTERS = st.characters(exclude_categories=["Cs"])
KEYS = st.text(
    st.one_of(st.sampled_from("/.ab%?#+&=~ \\\t\n\x00\u00a0é日\u2028\U0001fae8"), CHARACTERS), min_size=1, max_size=12
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(CHARACTERS),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=5), children, max_size=3)
    ),
    max_leaves=6,
)
VALUES = st.one_of(
    st.text(CHARACTERS),
    st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    st.lists(JSON, max_size=3),
    st.builds(lambda value: {"$json": value}, JSON),
    st.builds(lambda content: {"$base64": base64.encodebytes(content).decode()}, st.binary(max_size=200)),
)
FLAGS = st.none() | st.integers(min_value=0, max_value=2**64 - 1)

EXAMPLES = settings(
    max_examples=40,  # a few seconds for each test
    deadline=None,  # other programs share the machine
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def content(value):
    """The bytes that a value stands for, without the code under test."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) == {"$base64"}:
        return base64.b64decode(value["$base64"])
    if isinstance(value, dict) and set(value) == {"$json"}:
        value = value["$json"]
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def stored(agent):
    found = agent.api("GET", "/v1/kv/?recurse") if agent.key_names() else []
    return {item["Key"]: (base64.b64decode(item["Value"] or ""), item["Flags"]) for item in found}


def value_of(record):
    return base64.b64decode(record["Base64"]) if "Base64" in record else record["Value"].encode()


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_consul_takes_every_character_in_a_url_that_the_module_puts_there(agent):
    store = KVStore(ConsulClient(port=agent.http_port))
    accepted = [char for char in map(chr, range(1, sys.maxunicode + 1)) if in_a_url(f"a{char}a")]
    assert len(accepted) > 90_000
    for start in range(0, len(accepted), 2000):
        assert store.read("a" + "a".join(accepted[start : start + 2000])) is None


@EXAMPLES
@given(key=KEYS, value=VALUES, flags=FLAGS)
def test_a_key(agent, key, value, flags):
    kv, info = Module(consul_kv, agent), Module(consul_kv_info, agent)
    agent.api("PUT", "/v1/kv/other", b"kept")
    task = {"key": key, "value": value, "flags": flags}
    expected = {"other": (b"kept", 0), key: (content(value), flags or 0)}
    assert kv(check_mode=True, **task)["created"] == [key] and list(stored(agent)) == ["other"]
    created = kv(**task)
    assert created["created"] == [key] and stored(agent) == expected
    assert value_of(created["data"]) == content(value)
    read = info(key=key)["data"]
    assert read == [created["data"]] == [kv(key=key)["data"]]
    assert not kv(**task)["changed"] and not kv(check_mode=True, **task)["changed"]
    removal = {"key": key, "state": "absent"}
    assert kv(check_mode=True, **removal)["deleted"] == [key] and stored(agent) == expected
    assert kv(**removal)["deleted"] == [key] and list(stored(agent)) == ["other"]
    assert not kv(**removal)["changed"] and info(key=key)["data"] == []


@EXAMPLES
@given(prefix=KEYS | st.just(""), values=st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
def test_a_folder(agent, prefix, values):
    kv, info = Module(consul_kv, agent), Module(consul_kv_info, agent)
    folder = prefix + "/" * (bool(prefix) and not prefix.endswith("/"))
    expected = {folder + key: (content(value), 0) for key, value in values.items()}
    task = {"prefix": prefix, "values": values, "purge": True, "force": True}
    assert sorted(kv(**task)["created"]) == sorted(expected) and stored(agent) == expected
    assert not kv(**task)["changed"]
    read = info(key=folder, recurse=True)["data"]
    assert {record["Key"]: (value_of(record), record["Flags"]) for record in read} == expected
    assert sorted(info(key=folder, keys=True)["data"]) == sorted(expected)
    removal = {"key": folder, "recurse": True, "state": "absent", "force": True}
    assert sorted(kv(**removal)["deleted"]) == sorted(expected) and stored(agent) == {}
    assert not kv(**removal)["changed"]
