# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import look
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.placing_options import (
    JOURNAL,
    Entry,
    InvalidOption,
    entries_of,
    is_as_wanted,
    validate_of,
    was_interrupted,
)


@pytest.mark.parametrize(
    "file, expected",
    [
        ({"path": "/a", "content": ""}, Entry("/a", "file", "root", "root", "0644", False, "content", "")),
        (
            {"path": "/a", "src": "x", "owner": 10001, "group": "0", "mode": "640", "secret": "yes"},
            Entry("/a", "file", "10001", "root", "0640", True, "src", "x"),
        ),
        (
            {"path": "/a", "template": "x.j2", "state": "file", "mode": "4755"},
            Entry("/a", "file", "root", "root", "4755", False, "template", "x.j2"),
        ),
        ({"path": "/a/", "state": "directory"}, Entry("/a", "directory", "root", "root", "0755", False)),
        ({"path": "/a", "state": "absent", "content": None}, Entry("/a", "absent", "root", "root", "0000", False)),
        ({"path": "/a", "state": "absent", "content": "x"}, Entry("/a", "absent", "root", "root", "0000", False)),
        (
            {"path": "/a", "src": ["x.pem", "x.key"], "when": "yes"},
            Entry("/a", "file", "root", "root", "0644", False, "src", ["x.pem", "x.key"]),
        ),
        (
            {"path": "/a", "json": {1: True}},
            Entry("/a", "file", None, None, None, False, "json", {"json": {"1": True}, "json_defaults": {}}),
        ),
        (
            {"path": "/a", "json": {}, "json_defaults": {"a": 1}, "mode": "600", "owner": 0},
            Entry("/a", "file", "root", None, "0600", False, "json", {"json": {}, "json_defaults": {"a": 1}}),
        ),
    ],
)
def test_entries(file, expected):
    assert entries_of([file]) == [expected]


@pytest.mark.parametrize(
    "files, sentence",
    [
        (None, "files must be a list"),
        ([], "files must be a list"),
        ({"path": "/a"}, "files must be a list"),
        (["/a"], "Entry 1 of files must be a mapping"),
        ([{"path": "/a", "state": "absent"}, {"content": "x"}], "Entry 2 of files has no path"),
        ([{"path": "a", "content": "x"}], "a: path must be absolute"),
        ([{"path": "/", "state": "directory"}], "must not be /"),
        ([{"path": "/a/../b", "content": "x"}], "must not contain"),
        ([{"path": "/a//b", "content": "x"}], "must not contain"),
        ([{"path": "//a", "content": "x"}], "must not contain"),
        ([{"path": "/a", "contents": "x"}], "/a: unknown key contents. Known keys: content, group,"),
        ([{"path": "/a", "content": "x", "src": "y"}], "/a: set only one of content, src"),
        ([{"path": "/a"}], "/a: set content, src, template, json or state"),
        ([{"path": "/a", "state": "link"}], "/a: 'link' is not a state. States: file, directory, absent"),
        ([{"path": "/a", "state": "file"}], "/a: set one of content, src, template or json"),
        ([{"path": "/a", "state": "directory", "src": "x"}], "/a: state directory takes no src"),
        ([{"path": "/a", "src": []}], "/a: src must be the path of a file"),
        ([{"path": "/a", "src": ["x", ""]}], "/a: src must be the path of a file"),
        ([{"path": "/a", "src": ["x", 5]}], "/a: src must be the path of a file"),
        ([{"path": "/a", "template": ["x"]}], "/a: template must be the path of a file"),
        ([{"path": "/a", "content": "x", "when": "maybe"}], "/a: when must be true or false"),
        ([{"path": "/a", "content": "x", "when": None}], "/a: when must be true or false"),
        ([{"path": "/a", "content": {"a": 1}}], "/a: content must be text .* to_json"),
        ([{"path": "/a", "src": ""}], "/a: src must be the path of a file"),
        ([{"path": "/a", "content": "x", "mode": 0o640}], '/a: mode 416 is not a quoted octal number such as "0640"'),
        ([{"path": "/a", "content": "x", "mode": "u=rw"}], "/a: mode 'u=rw' is not"),
        ([{"path": "/a", "content": "x", "mode": "0999"}], "/a: mode '0999' is not"),
        ([{"path": "/a", "content": "x", "owner": "a b"}], "/a: owner 'a b' is not"),
        ([{"path": "/a", "content": "x", "group": True}], "/a: group True is not"),
        ([{"path": "/a", "json": ["x"]}], "/a: json must be a mapping"),
        ([{"path": "/a", "json": {}, "json_defaults": "x"}], "/a: json_defaults must be a mapping"),
        ([{"path": "/a", "json_defaults": {}, "content": "x"}], "/a: json_defaults requires json"),
        ([{"path": "/a", "json_defaults": {}}], "/a: set content, src, template, json or state"),
        ([{"path": "/a", "json": {}, "content": "x"}], "/a: set only one of content, json"),
        ([{"path": "/a", "json": {"a": float("nan")}}], "/a: json cannot be written as JSON"),
        ([{"path": "/a", "json": {"a": object}}], "/a: json cannot be written as JSON"),
        ([{"path": "/a", "content": "x", "secret": "maybe"}], "/a: secret must be true or false"),
        ([{"path": "/a", "content": "x"}, {"path": "/a/", "state": "directory"}], "/a is listed twice"),
    ],
)
def test_wrong_entries(files, sentence):
    with pytest.raises(InvalidOption, match=sentence):
        entries_of(files)


@pytest.mark.parametrize("when", [False, "false", "no"])
def test_an_entry_that_is_left_out(when):
    left_out = {"path": "/a", "when": when, "content": ["not read"]}
    kept = {"path": "/a", "state": "directory", "when": True}
    assert entries_of([left_out, kept, left_out]) == entries_of([kept])
    assert entries_of([left_out]) == []


def test_a_wrong_entry_shows_no_content():
    with pytest.raises(InvalidOption) as error:
        entries_of([{"path": "/a", "content": "the-secret", "src": "x", "secret": True}])
    assert "the-secret" not in str(error.value)


def test_commands():
    assert validate_of(None) is None
    assert validate_of("nginx -t") == "nginx -t"


@pytest.mark.parametrize("command", ["", " ", "echo 'a", ["nginx"], 5])
def test_wrong_commands(command):
    with pytest.raises(InvalidOption, match="^validate "):
        validate_of(command)


CONTENT = b"text\n"


def looked(path="/etc/a", **differences):
    found = {"type": "file", "mode": "0640", "owner": "root", "group": "10001", "digest": look.digest(CONTENT)}
    return Look({"patterns": ["/etc/*"], "paths": {path: {**found, **differences}}})


def entry(**differences):
    wanted = {"path": "/etc/a", "state": "file", "owner": "root", "group": "10001", "mode": "0640", "secret": False}
    return Entry(**{**wanted, **differences})


def test_a_file_as_wanted():
    assert is_as_wanted(entry(), CONTENT, looked())


@pytest.mark.parametrize(
    "differences",
    [
        {"type": "link"},
        {"type": "absent"},
        {"type": "directory"},
        {"mode": "0644"},
        {"owner": "daemon"},
        {"group": "root"},
        {"digest": look.digest(b"other")},
        {"digest": None},
    ],
)
def test_a_file_that_differs(differences):
    assert not is_as_wanted(entry(), CONTENT, looked(**differences))


@pytest.mark.parametrize(
    "known", [Look(None), looked("/other/a"), looked("/etc/b")], ids=["none", "elsewhere", "absent"]
)
def test_a_file_that_is_not_known_or_not_there(known):
    assert not is_as_wanted(entry(), CONTENT, known)


def test_a_file_that_this_run_has_changed_is_not_known():
    assert not is_as_wanted(entry(), CONTENT, Look({**looked().known, "changed": ["/etc/a"]}))


def test_folders_and_what_is_absent():
    folder = looked(type="directory", digest=None)
    assert is_as_wanted(entry(state="directory"), None, folder)
    assert not is_as_wanted(entry(state="directory", mode="0750"), None, folder)
    assert not is_as_wanted(entry(state="absent"), None, folder)
    behind_a_link = looked(type="link", mode="0777", folder={"mode": "0640", "owner": "root", "group": "10001"})
    assert is_as_wanted(entry(state="directory"), None, behind_a_link)
    assert not is_as_wanted(entry(state="directory", mode="0750"), None, behind_a_link)
    assert not is_as_wanted(entry(state="directory"), None, looked(type="link"))
    assert is_as_wanted(entry(state="absent"), None, looked("/etc/b"))
    assert not is_as_wanted(entry(state="absent", path="/other/a"), None, looked("/etc/b"))


def test_a_run_that_was_killed():
    assert not was_interrupted(Look(None)) and not was_interrupted(looked())
    assert not was_interrupted(Look({"patterns": [JOURNAL], "paths": {}}))
    assert was_interrupted(Look({"patterns": [JOURNAL], "paths": {JOURNAL: {"type": "file"}}}))


@pytest.fixture
def merged():
    """Whether settings are merged already into the file that a look describes."""

    def merged(wanted, defaults=(), found=(), ours=(), error=None, mode="0600", changed=(), **attributes):
        settings = {name: {"digest": look.digest(text), "placed": name in ours} for name, text in dict(found).items()}
        known = {
            "run": look.run_id(),
            "changed": changed,
            "patterns": ["/etc/a.json"],
            "paths": {"/etc/a.json": {"type": "file", "mode": mode, "owner": "root", "group": "root"}},
            "json_files": {"/etc/a.json": {"error": error, "settings": settings, "changed": {}}},
        }
        (entry,) = entries_of([{"path": "/etc/a.json", "json": wanted, "json_defaults": dict(defaults), **attributes}])
        return is_as_wanted(entry, b"", Look(known))

    return merged


def test_settings_that_are_there(merged):
    assert merged({"a": {"b": [1]}}, {"c": 1}, {"/a/b": b"[1]", "/c": b"5", "/d": b"6"})
    assert merged({"a": 1}, {}, {"/a": b"1"}, mode="0640", group="root")


@pytest.mark.parametrize(
    "wanted, defaults, found, more",
    [
        ({"a": 1}, {}, {}, {}),
        ({"a": 1}, {}, {"/a": b"2"}, {}),
        ({"a": 1}, {}, {"/a": b"true"}, {}),
        ({"a": 1}, {}, {"/a/b": b"1"}, {}),
        ({}, {"a": 1}, {}, {}),
        ({}, {"a": 1}, {"/a": b"2"}, {"ours": ["/a"]}),
        ({}, {}, {"/a": b"2"}, {"ours": ["/a"]}),
        ({"a": 1}, {}, {"/a": b"1"}, {"error": "is a link to /x"}),
        ({"a": 1}, {}, {"/a": b"1"}, {"changed": ["/etc/a.json"]}),
    ],
)
def test_settings_that_are_due(merged, wanted, defaults, found, more):
    assert not merged(wanted, defaults, found, **more)


def test_the_owner_of_a_merged_file(merged):
    assert not merged({}, mode="0600", owner="other")
