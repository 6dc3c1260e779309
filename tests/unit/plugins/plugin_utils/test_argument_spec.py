# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.argument_spec import WrongType, complaints, convert

SERVICES = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "port": {"type": "int"},
        "mode": {"choices": ["a", "b"]},
        "names": {"type": "list", "elements": "str"},
        "key": {"no_log": True},
    },
}


@pytest.mark.parametrize(
    ("value", "spec", "converted"),
    [
        ("5", {"type": "int"}, 5),
        (5.0, {"type": "int"}, 5),
        ("yes", {"type": "bool"}, True),
        (0, {"type": "bool"}, False),
        (121, {"type": "str"}, "121"),
        (121, {}, "121"),
        ("1.5", {"type": "float"}, 1.5),
        ("~/x", {"type": "path"}, "~/x"),
        (["1", 2], {"type": "list", "elements": "int"}, [1, 2]),
        (("a", 2), {"type": "list"}, ["a", 2]),
        ({"a": 1}, {"type": "dict"}, {"a": 1}),
        ({"port": "80", "more": 1}, {"type": "dict", "options": SERVICES["options"]}, {"port": 80, "more": 1}),
        ([{"names": "a", "port": "80"}], SERVICES, [{"names": ["a"], "port": 80}]),
        (None, {"type": "raw"}, None),
    ],
)
def test_convert(value, spec, converted):
    result = convert(value, spec)
    assert result == converted and type(result) is type(converted)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("abc", "int"),
        (True, "int"),
        (5.5, "int"),
        ("maybe", "bool"),
        ([], "str"),
        (1.21, "str"),
        ({}, "path"),
        (None, "str"),
    ]
    + [("a,b", "list"), ({}, "list"), ("a=b", "dict"), ([], "dict"), (True, "float")],
)
def test_it_does_not_convert(value, kind):
    with pytest.raises(WrongType):
        convert(value, {"type": kind})


@pytest.mark.parametrize(
    ("value", "spec", "texts"),
    [
        (5, {"type": "int"}, []),
        ("abc", {"type": "int"}, ["x is 'abc'. It must be a whole number."]),
        (None, {"type": "str"}, ["x is empty. It must be text."]),
        (["a", "b"], {"type": "int"}, ['x is ["a", "b"]. It must be a whole number.']),
        ("a", {"type": "list"}, ["x is 'a'. It must be a list."]),
        (
            ["a"],
            {"type": "list", "elements": "int"},
            ['x is ["a"]. It must be a list, and each of its elements a whole number.'],
        ),
        ("c", {"choices": ["a", "b"]}, ["x is 'c'. It must be one of: a, b."]),
        (
            ["a", "c"],
            {"type": "list", "elements": "str", "choices": ["a", "b"]},
            ["x is 'c'. It must be one of: a, b."],
        ),
        (["secret"], {"type": "str", "no_log": True}, ["x has the wrong type. It must be text."]),
        ([{"name": "shop", "port": "80", "mode": "a"}], SERVICES, []),
        ([{"port": 80}], SERVICES, ["x[0] has no 'name', which is required."]),
        (
            [{"name": "shop", "prt": 80}],
            SERVICES,
            ["x[shop] has the unknown key 'prt'. Known keys: name, port, mode, names, key."],
        ),
        ([{"name": "shop", "port": "http"}], SERVICES, ["x[shop].port is 'http'. It must be a whole number."]),
        ([{"name": "shop", "key": ["secret"]}], SERVICES, ["x[shop].key has the wrong type. It must be text."]),
        (
            {"name": "shop", "mode": "c", "port": None},
            {**SERVICES, "type": "dict"},
            ["x.port is empty. It must be a whole number.", "x.mode is 'c'. It must be one of: a, b."],
        ),
    ],
)
def test_complaints(value, spec, texts):
    assert list(complaints("x", value, spec)) == texts
