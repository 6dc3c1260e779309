# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of Redis that the role redis would override, and those that decide whether it keeps its data. The password is
returned only as a keyed digest, and is sent to Redis itself."""

from __future__ import annotations

import glob
import os
import shlex

from ansible_collections.dockyard.consul.plugins.module_utils.host import redis_server
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed

REDIS_CONF = "/etc/redis/redis.conf"
SITE_CONF = "/etc/redis/site.conf"  # of the role. It includes the other one.
DEFAULT_PORT = 6379
# Of Redis 7. Older ones have no appenddirname and no shutdown-on-sigterm.
PERSISTENCE = {
    "save": "3600 1 300 100 60 10000",
    "appendonly": "no",
    "dir": "/",
    "dbfilename": "dump.rdb",
    "appenddirname": "appendonlydir",
    "appendfilename": "appendonly.aof",
    "shutdown-on-sigterm": "default",
}


def look_at_redis(key=None, runs=False, timeout=1.0, paths=(SITE_CONF, REDIS_CONF)):
    """C(users): whether users of the ACL system are defined. C(runs): whether to ask Redis, too."""
    error, lines = None, []
    try:
        lines = first_file(paths)
    except OSError as failure:
        error = f"{failure.filename}: {failure.strerror}"
    if lines is None:
        return None
    last = dict(lines)
    bind = [address.lstrip("-") for address in last.get("bind", []) if address]
    port = first(last, "port")
    password = first(last, "requirepass")
    found = {
        "error": error,
        "bind": bind,
        "port": int(port) if port.isdigit() else DEFAULT_PORT,
        "password": bool(password),
        "password_digest": keyed(key, password.encode()) if key and password else None,
        "users": "user" in last or "aclfile" in last,
        "persistence": persistence(lines),
        "running": None,
    }
    if runs and not error:
        where = redis_server.address(bind, found["port"], first(last, "unixsocket"))
        answer = redis_server.ask(where, password, PERSISTENCE, timeout)
        found["running"] = answer and {**found["persistence"], **answer}
    return found


def first_file(paths):
    """The directives of the first of these files that exists."""
    for path in paths:
        try:
            return list(directives(path))
        except FileNotFoundError:
            continue
    return None


def first(settings, name):
    """The first argument of a directive."""
    return (settings.get(name) or [""])[0]


def persistence(lines):
    """As C(CONFIG GET) shows it, so far as the files have it."""
    found, saves = dict(PERSISTENCE), None
    for name, arguments in lines:
        if name == "save":
            saves = [*(saves or []), *arguments] if any(arguments) else []  # save "" removes those above it
        elif name in PERSISTENCE:
            found[name] = " ".join(arguments)
    if saves is not None:
        found["save"] = " ".join(saves)
    found["appendonly"] = found["appendonly"].lower()
    found["dir"] = os.path.realpath(os.path.join("/", found["dir"]))  # systemd starts it in /
    return found


def directives(path, depth=0):
    """The directives of a file and of those that it includes. In Redis, the last one of a name counts."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            name, *arguments = shlex.split(line)
        except ValueError:
            continue  # Redis itself refuses it
        if name.lower() != "include":
            yield name.lower(), arguments
        elif arguments and depth < 8:
            pattern = os.path.join(os.path.dirname(path), arguments[0])
            for included in sorted(glob.glob(pattern)):
                yield from directives(included, depth + 1)
