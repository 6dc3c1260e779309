# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_plan import (
    check_options,
    expected,
    plan,
    setting,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Change, Record

NOTHING = {
    "key": None, "value": None, "values": None, "prefix": "", "purge": False, "state": "present", "recurse": False,
    "session": None, "cas": None, "flags": None,
}  # fmt: skip
SESSION = "0000000A-0000-0000-0000-00000000000b"


def record(value, flags=0):
    return Record("k", value, flags, 9, 9, 0, None)


def test_setting():
    assert setting("k", b"v", record(b"v", flags=3), None) is None
    assert setting("k", b"v", record(b"v", flags=3), 3) is None
    assert setting("k", b"v", record(b"v", flags=3), 4).flags == 4
    assert setting("k", b"w", record(b"v", flags=3), None).flags == 3
    assert setting("k", b"w", record(b"v"), None).index == 9
    assert setting("k", b"", None, None).index == 0


@pytest.mark.parametrize(
    "options",
    [
        {"key": "a"},
        {"key": "a", "recurse": True},
        {"key": "a", "value": "x", "cas": 2**64 - 1, "flags": 0},
        {"key": "a", "value": "", "cas": 0},
        {"key": "a", "state": "absent", "cas": 1},
        {"key": "a/", "state": "absent", "recurse": True},
        {"values": {"a": 1}, "prefix": "p", "purge": True, "flags": 1},
        {"values": {"a": 1}, "prefix": "p", "state": "absent"},
        {"key": "a", "state": "acquire", "session": SESSION, "value": "x", "flags": 1},
        {"key": "a", "state": "release", "session": SESSION},
        {"key": "a", "session": ""},
    ],
)
def test_options_that_go_together(options):
    check_options({**NOTHING, **options})


@pytest.mark.parametrize(
    "options, words",
    [
        ({"key": "a", "cas": 2**64, "value": "x"}, "cas: 18446744073709551616 is not between"),
        ({"key": "a", "cas": 1, "recurse": True, "state": "absent"}, "cas: it would have no effect"),
        ({"key": "a", "purge": True}, "purge: it would have no effect"),
        ({"key": "a", "state": "acquire", "session": "me"}, "session: 'me' is not"),
        ({"key": "a", "state": "absent", "value": "x"}, "value: it would have no effect"),
        ({"key": "a", "state": "absent", "value": ""}, "value: it would have no effect"),
        ({"key": "a", "state": "absent", "flags": 0}, "flags: it would have no effect"),
        ({"values": {"a": 1}, "state": "absent", "flags": 1}, "flags: it would have no effect"),
        ({"key": "a", "flags": 1}, "flags: it would have no effect"),
    ],
)
def test_options_that_do_not(options, words):
    with pytest.raises(ConsulError, match=words):
        check_options({**NOTHING, **options})


class Stored:
    """A store of one key."""

    def __init__(self, kept):
        self.kept = kept

    def read(self, _key):
        return self.kept


def releasing(kept, **options):
    given = {"key": "k", "state": "release", "session": SESSION, **options}
    return plan({**NOTHING, **given}, Stored(kept))[1]


@pytest.mark.parametrize("options", [{}, {"value": "v"}, {"flags": 3}, {"value": "v", "flags": 3}])
def test_a_release_without_a_lock_that_has_nothing_to_write(options):
    assert releasing(record(b"v", flags=3), **options) == []


def test_a_release_of_a_key_that_does_not_exist():
    assert releasing(None) == []
    with pytest.raises(ConsulError, match="does not hold the lock"):
        releasing(None, value="")


@pytest.mark.parametrize("options", [{"value": "free"}, {"flags": 4}, {"value": "v", "flags": 4}])
def test_a_release_without_the_lock_writes_no_value(options):
    with pytest.raises(ConsulError, match=f"^k: the session {SESSION.lower()} does not hold the lock"):
        releasing(record(b"v", flags=3), **options)


def test_a_release_writes_what_was_read_or_is_given():
    mine = record(b"v", flags=3)._replace(session=SESSION.lower())
    assert [(one.value, one.flags, one.index) for one in releasing(mine)] == [(b"v", 3, 9)]
    assert [(one.value, one.flags, one.index) for one in releasing(mine, value="free", flags=4)] == [(b"free", 4, 9)]


@pytest.mark.parametrize(
    "options, read",
    [
        ({"values": {"a": 1, "b": {"c": 2}}}, ("records", ["a", "b/c"])),
        ({"values": {"a": 1}, "state": "absent"}, ("records", ["a"])),
        ({"values": {"a": 1}, "prefix": "app"}, ("tree", "app/")),
        ({"values": {"a": 1}, "purge": True, "force": True}, ("tree", "")),
    ],
)
def test_the_whole_store_is_read_only_where_it_is_purged(options, read):
    asked = []

    class Asked:
        def tree(self, prefix):
            asked.append(("tree", prefix))
            return {}

        def records(self, keys):
            asked.append(("records", keys))
            return {}

    plan({**NOTHING, "force": False, **options}, Asked())
    assert asked == [read]


def test_what_is_expected():
    before = {"a": record(b"x")._replace(key="a"), "b": record(b"x")._replace(key="b", session="s", lock_index=1)}
    changes = [
        Change("cas", "new", b"y", 3),
        Change("delete-cas", "a", index=9),
        Change("unlock", "b", b"z", 0, 9, "s"),
        Change("lock", "c", b"", 0, 0, "s"),
    ]
    after = expected(before, changes)
    assert {key: (kept.value, kept.flags, kept.session, kept.lock_index) for key, kept in after.items()} == {
        "new": (b"y", 3, None, 0),
        "b": (b"z", 0, None, 1),
        "c": (b"", 0, "s", 1),
    }
