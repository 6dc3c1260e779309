# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.hcl import HclError, combined, parse

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


def test_settings_of_two_files():
    one = {"a": 1, "ports": {"http": 1}, "recursors": ["192.0.2.1"]}
    other = {"a": 2, "ports": {"dns": 2}, "recursors": ["192.0.2.2"]}
    assert combined(one, other) == {"a": 2, "ports": {"http": 1, "dns": 2}, "recursors": ["192.0.2.1", "192.0.2.2"]}
