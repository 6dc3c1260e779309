# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog of one datacenter: reads the state of a node, and carries out changes of it."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import catalog_node, one_line
from ansible_collections.dockyard.consul.plugins.module_utils.consul_nodes import label_of, present_state
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import require
from ansible_collections.dockyard.consul.plugins.module_utils.consul_transactions import DENIED, STALE, refusal


class Conflict(ConsulError):
    """Another program wrote a check after it was read."""


class Catalog:
    def __init__(self, client):
        self.client = client
        self.written = []
        self._indexes = {}

    def read(self, name):
        """The state of a node. None if Consul has no such node, and the token would see it."""
        answer = catalog_node(self.client, name)
        if answer is None:
            require(self.client, "node", "read", name)
            self._indexes = {}
            return None
        checks = self.client.get("health/node/" + name, self.client.query).data
        self._indexes = {check["CheckID"]: check["ModifyIndex"] for check in checks}
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
        query = {**self.client.query, "filter": f'ID == "{identity.lower()}"'}
        found = self.client.get("catalog/nodes", query).data
        return found[0]["Node"] if found else None

    def apply(self, planned):
        """Carry out the changes. C(written) then names those that are done, also after an error."""
        for change in planned:
            label = label_of(change)
            try:
                if change.path == "txn":
                    self._write_check(change)
                else:
                    self._write(change)
            except Conflict as error:
                raise Conflict(f"{one_line(label)}: {error}") from error
            except ConsulError as error:
                message = f"{one_line(label)}: {error}"
                raise ConsulError(message, error.status, error.method, error.path, error.detail) from error
            self.written.append(label)

    def _write(self, change):
        # Consul ignores the query here.
        datacenter = {"Datacenter": self.client.datacenter} if self.client.datacenter else {}
        self.client.put(change.path, data={**change.body, **datacenter}, idempotent=True)

    def _write_check(self, change):
        """Write the check if it is as it was read. Its state may be the result of another program, such as consul-esm."""
        check = {**change.body, "ModifyIndex": self._indexes.get(change.name, 0)}
        operation = {"Check": {"Verb": "cas", "Check": check}}
        try:
            answer = self.client.put("txn", self.client.query, [operation], idempotent=True)
        except ConsulError as error:
            reason = refusal(error.detail)
            if STALE in reason:
                raise Conflict("another program wrote it since it was read") from error
            if reason:
                advice = " (the token's policies do not allow this, or no token was given)" if DENIED in reason else ""
                raise ConsulError(reason + advice, error.status, error.method, error.path, error.detail) from error
            raise
        if not answer.data["Results"]:
            raise Conflict("the node is not in the catalog any more")
