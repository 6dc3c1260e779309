# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_session_info
short_description: Read sessions
version_added: 0.1.0
description:
  - Reads all sessions of a datacenter, those of a node, those with a name, or one by its ID. Read-only.
notes:
  - Consul silently leaves out the sessions of nodes that the token may not read. If it returns no session at all, and the
    token may not read the sessions in question, the module fails.
  - The token requires C(session:read) for the node of a session. To find that there is none, it requires C(session:read) for
    O(node), or for all nodes if O(node) is not set.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  diff_mode:
    support: none
options:
  id:
    description: ID of a session, a UUID. Excludes O(node).
    type: str
  name:
    description: Return only sessions with this name.
    type: str
  node:
    description: Return only sessions of this node.
    type: str
seealso:
  - module: dockyard.consul.consul_session
  - name: Session endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/session
"""

EXAMPLES = r"""
- name: Create a session, so that there is something to read
  dockyard.consul.consul_session:
    name: migration
  register: created

- name: Read all sessions
  dockyard.consul.consul_session_info:
  register: found

- name: Show who has a session of this name
  ansible.builtin.debug:
    msg: "{{ found.sessions | selectattr('Name', 'equalto', 'migration') | map(attribute='Node') }}"

- name: Read one session
  dockyard.consul.consul_session_info:
    id: "{{ created.session_id }}"

- name: Read the sessions of a node
  dockyard.consul.consul_session_info:
    node: "{{ created.session.Node }}"

- name: Destroy the session
  dockyard.consul.consul_session:
    name: migration
    state: absent
"""

RETURN = r"""
sessions:
  description: The sessions, the oldest first, as Consul returns them. C(LockDelay) is in nanoseconds.
  returned: success
  type: list
  elements: dict
  sample:
    - Behavior: release
      CreateIndex: 61
      ID: 3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d
      LockDelay: 15000000000
      ModifyIndex: 61
      Name: migration
      Node: app1
      NodeChecks: [serfHealth]
      ServiceChecks: null
      TTL: ""
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import require
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import (
    Sessions,
    problem_of_id,
    problem_of_node,
)


def execute(module, client):
    params = module.params
    for option in ("id", "name", "node"):
        if params[option] == "":
            raise ConsulError(f"{option} is empty: leave it out to mean all sessions")
    problem = problem_of_id(params["id"]) if params["id"] else problem_of_node(params["node"])
    if problem:
        raise ConsulError(problem)
    found = read(params, Sessions(client))
    if not found:
        require(client, "session", "read", params["node"] or "")
    if params["name"]:
        found = [record for record in found if record["Name"] == params["name"]]
    return {"changed": False, "sessions": sorted(found, key=lambda record: (record["CreateIndex"], record["ID"]))}


def read(params, sessions):
    if params["id"]:
        return sessions.by_id(params["id"])
    if params["node"]:
        return sessions.on_node(params["node"])
    return sessions.all()


def main():
    module = ConsulModule(
        argument_spec={"id": {"type": "str"}, "name": {"type": "str"}, "node": {"type": "str"}},
        mutually_exclusive=[("id", "node")],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
