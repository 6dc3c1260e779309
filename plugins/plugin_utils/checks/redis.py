# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    debian,
    found,
    has_secret,
    if_set,
    lan_address,
    matching,
    not_empty,
    port,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import ABSENT, digest
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem
from ansible_collections.dockyard.consul.plugins.plugin_utils.redis_data import lost_at_restart
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def lost_password(v: Values) -> Iterator[Problem]:
    """On a controller without the folder of secrets, a new password would lock out all that use Redis."""
    there = (v.look.path("/etc/redis/site.conf") or {}).get("type") == "file"
    if there and not v.is_set("redis_password") and not has_secret(v, "operator/redis.password"):
        yield Problem(
            "redis_password",
            f"{v.site.secrets_dir}/operator/redis.password does not exist, and Redis on this host has a password already. Copy the"
            " file from the controller that set up the site, or set redis_password.",
        )


def set_by_hand(v: Values) -> Iterator[Problem]:
    """A Redis that somebody has configured keeps its address, port and password, unless the inventory says otherwise."""
    there = v.look.get("redis")
    if (
        not there
        or not v.look.package("redis-server")
        or "/etc/redis/redis.conf" in (v.look.get("origins") or {})
        or (v.look.path("/etc/redis/site.conf") or ABSENT)["type"] != "absent"
        or v["redis_replace_settings"]
    ):
        return
    if there["error"]:
        yield Problem("ansible_facts", f"The settings of Redis on {v.host} could not be read: {there['error']}.")
        return
    start = f"Redis on {v.host} was configured in /etc/redis/redis.conf"
    end = "or set redis_replace_settings to true"
    if not v.is_given("redis_port") and there["port"] != v["redis_port"]:
        yield Problem(
            "redis_port",
            f"{start} and has the port {there['port']}. The role would change it to {v['redis_port']}. Set redis_port to the one"
            f" that it should have, {end}.",
        )
    bound = there["bind"] or ["all addresses"]
    if not v.is_given("redis_bind") and set(bound) != set(v["redis_bind"]):
        yield Problem(
            "redis_bind",
            f"{start} and listens on {', '.join(bound)}. The role would change that to {', '.join(v['redis_bind'])}. Set redis_bind"
            f" to the addresses that it should have, {end}.",
        )
    if not v.is_given("redis_password") and not has_password_of_site(v, there):
        password = "has a password of its own (requirepass)" if there["password"] else "has no password (requirepass)"
        if there["users"]:
            password = "has users of its own (user or aclfile)"
        yield Problem(
            "redis_password",
            f"{start} and {password}. The role would set another one, and its clients would be refused. To keep a password, put it"
            f" into redis_password (encrypt it with ansible-vault), or into {v.site.secrets_dir}/operator/redis.password. To change"
            f" it, set redis_password to a new one, {end}.",
        )


def data_would_be_lost(v: Values) -> Iterator[Problem]:
    """Most changes of the role restart Redis."""
    reason = lost_at_restart(v.look)
    if reason:
        yield Problem("ansible_facts", reason)


def has_password_of_site(v: Values, there: Mapping[str, Any]) -> bool:
    """Whether Redis on the host has the password of the site already."""
    if not there["password_digest"] or not has_secret(v, "operator/redis.password"):
        return False
    return there["password_digest"] == digest(v["redis_password"].encode())


PASSWORD = matching(
    "redis_password",
    r"[!#-\[\]-~]{8,}",
    'It must have 8 or more printable ASCII characters, without spaces, quotation marks (") and backslashes.',
)
CHECKS = [
    debian,
    lan_address,
    port("redis_port"),
    if_set("redis_bind", not_empty("redis_bind", "List the addresses to listen on.")),
    # A default one is a secret of the site, which is checked when it is read.
    if_set("redis_password", PASSWORD),
    lost_password,
    set_by_hand,
    data_would_be_lost,
]
