# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a Redis that runs for its settings. See https://redis.io/docs/latest/develop/reference/protocol-spec/"""

from __future__ import annotations

import re
import socket

ALL_ADDRESSES = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "::*": "::1"}


class Refused(Exception):
    """An error of Redis, or an answer that is not one of Redis."""


def address(bind, port, socket_path):
    """Where it listens: host and port, or the path of a socket."""
    if not port:
        return socket_path
    first = bind[0] if bind else ""
    return ALL_ADDRESSES.get(first, first), port


def ask(where, password, names, timeout):
    """Those of these settings that it has, and C(keys), the number of keys. None if it does not answer."""
    try:
        with connect(where, timeout) as connection, connection.makefile("rb") as answers:

            def call(*words):
                connection.sendall(command(*words))
                return read(answers)

            if password:
                call("AUTH", password)
            found = {}
            for name in names:
                pair = call("CONFIG", "GET", name)  # empty if it has no such setting
                found.update([pair] if pair else [])
            found["keys"] = sum(int(keys) for keys in re.findall(r"(?m)^db\d+:keys=(\d+)", call("INFO", "keyspace")))
            return found
    except (OSError, TypeError, ValueError, Refused):
        return None


def connect(where, timeout):
    if not isinstance(where, str):
        return socket.create_connection(where, timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(where)
    except OSError:
        connection.close()
        raise
    return connection


def command(*words):
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def read(answers):
    """One reply: a text, or a list of them."""
    line = answers.readline().decode("utf-8", "replace")
    kind, rest = line[:1], line[1:].strip()
    if kind == "+":
        return rest
    if kind == "*":
        return [read(answers) for _number in range(int(rest))]
    if kind == "$":
        return answers.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
    raise Refused(rest)
