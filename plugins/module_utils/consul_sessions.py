# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: how they are found, compared with a task's options, created, renewed and destroyed."""

from __future__ import annotations

import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import nanoseconds
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import catalog_node, one_line, unaddressable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import may, require
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import is_uuid

LONGEST_TTL = 86400
# Where the servers do not set session_ttl_min.
DEFAULT_SHORTEST_TTL = "10s"
REFUSED_TTL = re.compile(r"Invalid Session TTL .*must be between \[(\w+)=(\w+)\]")
LONGEST_LOCK_DELAY = 60
SECOND = 10**9

# Option, and how a message and the diff name its value.
SETTINGS = ("behavior", "ttl", "lock_delay", "checks", "service_checks")


def problem_of(params):
    """What is wrong with the options, as a sentence, or None."""
    by_id = params["id"] is not None
    problem = problem_of_node(params["node"])
    if problem:
        return problem
    if params["state"] == "present":
        if by_id:
            return (
                "id: Consul chooses the id of a new session. Set name instead, or state: renewed to renew this session"
            )
        if not params["name"]:
            return "name is empty: a session is found again by its name, so state: present requires one"
        return problem_of_settings(params)
    if by_id == bool(params["name"]):
        return f"set either id or name with state: {params['state']}"
    if by_id and params["node"]:
        return "node: an id already stands for one session. Leave out node"
    return problem_of_id(params["id"]) if by_id else None


def problem_of_node(node):
    if node is None:
        return None
    if not node:
        return "node is empty"
    reason = unaddressable(node)
    return f"node {node!a} {reason}, which is not possible in the name of a node" if reason else None


def problem_of_id(identity):
    if not is_uuid(identity):
        return f"id: {identity!a} is not the id of a session. Write the UUID that state: present returns"
    return None


def problem_of_settings(params):
    ttl, delay = params["ttl"], params["lock_delay"]
    if ttl is not None and not 0 < ttl <= LONGEST_TTL:
        return f"ttl: {ttl} is out of range. Consul takes at most {LONGEST_TTL} seconds"
    if not 0 <= delay <= LONGEST_LOCK_DELAY:
        return f"lock_delay: {delay} is out of range. Consul takes 0 to {LONGEST_LOCK_DELAY} seconds"
    for option in ("checks", "service_checks"):
        if not all(params[option]):
            return f"{option} has an empty id"
    return None


def settings_of(record):
    """The settings of a session as the options have them."""
    # Consul 1.8 keeps what the old field Checks holds beside NodeChecks.
    node_checks = (record.get("NodeChecks") or []) + (record.get("Checks") or [])
    return {
        "behavior": record["Behavior"],
        "ttl": nanoseconds(record["TTL"]) / SECOND if record.get("TTL") else None,
        "lock_delay": record["LockDelay"] / SECOND,
        "checks": sorted(set(node_checks)),
        "service_checks": sorted({check["ID"] for check in record.get("ServiceChecks") or []}),
    }


def wanted_settings(params):
    wanted = {name: params[name] for name in SETTINGS}
    return {**wanted, "checks": sorted(set(params["checks"])), "service_checks": sorted(set(params["service_checks"]))}


def body_of(params, node):
    """The session as Consul takes it."""
    body = {
        "Name": params["name"],
        "Node": node,
        "Behavior": params["behavior"],
        "LockDelay": f"{params['lock_delay']}s",
        "NodeChecks": sorted(set(params["checks"])),
        "ServiceChecks": [{"ID": check} for check in sorted(set(params["service_checks"]))],
    }
    if params["ttl"] is not None:
        body["TTL"] = f"{params['ttl']}s"
    return body


def differences(record, params):
    """Which settings of the session are not those of the task: name, present and wanted value."""
    present, wanted = settings_of(record), wanted_settings(params)
    return [(name, present[name], wanted[name]) for name in SETTINGS if present[name] != wanted[name]]


def refusal(record, differing):
    """Why the session is left alone."""
    shown = ", ".join(f"{name} is {_shown(old)} instead of {_shown(new)}" for name, old, new in differing)
    return (
        f"session {one_line(record['Name'])} on node {record['Node']} ({record['ID']}) has other settings: {shown}. Consul cannot change"
        " a session. Set recreate: true to destroy it, which ends its locks, and to create it again"
    )


def _shown(value):
    if isinstance(value, list):
        return "[" + ", ".join(one_line(item) for item in value) + "]"
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def oldest(records):
    return min(records, key=lambda record: (record["CreateIndex"], record["ID"]), default=None)


def shown_session(record):
    """A session in the diff."""
    if record is None:
        return {}
    return shown_settings(record["Name"], record["Node"], settings_of(record))


def shown_settings(name, node, settings):
    shown = {"name": name, "node": node, **settings}
    return {key: _plain_number(value) for key, value in shown.items() if value is not None}


def _plain_number(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Sessions:
    """The sessions of one datacenter."""

    def __init__(self, client):
        self.client = client
        self.query = client.query

    def own_node(self):
        try:
            own = self.client.get("agent/self").data["Config"]
        except ConsulError as error:
            if error.status != 403:
                raise
            raise ConsulError(
                f"node is not set, and the token may not read the name of the agent's node: {error}", error.status
            ) from error
        if self._is_elsewhere(own["Datacenter"]):
            raise ConsulError(
                f"node is not set, and is required here: the agent's node {own['NodeName']} is in {own['Datacenter']}, not in"
                f" {self.client.datacenter}"
            )
        return own["NodeName"]

    def _is_elsewhere(self, datacenter):
        return (self.client.datacenter or datacenter).lower() != datacenter.lower()

    def by_id(self, identity):
        return self.client.get("session/info/" + identity, self.query).data

    def on_node(self, node):
        return self.client.get("session/node/" + node, self.query).data

    def all(self):
        return self.client.get("session/list", self.query).data

    def named(self, name, node):
        """The sessions of a node with this name. What the token may not read is an error."""
        found = self.on_node(node)
        if not found:
            require(self.client, "session", "read", node)
        return [record for record in found if record["Name"] == name]

    def create(self, body):
        """The id of a new session."""
        try:
            return self.client.put("session/create", self.query, body).data["ID"]
        except ConsulError as error:
            limits = REFUSED_TTL.search(error.detail or "")
            if limits:
                raise ConsulError(
                    f"ttl: {body['TTL'].rstrip('s')} is out of range. Consul takes {limits[1]} to {limits[2]} here"
                    " (session_ttl_min of the servers is the lower limit)",
                    error.status,
                ) from error
            if error.status is not None:
                raise
            message = f"{error}; whether the session was created is not known: run again"
            raise ConsulError(message, error.status, error.method, error.path, error.detail) from error

    def renew(self, identity):
        """Whether the session still exists."""
        try:
            self.client.put("session/renew/" + identity, self.query, idempotent=True)
        except ConsulError as error:
            if error.is_missing:
                return False
            raise
        return True

    def destroy(self, identity):
        self.client.put("session/destroy/" + identity, self.query, idempotent=True)

    def refuse_short_ttl(self, ttl):
        """The servers set the least. It is known before if the agent is one of them, and the token may read it."""
        if ttl is None:
            return
        try:
            own = self.client.get("agent/self").data
        except ConsulError as error:
            if error.status != 403:
                raise
            return
        settings = own.get("DebugConfig") or {}
        if not settings.get("ServerMode") or self._is_elsewhere(own["Config"]["Datacenter"]):
            return
        least = nanoseconds(settings.get("SessionTTLMin") or "0s") or nanoseconds(DEFAULT_SHORTEST_TTL)
        if ttl * SECOND < least:
            raise ConsulError(
                f"ttl: {ttl} is out of range. Consul takes at least {least / SECOND:g} seconds (session_ttl_min of the"
                " servers)"
            )

    def refuse_unusable(self, body):
        """Consul creates no session for an unknown node, or with a check that is missing or critical."""
        node = body["Node"]
        wanted = body["NodeChecks"] + [check["ID"] for check in body["ServiceChecks"]]
        checks = {check["CheckID"]: check for check in self.client.get("health/node/" + node, self.query).data}
        if not checks and catalog_node(self.client, node) is None:
            if may(self.client, "node", "read", node):
                raise ConsulError(f"node: Consul knows no node {node!r}")
            return
        for identity in wanted:
            check = checks.get(identity)
            if check and check["Status"] == "critical":
                raise ConsulError(
                    f"check {one_line(identity)} of node {node} is critical, and Consul then creates no session with it"
                )
        missing = [identity for identity in wanted if identity not in checks]
        # A check of a service that the token may not read is not in the list.
        if missing and may(self.client, "service", "read", ""):
            known = ", ".join(one_line(check) for check in sorted(checks)) or "none"
            raise ConsulError(f"node {node} has no check {one_line(missing[0])}. It has: {known}")
