# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.placing import PlacingError, find, plan
from placing_sets import absent, directory, due, file, whole_set

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")


def test_what_is_due_in_order(host):
    assert due(*whole_set(host)) == [
        ("made", "make"),
        ("deeper", "make"),
        ("a", "write"),
        ("b", "write"),
        ("link", "write"),
        ("e", "write"),
        ("c", "attributes"),
        ("d", "remove"),
        ("gone", "remove"),
    ]


def test_nothing_is_due_where_all_is_as_wanted(host):
    assert due(file(host / "a", "old a\n", 0o640), directory(host / "gone"), absent(host / "nowhere/x")) == []


@AS_ROOT
def test_another_owner_is_due_by_name_and_by_number(host):
    os.chown(host / "a", 10001, 0)
    assert due(file(host / "a", "old a\n", 0o640, owner="10001")) == []
    assert due(file(host / "a", "old a\n", 0o640, owner="daemon")) == [("a", "attributes")]
    assert due(file(host / "b", "old b\n", 0o640, owner="0", group="0")) == []


@pytest.mark.parametrize(
    "entry, words",
    [
        (lambda host: file(host / "gone"), "gone is a folder, not a file"),
        (lambda host: directory(host / "a"), "a is a file, not a folder"),
        (lambda host: directory(host / "link"), "link is a link, not a folder"),
        (lambda host: absent(host / "gone"), r"gone is not removed, because the folder is not empty \(d\)"),
        (lambda host: file(host / "x/y/z"), "the folder .*/host/x/y does not exist .list it with state directory"),
        (lambda host: file(host / "a/b"), "the folder .*/host/a does not exist"),
        (lambda host: directory(host / "x/y"), "the folder .*/host/x does not exist"),
        (lambda host: file(host / "a", owner="nobody-here"), "the user nobody-here does not exist"),
        (lambda host: file(host / "a", group="nobody-here"), "the group nobody-here does not exist"),
    ],
)
def test_what_is_in_the_way(host, entry, words):
    with pytest.raises(PlacingError, match=words):
        plan([entry(host)])


def test_a_device_is_left_alone(host):
    os.mkfifo(host / "pipe")
    with pytest.raises(PlacingError, match="neither a file, a link nor a folder"):
        plan([absent(host / "pipe")])


def test_all_that_is_in_the_way_is_named_at_once(host):
    with pytest.raises(PlacingError) as error:
        plan([file(host / "x/1"), file(host / "x/2"), file(host / "gone"), file(host / "y/3", group="nobody-here")])
    assert str(error.value).count("/host/x does not exist") == 1
    assert all(words in str(error.value) for words in ("gone is a folder", "/host/y", "nobody-here"))


def test_check_mode_waits_for_no_user_group_or_folder(host):
    entry = file(host / "x/y", owner="nobody-here", group="nobody-here")
    assert due(entry, check_mode=True) == [("y", "write")]
    assert due(file(host / "a", "old a\n", 0o640, owner="nobody-here"), check_mode=True) == [("a", "attributes")]


def test_find_knows_the_kinds(host):
    kinds = {name: find(str(host / name)).kind for name in ("a", "gone", "link", "nowhere", "a/b")}
    assert kinds == {"a": "file", "gone": "directory", "link": "link", "nowhere": "absent", "a/b": "absent"}


def test_a_link_to_a_folder_is_as_good_as_a_folder(host):
    (host / "disk").mkdir(mode=0o700)
    (host / "data").symlink_to("disk")
    assert due(directory(host / "data", 0o700)) == []
    (change,) = plan([directory(host / "data", 0o755)])
    assert (change.path, change.action) == (str(host / "disk"), "attributes")
    assert due(directory(host / "data", 0o700), file(host / "data/new")) == [("new", "write")]
