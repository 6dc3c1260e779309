# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.hcl import HclError, combined, parse
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

TUTORIAL = """
# server.hcl
datacenter = "dc1" // where it is
data_dir = "/opt/consul"
/* several
   lines */
server = true
bootstrap_expect=3
retry_join = ["192.0.2.11",
  "192.0.2.12", # the second
]
ports { http = 8500 dns = 8600 }
ports = {
  "grpc" = 8502,
  https = -1
}
acl = { enabled = true, tokens { agent = "secret" } }
service "web" { port = 80 }
service "api" { port = 0x1F90 }
raft = 1.5e3
"""


def test_what_consuls_tutorial_writes():
    assert parse(TUTORIAL) == {
        "datacenter": "dc1",
        "data_dir": "/opt/consul",
        "server": True,
        "bootstrap_expect": 3,
        "retry_join": ["192.0.2.11", "192.0.2.12"],
        "ports": {"http": 8500, "dns": 8600, "grpc": 8502, "https": -1},
        "acl": {"enabled": True, "tokens": {"agent": "secret"}},
        "service": {"web": {"port": 80}, "api": {"port": 8080}},
        "raft": 1500.0,
    }


@pytest.mark.parametrize(
    "text, value",
    [
        ('a = "x\\ty\\\\z\\"\\u00e4\\x41\\101\\U0001f600"', 'x\ty\\z"äAA\U0001f600'),
        ('a = "${env "HOME"} # no comment"', '${env "HOME"} # no comment'),
        ('a = "{{ GetInterfaceIP \\"eth0\\" }}"', '{{ GetInterfaceIP "eth0" }}'),
        ("a = <<EOF\nx = {\n  EOFnot\nEOF\n", "x = {\n  EOFnot\n"),
        ("a = <<-EOF\n    one\n      two\n    EOF\n", "one\n  two\n"),
        ("a = <<-EOF\none\n  EOF", "one\n"),
        ('a = [{b = 1}, {b = 2}, "c", [true]]', [{"b": 1}, {"b": 2}, "c", [True]]),
        ("a = []", []),
        ("a = {}", {}),
        ("a = -1 b = 2", -1),
    ],
)
def test_a_value(text, value):
    assert parse(text)["a"] == value
    assert parse(text.replace("\n", "\r\n")).keys() == parse(text).keys()


@pytest.mark.parametrize("text", ["", "# only\n// comments\n/* here */", "\ufeff"])
def test_no_settings(text):
    assert parse(text) == {}


@pytest.mark.parametrize(
    "text, message",
    [
        ('\n\na = "secret', "line 3: the end of a string is expected"),
        ('a = "secret\n"', "line 1: the end of a string is expected"),
        ('a = "sec\\qret"', "line 1: a known escape in a string is expected"),
        ('a = "\\Uffffffff"', "line 1: a known escape in a string is expected"),
        ('encrypt = secret"', "line 1: a value is expected"),
        ("a = [1, 2\nb = 3", "line 2: ']' is expected"),
        ("ports {\n http = 1\n", "line 3: '}' is expected"),
        ("a = 1\n}", "line 2: the name of a setting is expected"),
        ("a = <<EOF\nsecret\n", "line 1: the end of a heredoc is expected"),
        ("a = <<EOF\nsecret\n  EOF\n", "line 1: the end of a heredoc at the beginning of a line is expected"),
        ("secret", "line 1: the name of a setting is expected"),
        ("a = 5secret", "line 1: a value is expected"),
        ("a = 1 /* secret", "line 1: the name of a setting is expected"),
        ("a = " + "[" * 100, "line 1: at most 50 levels is expected"),
    ],
)
def test_what_is_no_hcl(text, message):
    with pytest.raises(HclError) as caught:
        parse(text)
    assert str(caught.value) == message


# What is written is what is read, however it is written.

NAMES = st.from_regex(re.compile(r"[a-z_][a-z0-9_.-]{0,8}", re.ASCII), fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: text.replace("${", "$"))
SCALARS = TEXTS | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10
)
FILES = st.dictionaries(NAMES, VALUES, max_size=5)
FILLERS = st.sampled_from([" ", "\n", "\n\n", " # a = 1 {\n", ' // "\n', " /* } */ ", "\t"])


def quoted(text: str) -> str:
    """JSON escapes what HCL does, except for two slashes and pairs of surrogates."""
    escaped = json.dumps(text, ensure_ascii=False)
    return escaped.replace("\x7f", "\\x7f")


def written(value, draw) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + "".join(f"{draw(FILLERS)}{written(one, draw)}{draw(FILLERS)}," for one in value) + "]"
    if isinstance(value, dict):
        return "{" + settings(value, draw) + "}"
    return repr(value)


def settings(values, draw) -> str:
    text = ""
    for name, value in values.items():
        shown = quoted(name) if draw(st.booleans()) else name
        equals = "" if isinstance(value, dict) and draw(st.booleans()) else "="
        text += f"{draw(FILLERS)}{shown} {equals}{draw(FILLERS)}{written(value, draw)}\n"
    return text


@with_settings(max_examples=50, deadline=None)
@given(FILES, st.data())
def test_what_is_written_is_read(values, data):
    assert parse(settings(values, data.draw)) == values


@with_settings(deadline=None)
@given(st.text(st.sampled_from('ab="{}[]\n#/*\\$<,1- .E'), max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(parse(text), dict)
    except HclError as error:
        assert re.fullmatch(r"line \d+: .* is expected", str(error))


def test_settings_of_two_files():
    one = {"a": 1, "ports": {"http": 1}, "recursors": ["192.0.2.1"]}
    other = {"a": 2, "ports": {"dns": 2}, "recursors": ["192.0.2.2"]}
    assert combined(one, other) == {"a": 2, "ports": {"http": 1, "dns": 2}, "recursors": ["192.0.2.1", "192.0.2.2"]}
