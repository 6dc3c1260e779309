# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""External nodes in the catalog: what a task asks for, what Consul has, and the calls that lead from one to the other.

A state is a mapping in the terms of the module's options, with services and checks by id. It is None for a node that does
not exist."""

from __future__ import annotations

import collections
import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import refuse_id
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DURATION_UNITS, nanoseconds
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import one_line, refuse_unaddressable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import (
    MOST_META,
    is_uuid,
    port_number,
    tagged_address,
    tagged_addresses,
    validate_duration,
    validated_address,
    validated_meta,
    validated_weights,
)

# The check that Consul's servers keep for every node with an agent.
AGENT_CHECK = "serfHealth"

NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")

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
# C(body) is without what depends on the reader: the datacenter, and the index of a check, which is written in a transaction.
Change = collections.namedtuple("Change", "operation kind name right path body")


def problems_of(params):
    """What is wrong with the options, as sentences."""
    name = params["name"]
    if params["state"] == "absent":
        return refusals(refuse_unaddressable, "name", name) if name else ["name is empty"]
    where = f"node {one_line(name)}"
    found = []
    if not NODE_NAME.match(name):
        found.append(f"name: {name!a} is not a valid node name. Use letters, digits, '-', '_' and '.'")
    if not params["address"]:
        found.append("address is required with state: present")
    found += refusals(validated_address, params["address"], where)
    if params["id"] is not None and not is_uuid(params["id"]):
        found.append(f"id: {params['id']!a} is not a UUID")
    for tag, address in (params["tagged_addresses"] or {}).items():
        found += refusals(node_address, tag, address, where)
    found += refusals(validated_meta, params["meta"], where, MOST_META)
    for service in params["services"] or []:
        found += problems_of_service(service)
    for check in params["checks"] or []:
        found += problems_of_check(check)
    found += duplicates("service", [service_id(service) for service in params["services"] or []])
    return found + duplicates("check", [check_id(check) for check in params["checks"] or []])


def refusals(validate, *arguments):
    """What a validation refuses, as a list."""
    try:
        validate(*arguments)
    except ConsulError as error:
        return [str(error)]
    return []


def duplicates(kind, identities):
    lower = [identity.lower() for identity in identities if identity]
    return [
        f"{kind} {one_line(identity)} is listed twice: Consul does not tell upper from lower case"
        for number, identity in enumerate(identities)
        if identity and identity.lower() in lower[:number]
    ]


def node_address(tag, given, where):
    here = f"{where}: tagged_addresses: {one_line(tag)}"
    if given == "":
        raise ConsulError(f"{here}: give an address")
    return tagged_address(tag, given, here)


def problems_of_service(service):
    if not service["name"]:
        return ["services: an entry has no name"]
    where = f"service {one_line(service_id(service))}"
    found = refusals(refuse_unaddressable, f"{where}: name", service["name"])
    if service["id"] not in (None, "", service["name"]):
        found += refusals(refuse_unaddressable, f"{where}: id", service["id"])
    found += refusals(validated_address, service["address"], where)
    found += refusals(validated_meta, service["meta"], where, MOST_META)
    found += refusals(port_number, service["port"] or 0, where)
    found += refusals(validated_weights, service["weights"], where)
    return found + refusals(tagged_addresses, service["tagged_addresses"] or {}, where)


def problems_of_check(check):
    identity = check_id(check)
    if not identity:
        return ["checks: an entry has neither id nor name"]
    where = f"check {one_line(identity)}"
    if identity.lower() == AGENT_CHECK.lower():
        return [f"{where}: this id belongs to nodes with an agent. Consul removes a node that has it and no agent"]
    found = refusals(refuse_id, identity, where)
    if check["http"] and check["tcp"]:
        found.append(f"{where}: set http or tcp, not both")
    for option in DURATIONS:
        if check[option]:
            found += refusals(validate_duration, check[option], f"{where}: {option}")
    return found


def problems_with_consul(before, after):
    """What cannot be done with what Consul has."""
    if before and before["name"] != after["name"]:
        # With a node id, Consul 1.8 renames the node and loses its services.
        return [
            f"name: Consul has this node as {before['name']!r}. Use the same upper and lower case, or remove it first"
        ]
    known = before or {"services": {}, "checks": {}}
    found = []
    for kind in ("service", "check"):
        there = {identity.lower(): identity for identity in known[f"{kind}s"]}
        found += [
            f"{kind} {one_line(identity)}: Consul has this id as {there[identity.lower()]!a}. Use the same upper and lower"
            " case, or remove it first"
            for identity in after[f"{kind}s"]
            if there.get(identity.lower(), identity) != identity
        ]
    return found + [
        f"check {one_line(identity)}: the node has no service {check['service_id']!a}, or the token may not read it"
        for identity, check in after["checks"].items()
        if check["service_id"] and check["service_id"] not in after["services"]
    ]


def service_id(service):
    return service["id"] or service["name"]


def check_id(check):
    return check["id"] or check["name"]


def duration(value):
    """One spelling for a duration, as Consul spells 90s as 1m30s."""
    length = nanoseconds(value)
    unit = next(unit for unit in ("s", "ms", "us", "ns") if length % DURATION_UNITS[unit] == 0)
    return f"{length // DURATION_UNITS[unit]}{unit}"


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
        services[service_id(service)] = wanted_service(service)
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
        "tagged_addresses": {
            tag: node_address(tag, address, "node") for tag, address in (params["tagged_addresses"] or {}).items()
        },
        "meta": validated_meta(params["meta"], "node", MOST_META),
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
        "meta": validated_meta(service["meta"], "service", MOST_META),
        "tagged_addresses": {
            tag: {"address": value["Address"], "port": value["Port"] or port}
            for tag, value in tagged_addresses(service["tagged_addresses"] or {}, "service").items()
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
    if after is None:
        return [_removal("node", before["name"], before["name"])] if before else []
    node = after["name"]
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
            service = after["services"].get(check["service_id"])
            right = ("service", service["name"]) if service else ("node", node)
            body = {"Node": node, "ServiceName": service["name"] if service else "", **check_body(identity, check)}
            found.append(Change(operation, "check", identity, right, "txn", body))
    removed_services = set(known["services"]) - set(after["services"])
    # node:write is enough for a removal.
    for identity, check in sorted(known["checks"].items()):
        if identity not in after["checks"] and check["service_id"] not in removed_services:
            found.append(_removal("check", identity, node, "CheckID"))
    found += [_removal("service", identity, node, "ServiceID") for identity in sorted(removed_services)]
    return found


def node_part(state):
    return {name: value for name, value in state.items() if name not in ("services", "checks")}


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


def label_of(change):
    return f"{change.kind}/{change.name}"
