# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that the catalog has of a node and that the agent of the node does not know. Under deny, an agent may not remove
them, and they keep their last state: https://github.com/hashicorp/consul/issues/5209"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.host.agent import unknown_services
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def stale_services(look: Look, addresses: Collection[str]) -> list[dict[str, Any]]:
    """The stale services of a host with these addresses: node, id, name and modify_index of each. None where the agent or the
    catalog did not answer, or where this run has changed the agent since."""
    consul: Mapping[str, Any] = look.get("consul") or {}
    catalog, services = consul.get("catalog"), consul.get("services")
    if not catalog or services is None or not is_own_node(consul, addresses):
        return []
    return [
        {"node": catalog["node"], "id": identity, **catalog["services"][identity]}
        for identity in sorted(unknown_services(catalog["services"], services))
    ]


def is_own_node(consul: Mapping[str, Any], addresses: Collection[str]) -> bool:
    """Whether the node in the catalog is that of the agent. If hosts exchange their names in the inventory, it is the node of
    another host. A client's own token may not ask the agent for its name."""
    catalog = consul["catalog"]
    return consul["node"] == catalog["node"] if consul.get("node") else catalog["address"] in addresses
