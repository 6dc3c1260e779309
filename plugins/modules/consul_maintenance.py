# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_maintenance
short_description: Put a node or a service into maintenance mode, and end it
version_added: 0.1.0
description:
  - A service in maintenance mode is not in DNS. A node in maintenance mode is not in DNS with any of its services.
  - Registrations stay, and checks continue to run.
notes:
  - Maintenance mode survives a restart of the agent. A play that enables it must also disable it after a failure, so do that
    in an C(always) section.
  - DNS leaves out the service at once, but clients cache earlier answers. Before you stop an instance, wait for the longest
    cache time and the longest request.
  - Consul cannot change the reason. The module therefore disables maintenance mode and enables it again. For some
    milliseconds in between it is off.
  - The token requires C(write) for the node or the service.
  - If the token may not read the node, its maintenance mode is unknown. O(state=disabled) then fails. In check mode it
    reports no change.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  service_id:
    description:
      - ID of a service of this agent. By default, the node.
      - An ID that the agent does not know is an error, and so is one that no path of Consul's API can hold.
    type: str
  state:
    description: Whether maintenance mode is enabled.
    type: str
    choices: [disabled, enabled]
    required: true
  reason:
    description:
      - Reason that Consul shows, with O(state=enabled).
      - By default, an existing reason stays, otherwise Consul sets a text of its own.
    type: str
seealso:
  - module: dockyard.consul.consul_service
  - module: dockyard.consul.consul_service_info
  - name: Maintenance of a node
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent#enable-maintenance-mode
  - name: Maintenance of a service
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent/service#enable-maintenance-mode
"""

EXAMPLES = r"""
- name: Register a service, so that there is something to maintain
  dockyard.consul.consul_service:
    name: shop
    service_port: 8080

- name: Work on a service while it is out of DNS
  block:
    - name: Take it out
      dockyard.consul.consul_maintenance:
        service_id: shop
        state: enabled
        reason: a new version is installed

    - name: Wait until the servers know
      dockyard.consul.consul_service_info:
        name: shop
        wait_for:
          state: critical
          timeout: 20
  always:
    - name: Bring it back, whatever happened
      dockyard.consul.consul_maintenance:
        service_id: shop
        state: disabled

- name: Put the whole node into maintenance
  dockyard.consul.consul_maintenance:
    state: enabled
    reason: a new kernel

- name: Take the node out again
  dockyard.consul.consul_maintenance:
    state: disabled
"""

RETURN = r"""
maintenance:
  description: Whether maintenance mode is enabled after the task.
  returned: success
  type: bool
  sample: true
reason:
  description:
    - Reason that the agent shows after the task, V(null) if maintenance mode is disabled.
    - In check mode, the reason that would be set, V(null) if Consul would set its own.
  returned: success
  type: str
  sample: a new kernel
"""

import collections

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    refuse_unaddressable,
    refuse_unknown_characters,
)

State = collections.namedtuple("State", "enabled reason")
NONE = State(False, None)


class Maintenance:
    """Of the agent that is asked, or of one of its services. Consul keeps it as a check, with the reason as its notes."""

    def __init__(self, client, service_id):
        self.client = client
        self.of_node = service_id is None
        self.name = "the node" if self.of_node else f"service {service_id}"
        self.path = "agent/maintenance" if self.of_node else "agent/service/maintenance/" + service_id
        self.check = "_node_maintenance" if self.of_node else "_service_maintenance:" + service_id

    def read(self):
        check = (self.client.get("agent/checks").data or {}).get(self.check)
        return State(True, check["Notes"]) if check else NONE

    def enable(self, reason):
        self.client.put(self.path, {"enable": "true", "reason": reason or ""}, idempotent=True)

    def disable(self):
        self.client.put(self.path, {"enable": "false"}, idempotent=True)


def execute(module, client):
    params = module.params
    if params["service_id"] is not None:
        refuse_unknown(client, params["service_id"])
    maintenance = Maintenance(client, params["service_id"])
    before = maintenance.read()
    wanted = wanted_after(before, params)
    after = wanted
    if not module.check_mode:
        carry_out(maintenance, before, wanted)
        after = confirmed(maintenance, wanted)
    return {
        "changed": wanted != before,
        "maintenance": after.enabled,
        "reason": after.reason,
        "diff": diff_of(shown(before), shown(wanted), f"Maintenance of {maintenance.name}"),
    }


def refuse_unknown(client, service_id):
    """ConsulError for an id that the agent does not know, because it may be a typing error, and for an empty one, because
    it does not mean the node."""
    if not service_id:
        raise ConsulError("service_id is empty: give the id of a service, or leave it out to mean the node")
    refuse_unaddressable("service_id", service_id)
    refuse_unknown_characters(client, "service_id", service_id)
    services = client.get("agent/services").data or {}
    if service_id in services:
        return
    # The list leaves out what the token may not read. A request for that one service is refused.
    client.get("agent/service/" + service_id, missing_ok=True)
    known = ", ".join(sorted(services)) or "none"
    raise ConsulError(
        f"service {service_id}: the agent at {client.place} has no service with this id; it shows: {known}"
    )


def wanted_after(before, params):
    if params["state"] == "disabled":
        return NONE
    return State(True, params["reason"] or before.reason)


def carry_out(maintenance, before, wanted):
    if not wanted.enabled:
        # A token that may not read the node cannot see its maintenance mode either, so disable it in any case. Consul
        # refuses such a token, and does nothing if the node is not in maintenance mode.
        if before.enabled or maintenance.of_node:
            maintenance.disable()
    elif not before.enabled:
        maintenance.enable(wanted.reason)
    elif before != wanted:
        change_reason(maintenance, wanted.reason)


def change_reason(maintenance, reason):
    """Consul ignores a second reason as long as there is a first."""
    maintenance.disable()
    try:
        maintenance.enable(reason)
    except ConsulError as error:
        message = (
            f"{error}; maintenance mode was disabled to change its reason, and is still disabled: run the task again"
        )
        raise ConsulError(message, error.status, error.method, error.path, error.detail) from error


def confirmed(maintenance, wanted):
    """The state after the request, or ConsulError if it is not as wanted."""
    after = maintenance.read()
    if after.enabled != wanted.enabled or wanted.reason not in (None, after.reason):
        state = f"in maintenance ({after.reason})" if after.enabled else "not in maintenance"
        raise ConsulError(
            f"{maintenance.name} is {state}, although Consul accepted the request. Check whether another program changes it"
        )
    return after


def shown(state):
    return {name: value for name, value in state._asdict().items() if value is not None}


def main():
    module = ConsulModule(
        argument_spec={
            "service_id": {"type": "str"},
            "state": {"type": "str", "choices": ["disabled", "enabled"], "required": True},
            "reason": {"type": "str"},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
