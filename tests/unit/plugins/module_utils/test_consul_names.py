# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    catalog_node,
    is_addressable,
    json_or_text,
    one_line,
    refuse_unaddressable,
    refuse_unknown_characters,
    text,
    unaddressable,
    with_texts,
)


@pytest.mark.parametrize(("value", "written"), [("x", "x"), (1, "1"), (True, "true"), (False, "false"), (1.5, "1.5")])
def test_text(value, written):
    assert text(value) == json_or_text(value) == written


@pytest.mark.parametrize("value", [None, {}, [], float("nan"), float("inf"), "\ud800", b"x"])
def test_no_text(value):
    with pytest.raises(TypeError):
        text(value)


@pytest.mark.parametrize(
    ("value", "written"), [({"b": True, "a": 1}, '{"a": 1, "b": true}'), (["ü", None], '["ü", null]')]
)
def test_json(value, written):
    assert json_or_text(value) == written


@pytest.mark.parametrize("value", [{"a": float("nan")}, ["\ud800"], None])
def test_no_json(value):
    with pytest.raises(TypeError):
        json_or_text(value)


@pytest.mark.parametrize("name", ["a", "a/b", "a/", "..a", "a.", "ä", "a b", "a%2Fb", "a?b#c", "*"])
def test_addressable(name):
    assert unaddressable(name) == ""
    refuse_unaddressable("id", name)


@pytest.mark.parametrize(
    "name", ["/a", "a//b", ".", "..", "a/..", "./a", "a/./b", "a\tb", "\u2028", "\u00a0", "\u00ad", "\ud800"]
)
def test_unaddressable(name):
    assert unaddressable(name)
    with pytest.raises(ConsulError, match="^id .*: Consul registers such a name, but cannot find it again") as caught:
        refuse_unaddressable("id", name)
    assert str(caught.value).isprintable() and one_line(name).isprintable()


class Client:
    """Answers each question with one HTTP status."""

    def __init__(self, status):
        self.status = status
        self.asked = []

    def get(self, path, missing_ok=False):
        self.asked.append(path)
        if self.status == 404 and missing_ok:
            return Answer(404, None, None)
        raise ConsulError("no", self.status)


@pytest.mark.parametrize(
    ("name", "status", "found"), [("ä", 404, True), ("ä", 403, True), ("ä", 400, False), ("a", 400, True)]
)
def test_an_agent_is_asked_for_its_characters(name, status, found):
    client = Client(status)
    assert is_addressable(client, name) is found
    assert client.asked == ([] if name.isascii() else ["agent/service/" + name])
    if not found:
        with pytest.raises(ConsulError, match="this version of Consul"):
            refuse_unknown_characters(client, "id", name)


def test_other_errors_are_errors():
    with pytest.raises(ConsulError):
        is_addressable(Client(500), "ä")


SPEC = {
    "name": {"type": "str", "aliases": ["title"]},
    "body": {"type": "str"},
    "port": {"type": "int"},
    "tags": {"type": "list", "elements": "str"},
    "checks": {"type": "list", "elements": "dict", "options": {"notes": {"type": "str"}, "body": {"type": "str"}}},
    "wait_for": {"type": "dict", "options": {"state": {"type": "str"}}},
}


def test_texts_are_json_at_any_depth():
    given = {
        "title": True,
        "body": {"a": True},
        "port": True,
        "tags": [1, False],
        "x": True,
        "checks": [{"notes": 1}, "y"],
        "wait_for": {"state": True},
    }
    assert with_texts(given, SPEC, ["body"]) == {
        "title": "true",
        "body": '{"a": true}',
        "port": True,
        "tags": ["1", "false"],
        "x": True,
        "checks": [{"notes": "1"}, "y"],
        "wait_for": {"state": "true"},
    }
    assert with_texts({"name": None, "tags": "a,b", "checks": None}, SPEC) == {
        "name": None,
        "tags": "a,b",
        "checks": None,
    }
    assert with_texts({"tags": True}, SPEC) == {"tags": ["true"]}, "Ansible would write True"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": {}}, "^title: a dictionary is given where a text is required$"),
        ({"tags": ["a", None]}, "^tags: null is given"),
        ({"checks": [{"notes": ["s3cret"]}]}, r"^checks\[0\]: notes: a list is given where a text is required$"),
        ({"wait_for": {"state": []}}, "^wait_for: state: a list is given"),
    ],
)
def test_no_text_is_named(given, words):
    with pytest.raises(ConsulError, match=words):
        with_texts(given, SPEC)


def test_a_node_whose_id_begins_like_the_name_is_another_one():
    answers = {"DB1": {"Node": {"Node": "db1"}}, "db2": {"Node": {"Node": "app1"}}, "db3": {"Node": None}, "db4": None}

    def get(path, _query):
        return SimpleNamespace(data=answers[path.rpartition("/")[2]])

    client = SimpleNamespace(query={}, get=get)
    assert [bool(catalog_node(client, name)) for name in answers] == [True, False, False, False]
