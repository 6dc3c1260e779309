# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and service instances of the catalog, with their health, in one call per service."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_states import worst

# Requests at the same time.
PARALLEL = 8
# Names in one message.
MOST_NAMED = 5
NO_SERVICE = 'the token may read no service. Give it service_prefix "" { policy = "read" }'


@dataclass
class Query:
    """What is read. Without any restriction, nodes are read as well, so that nodes without a service are found."""

    services: list[str] | None = None
    filter: str | None = None
    passing: bool = False
    all_nodes: bool = True


@dataclass
class Catalog:
    """What was read, as JSON takes it."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_leader: bool = True


def is_addressable(name: str) -> bool:
    """Whether the API takes a service by this name. Consul redirects other paths, or answers 400."""
    return name.isprintable() and not {"", ".", ".."} & set(name.split("/"))


def shortened(names: Iterable[str]) -> str:
    """Some names for a message."""
    names = list(names)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def node_record(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": node["Node"],
        "id": node.get("ID") or "",
        "address": node.get("Address") or "",
        "datacenter": node.get("Datacenter") or "",
        "tagged_addresses": node.get("TaggedAddresses") or {},
        "meta": node.get("Meta") or {},
        "status": "passing",
    }


def instance_record(entry: dict[str, Any]) -> dict[str, Any]:
    service = entry["Service"]
    tagged = service.get("TaggedAddresses") or {}
    return {
        "node": entry["Node"]["Node"],
        "id": service["ID"],
        "name": service["Service"],
        "address": service.get("Address") or "",
        "port": service.get("Port") or 0,
        "tags": service.get("Tags") or [],
        "meta": {key: value for key, value in (service.get("Meta") or {}).items() if key != DIGEST},
        "tagged_addresses": {tag: one.get("Address") or "" for tag, one in tagged.items()},
        "status": worst(check["Status"] for check in entry["Checks"]),
    }


def assemble(
    entries: Iterable[dict[str, Any]],
    nodes: Iterable[dict[str, Any]] = (),
    node_checks: Iterable[dict[str, Any]] = (),
    passing: bool = False,
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Nodes by name, and instances, from the answers of Consul.

    ENTRIES are of health/service, NODES of catalog/nodes, NODE_CHECKS of health/state. With PASSING, a node that has no
    instance is left out if a check of its own does not pass.
    """
    found = {node["Node"]: node_record(node) for node in nodes}
    states: dict[str, set[str]] = {}
    for check in node_checks:
        states.setdefault(check["Node"], set()).add(check["Status"])
    instances = []
    for entry in entries:
        name = entry["Node"]["Node"]
        if name not in found:
            found[name] = node_record(entry["Node"])
        states.setdefault(name, set()).update(check["Status"] for check in entry["Checks"] if not check["ServiceID"])
        instances.append(instance_record(entry))
    for name, node in found.items():
        node["status"] = worst(states.get(name, ()))
    if passing:
        found = {name: node for name, node in found.items() if node["status"] == "passing"}
        instances = [one for one in instances if one["node"] in found]
    instances.sort(key=lambda one: (one["node"], one["name"], one["id"]))
    return dict(sorted(found.items())), instances


class Reader:
    def __init__(self, client: ConsulClient) -> None:
        self.client = client
        self.datacenter = client.query

    def read(self, query: Query) -> Catalog:
        """Read what the query asks for. Without a leader, any server answers, and a warning says so."""
        catalog = Catalog(has_leader=self._has_leader())
        if catalog.has_leader:
            try:
                self._read(query, catalog)
            except ConsulError as error:
                if "leader" not in (error.detail or ""):
                    raise
                catalog = Catalog(has_leader=False)
        if not catalog.has_leader:
            if self.client.consistency == "consistent":
                raise ConsulError(
                    f"the cluster of {self.client.place} has no leader, so nothing can be read with consistency=consistent:"
                    " check that enough servers are up, or set consistency to default"
                )
            self.client = copy.copy(self.client)
            self.client.consistency = "stale"
            self._read(query, catalog)
            catalog.warnings.insert(
                0,
                f"the cluster of {self.client.place} has no leader: the inventory comes from a stale read of one server, and may"
                " be out of date. Check that enough servers are up.",
            )
        return catalog

    def _has_leader(self) -> bool:
        """Asked first, as a read that needs the leader only fails after some seconds, several times."""
        try:
            return bool(self.client.get("status/leader", self.datacenter).data)
        except ConsulError as error:
            if "leader" not in (error.detail or ""):
                raise
            return False

    def _read(self, query: Query, catalog: Catalog) -> None:
        names = self._service_names() if query.services is None else list(dict.fromkeys(query.services))
        # The list has Consul's own service, if the token may read it.
        if query.services is None and not names:
            if not query.all_nodes:
                raise ConsulError(NO_SERVICE, status=403)
            catalog.warnings.append(NO_SERVICE)
        skipped = sorted(repr(name) for name in names if not is_addressable(name))
        if skipped:
            catalog.warnings.append(f"left out, as Consul cannot read services by such names: {shortened(skipped)}")
        names = [name for name in names if is_addressable(name)]
        params = {**self.datacenter, **({"filter": query.filter} if query.filter else {})}
        if query.passing:
            params["passing"] = ""
        calls = [("health/service/" + name, params) for name in names]
        if query.all_nodes:
            calls.append(("catalog/nodes", self.datacenter))
            calls.append(("health/state/any", {**self.datacenter, "filter": 'ServiceID == ""'}))
        try:
            answers = self._get_all(calls)
        except ConsulError as error:
            if query.filter and "expression" in (error.detail or ""):
                raise ConsulError(f"filter {query.filter!r}: {error}", error.status, detail=error.detail) from error
            raise
        checks, nodes = (answers.pop(), answers.pop()) if query.all_nodes else ([], [])
        catalog.nodes, catalog.instances = assemble(
            (entry for answer in answers for entry in answer), nodes, checks, query.passing
        )
        if query.services is not None and not query.filter and not query.passing:
            empty = [name for name, answer in zip(names, answers, strict=True) if not answer]
            if empty:
                catalog.warnings.append(f"no instance that the token may read: {shortened(empty)}")
        if not nodes and not catalog.instances:
            self._refuse_unreadable_nodes()

    def _service_names(self) -> list[str]:
        return sorted(self.client.get("catalog/services", self.datacenter).data or {})

    def _refuse_unreadable_nodes(self) -> None:
        """A list without the right to read it is empty, not an error."""
        if not self.client.get("catalog/nodes", self.datacenter).data:
            raise ConsulError(
                "the token may read no node, so Consul shows no instance of a service. "
                'Give it node_prefix "" { policy = "read" }',
                status=403,
            )

    def _get_all(self, calls: list[tuple[str, dict[str, str]]]) -> list[Any]:
        """The answers, in order. The first error ends it."""
        # Ansible replaces a function of http.client while it connects to a socket with TLS.
        alone = self.client.place.startswith("unix://") and self.client.base_url.startswith("https://")
        pool = ThreadPoolExecutor(1 if alone else PARALLEL)
        try:
            return list(pool.map(self._get, calls))
        finally:
            pool.shutdown(cancel_futures=True)

    def _get(self, call: tuple[str, dict[str, str]]) -> Any:
        return self.client.get(*call).data or []
