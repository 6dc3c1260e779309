# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import (
    ConsulModule,
    hide,
    matches,
    nanoseconds,
    to_yaml,
)


def run(capsys, **options):
    """The result of a module with these options."""
    spec = {
        "name": {"type": "str"},
        "tags": {"type": "list", "elements": "str"},
        "meta": {"type": "dict"},
        "secret": {"type": "str", "no_log": True},
    }
    with patch_module_args({**options, "_ansible_remote_tmp": "/tmp"}), pytest.raises(SystemExit):
        ConsulModule(argument_spec=spec).run(lambda module, _client: {"params": module.params})
    return json.loads(capsys.readouterr().out)


def test_texts_are_written_as_json_in_every_module(capsys):
    params = run(capsys, name=True, tags=[False, 1.5], datacenter=5, meta={"a": True})["params"]
    assert (params["name"], params["tags"], params["datacenter"]) == ("true", ["false", "1.5"], "5")
    assert params["meta"] == {"a": True}


@pytest.mark.parametrize(
    "options, words",
    [
        ({"name": {"a": 1}}, "name: a dictionary is given where a text is required"),
        ({"tags": [None]}, "tags: null is given where a text is required"),
        ({"namespace": []}, "namespace: a list is given where a text is required"),
        ({"secret": ["s3cret"]}, "secret: a list is given where a text is required"),
    ],
)
def test_a_structure_is_no_text_in_any_module(capsys, options, words):
    result = run(capsys, **options)
    assert result["failed"] and result["msg"] == words and "s3cret" not in str(result)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("10s", 10_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("500ms", 500_000_000),
        ("3us", 3000),
        ("3µs", 3000),
        ("24h", 86_400_000_000_000),
        ("0", 0),
        ("-1s", -1_000_000_000),
        ("2501h59m59.254740993s", 9_007_199_254_740_993),  # more digits than a float has
        ("9" * 400 + "h", int("9" * 400) * 3_600_000_000_000),
    ],
)
def test_durations_as_go_reads_them(text, expected):
    assert nanoseconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "10 s", "s", "1d", "1s ", "ten seconds", "1s\n", "1e3s"])
def test_what_is_not_a_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        nanoseconds(text)


@pytest.mark.parametrize(
    "data",
    [
        {"a": {"b": [1, "two", None, True, {"c": "d", "e": [{}]}], "empty": {}}},
        {"no": "yes", "1": "2", "key: with colon": "- dash", "é": "line\nbreak", "space ": " lead", "": ""},
        {
            "a/b": "x # no comment",
            "t": "12:30",
            "n": "0x10",
            "f": "1e3",
            "null": "null",
            "tilde": "~",
            "hidden": "(hidden)",
        },
        {"list": [["nested", "list"], [], "x"]},
    ],
)
def test_yaml_reads_back(data):
    assert yaml.safe_load(to_yaml(data)) == data


def test_nothing_is_no_text():
    assert to_yaml({}) == ""


def test_hide():
    old = {"user": "u", "password": "one", "list": [{"password": "x"}], "token": 1}
    new = {"user": "v", "password": "two", "list": [{"password": "x"}], "token": 1}
    names = ["password", "tok*"]
    assert hide(old, names) == {
        "user": "u",
        "password": "(hidden)",
        "list": [{"password": "(hidden)"}],
        "token": "(hidden)",
    }
    assert hide(new, names, old)["password"] == "(hidden, changed)"
    assert hide(new, names, old)["token"] == "(hidden)"
    assert hide("text", names) == "text"


def test_matches():
    assert matches("app/db/password", ["password"])
    assert matches("app/db/password", ["app/*/password"])
    assert not matches("app/db/passwords", ["password"])
