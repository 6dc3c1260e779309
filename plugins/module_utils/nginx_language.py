# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration language of nginx: directives, blocks, and what C(listen) means. Without files and without a host."""

from __future__ import annotations

import re
from typing import NamedTuple

# As ngx_conf_read_token: inside a word only a space, ';' and '{' end it, '${' does not, and '\' takes the next character.
TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<mark>[;{}])
      | "(?P<double>(?:\\.|[^"\\])*)"
      | '(?P<single>(?:\\.|[^'\\])*)'
      | (?P<word>(?!["'])(?:\\.|\$\{|[^\s;{\\])+)""",
    re.VERBOSE | re.DOTALL,
)
LUA_BLOCK = "_by_lua_block"
# A brace in Lua, or a comment or string in which a brace counts for nothing.
LUA_TOKEN = re.compile(
    r"""--\[(?P<comment>=*)\[.*?\](?P=comment)\]
      | --[^\n]*
      | \[(?P<string>=*)\[.*?\](?P=string)\]
      | "(?:\\.|[^"\\])*"
      | '(?:\\.|[^'\\])*'
      | [{}]""",
    re.VERBOSE | re.DOTALL,
)
MOST_PORTS = 1000


class NginxSyntaxError(Exception):
    """Why a text cannot be read, with its line."""


class Directive(NamedTuple):
    """C(start) and C(end) are its place in the text, without its block. C(block) is None if it has none."""

    name: str
    arguments: list
    line: int
    start: int
    end: int
    block: list = None


def parse(text):
    """The directives of a file or of a piece of one, or NginxSyntaxError."""
    directives, open_blocks, words = [], [], []
    position, line, started = 0, 1, None
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found:
            raise NginxSyntaxError(f"line {line}: a quotation mark has no end")
        kind, value, end = found.lastgroup, found.group(found.lastgroup), found.end()
        if kind == "mark":
            check_mark(value, words, open_blocks, line)
            if value == "}":
                directives = open_blocks.pop()
            else:
                block = [] if value == "{" else None
                directives.append(Directive(words[0], words[1:], started[1], started[0], end, block))
                if value == "{" and words[0].endswith(LUA_BLOCK):
                    end = end_of_lua(text, end, line)
                elif value == "{":
                    open_blocks.append(directives)
                    directives = block
            words = []
        elif kind != "blank":
            started = started if words else (position, line)
            words.append(value)
        line += text.count("\n", position, end)
        position = end
    if words or open_blocks:
        raise NginxSyntaxError(f"line {line}: '{';' if words else '}'}' is missing at the end")
    return directives


def check_mark(mark, words, open_blocks, line):
    if mark != "}" and not words:
        raise NginxSyntaxError(f"line {line}: '{mark}' without a directive")
    if mark == "}" and words:
        raise NginxSyntaxError(f"line {line}: ';' is missing before '}}'")
    if mark == "}" and not open_blocks:
        raise NginxSyntaxError(f"line {line}: '}}' closes no block")


def end_of_lua(text, position, line):
    """Behind the brace that closes a block of Lua."""
    depth = 1
    for found in LUA_TOKEN.finditer(text, position):
        depth += {"{": 1, "}": -1}.get(found.group(), 0)
        if not depth:
            return found.end()
    raise NginxSyntaxError(f"line {line}: '}}' is missing at the end")


class Listen(NamedTuple):
    """C(address) is C(*) for all IPv4 addresses of the host."""

    address: str
    port: int
    is_default: bool = False


def listens(value):
    """What the arguments of C(listen) mean, one for each port. A UNIX socket is left out."""
    first, *parameters = value.split() or ["80"]
    if first.startswith("unix:"):
        return []
    address, colon, port = first.rpartition(":")
    if first.endswith("]"):  # an IPv6 address alone
        address, port = first, "80"
    elif not colon:
        address, port = ("*", first) if re.match(r"[0-9]+(-[0-9]+)?\Z", first) else (first, "80")
    if address in ("*", "0.0.0.0") or (address == "[::]" and "ipv6only=off" in parameters):
        address = "*"
    first_port, _dash, last_port = port.partition("-")
    if not first_port.isdigit() or (last_port and not last_port.isdigit()):
        return []
    ports = range(int(first_port), int(last_port or first_port) + 1)
    is_default = "default_server" in parameters or "default" in parameters
    return [Listen(address.lower(), port, is_default) for port in ports[:MOST_PORTS]]
