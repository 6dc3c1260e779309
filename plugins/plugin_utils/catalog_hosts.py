# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of an inventory from nodes and service instances. Pure functions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog import Catalog, Query, worst

NO_ADDRESS = ("", "0.0.0.0", "::")
GROUPINGS = ("service", "tag", "datacenter", "node_meta", "health")
# Consul keeps such keys for itself, for example consul-network-segment.
OWN_META = "consul-"


@dataclass
class Host:
    name: str
    variables: dict[str, Any]
    services: list[dict[str, Any]]


def query_digest(query: Query, *of_client: str | None) -> str:
    """The end of a cache key: a digest of the query and of the agent."""
    text = json.dumps([dataclasses.asdict(query), of_client], sort_keys=True)
    return "_" + hashlib.sha256(text.encode()).hexdigest()[:16]


def host_name(*parts: str) -> str:
    """Names from Consul as the name of a host. White space and '/' would break patterns and files of Ansible."""
    text = "@".join(parts)
    return "".join(one if one.isprintable() and one not in " /" else "_" for one in text)


def group_name(*parts: str) -> str:
    """A group name that Ansible takes without a warning: ASCII letters, digits and '_'."""
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(parts))


def address_of(kinds: Iterable[str], node: dict[str, Any], instance: dict[str, Any] | None = None) -> str | None:
    """The first address that there is: of the service, of the node, or a tagged one of the service, otherwise of the node."""
    for kind in kinds:
        if kind == "node":
            found = [node["address"]]
        elif kind == "service":
            found = [instance["address"]] if instance else []
        else:
            found = [one["tagged_addresses"].get(kind, "") for one in (instance, node) if one]
        for address in found:
            if address not in NO_ADDRESS:
                return address
    return None


def _node_variables(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "consul_node": node["name"],
        "consul_node_id": node["id"],
        "consul_node_address": node["address"],
        "consul_node_meta": node["meta"],
        "consul_tagged_addresses": node["tagged_addresses"],
        "consul_datacenter": node["datacenter"],
    }


def _service(instance: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """An instance as a variable shows it."""
    shown = {name: value for name, value in instance.items() if name != "node"}
    return {**shown, "address": instance["address"] or node["address"]}


def _reached_at(address: str | None) -> dict[str, str]:
    return {"ansible_host": address} if address else {}


def node_hosts(catalog: Catalog, addresses: Iterable[str]) -> list[Host]:
    """One host for each node, with all its instances."""
    addresses = list(addresses)
    services: dict[str, list[dict[str, Any]]] = {name: [] for name in catalog.nodes}
    for one in catalog.instances:
        services[one["node"]].append(_service(one, catalog.nodes[one["node"]]))
    hosts = []
    for name, node in catalog.nodes.items():
        variables = {
            **_reached_at(address_of(addresses, node)),
            **_node_variables(node),
            "consul_health": worst([node["status"], *(one["status"] for one in services[name])]),
            "consul_services": services[name],
        }
        hosts.append(Host(host_name(name), variables, services[name]))
    return hosts


def instance_hosts(catalog: Catalog, addresses: Iterable[str]) -> list[Host]:
    """One host for each instance. An id is unique on its node only."""
    addresses = list(addresses)
    hosts = []
    for one in catalog.instances:
        node = catalog.nodes[one["node"]]
        service = _service(one, node)
        variables = {
            **_reached_at(address_of(addresses, node, one)),
            **_node_variables(node),
            "consul_health": one["status"],
            "consul_service": service,
        }
        hosts.append(Host(host_name(one["id"], one["node"]), variables, [service]))
    return hosts


def merged(hosts: Iterable[Host]) -> list[Host]:
    """Hosts of the same name as one: with the variables of the first, all services, and the worst health.

    Only such a host of instances has C(consul_services) beside C(consul_service): Ansible takes 60 microseconds for each.
    """
    found: dict[str, Host] = {}
    for host in hosts:
        first = found.setdefault(host.name, host)
        if first is not host:
            mine, others = first.variables, host.variables
            if "ansible_host" in others:
                mine.setdefault("ansible_host", others["ansible_host"])
            first.services = mine["consul_services"] = [*first.services, *host.services]
            mine["consul_health"] = worst([mine["consul_health"], others["consul_health"]])
    return list(found.values())


def group_sources(host: Host, groupings: Iterable[str]) -> set[tuple[str, ...]]:
    """What a host is grouped by, as the parts of group names."""
    groupings = set(groupings)
    services, variables = host.services, host.variables
    found: set[tuple[str, ...]] = set()
    if "service" in groupings:
        found |= {("service", one["name"]) for one in services}
    if "tag" in groupings:
        found |= {("tag", tag) for one in services for tag in one["tags"] if tag}
    if "datacenter" in groupings and variables["consul_datacenter"]:
        found.add(("datacenter", variables["consul_datacenter"]))
    if "node_meta" in groupings:
        meta = variables["consul_node_meta"].items()
        found |= {("node_meta", key, value) for key, value in meta if value and not key.startswith(OWN_META)}
    if "health" in groupings:
        found.add(("health", variables["consul_health"]))
    return found


def clashes(sources: Iterable[tuple[str, ...]]) -> list[str]:
    """Group names that stand for more than one thing in Consul, in words."""
    names: dict[str, set[tuple[str, ...]]] = {}
    for source in sources:
        names.setdefault(group_name(*source), set()).add(source)
    return [
        f"{name} ({', '.join(repr('='.join(one[1:])) for one in sorted(found))})"
        for name, found in sorted(names.items())
        if len(found) > 1
    ]
