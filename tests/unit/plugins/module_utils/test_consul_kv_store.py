# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import (
    MAX_OPERATIONS,
    MAX_TRANSACTION,
    Change,
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
        assert len(batch) == 1 or sum(len(str(change.operation())) for change in batch) <= MAX_TRANSACTION


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
        (Change("unlock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, "other"), True),
        (Change("lock", "k", b"", session="s"), Record("k", b"", 0, 9, 9, 0, "s"), False),
    ],
)
def test_whether_someone_else_did_the_same(change, record, holds):
    assert change.holds(record) is holds


def test_operations():
    assert Change("cas", "k", b"x", 3, 9).operation() == {
        "KV": {"Verb": "cas", "Key": "k", "Value": "eA==", "Flags": 3, "Index": 9}
    }
    assert Change("delete-cas", "k", index=9).operation() == {"KV": {"Verb": "delete-cas", "Key": "k", "Index": 9}}
    assert Change("lock", "k", b"", session="s").operation()["KV"]["Session"] == "s"


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
