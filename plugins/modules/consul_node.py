# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_node
short_description: Register external nodes in the catalog, with their services and checks
version_added: 0.1.0
description:
  - An external node has no Consul agent, such as a database of a cloud provider, a printer or a host that you do not manage.
    In the catalog it is found in DNS and by the API like any other node.
  - The node is made exactly as described. What O(meta), O(tagged_addresses) and the entries of the lists do not name is removed.
notes:
  - No agent checks an external node. Its checks keep the state that they were registered with, until this module or another
    program sets another one. A service without checks is in DNS, unless a check of the node is critical.
  - "HashiCorp's consul-esm checks external nodes. It requires the O(meta) V(external-node: 'true') and V(external-probe: 'true'),
    and checks with O(checks[].http) or O(checks[].tcp). Leave out O(checks[].status) then, so that this module does not reset
    the state."
  - A node that an agent runs is refused, because the agent soon undoes each change of its own entry in the catalog. Register
    its services with the agent, by M(dockyard.consul.consul_service).
  - The token requires C(node:write) for the node, and C(service:write) for its services.
  - With O(purge) and one of the lists, the token also requires C(service:read) for all services. Consul leaves out the services
    and checks that the token may not read, so the module could not remove them.
  - With O(purge=false), a token for some services is enough. Older versions of Consul, such as 1.8, then compare its rules with
    the IDs of the services. A service with an ID that they do not cover is registered again, and reported as changed, in each run.
  - The calls to Consul are separate. After an error, RV(written) lists what was written before it, and the next run does the
    rest.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  name:
    description:
      - Name of the node. It is found in DNS as C(<name>.node.consul).
      - Letters, digits, C(-), C(_) and C(.). Prefer a name without C(_) and C(.). Consul answers for it in DNS, but a name with
        C(_) is not a valid host name, and certificates for C(*.node.consul) do not cover a name with C(.).
    type: str
    required: true
  address:
    description: Address of the node, an IP address or a host name. Required for O(state=present).
    type: str
  id:
    description: ID of the node, a UUID. By default, that of the existing node stays, and a new node has none.
    type: str
  tagged_addresses:
    description: Further addresses of the node by name, such as V(wan).
    type: dict
    default: {}
  meta:
    description:
      - Metadata of the node, at most 64 keys. A key is 1 to 128 letters, digits, C(-) and C(_), and does not start with
        C(consul-). A value has at most 512 bytes.
      - Consul accepts only text, so other values are written as JSON.
    type: dict
    default: {}
  services:
    description:
      - Services of the node. By default, they stay as they are.
      - A service that is not listed is removed, together with its checks. See O(purge).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the service. It is found in DNS as C(<name>.service.consul).
        type: str
        required: true
      id:
        description: ID of the service, unique on its node. By default, the name.
        type: str
      address:
        description: Address of the service in DNS. By default, that of the node.
        type: str
      port:
        description: Port of the service in DNS (SRV records). By default, 0.
        type: int
      tags:
        description: Tags. Their order does not matter.
        type: list
        elements: str
        default: []
      meta:
        description: Metadata of the service, with the limits of O(meta).
        type: dict
        default: {}
      tagged_addresses:
        description:
          - Further addresses of the service by name. Each has an C(address), and a C(port) unless it is the port of the service.
        type: dict
        default: {}
      weights:
        description: Weight of the service in the answers to SRV queries, by its state.
        type: dict
        suboptions:
          passing:
            description: Weight while all checks pass, from 1 to 65535.
            type: int
            default: 1
          warning:
            description: Weight while a check is in warning, from 0 to 65535.
            type: int
            default: 1
  checks:
    description:
      - Checks of the node and of its services. By default, they stay as they are.
      - A check that is not listed is removed. See O(purge).
    type: list
    elements: dict
    suboptions:
      id:
        description: ID of the check, unique on its node. By default, the name.
        type: str
      name:
        description: Name of the check. By default, the ID.
        type: str
      service_id:
        description: ID of the service that the check belongs to. By default, it belongs to the node, and so to all its services.
        type: str
      status:
        description:
          - State of the check. A service with a critical check is not in DNS.
          - By default, the state of an existing check stays, also if another program sets it during the task. A new check is
            V(critical), as in Consul.
        type: str
        choices: [passing, warning, critical]
      output:
        description: Output of the check. By default, that of an existing check stays.
        type: str
      notes:
        description: Notes for people. By default, none.
        type: str
      http:
        description: URL that consul-esm requests.
        type: str
      tcp:
        description: Host and port that consul-esm connects to.
        type: str
      method:
        description: Method of the request. By default, C(GET).
        type: str
      tls_skip_verify:
        description: Whether consul-esm skips the verification of the certificate.
        type: bool
      interval:
        description: Time between two runs of the check, such as V(30s), from 1us to 2500000h.
        type: str
      timeout:
        description: Timeout of the check, such as V(5s), from 1us to 2500000h.
        type: str
  purge:
    description:
      - Whether services and checks that are not listed are removed. This concerns a list only if it is given. An empty list
        removes all.
      - With V(false), several tasks can each register a part of the node.
    type: bool
    default: true
  force:
    description:
      - Remove a node even if it belongs to an agent, with O(state=absent).
      - This is for a node whose agent is gone for good. An agent that runs registers itself again.
    type: bool
    default: false
  state:
    description: Whether the node is in the catalog. V(absent) also removes its services and checks.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: dockyard.consul.consul_service
  - module: dockyard.consul.consul_service_info
  - name: Register an entity in the catalog
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/catalog#register-entity
"""

EXAMPLES = r"""
- name: Register a database that has no agent
  dockyard.consul.consul_node:
    name: orders-db
    address: 192.0.2.10
    meta:
      external-node: "true"
    services:
      - name: postgres
        port: 5432
        tags: [primary]

- name: Register a host that consul-esm checks
  dockyard.consul.consul_node:
    name: legacy
    address: legacy.example.com
    meta:
      external-node: "true"
      external-probe: "true"
    services:
      - name: web
        port: 80
    checks:
      - name: web answers
        service_id: web
        http: http://legacy.example.com/
        interval: 30s
        timeout: 5s

- name: Take the database out of DNS
  dockyard.consul.consul_node:
    name: orders-db
    address: 192.0.2.10
    meta:
      external-node: "true"
    checks:
      - name: maintenance
        status: critical
        notes: moves to another data center

- name: Remove both
  dockyard.consul.consul_node:
    name: "{{ item }}"
    state: absent
  loop: [orders-db, legacy]
"""

RETURN = r"""
node:
  description:
    - The node after the task in the terms of the options, without what is empty. Services and checks are by ID.
    - V(null) if it is absent.
  returned: success
  type: dict
  sample:
    name: orders-db
    address: 192.0.2.10
    services:
      postgres:
        name: postgres
        port: 5432
        weights:
          passing: 1
          warning: 1
operations:
  description:
    - What was done, in this order. V(create), V(update) or V(remove).
    - Keys are V(node/NAME), V(service/ID) and V(check/ID).
  returned: success
  type: dict
  sample:
    node/orders-db: create
    service/postgres: create
written:
  description: What was written before the error, as in RV(operations).
  returned: failure, if the error came while the module wrote
  type: list
  elements: str
  sample: [node/orders-db]
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    one_line,
    refuse_unknown_characters,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_catalog import Catalog, Conflict
from ansible_collections.dockyard.consul.plugins.module_utils.consul_nodes import (
    AGENT_CHECK,
    changes,
    label_of,
    problems_of,
    problems_with_consul,
    service_id,
    shown_state,
    wanted_state,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import require

# Another program writes a check every few seconds at most.
MOST_CONFLICTS = 5


def execute(module, client):
    params = module.params
    fail_if(problems_of(params))
    catalog = Catalog(client)
    before = catalog.read(params["name"])
    refuse_agent(catalog, before, params)
    refuse_hidden_services(client, params)
    refuse_unknown_names(client, params)
    after = plan(catalog, params, before)
    if module.check_mode:
        for resource, name in sorted({change.right for change in changes(before, after)}):
            require(client, resource, "write", name)
    else:
        after = write(catalog, params, before, after)
    done = changes(before, after)
    return {
        "changed": bool(done),
        "node": shown_state(after) if after else None,
        "operations": {label_of(change): change.operation for change in done},
        "diff": diff_of(shown_state(before), shown_state(after), f"Node {one_line(params['name'])}"),
    }


def plan(catalog, params, before):
    """The state that the task asks for. None if that is no node."""
    if params["state"] == "absent":
        return None
    after = wanted_state(params, before)
    fail_if(problems_with_consul(before, after), catalog.written)
    refuse_id_of_another(catalog, before, after)
    return after


def write(catalog, params, before, after):
    """The state that was written. A check that another program wrote after it was read is read again."""
    try:
        for _attempt in range(MOST_CONFLICTS):
            try:
                catalog.apply(changes(before, after))
                return after
            except Conflict as error:
                conflict = error
            catalog.client.consistency = "consistent"
            before = catalog.read(params["name"])
            after = plan(catalog, params, before)
        raise ConsulError(f"{conflict}, {MOST_CONFLICTS} times in a row: run again")
    except ConsulError as error:
        error.written = catalog.written
        raise


def fail_if(problems, written=()):
    if problems:
        raise ConsulError(("" if written else "Nothing was changed. ") + ". ".join(problems))


def refuse_agent(catalog, before, params):
    """An agent restores its own entry of the catalog, and removes what it does not know."""
    name = params["name"]
    check = (before or {"checks": {}})["checks"].get(AGENT_CHECK)
    if check is None and (before is not None or params["state"] == "absent" or not catalog.is_member(name)):
        return
    if params["state"] == "present":
        raise ConsulError(
            f"node {name} has a Consul agent, which would undo this. Register its services with the agent (consul_service), or"
            " choose another name for the external node"
        )
    if not params["force"]:
        lives = (
            "runs, and would register the node again: stop it first"
            if check["status"] == "passing"
            else "does not answer"
        )
        raise ConsulError(
            f"node {name} has a Consul agent. It {lives}. If the agent is gone for good, set force: true to remove the node"
        )


def refuse_hidden_services(client, params):
    """Consul leaves out the services and checks that the token may not read. They would stay, and look as if removed."""
    if params["state"] == "present" and params["purge"] and (params["services"], params["checks"]) != (None, None):
        require(client, "service", "read", "")


def refuse_unknown_names(client, params):
    if params["state"] == "absent":
        return
    for service in params["services"] or []:
        for name in sorted({service["name"], service_id(service)}):
            refuse_unknown_characters(client, f"service {one_line(service_id(service))}:", name)


def refuse_id_of_another(catalog, before, after):
    """Consul would rename the node that has the id, and report no error."""
    if after["id"] and (before is None or before["id"] != after["id"]):
        other = catalog.node_with_id(after["id"])
        if other and other.lower() != after["name"].lower():
            raise ConsulError(f"id: node {other} has the id {after['id']} already")


SERVICE_SPEC = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    "tags": {"type": "list", "elements": "str", "default": []},
    "meta": {"type": "dict", "default": {}},
    "tagged_addresses": {"type": "dict", "default": {}},
    "weights": {
        "type": "dict",
        "options": {
            "passing": {"type": "int", "default": 1, "no_log": False},
            "warning": {"type": "int", "default": 1},
        },
    },
}
CHECK_SPEC = {
    "id": {"type": "str"},
    "name": {"type": "str"},
    "service_id": {"type": "str"},
    "status": {"type": "str", "choices": ["passing", "warning", "critical"]},
    "output": {"type": "str"},
    "notes": {"type": "str"},
    "http": {"type": "str"},
    "tcp": {"type": "str"},
    "method": {"type": "str"},
    "tls_skip_verify": {"type": "bool"},
    "interval": {"type": "str"},
    "timeout": {"type": "str"},
}
NODE_SPEC = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str"},
    "id": {"type": "str"},
    "tagged_addresses": {"type": "dict", "default": {}},
    "meta": {"type": "dict", "default": {}},
    "services": {"type": "list", "elements": "dict", "options": SERVICE_SPEC},
    "checks": {"type": "list", "elements": "dict", "options": CHECK_SPEC},
    "purge": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
}


def main():
    ConsulModule(argument_spec=NODE_SPEC).run(execute)


if __name__ == "__main__":
    main()
