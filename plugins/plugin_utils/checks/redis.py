# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role redis."""

from __future__ import annotations

from collections.abc import Iterator

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
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem
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
]
