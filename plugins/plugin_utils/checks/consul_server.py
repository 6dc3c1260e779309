# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role consul_server."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import consul_agent
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import UUID, found, wrong
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.foreign_agent import HOW_TO
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


def clients_under_allow(v: Values) -> Iterator[Problem]:
    """Under deny, a client asks for names with its DNS token, which it has only under deny itself. So the clients change first."""
    name = "consul_agent_acl_default_policy"
    if not v.site.acl_enabled or adoption.policy_in_force(v.look) != "allow":
        return
    clients = [host for host in v.agents if host not in v.site.servers]
    clients = [host for host in clients if adoption.policy_in_force(v.look_of(host)) == "allow"]
    if not clients:
        return
    if adoption.foreign_agents(v.look):
        first = f"Set {name} to allow, run the site, and change to deny later"
    else:
        first = f"Run the playbook dockyard.consul.consul_client with {name}: deny, then the site"
    yield Problem(
        name,
        f"{name} is 'deny', and this server and clients of this run ({', '.join(clients)}) have 'allow'. Until their own turn,"
        f" these clients would get no answer from DNS. {first}: {HOW_TO} ('From allow to deny').",
    )


CHECKS = [https_port, bootstrap_expect, monitoring_token, clients_under_allow, *consul_agent.CHECKS]
