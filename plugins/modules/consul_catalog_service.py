# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_catalog_service
short_description: Remove a service of a node from the Consul catalog
version_added: 0.1.0
description:
  - Removes a service from the catalog of the servers, with its checks. The agent of the node is not asked.
  - Use it for a stale service, which the catalog has and the agent of the node does not know. To deregister a service that the
    agent knows, use M(dockyard.consul.consul_service). The agent would register it again.
notes:
  - The service is removed in one step with a comparison of its index. A service that changed since it was read stays, and the
    task reports no change.
  - If an agent registers a service again with the same fields, the index stays the same. Ask the agent immediately before the
    removal.
  - The token requires C(write) for services of this O(name). A service that the token may not read is an error.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  node:
    description: Name of the node.
    type: str
    required: true
  id:
    description: ID of the service on the node.
    type: str
    required: true
  name:
    description: Name of the service. A service with this O(id) and another name stays.
    type: str
    required: true
  modify_index:
    description:
      - Index of the service in the catalog (C(ModifyIndex)). If the service has another index, it stays.
      - Defaults to the index at the start of the task.
    type: int
  state:
    description: The service is not in the catalog.
    type: str
    choices: [absent]
    required: true
seealso:
  - module: dockyard.consul.consul_service
  - module: dockyard.consul.host_info
  - plugin: dockyard.consul.stale_services
    plugin_type: filter
  - name: Transactions
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/txn
"""

EXAMPLES = r"""
- name: Remove a service that the agent of app1 does not know
  dockyard.consul.consul_catalog_service:
    node: app1
    id: web-1
    name: web
    state: absent
    token: "{{ management_token }}"
"""

RETURN = r"""
service:
  description:
    - The service in the catalog after the task, V(null) if the catalog does not have it.
    - It is set if the service stays because its name or index is another one.
  returned: success
  type: dict
  sample: null
  contains:
    node:
      description: Name of the node.
      type: str
      sample: app1
    id:
      description: ID of the service.
      type: str
      sample: web-1
    name:
      description: Name of the service.
      type: str
      sample: web
    address:
      description: Address of the service, empty if it is that of the node.
      type: str
      sample: 192.0.2.31
    port:
      description: Port of the service.
      type: int
      sample: 80
    modify_index:
      description: Index of the service in the catalog.
      type: int
      sample: 12
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_transactions import DENIED, STALE, refusal

ABSENT = "doesn't exist"


class Service:
    """A service in the catalog. Only a transaction takes any id, and tells what is absent from what the token may not read."""

    def __init__(self, client, node, identity, name):
        self.client, self.node, self.id, self.name = client, node, identity, name
        self.label = f"service {identity} of node {node}"

    def read(self):
        """The service as RV(service) shows it, or None."""
        data = self._transact("get", ABSENT, idempotent=True)
        if data is None:
            return None
        if not data["Results"]:
            raise ConsulError(f"{self.label}: {DENIED} (the token's policies do not allow to read it)", 403)
        one = data["Results"][0]["Service"]
        return {
            "node": self.node,
            "id": self.id,
            "name": one["Service"],
            "address": one["Address"],
            "port": one["Port"],
            "modify_index": one["ModifyIndex"],
        }

    def remove(self, index):
        """Whether it was removed. It is not if the catalog does not have it with this index."""
        return self._transact("delete-cas", STALE, ModifyIndex=index) is not None

    def _transact(self, verb, expected, idempotent=False, **fields):
        """What Consul answers, or None if it refuses for the expected reason."""
        service = {"ID": self.id, "Service": self.name, **fields}
        operation = {"Service": {"Verb": verb, "Node": self.node, "Service": service}}
        try:
            return self.client.put("txn", self.client.query, [operation], idempotent=idempotent).data
        except ConsulError as error:
            reason = refusal(error.detail)
            if expected in reason:
                return None
            if reason:
                advice = f" (the token's policies do not allow to {verb} it, or no token was given)"
                message = f"{self.label}: {reason}{advice if DENIED in reason else ''}"
                raise ConsulError(message, error.status, error.method, error.path, error.detail) from error
            raise


def is_due(found, name, index):
    return bool(found) and found["name"] == name and index in (None, found["modify_index"])


def execute(module, client):
    params = module.params
    for option in ("node", "id", "name"):
        if not params[option]:
            raise ConsulError(f"{option} is empty. Set it.")
    service = Service(client, params["node"], params["id"], params["name"])
    before = after = service.read()
    removed = is_due(before, params["name"], params["modify_index"])
    if removed and not module.check_mode:
        removed = service.remove(before["modify_index"])
        after = service.read()
    elif removed:
        after = None
    name = f"Service {service.id} of node {service.node}"
    return {"changed": removed, "service": after, "diff": diff_of(before or {}, after or {}, name)}


def main():
    module = ConsulModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "id": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "modify_index": {"type": "int"},
            "state": {"type": "str", "choices": ["absent"], "required": True},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
