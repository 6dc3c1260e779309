# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads HCL, version 1, the language of Consul's configuration files. https://github.com/hashicorp/hcl/tree/hcl1"""

from __future__ import annotations

import re

DEEPEST = 50

SPACE = re.compile(r"(?:\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
NAME = re.compile(r"[^\W\d][\w.\-]*")
NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])")
HEREDOC = re.compile(r"<<(-?)(\w+)\r?\n(.*?)^([ \t]*)\2[ \t]*(?=\r?\n|\Z)", re.DOTALL | re.MULTILINE)
ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


class HclError(Exception):
    """What is wrong, and where. Never what the file holds there, which may be a secret."""


def parse(text):
    """The settings of a file. Blocks of the same name are merged, as Consul merges files."""
    return Parser(text.lstrip("\ufeff")).file()


def combined(one, other):
    """The settings of both. Those of the other one win, lists are joined."""
    result = dict(one)
    for name, value in other.items():
        former = result.get(name)
        if isinstance(former, dict) and isinstance(value, dict):
            value = combined(former, value)
        elif isinstance(former, list) and isinstance(value, list):
            value = former + value
        result[name] = value
    return result


class Parser:
    def __init__(self, text):
        self.text = text
        self.at = 0
        self.depth = 0

    def file(self):
        found = self.items("")
        if self.at < len(self.text):
            raise self.error("a setting")
        return found

    def items(self, end):
        """Settings and blocks, up to a closing brace or the end of the file."""
        found = {}
        while True:
            self.skip()
            if self.next_is(end) or self.at >= len(self.text):
                return found
            found = combined(found, self.item())
            self.skip()
            self.take(",")

    def item(self):
        names = [self.name()]
        self.skip()
        while not self.next_is("=") and not self.next_is("{"):
            names.append(self.name())
            self.skip()
        if self.take("="):
            self.skip()
            value = self.value()
        else:
            value = self.block()
        for name in reversed(names):
            value = {name: value}
        return value

    def name(self):
        if self.next_is('"'):
            return self.string()
        return self.expect(NAME, "the name of a setting").group()

    def value(self):
        if self.next_is('"'):
            return self.string()
        if self.next_is("["):
            return self.list()
        if self.next_is("{"):
            return self.block()
        if self.next_is("<<"):
            return self.heredoc()
        word = NAME.match(self.text, self.at)
        if word and word.group() in ("true", "false"):
            self.at = word.end()
            return word.group() == "true"
        return number(self.expect(NUMBER, "a value").group())

    def block(self):
        self.open("{")
        found = self.items("}")
        self.close("}")
        return found

    def list(self):
        self.open("[")
        found = []
        self.skip()
        while not self.next_is("]"):
            found.append(self.value())
            self.skip()
            if not self.take(","):
                break
            self.skip()
        self.close("]")
        return found

    def heredoc(self):
        found = self.expect(HEREDOC, "the end of a heredoc")
        indented, _word, content, margin = found.groups()
        if margin and not indented:
            self.at = found.start()
            raise self.error("the end of a heredoc at the beginning of a line")
        lines = content.split("\n")
        if indented and all(line.startswith(margin) for line in lines if line):
            lines = [line[len(margin) :] for line in lines]
        return "\n".join(lines)

    def string(self):
        """Quotes may be nested in C(${ }), which is not evaluated."""
        start, braces, parts = self.at, 0, []
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"' and not braces:
                self.at += 1
                return "".join(parts)
            if not braces and character == "\n":
                break
            if not braces and character == "\\":
                parts.append(self.escape())
                continue
            if not braces and self.next_is("${"):
                braces = 1
                parts.append("${")
                self.at += 2
                continue
            if braces:
                braces += {"{": 1, "}": -1}.get(character, 0)
            parts.append(character)
            self.at += 1
        self.at = start
        raise self.error("the end of a string")

    def escape(self):
        letter, *codes = self.expect(ESCAPE, "a known escape in a string").groups()
        if letter:
            return ESCAPED[letter]
        code = next(int(code, base) for code, base in zip(codes, (8, 16, 16, 16)) if code)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise self.error("a known escape in a string")
        return chr(code)

    # Where the parser is

    def skip(self):
        found = SPACE.match(self.text, self.at)
        if found:
            self.at = found.end()

    def next_is(self, token):
        return bool(token) and self.text.startswith(token, self.at)

    def take(self, token):
        if not self.next_is(token):
            return False
        self.at += len(token)
        return True

    def open(self, token):
        self.take(token)
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"at most {DEEPEST} levels")

    def close(self, token):
        self.depth -= 1
        if not self.take(token):
            raise self.error(f"'{token}'")

    def expect(self, pattern, what):
        found = pattern.match(self.text, self.at)
        if not found:
            raise self.error(what)
        self.at = found.end()
        return found

    def error(self, what):
        return HclError(f"line {self.text.count(chr(10), 0, self.at) + 1}: {what} is expected")


def number(text):
    if "x" in text.lower():
        return int(text, 16)
    return float(text) if re.search(r"[.eE]", text) else int(text)
