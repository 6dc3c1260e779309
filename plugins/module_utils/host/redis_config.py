# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in redis.conf that the role redis would override. The password is returned only as a keyed digest."""

from __future__ import annotations

import glob
import os
import shlex

from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed

REDIS_CONF = "/etc/redis/redis.conf"
DEFAULT_PORT = 6379


def look_at_redis(key=None, path=REDIS_CONF):
    """C(users): whether users of the ACL system are defined."""
    found = {
        "error": None,
        "bind": [],
        "port": DEFAULT_PORT,
        "password": False,
        "password_digest": None,
        "users": False,
    }
    try:
        for name, arguments in directives(path):
            if name == "bind":
                found["bind"] = [address.lstrip("-") for address in arguments if address]
            elif name == "port" and arguments and arguments[0].isdigit():
                found["port"] = int(arguments[0])
            elif name == "requirepass":
                password = arguments[0] if arguments else ""
                found["password"] = bool(password)
                found["password_digest"] = keyed(key, password.encode()) if key and password else None
            elif name in ("user", "aclfile"):
                found["users"] = True
    except FileNotFoundError:
        return None
    except OSError as error:
        found["error"] = f"{error.filename}: {error.strerror}"
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
