# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""External nodes in the catalog: what a task asks for, what Consul has, and the calls that lead from one to the other.

A state is a mapping in the terms of the module's options, with services and checks by id. It is None for a node that does
not exist."""

from __future__ import annotations

import collections
import json
import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import nanoseconds
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import require

# The check that Consul's servers keep for every node with an agent.
AGENT_CHECK = "serfHealth"

NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
META_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
LONGEST_META_VALUE = 512
MOST_META = 64
UNUSABLE_ADDRESSES = ("0.0.0.0", "::", "[::]")

# Option of a check, and its name in the definition that consul-esm reads.
DEFINITION = {
    "http": "HTTP",
    "tcp": "TCP",
    "method": "Method",
    "tls_skip_verify": "TLSSkipVerify",
    "interval": "Interval",
    "timeout": "Timeout",
}
OPTION_OF = {field: option for option, field in DEFINITION.items()}
DURATIONS = ("interval", "timeout")

# One call. C(kind) is node, service or check. C(right) is the resource and the name that the token must be allowed to write.
Change = collections.namedtuple("Change", "operation kind name right path body")


def problems_of(params):
    """What is wrong with the options, as sentences."""
    name = params["name"]
    if params["state"] == "absent":
        parts = name.split("/")
        if not name or not name.isprintable() or not all(parts) or {".", ".."} & set(parts):
            return [f"name: {name!r} cannot be addressed in Consul's API"]
        return []
    found = []
    if not NODE_NAME.match(name):
        found.append(f"name: {name!r} is not a valid node name. Use letters, digits, '-', '_' and '.'")
    found += problems_of_address(params["address"], "address", required=True)
    if params["id"] is not None and not UUID.match(params["id"]):
        found.append(f"id: {params['id']!r} is not a UUID")
    found += problems_of_meta(params["meta"], "meta")
    for service in params["services"] or []:
        found += problems_of_service(service)
    for check in params["checks"] or []:
        found += problems_of_check(check)
    for kind, ids in (
        ("service", service_ids(params)),
        ("check", [check_id(check) for check in params["checks"] or []]),
    ):
        found += [f"{kind} {identity} is listed twice" for identity in sorted(set(ids)) if ids.count(identity) > 1]
    return found


def problems_of_address(address, where, required=False):
    if not address:
        return [f"{where} is required with state: present"] if required else []
    if not address.isprintable() or " " in address:
        return [f"{where}: {address!r} is not an address"]
    if address in UNUSABLE_ADDRESSES:
        return [f"{where}: {address!r} is no address that others can connect to"]
    return []


def problems_of_meta(meta, where):
    found = [
        f"{where}: {key!r} is not a valid key. Use letters, digits, '-' and '_', at most 128"
        for key in meta or {}
        if not META_KEY.match(str(key))
    ]
    found += [
        f"{where}: the value of {key} has more than {LONGEST_META_VALUE} characters"
        for key, value in (meta or {}).items()
        if len(text(value)) > LONGEST_META_VALUE
    ]
    if len(meta or {}) > MOST_META:
        found.append(f"{where} has {len(meta)} keys. Consul takes at most {MOST_META}")
    return found


def problems_of_service(service):
    where = f"service {service['id'] or service['name']}"
    if not service["name"]:
        return ["services: an entry has no name"]
    found = problems_of_address(service["address"], f"{where}: address")
    found += problems_of_meta(service["meta"], f"{where}: meta")
    if not 0 <= (service["port"] or 0) < 65536:
        found.append(f"{where}: port {service['port']} is not a port")
    weights = service["weights"] or {"passing": 1, "warning": 1}
    if not 1 <= weights["passing"] < 65536 or not 0 <= weights["warning"] < 65536:
        found.append(f"{where}: weights are from 1 (passing) and 0 (warning) to 65535")
    for name, value in (service["tagged_addresses"] or {}).items():
        if not isinstance(value, dict) or not value.get("address"):
            found.append(f"{where}: tagged_addresses: {name} has no address")
    return found


def problems_of_check(check):
    identity = check_id(check)
    if not identity:
        return ["checks: an entry has neither id nor name"]
    where = f"check {identity}"
    found = []
    if identity.lower() == AGENT_CHECK.lower():
        found.append(f"{where}: this id belongs to nodes with an agent. Consul removes a node that has it and no agent")
    if check["http"] and check["tcp"]:
        found.append(f"{where}: set http or tcp, not both")
    for option in DURATIONS:
        try:
            if check[option] and nanoseconds(check[option]) <= 0:
                raise ValueError(f"{check[option]!r} must be longer than 0")
        except ValueError as error:
            found.append(f"{where}: {option}: {error}")
    return found


def problems_with_consul(before, after):
    """What cannot be done with what Consul has."""
    if before and before["name"] != after["name"]:
        # With a node id, Consul 1.8 renames the node and loses its services.
        return [
            f"name: Consul has this node as {before['name']!r}. Use the same upper and lower case, or remove it first"
        ]
    return [
        f"check {identity}: the node has no service {check['service_id']!r}"
        for identity, check in after["checks"].items()
        if check["service_id"] and check["service_id"] not in after["services"]
    ]


def service_ids(params):
    return [service["id"] or service["name"] for service in params["services"] or []]


def check_id(check):
    return check["id"] or check["name"]


def text(value):
    """A value of meta. Consul accepts only text."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def duration(value):
    """One spelling for a duration, as Consul spells 90s as 1m30s."""
    length = nanoseconds(value)
    return f"{length // 10**9}s" if length % 10**9 == 0 else f"{length // 10**6}ms"


def present_state(node, services, checks):
    """The state from Consul's records."""
    return {
        "name": node["Node"],
        "id": (node.get("ID") or "").lower() or None,
        "address": node["Address"],
        "tagged_addresses": node.get("TaggedAddresses") or {},
        "meta": node.get("Meta") or {},
        "services": {identity: present_service(record) for identity, record in services.items()},
        "checks": {record["CheckID"]: present_check(record) for record in checks},
    }


def present_service(record):
    weights = record.get("Weights") or {"Passing": 1, "Warning": 1}
    return {
        "name": record["Service"],
        "address": record.get("Address") or "",
        "port": record.get("Port") or 0,
        "tags": sorted(record.get("Tags") or []),
        "meta": record.get("Meta") or {},
        "tagged_addresses": {
            name: {"address": value["Address"], "port": value.get("Port") or 0}
            for name, value in (record.get("TaggedAddresses") or {}).items()
        },
        "weights": {"passing": weights["Passing"], "warning": weights["Warning"]},
    }


def present_check(record):
    definition = {OPTION_OF.get(field, field): value for field, value in (record.get("Definition") or {}).items()}
    return {
        "name": record["Name"],
        "status": record["Status"],
        "notes": record.get("Notes") or "",
        "output": record.get("Output") or "",
        "service_id": record.get("ServiceID") or "",
        "definition": {
            option: duration(value) if option in DURATIONS else value for option, value in definition.items() if value
        },
    }


def wanted_state(params, before):
    """The state that the task asks for, where the node is as C(before)."""
    before = before or {"id": None, "services": {}, "checks": {}}
    purge = params["purge"]
    services = {} if purge and params["services"] is not None else dict(before["services"])
    for service in params["services"] or []:
        services[service["id"] or service["name"]] = wanted_service(service)
    checks = {} if purge and params["checks"] is not None else dict(before["checks"])
    if params["checks"] is None or not purge:
        # Consul removes the checks of a service with it.
        checks = {
            key: check for key, check in checks.items() if not check["service_id"] or check["service_id"] in services
        }
    for check in params["checks"] or []:
        checks[check_id(check)] = wanted_check(check, before["checks"].get(check_id(check)))
    return {
        "name": params["name"],
        "id": params["id"].lower() if params["id"] else before["id"],
        "address": params["address"],
        "tagged_addresses": {name: text(value) for name, value in (params["tagged_addresses"] or {}).items()},
        "meta": {key: text(value) for key, value in (params["meta"] or {}).items()},
        "services": services,
        "checks": checks,
    }


def wanted_service(service):
    port = service["port"] or 0
    return {
        "name": service["name"],
        "address": service["address"] or "",
        "port": port,
        "tags": sorted(set(service["tags"] or [])),
        "meta": {key: text(value) for key, value in (service["meta"] or {}).items()},
        "tagged_addresses": {
            name: {"address": value["address"], "port": int(value.get("port") or port)}
            for name, value in (service["tagged_addresses"] or {}).items()
        },
        "weights": service["weights"] or {"passing": 1, "warning": 1},
    }


def wanted_check(check, before):
    """The state and the output of a check belong to whoever runs it, unless the task sets them."""
    before = before or {"status": "critical", "output": ""}
    definition = {option: check[option] for option in DEFINITION if check[option]}
    return {
        "name": check["name"] or check["id"],
        "status": check["status"] or before["status"],
        "notes": check["notes"] or "",
        "output": before["output"] if check["output"] is None else check["output"],
        "service_id": check["service_id"] or "",
        "definition": {
            option: duration(value) if option in DURATIONS else value for option, value in definition.items()
        },
    }


def changes(before, after):
    """The calls that lead from one state to the other, in order."""
    node = (after or before)["name"]
    if after is None:
        return [_removal("node", node, node)]
    known = before or {"services": {}, "checks": {}}
    found = []
    if before is None or node_part(before) != node_part(after):
        body = {"ID": after["id"] or "", "TaggedAddresses": after["tagged_addresses"], "NodeMeta": after["meta"]}
        found.append(_register("create" if before is None else "update", "node", node, ("node", node), after, body))
    for identity, service in after["services"].items():
        if service != known["services"].get(identity):
            operation = "update" if identity in known["services"] else "create"
            body = {"SkipNodeUpdate": True, "Service": service_body(identity, service)}
            found.append(_register(operation, "service", identity, ("service", service["name"]), after, body))
    for identity, check in after["checks"].items():
        if check != known["checks"].get(identity):
            operation = "update" if identity in known["checks"] else "create"
            body = {"SkipNodeUpdate": True, "Check": check_body(identity, check)}
            found.append(_register(operation, "check", identity, _right(check, after, node), after, body))
    removed_services = set(known["services"]) - set(after["services"])
    # node:write is enough for a removal.
    for identity, check in sorted(known["checks"].items()):
        if identity not in after["checks"] and check["service_id"] not in removed_services:
            found.append(_removal("check", identity, node, "CheckID"))
    found += [_removal("service", identity, node, "ServiceID") for identity in sorted(removed_services)]
    return found


def node_part(state):
    return {name: value for name, value in state.items() if name not in ("services", "checks")}


def _right(check, state, node):
    service = state["services"].get(check["service_id"])
    return ("service", service["name"]) if service else ("node", node)


def _register(operation, kind, name, right, state, body):
    body = {"Node": state["name"], "Address": state["address"], **body}
    return Change(operation, kind, name, right, "catalog/register", body)


def _removal(kind, name, node, field=None):
    body = {"Node": node, **({field: name} if field else {})}
    return Change("remove", kind, name, ("node", node), "catalog/deregister", body)


def service_body(identity, service):
    return {
        "ID": identity,
        "Service": service["name"],
        "Address": service["address"],
        "Port": service["port"],
        "Tags": service["tags"],
        "Meta": service["meta"],
        "TaggedAddresses": {
            name: {"Address": value["address"], "Port": value["port"]}
            for name, value in service["tagged_addresses"].items()
        },
        "Weights": {"Passing": service["weights"]["passing"], "Warning": service["weights"]["warning"]},
    }


def check_body(identity, check):
    return {
        "CheckID": identity,
        "Name": check["name"],
        "Status": check["status"],
        "Notes": check["notes"],
        "Output": check["output"],
        "ServiceID": check["service_id"],
        "Definition": {DEFINITION[option]: value for option, value in check["definition"].items()},
    }


def shown_state(state):
    """A state in the diff and in the result, without what is empty."""
    if state is None:
        return {}
    shown = {name: value for name, value in state.items() if name not in ("services", "checks")}
    for kind in ("services", "checks"):
        shown[kind] = {identity: _without_empty(item) for identity, item in state[kind].items()}
    return _without_empty(shown)


def _without_empty(item):
    return {name: value for name, value in item.items() if value not in (None, "", {}, [])}


class Catalog:
    """The nodes of one datacenter."""

    def __init__(self, client):
        self.client = client
        self.query = client.query

    def read(self, name):
        """The state of a node. None if Consul has no such node, and the token would see it."""
        answer = self.client.get("catalog/node/" + name, self.query).data
        if answer is None:
            require(self.client, "node", "read", name)
            return None
        checks = self.client.get("health/node/" + name, self.query).data
        return present_state(answer["Node"], answer["Services"], checks)

    def is_member(self, name):
        """Whether an agent of this name is in the cluster of the agent that is asked."""
        members = self.client.get("agent/members").data
        datacenter = self.client.datacenter
        return any(
            member["Name"].lower() == name.lower() and datacenter in (None, member.get("Tags", {}).get("dc"))
            for member in members
        )

    def node_with_id(self, identity):
        found = self.client.get("catalog/nodes", {**self.query, "filter": f'ID == "{identity.lower()}"'}).data
        return found[0]["Node"] if found else None

    def apply(self, planned):
        """Carry out the changes. An error names what was written before it."""
        written = []
        for change in planned:
            try:
                self.client.put(change.path, self.query, change.body, idempotent=True)
            except ConsulError as error:
                label = label_of(change)
                failure = ConsulError(f"{label}: {error}", error.status, error.method, error.path, error.words)
                failure.written = written
                raise failure from error
            written.append(label_of(change))


def label_of(change):
    return f"{change.kind}/{change.name}"
