# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that the catalog has of a node and that the agent of the node does not know. Under deny, an agent may not remove
them, and they keep their last state: https://github.com/hashicorp/consul/issues/5209"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.host.agent import unknown_services
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

UNIT = "consul"


def stale_services(look: Look) -> list[dict[str, Any]]:
    """The stale services of a host: node, id, name and modify_index of each. None where the agent or the catalog did not
    answer, or where this run has changed the agent since."""
    consul = look.get("consul") or {}
    catalog, services = consul.get("catalog"), consul.get("services")
    # The node may be that of another host, such as while hosts exchange their names.
    if not catalog or services is None or catalog["node_id"] != node_id(look):
        return []
    return [
        {"node": catalog["node"], "id": identity, **catalog["services"][identity]}
        for identity in sorted(unknown_services(catalog["services"], services))
    ]


def node_id(look: Look) -> str | None:
    """The id of the agent's node. The token of a client's agent may not ask the agent for it, so it is read from the disk."""
    consul: Mapping[str, Any] = look.get("consul") or {}
    if consul.get("node_id"):
        return consul["node_id"]
    data = look.get("consul_data") or {}
    folders = [one["data_dir"] for one in consul.get("running") or [] if one["unit"] == UNIT]
    return (data.get(folders[0]) or {}).get("node_id_on_disk") if len(folders) == 1 else None
