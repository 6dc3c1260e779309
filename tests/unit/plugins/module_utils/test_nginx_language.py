# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import (
    Listen,
    NginxSyntaxError,
    listens,
    parse,
)


def brief(directives):
    return [
        (one.name, *one.arguments) if one.block is None else (one.name, *one.arguments, brief(one.block))
        for one in directives
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# a { comment\n", []),
        ("user www-data;pid /run/nginx.pid;", [("user", "www-data"), ("pid", "/run/nginx.pid")]),
        ("http { server { listen 80; } }", [("http", [("server", [("listen", "80")])])]),
        ("""log_format a '$x "{;}" # y' "it's \\" so";""", [("log_format", "a", '$x "{;}" # y', "it's \\\" so")]),
        ("set $a ${b}c;", [("set", "$a", "${b}c")]),
        ("location ~ \\.php$ { return 404; }", [("location", "~", "\\.php$", [("return", "404")])]),
        ("location ~ a\\{2\\}$ { }", [("location", "~", "a\\{2\\}$", [])]),
        ('location ~ "a{2}" { }', [("location", "~", "a{2}", [])]),
        ("rewrite ^/a#b /c;", [("rewrite", "^/a#b", "/c")]),
        ("if ($a = b){return 1;}", [("if", "($a", "=", "b)", [("return", "1")])]),
        ("listen 80;;", None),
        (
            "content_by_lua_block { if a then b = {1, 2} -- it's\n end }\nreturn 1;",
            [("content_by_lua_block", []), ("return", "1")],
        ),
        *(
            (f"content_by_lua_block {{ {lua} }}\nreturn 1;", [("content_by_lua_block", []), ("return", "1")])
            for lua in (
                'ngx.say("{")',
                "ngx.say('}')",
                'ngx.say("\\"{")',
                "-- {\n",
                "--[[ {\n{ ]] x = {}",
                "--[==[ ]] { ]==] x = {}",
                "x = [[ { ' ]]",
                "x = [=[ ]] } ]=]",
                "x = a[b[1]] -- it's }\n",
            )
        ),
    ],
)
def test_directives(text, expected):
    if expected is None:
        with pytest.raises(NginxSyntaxError):
            parse(text)
    else:
        assert brief(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "line 1: ';' is missing at the end"),
        ("a {\nb;\n", "line 3: '}' is missing at the end"),
        ("a;\n}", "line 2: '}' closes no block"),
        ("a { b }", "line 1: ';' is missing before '}'"),
        ("\n{ }", "line 2: '{' without a directive"),
        ("a 'b;\n", "line 1: a quotation mark has no end"),
        ("a_by_lua_block { {\n}", "line 1: '}' is missing at the end"),
        ("a_by_lua_block { -- }", "line 1: '}' is missing at the end"),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(NginxSyntaxError, match=f"^{message}$"):
        parse(text)


def test_the_place_of_a_directive():
    text = "a;\n\nb 'c\nd' {\n e f;\n}\ng;"
    _a, b, g = parse(text)
    assert (b.line, text[b.start : b.end], g.line) == (3, "b 'c\nd' {", 7)
    assert (b.block[0].line, text[b.block[0].start : b.block[0].end]) == (5, "e f;")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("80", [Listen("*", 80)]),
        ("", [Listen("*", 80)]),
        ("*:8080", [Listen("*", 8080)]),
        ("0.0.0.0:80 default_server", [Listen("*", 80, True)]),
        ("10.0.0.9", [Listen("10.0.0.9", 80)]),
        ("10.0.0.9:443 ssl http2", [Listen("10.0.0.9", 443)]),
        ("localhost:8000 default", [Listen("localhost", 8000, True)]),
        ("[::]:80", [Listen("[::]", 80)]),
        ("[::1]", [Listen("[::1]", 80)]),
        ("[::]:80 ipv6only=off", [Listen("*", 80)]),
        ("8000-8002", [Listen("*", 8000), Listen("*", 8001), Listen("*", 8002)]),
        ("unix:/run/a.sock", []),
        ("$port", [Listen("$port", 80)]),
        ("a:b", []),
    ],
)
def test_what_listen_means(value, expected):
    assert listens(value) == expected
