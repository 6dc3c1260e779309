# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of an inventory from nodes and service instances. Pure functions."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog import Catalog, Query
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_states import worst

NO_ADDRESS = ("", "0.0.0.0", "::")
GROUPINGS = ("service", "tag", "datacenter", "node_meta", "health")
# Consul keeps such keys for itself, for example consul-network-segment.
OWN_META = "consul-"
# '/' is not part of a file name. In a pattern of Ansible, ':' and ',' separate, and the others are wildcards.
NOT_IN_NAMES = " /:,*?[]"
# At the start of a pattern, these make it an exclusion, an intersection, a regular expression or a file.
NOT_FIRST = ("!", "&", "~", "@")
ROUNDS = 600_000


@dataclass
class Host:
    source: tuple[str, ...]  # names in Consul
    name: str
    variables: dict[str, Any]
    services: list[dict[str, Any]]
    others: list[dict[str, Any]] = field(default_factory=list)  # variables of the hosts that were merged into it


def query_digest(query: Query, *of_client: str | None, secrets: Iterable[str | None] = ()) -> str:
    """The end of a cache key: a digest of all that changes what is read.

    It is the name of a file. Consul takes weak tokens and passwords too, so their hash is slow: whoever reads the folder cannot
    try many. The question is its salt. A key for a fast hash would need a place of its own.
    """
    question = json.dumps([dataclasses.asdict(query), of_client], sort_keys=True).encode()
    secrets = list(secrets)
    if any(secrets):
        return "_" + hashlib.pbkdf2_hmac("sha256", json.dumps(secrets).encode(), question, ROUNDS, 8).hex()
    return "_" + hashlib.sha256(question).hexdigest()[:16]


def host_name(*parts: str) -> str:
    """Names from Consul as the name of a host, which a pattern of Ansible selects. An IPv6 address stays as it is."""
    text = "@".join(parts)
    if _is_ipv6(text):
        return text
    name = "".join(one if one.isprintable() and one not in NOT_IN_NAMES else "_" for one in text)
    return "_" + name[1:] if name.startswith(NOT_FIRST) else name


def _is_ipv6(text: str) -> bool:
    try:
        return not ipaddress.IPv6Address(text).scope_id
    except ValueError:
        return False


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
        hosts.append(Host((name,), host_name(name), variables, services[name]))
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
        source = (one["id"], one["node"])
        hosts.append(Host(source, host_name(*source), variables, [service]))
    return hosts


def distinct(hosts: list[Host]) -> tuple[list[Host], list[Host]]:
    """The hosts with a name of their own, and those left out as another host has their name.

    Of hosts with the same name, the one that has it in Consul is kept, otherwise the first.
    """
    kept: dict[str, Host] = {}
    for host in sorted(hosts, key=lambda one: one.name != "@".join(one.source)):
        kept.setdefault(host.name, host)
    left_out = [host for host in hosts if kept[host.name] is not host]
    return [host for host in hosts if kept[host.name] is host], left_out


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
            first.others.append(others)
            first.services = mine["consul_services"] = [*first.services, *host.services]
            mine["consul_health"] = worst([mine["consul_health"], others["consul_health"]])
    return list(found.values())


def group_sources(host: Host, groupings: Iterable[str]) -> set[tuple[str, ...]]:
    """What a host is grouped by, as the parts of group names."""
    groupings = set(groupings)
    services, parts = host.services, (host.variables, *host.others)
    found: set[tuple[str, ...]] = set()
    if "service" in groupings:
        found |= {("service", one["name"]) for one in services}
    if "tag" in groupings:
        found |= {("tag", tag) for one in services for tag in one["tags"] if tag}
    if "datacenter" in groupings:
        found |= {("datacenter", one["consul_datacenter"]) for one in parts if one["consul_datacenter"]}
    if "node_meta" in groupings:
        meta = (pair for one in parts for pair in one["consul_node_meta"].items())
        found |= {("node_meta", key, value) for key, value in meta if value and not key.startswith(OWN_META)}
    if "health" in groupings:
        found.add(("health", host.variables["consul_health"]))
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
