# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides how a host is taken out of a site, and why it must not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.host.agent import SERVER_SERVICE
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import accessor
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_states import worst

# What the roles make for each node, and would have to be revoked if the folder of secrets were lost.
OWN_TOKENS = ("agent", "service-mydemo")


def first_view(results: Iterable[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    """The first server that knows a leader, and what it knows of the cluster. An empty name if none does."""
    for result in results:
        cluster = result.get("cluster") or {}
        if cluster.get("leader"):
            return result["item"], cluster
    return "", {}


def problems(
    cluster: Mapping[str, Any], nodes: list[str], min_servers: int, allow_outage: bool, outage_variable: str
) -> Iterator[str]:
    """Why these nodes must not be taken out, each as a sentence."""
    if not cluster:
        yield (
            "No server would remain that answers and knows a leader, so nothing can be removed from the cluster. Repair the"
            " servers first (dockyard.consul.status). The last server of a site is not retired: take the collection off it"
            " (dockyard.consul.uninstall)."
        )
        return
    members = {one["name"]: one for one in cluster["members"]}
    addresses = {one["address"] for name, one in members.items() if name in nodes and one["server"]}
    peers = {peer.rpartition(":")[0].strip("[]") for peer in cluster["peers"]}
    going, staying = peers & addresses, peers - addresses
    if going and len(staying) < min_servers:
        yield (
            f"{len(staying)} of {len(peers)} servers would remain, fewer than retire_min_servers ({min_servers}). Add another"
            " server to the inventory and run the site, then retire this one."
        )
    alone = lonely(cluster, nodes)
    if alone and not allow_outage:
        yield (
            f"{', '.join(alone)} would have no passing instance left. Run another instance first, or accept the outage:"
            f" -e {outage_variable}=true."
        )


def lonely(cluster: Mapping[str, Any], nodes: list[str]) -> list[str]:
    """The services whose passing instances are all on these nodes."""
    here, elsewhere = set(), set()
    for one in cluster["instances"]:
        if one["service"] != SERVER_SERVICE and state_of(cluster, one) == "passing":
            (here if one["node"] in nodes else elsewhere).add(one["service"])
    return sorted(here - elsewhere)


def services_of(cluster: Mapping[str, Any], node: str) -> dict[str, int]:
    """How many instances of each service the node has."""
    found: dict[str, int] = {}
    for one in cluster.get("instances", []):
        if one["node"] == node and one["service"] != SERVER_SERVICE:
            found[one["service"]] = found.get(one["service"], 0) + 1
    return found


def state_of(cluster: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    return worst(
        check["status"]
        for check in cluster["checks"]
        if check["node"] == instance["node"] and check["service_id"] in ("", instance["id"])
    )


def revoked(node: str, datacenter: str, tokens: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """The policies and tokens of the node, as consul_acl removes them. TOKENS are the names of the files with tokens in the
    node's folder of secrets, without C(.token)."""
    names = sorted({*OWN_TOKENS, *tokens})
    services = [name.removeprefix("service-") for name in names if name.startswith("service-")]
    return {
        "tokens": [{"accessor_id": accessor(datacenter, f"node/{node}/{name}"), "state": "absent"} for name in names],
        "policies": [{"name": f"{service}-{node}", "state": "absent"} for service in services],
    }
