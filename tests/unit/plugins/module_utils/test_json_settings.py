# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import (
    NotSettings,
    as_text,
    canonical,
    digest,
    leaves,
    merge,
    parse,
)

USERS = {"bip": "172.31.7.1/24", "log-opts": {"max-size": "50m"}, "labels": ["theirs"]}


def sums(settings):
    return {name: digest(value) for name, value in leaves(settings).items()}


@pytest.mark.parametrize(
    "text, expected",
    [
        (b"", {}),
        (b" \n", {}),
        (b"{}", {}),
        (b"\xef\xbb\xbf{}", {}),
        ('{"ä": [1, {"b": null}]}'.encode(), {"ä": [1, {"b": None}]}),
    ],
)
def test_read(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text, reason",
    [
        (b'{\n  "a": 1,\n}', "is not JSON (line "),  # 2 or 3, by Python's version
        (b'{"a": secret}', "is not JSON (line 1, column 7: Expecting value)"),
        (b'{"a": 1, "a": 2}', 'has the key "a" twice in one object'),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', 'has the key "b" twice in one object'),
        (b"[]", "holds no JSON object"),
        (b"null", "holds no JSON object"),
        (b'"live-restore"', "holds no JSON object"),
        (b"5", "holds no JSON object"),
        (b"true", "holds no JSON object"),
        (b'[{"live-restore": true}]', "holds no JSON object"),
        (b'{"a": 1} {"b": 2}', "is not JSON (line 1, column 10: Extra data)"),
        (b'{"a": 1} # comment', "is not JSON (line 1, column 10: Extra data)"),
        (b'{"a": NaN}', "is not JSON (NaN is no number there)"),
        (b'{"a": "\xff"}', "is not text in UTF-8"),
        ('{"a": "b"}'.encode("utf-16"), "is not text in UTF-8"),
        (b'{"a": ' * 100_000, "is JSON that cannot be read"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is JSON that cannot be read"),
    ],
)
def test_not_readable(text, reason):
    with pytest.raises(NotSettings) as error:
        parse(text)
    assert str(error.value).startswith(reason) and "secret" not in str(error.value)


def test_names_are_json_pointers():
    settings = {"a": {"b/c": {"d~e": [1]}, "empty": {}}, "f": None}
    assert leaves(settings) == {"/a/b~1c/d~0e": [1], "/f": None}
    merged = merge({}, settings, {}, {})
    assert merged.settings == {"a": {"b/c": {"d~e": [1]}}, "f": None}
    assert merge(merged.settings, {}, {}, merged.placed).settings == {}


def test_equal_values():
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1})
    assert len({canonical(value) for value in (1, True, "1", 1.0, None, [1])}) == 6


def test_the_users_settings_stay():
    merged = merge(USERS, {"dns": ["10.0.0.1"]}, {"log-opts": {"max-size": "10m", "max-file": "3"}}, {})
    assert merged.settings == {**USERS, "log-opts": {"max-size": "50m", "max-file": "3"}, "dns": ["10.0.0.1"]}
    assert list(merged.settings)[:3] == list(USERS)
    assert merged.changed == ["/dns", "/log-opts/max-file"]
    assert merged.kept == ["/log-opts/max-size"]
    assert merged.placed == sums({"dns": ["10.0.0.1"], "log-opts": {"max-file": "3"}})


def test_a_second_time_changes_nothing():
    wanted, defaults = {"dns": ["10.0.0.1"], "x": {"y": 1}}, {"log-driver": "json-file"}
    first = merge(USERS, wanted, defaults, {})
    second = merge(first.settings, wanted, defaults, first.placed)
    assert (second.settings, second.changed, second.placed) == (first.settings, [], first.placed)


def test_what_is_wanted_replaces_the_users_settings():
    merged = merge(USERS, {"labels": ["ours"], "bip": {"deep": 1}, "log-opts": 5}, {}, {})
    assert merged.settings == {"bip": {"deep": 1}, "log-opts": 5, "labels": ["ours"]}
    assert merged.changed == ["/bip", "/bip/deep", "/labels", "/log-opts", "/log-opts/max-size"]


@pytest.mark.parametrize("default", [{"bip": {"deep": 1}}, {"log-opts": "none"}, {"labels": ["ours"]}])
def test_a_default_replaces_nothing(default):
    merged = merge(USERS, {}, default, {})
    assert (merged.settings, merged.changed, merged.placed) == (USERS, [], {})
    assert merged.kept == list(leaves(default))


VALUES = ["x", "", 5, 1.5, True, False, None, [], ["x"], [{"a": 1}], {"deep": {"deeper": [1]}}]


@pytest.mark.parametrize("theirs", VALUES)
@pytest.mark.parametrize("ours", VALUES)
def test_values_of_any_types(theirs, ours):
    """What the user has stays beside ours, ours replaces theirs where it is wanted, and goes when it is not wanted any more."""
    found = {"insecure-registries": theirs, "key": theirs}
    merged = merge(found, {"key": ours}, {"insecure-registries": ours}, {})
    assert merged.settings["insecure-registries"] == theirs
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        assert canonical(merged.settings["key"]) == canonical(ours)
    assert merge(merged.settings, {"key": ours}, {"insecure-registries": ours}, merged.placed).changed == []
    after = merge(merged.settings, {}, {}, merged.placed).settings
    is_same = canonical(theirs) == canonical(ours)
    assert canonical(after) == canonical(found if is_same else {"insecure-registries": theirs})
    assert parse(as_text(merged.settings)) == merged.settings


def test_a_default_goes_into_an_empty_mapping():
    assert merge({"log-opts": {}}, {}, {"log-opts": {"a": 1}}, {}).settings == {"log-opts": {"a": 1}}


def test_a_default_gives_way_to_what_is_wanted():
    assert merge({}, {"log-opts": 5}, {"log-opts": {"a": 1}}, {}).settings == {"log-opts": 5}


def test_our_own_settings_are_changed_and_removed():
    first = merge({"bip": "x"}, {"a": {"b": 1, "c": 1}, "dns": [1]}, {"d": 1}, {})
    merged = merge(first.settings, {"a": {"c": 2}}, {"d": 2}, first.placed)
    assert merged.settings == {"bip": "x", "a": {"c": 2}, "d": 2}
    assert merged.changed == ["/a/b", "/a/c", "/d", "/dns"]
    assert merge(merged.settings, {}, {}, merged.placed).settings == {"bip": "x"}


def test_what_the_user_has_set_to_our_value_is_not_ours():
    merged = merge({"live-restore": True}, {"live-restore": True}, {}, {})
    assert (merged.changed, merged.placed) == ([], {})
    assert merge({"live-restore": True}, {}, {}, merged.placed).settings == {"live-restore": True}


def test_what_the_user_has_changed_since_is_theirs():
    placed = sums({"dns": ["ours"], "d": 1})
    found = {"dns": ["theirs"], "d": 5}
    merged = merge(found, {}, {"d": 1}, placed)
    assert (merged.settings, merged.placed, merged.kept) == (found, {}, ["/d"])


@pytest.mark.parametrize("indent", ["  ", "\t", "    "])
def test_the_indentation_stays(indent):
    like = f'{{\n{indent}"a": 1\n}}\n'.encode()
    assert as_text({"a": 1}, like) == like
    assert as_text({"a": 1}, b'{"a": 1}') == b'{\n    "a": 1\n}\n'


def test_text():
    assert as_text({"a": "é"}) == '{\n    "a": "é"\n}\n'.encode()
    assert parse(as_text({"a": "\ud800"})) == {"a": "\ud800"}
