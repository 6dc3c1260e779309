# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role consul_server."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import consul_agent
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import UUID, found, wrong
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def https_port(v: Values) -> Iterator[Problem]:
    if not 0 <= v["consul_server_https_port"] <= 65535:
        yield wrong(v, "consul_server_https_port", "A port is a number from 1 to 65535, and 0 closes the listener.")


def bootstrap_expect(v: Values) -> Iterator[Problem]:
    """consul_agent reports an empty group."""
    name, count = "consul_server_bootstrap_expect", len(v.site.servers)
    if count and not 1 <= v[name] <= count:
        servers = "1 server" if count == 1 else f"{count} servers"
        yield wrong(
            v,
            name,
            f"The inventory has {servers}, and the servers elect no leader before that many run. Use {'1' if count == 1 else f'1 to {count}'}.",
        )


def monitoring_token(v: Values) -> Iterator[Problem]:
    name = "consul_server_monitoring_token"
    if v.is_set(name) and not UUID.fullmatch(v[name]):
        yield wrong(v, name, "It must be a UUID in lower-case letters.")


CHECKS = [https_port, bootstrap_expect, monitoring_token, *consul_agent.CHECKS]
