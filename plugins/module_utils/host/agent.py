# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Consul agent answers."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import catalog_node

MEMBER_STATES = {1: "alive", 2: "leaving", 3: "left", 4: "failed"}
LONGEST_OUTPUT = 300
# Of every server. The leader registers it, and no agent has it.
SERVER_SERVICE = "consul"
# The policy that may do everything. It has this id in every cluster.
GLOBAL_MANAGEMENT = "00000000-0000-0000-0000-000000000001"


def shortened(text):
    """One line, and no longer than a person reads."""
    return " ".join((text or "").split())[:LONGEST_OUTPUT]


def look_at_agent(client, node=None, management=False):
    """What the agent says of itself, and what the catalog has of the node. A question that its token may not ask hides none of
    the others' answers."""
    found, errors = {}, {}
    for name, path, understood in QUESTIONS + (MANAGEMENT if management else ()):
        try:
            found.update(understood(client.get(path).data))
        except ConsulError as error:
            errors[name] = str(error)
            if error.status is None:  # no answer at all: the next question would wait as long
                break
    # Without a leader, the agent would look for one until the time is over.
    if node and found.get("leader") and "services" in found:
        try:
            found.update(look_at_catalog(client, node, found["services"]))
        except ConsulError as error:
            errors["catalog"] = str(error)
    return {"error": errors.get("self") or errors.get("checks"), "errors": errors, **found}


def look_at_catalog(client, node, services):
    """What the catalog has of the node. If it has services that the agent does not know, the agent is asked again, because one
    may have been registered in between."""
    entry = catalog_node(client, node)
    if entry is None:
        return {"catalog": None}
    catalog = {
        "node": entry["Node"]["Node"],
        "address": entry["Node"]["Address"],
        "services": {
            identity: {"name": one["Service"], "modify_index": one["ModifyIndex"]}
            for identity, one in (entry.get("Services") or {}).items()
        },
    }
    found = {"catalog": catalog}
    if unknown_services(catalog["services"], services):
        found["services"] = client.get("agent/services").data or {}
    return found


def unknown_services(registered, services):
    """The ids that the catalog has registered and that the agent does not have."""
    return [
        identity for identity, one in registered.items() if identity not in services and one["name"] != SERVER_SERVICE
    ]


def of_self(own):
    debug, stats = own.get("DebugConfig") or {}, own.get("Stats") or {}
    encrypted = (stats.get("serf_lan") or {}).get("encrypted")
    return {
        "encrypted": None if encrypted is None else encrypted == "true",
        "domain": (debug.get("DNSDomain") or "").rstrip(".") or None,
        "acl_default_policy": acl_default_policy(debug),
        "version": own["Config"]["Version"],
        "node": own["Config"]["NodeName"],
        "node_id": own["Config"]["NodeID"],
        "datacenter": own["Config"]["Datacenter"],
        "address": own["Member"]["Addr"],
        "server": own["Config"]["Server"],
    }


def acl_default_policy(debug):
    """Consul 1.10 moved it. Of an agent without ACLs, it means nothing."""
    settings = debug.get("ACLResolverSettings") or debug
    if "ACLsEnabled" not in settings and "ACLsEnabled" not in debug:
        return None
    enabled = settings.get("ACLsEnabled", debug.get("ACLsEnabled"))
    return settings.get("ACLDefaultPolicy") if enabled else "disabled"


def of_checks(checks):
    checks = checks or {}
    return {"outputs": outputs(checks), "checks": {id_: own_check(one) for id_, one in checks.items()}}


def own_check(one):
    return {
        "service_id": one["ServiceID"],
        "name": one["Name"],
        "type": one.get("Type", ""),
        "status": one["Status"],
        "output": shortened(one["Output"]),
    }


# The leader last: without servers, an agent may look for one until the time is over.
QUESTIONS = (
    ("self", "agent/self", of_self),
    ("checks", "agent/checks", of_checks),
    ("services", "agent/services", lambda services: {"services": services or {}}),
    ("leader", "status/leader", lambda leader: {"leader": leader}),
)
MANAGEMENT = (("management", "acl/token/self", lambda token: {"management": is_management(token)}),)


def is_management(token):
    return any(policy["ID"] == GLOBAL_MANAGEMENT for policy in token.get("Policies") or [])


def look_at_checks(client):
    try:
        checks = client.get("agent/checks").data or {}
    except ConsulError as error:
        return {"error": str(error)}
    failing = outputs(checks)
    return {"error": None, "passing": sorted(checks.keys() - failing.keys()), "outputs": failing}


def outputs(checks):
    """What those that do not pass said last."""
    return {id_: shortened(check["Output"]) for id_, check in checks.items() if check["Status"] != "passing"}


def look_at_cluster(client):
    try:
        leader = client.get("status/leader").data
        peers = client.get("status/peers").data
        members = client.get("agent/members").data
        names = client.get("catalog/services").data
        found = [one for name in sorted(names) for one in client.get("catalog/service/" + name).data]
        checks = client.get("health/state/any").data
    except ConsulError as error:
        return {"error": str(error)}
    return {
        "error": None,
        "leader": leader,
        "peers": peers or [],
        "members": [member(one) for one in members or []],
        "instances": [instance(one) for one in found],
        "checks": [check(one) for one in checks],
    }


def member(one):
    return {
        "name": one["Name"],
        "address": one["Addr"],
        "state": MEMBER_STATES.get(one["Status"], "unknown"),
        "server": one["Tags"].get("role") == "consul",
        # "1.8.7+dfsg1:48e1c5a7": what follows the colon is the revision
        "version": one["Tags"].get("build", "").partition(":")[0],
    }


def instance(one):
    return {
        "service": one["ServiceName"],
        "id": one["ServiceID"],
        "node": one["Node"],
        "address": one["ServiceAddress"] or one["Address"],
        "port": one["ServicePort"],
    }


def check(one):
    return {
        "node": one["Node"],
        "service_id": one["ServiceID"],
        "id": one["CheckID"],
        "name": one["Name"],
        "status": one["Status"],
        "output": shortened(one["Output"]),
        "notes": one["Notes"],
    }
