# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What consul_kv and consul_kv_info refuse: in check mode as in a real run, and before anything is written."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.dockyard.consul.plugins.modules import consul_kv, consul_kv_info
from in_process import Module

SESSION = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def kv(agent):
    return Module(consul_kv, agent)


@pytest.fixture
def kv_info(agent):
    return Module(consul_kv_info, agent)


@pytest.fixture
def store(agent):
    """What the store holds before and after each of these tests."""
    for key in ("app/a", "app/b"):
        agent.api("PUT", f"/v1/kv/{key}", b"kept")
    before = agent.api("GET", "/v1/kv/?recurse")
    yield before
    assert agent.api("GET", "/v1/kv/?recurse") == before


COMBINATIONS = [
    # M3: the condition would not hold for what is done
    ({"key": "app/", "recurse": True, "state": "absent", "cas": 1}, "cas"),
    ({"key": "app/a", "state": "acquire", "session": SESSION, "cas": 1}, "cas"),
    ({"key": "app/a", "state": "release", "session": SESSION, "cas": 0}, "cas"),
    ({"key": "app/a", "cas": 1}, "cas"),
    ({"values": {"a": 1}, "cas": 1}, "cas"),
    # M12: an option that nothing would use
    ({"key": "a", "prefix": "app", "value": "x"}, "prefix"),
    ({"key": "a", "prefix": "app", "state": "absent"}, "prefix"),
    ({"key": "app/a", "value": "x", "purge": True}, "purge"),
    ({"prefix": "app", "values": {"a": 1}, "purge": True, "state": "absent"}, "purge"),
    ({"key": "app/", "value": "x", "recurse": True}, "recurse"),
    ({"key": "app/a", "recurse": True, "state": "acquire", "session": SESSION}, "recurse"),
    ({"prefix": "app", "values": {"a": 1}, "recurse": True, "state": "absent"}, "recurse"),
    ({"key": "app/a", "value": "x", "session": SESSION}, "session"),
    ({"key": "app/a", "state": "absent", "session": SESSION}, "session"),
    ({"key": "app/a", "flags": 1}, "flags"),
    ({"key": "app/a", "flags": 1, "state": "absent"}, "flags"),
    ({"values": {"app/a": 1}, "flags": 1, "state": "absent"}, "flags"),
    ({"key": "app/a", "value": "kept", "state": "absent"}, "value"),
    ({"key": "app/", "value": "", "recurse": True, "state": "absent"}, "value"),
    # A lock that was lost is no reason to drop a value without a word.
    ({"key": "app/a", "value": "free", "state": "release", "session": SESSION}, "does not hold the lock"),
    ({"key": "app/none", "value": "", "state": "release", "session": SESSION}, "does not hold the lock"),
    ({"key": "app/a", "flags": 1, "state": "release", "session": SESSION}, "does not hold the lock"),
]


@pytest.mark.parametrize("options, name", COMBINATIONS, ids=lambda value: str(value)[:60])
def test_an_option_that_would_have_no_effect(kv, store, options, name):
    assert name in kv.refusal(**options)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_option_of_consul_kv_info_that_would_have_no_effect(kv_info, store):
    assert "separator" in kv_info.refusal(key="app/", recurse=True, separator="/")
    assert "keys" in kv_info.refusal(key="app/", recurse=True, keys=True)


NOT_JSON = [float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("number", NOT_JSON)
@pytest.mark.parametrize(
    "form",
    [
        lambda number: {"key": "app/a", "value": {"x": [number]}},
        lambda number: {"key": "app/a", "value": number},
        lambda number: {"prefix": "app", "values": {"b": 1, "a": number}},
        lambda number: {"prefix": "app", "values": {"a": {"$json": {"x": number}}}},
    ],
)
def test_numbers_that_are_not_json(kv, store, number, form):
    message = kv.refusal(**form(number))
    assert message.startswith("app/a: ") and "JSON" in message


@pytest.mark.parametrize("number", [-1, 2**64, -(2**70)])
@pytest.mark.parametrize("option", ["flags", "cas"])
def test_numbers_that_consul_does_not_take(kv, store, option, number):
    assert f"{option}: " in kv.refusal(key="app/a", value="x", **{option: number})


@pytest.mark.parametrize("content", ["!", "YWI", "YWJj=", "é", 5, None, ["YWI="]])
def test_what_is_not_base64(kv, store, content):
    assert "app/a: " in kv.refusal(key="app/a", value={"$base64": content})


@pytest.mark.parametrize("session", ["", "mine", SESSION[:-1]])
def test_what_is_not_a_session(kv, store, session):
    for state in ("acquire", "release"):
        assert "session" in kv.refusal(key="app/a", session=session, state=state)


@pytest.mark.parametrize("key", ["a\nb", "\u2028"])
def test_the_message_about_any_key_is_one_line(kv, store, key):
    for options in (
        {"key": key, "value": float("nan")},
        {"values": {key: {"$base64": "!"}}},
        {"key": key, "value": "x" * 600_000},
        {"values": {key: {"$base64": "A" * 600_000}}},
        {"values": {key: 1, "": {key: 1}}},
        {"key": key, "value": "x", "cas": 5},
    ):
        assert repr(key) in kv.refusal(**options)
    assert repr(key) in kv.refusal(rehearsed=True, key=key, state="acquire", session=SESSION)


def test_a_lock_that_consul_does_not_give(kv, agent):
    assert "unknown to Consul" in kv.refusal(rehearsed=True, key="delayed", session=SESSION, state="acquire")
    assert "key is empty" in kv.refusal(key="", session=SESSION, state="acquire")
    assert "key is empty" in kv.refusal(key="", session=SESSION, state="release")
    first, second = (agent.api("PUT", "/v1/session/create", {"LockDelay": "60s"})["ID"] for _which in range(2))
    # Check mode asks Consul, and takes nothing.
    assert kv(check_mode=True, key="delayed", session=first, state="acquire", value="x")["changed"]
    assert agent.key_names() == []
    assert kv(key="delayed", session=first, state="acquire", value="x")["changed"]
    assert "held by another session" in kv.refusal(key="delayed", session=second, state="acquire")
    agent.api("PUT", f"/v1/session/destroy/{first}")
    assert "lock delay" in kv.refusal(rehearsed=True, key="delayed", session=second, state="acquire")
    assert agent.raw("delayed") == b"x"
    agent.api("PUT", f"/v1/session/destroy/{second}")


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_a_missing_right_to_write(kv, agent, store):
    session = agent.api("PUT", "/v1/session/create", {})["ID"]
    rules = 'key_prefix "" { policy = "read" } key_prefix "app/" { policy = "write" } key "app/b" { policy = "read" }'
    kv.connection = {"port": agent.http_port, "token": agent.token_for(rules)}
    many = {f"k{number:03}": 1 for number in range(130)}
    for options, keys in (
        ({"key": "k", "value": "x"}, ["k"]),
        ({"key": "app/b", "state": "absent"}, ["app/b"]),
        ({"key": "app/", "recurse": True, "state": "absent"}, ["app/b"]),
        ({"values": {"app/a": 1, "k": 2}}, ["k"]),
        ({"prefix": "app", "values": {**many, "b": 2}}, ["app/b"]),
        ({"key": "k", "session": session, "state": "acquire"}, ["k"]),
        ({"key": "k\n", "value": "x"}, ["'k\\n'"]),
    ):
        foretold = kv(check_mode=True, **options)
        assert foretold["failed"] and "Permission denied" in foretold["msg"] and "\n" not in foretold["msg"]
        assert all(f"{key}: " in foretold["msg"] for key in keys)
        if not many.keys() & options.get("values", {}).keys():  # the first of its transactions may be written
            assert kv(**options)["msg"] == foretold["msg"]
    assert not kv(check_mode=True, key="app/b", value="kept")["changed"]
    assert kv(check_mode=True, key="app/a", value="new")["changed"]
    agent.api("PUT", f"/v1/session/destroy/{session}")


def test_a_large_value_of_a_key_that_only_a_transaction_takes(kv, store):
    large = base64.b64encode(b"x" * 400_000).decode()
    for key in ("/leading", "a\tb"):
        assert "too large" in kv.refusal(values={"app/a": "new", key: {"$base64": large}})
    assert "too large to be locked" in kv.refusal(
        key="app/a", value={"$base64": large}, session=SESSION, state="acquire"
    )
