# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import (
    MAX_OPERATIONS,
    MAX_TRANSACTION,
    Change,
    KVStore,
    Record,
    as_data,
    batches,
    check_sizes,
    cut,
    in_a_url,
)


def changes(count, size):
    return [Change("cas", f"k{number}", b"x" * size) for number in range(count)]


@pytest.mark.parametrize("count, size", [(0, 1), (1, 1), (64, 1), (65, 1), (1000, 10), (64, 7000), (3, 512 * 1024)])
def test_batches_fit_in_transactions(count, size):
    all_changes = changes(count, size)
    split = list(batches(all_changes))
    assert [change for batch in split for change in batch] == all_changes
    for batch in split:
        assert 1 <= len(batch) <= MAX_OPERATIONS
        assert len(batch) == 1 or sum(len(str(change.operations())) for change in batch) <= MAX_TRANSACTION


def test_a_lock_counts_as_two_operations():
    locks = [Change("lock", f"k{number}", b"", session="s") for number in range(40)]
    assert [len(batch) for batch in batches(locks)] == [32, 8]


def test_1000_small_keys_take_16_transactions():
    assert len(list(batches(changes(1000, 10)))) == 16


@pytest.mark.parametrize("key", ["/a", "a//b", "a/../b", "./a", "a/.", "..", "//"])
def test_keys_that_go_would_clean(key):
    assert not in_a_url(key)


@pytest.mark.parametrize(
    "key", ["\t", "a\n", "a\u00a0b", "\u2028", "\u00ad", "\x00", "\x7f", "\u200b", "\ue000", "\u0378", "\U0001fae8"]
)
def test_keys_that_are_not_printable_for_consul(key):
    assert not in_a_url(key)


@pytest.mark.parametrize(
    "key", ["", "a", "a/", "a/b", ".a", "a..b/c.", "a b?c#d", "...", "a/.hidden", "naïve/ключ/日本"]
)
def test_keys_that_stay_as_they_are(key):
    assert in_a_url(key)


def test_a_value_that_fits_in_no_transaction_of_its_key():
    large = b"x" * 400_000
    check_sizes([Change("cas", "a", large), Change("cas", "/a", b"x"), Change("delete-cas", "/a", index=1)])
    with pytest.raises(ConsulError, match="/a: the value is too large"):
        check_sizes([Change("cas", "a", b""), Change("cas", "/a", large)])
    for verb in ("lock", "unlock"):
        with pytest.raises(ConsulError, match="a: the value is too large to be locked or unlocked"):
            check_sizes([Change(verb, "a", large, session="s")])


@pytest.mark.parametrize(
    "change, record, holds",
    [
        (Change("cas", "k", b"x", 3), Record("k", b"x", 3, 9, 9, 0, None), True),
        (Change("cas", "k", b"x", 3), Record("k", b"x", 4, 9, 9, 0, None), False),
        (Change("cas", "k", b"x"), Record("k", b"y", 0, 9, 9, 0, None), False),
        (Change("cas", "k", b"x"), None, False),
        (Change("delete-cas", "k"), None, True),
        (Change("delete-cas", "k"), Record("k", b"y", 0, 9, 9, 0, None), False),
        (Change("unlock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, "s"), False),
        (Change("unlock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, None), True),
        (Change("unlock", "k", b"free", session="s"), Record("k", b"", 0, 9, 9, 0, None), False),
        (Change("unlock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, "other"), False),
        (Change("unlock", "k", b"", session="s"), None, False),
        (Change("lock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, "s"), False),
    ],
)
def test_whether_someone_else_did_the_same(change, record, holds):
    assert change.holds(record) is holds


def test_operations():
    assert Change("cas", "k", b"x", 3, 9).operations() == [
        {"KV": {"Verb": "cas", "Key": "k", "Value": "eA==", "Flags": 3, "Index": 9}}
    ]
    assert Change("delete-cas", "k", index=9).operations() == [{"KV": {"Verb": "delete-cas", "Key": "k", "Index": 9}}]


@pytest.mark.parametrize("verb", ["lock", "unlock"])
def test_a_lock_is_conditional_on_the_index_too(verb):
    write = {"KV": {"Verb": verb, "Key": "k", "Value": "eA==", "Flags": 0, "Session": "s"}}
    index = {"KV": {"Verb": "check-index", "Key": "k", "Index": 9}}
    assert Change(verb, "k", b"x", 0, 9, "s").operations() == [index, write]
    assert Change(verb, "k", b"x", 0, 0, "s").operations() == [{"KV": {"Verb": "check-not-exists", "Key": "k"}}, write]


class Answers:
    """A client that gives these answers to transactions, in order."""

    consistency = "default"

    def __init__(self, *answers):
        self.query = {}
        self.answers = list(answers)
        self.asked = []

    def put(self, _path, _params, operations, idempotent=False):
        self.asked.append([(one["KV"]["Verb"], one["KV"]["Key"]) for one in operations])
        answer = self.answers.pop(0)
        if "Errors" in answer:
            raise ConsulError("HTTP 409", 409, "PUT", "/v1/txn", json.dumps(answer))
        return SimpleNamespace(data=answer)


def failed(*failures):
    return {"Errors": [{"OpIndex": number, "What": what} for number, what in failures]}


def held(*keys):
    record = {"Value": "eA==", "Flags": 0, "ModifyIndex": 9, "CreateIndex": 9, "LockIndex": 0}
    return {"Results": [{"KV": {"Key": key, **record}} for key in keys]}


STALE = 'failed index check for key "k", current modify index 10 != 9'
EXISTS = 'key "k" exists'
NOT_HELD = 'failed to unlock key "k", lock isn\'t held, or is held by another session'
HELD = 'failed to lock key "k", lock is already held'


@pytest.mark.parametrize(
    "change, failures, words",
    [
        (Change("lock", "k", b"x", 0, 9, "s"), [(0, STALE)], "k: changed by someone else since it was read; run again"),
        (
            Change("lock", "k", b"x", 0, 0, "s"),
            [(0, EXISTS)],
            "k: changed by someone else since it was read; run again",
        ),
        (
            Change("lock", "k", b"x", 0, 9, "s"),
            [(0, 'failed to check index, key "k" doesn\'t exist')],
            "k: changed by someone else since it was read; run again",
        ),
        (Change("lock", "k", b"x", 0, 9, "s"), [(0, STALE), (1, HELD)], "k: the lock is held by another session"),
        (
            Change("unlock", "k", b"x", 0, 9, "s"),
            [(0, STALE), (1, NOT_HELD)],
            "k: changed by someone else since it was read; run again",
        ),
    ],
)
def test_why_a_lock_is_refused_is_one_reason(change, failures, words):
    with pytest.raises(ConsulError) as error:
        KVStore(Answers(failed(*failures))).apply([change], settle=False)
    assert str(error.value) == f"Consul refused to write {words}"


def test_the_listed_keys_are_read_and_nothing_more():
    client = Answers(failed((1, 'key "b" doesn\'t exist')), held(), held("a", "c"))
    assert sorted(KVStore(client).records(["a", "b", "c"])) == ["a", "c"]
    assert client.asked == [
        [("get", "a"), ("get", "b"), ("get", "c")],
        [("check-not-exists", "b")],
        [("get", "a"), ("get", "c")],
    ]
    assert KVStore(Answers()).records([]) == {}
    missing = failed(*((number, f'key "k{number}" doesn\'t exist') for number in range(64)))
    client = Answers(missing, held(), held("k64"))
    assert list(KVStore(client).records([f"k{number}" for number in range(65)])) == ["k64"]


def test_a_listed_key_that_may_not_be_read():
    denied = failed((0, "Permission denied"))
    for answers in ([held("a"), denied], [failed((1, 'key "b" doesn\'t exist')), denied]):
        with pytest.raises(ConsulError, match="^b: Permission denied") as error:
            KVStore(Answers(*answers)).records(["a", "b"])
        assert error.value.status == 403
    with pytest.raises(ConsulError, match="HTTP 409"):
        KVStore(Answers(failed((0, "something new")))).records(["a"])


@pytest.mark.parametrize(
    "prefix, separator, expected",
    [
        ("app", None, ["app/a", "app/b/c", "app/b/d", "appx"]),
        ("app", "", ["app/a", "app/b/c", "app/b/d", "appx"]),
        ("app", "/", ["app/", "appx"]),
        ("app/", "/", ["app/a", "app/b/"]),
        ("app/", "b/", ["app/a", "app/b/"]),
    ],
)
def test_names_are_cut_as_consul_cuts_them(prefix, separator, expected):
    keys = ["app/a", "app/b/c", "app/b/d", "appx"]
    assert cut([key for key in keys if key.startswith(prefix)], prefix, separator) == expected


def test_a_record_as_data():
    record = Record("k", "é".encode(), 3, 9, 8, 1, "s")
    assert as_data(record) == {
        "Key": "k",
        "Value": "é",
        "Flags": 3,
        "ModifyIndex": 9,
        "CreateIndex": 8,
        "LockIndex": 1,
        "Session": "s",
    }
    data = as_data(record._replace(value=b"\xff", session=None))
    assert data["Base64"] == "/w==" and "Value" not in data and "Session" not in data
