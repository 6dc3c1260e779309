# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_service_info
short_description: Look up services and their health, and wait for it
version_added: 0.1.0
description:
  - Returns the instances of a service on all nodes with their checks, as in the catalog of the servers and in DNS. Read-only.
  - With O(wait_for), the task first waits until enough instances are passing or critical, or until all are gone. It uses
    blocking queries, so it notices a change at once.
notes:
  - Consul hides what the token may not read. If nothing is found, the module checks whether the token may read that service
    (through the agent, so not with O(datacenter)) and any node, and fails if it may not.
  - It cannot find out whether there are more instances on nodes that the token may not read. Give the token
    C(node_prefix "" { policy = "read" }) in addition to the rule for the service.
  - While the state of a check stays the same, its output reaches the servers up to five minutes late
    (C(check_update_interval) of the agent).
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  diff_mode:
    support: none
options:
  name:
    description:
      - Name of the service. By default, the names of all services are returned, with their tags.
      - A name that Consul cannot look up, such as V(/web), is an error.
      - Required for O(tags), O(node), O(filter), O(near), O(passing) and O(wait_for).
    type: str
  tags:
    description: Only instances that have all of these tags. Case-insensitive, as in DNS.
    type: list
    elements: str
    aliases: [tag]
  node:
    description: Only instances on the node with this name. Case-insensitive, as in DNS.
    type: str
  filter:
    description:
      - Only instances for which this expression is true, in the filter language of Consul, such as
        V(Service.Meta.version == "2.1").
    type: str
  near:
    description: Sort the instances by distance to this node, the nearest first. V(_agent) is the node of the agent.
    type: str
  passing:
    description:
      - Return only instances with passing checks, including the checks of their nodes.
      - O(wait_for) counts the other instances, too.
    type: bool
    default: false
  wait_for:
    description:
      - Wait for this before the instances are returned. Ignored in check mode, because the service may not have been
        started.
    type: dict
    suboptions:
      state:
        description:
          - V(passing) waits until at least O(wait_for.count) instances have only passing checks.
          - V(critical) waits until at least O(wait_for.count) instances have a critical check.
          - V(absent) waits until there is no instance in any state.
          - Only instances that O(tags), O(node) and O(filter) select are counted. A check of a node counts for each of its
            instances.
        type: str
        choices: [absent, critical, passing]
        required: true
      count:
        description: Minimum number of instances in that state. Ignored for V(absent).
        type: int
        default: 1
      timeout:
        description: Seconds to wait. Then the task fails, with the output of the checks that do not match.
        type: float
        default: 60
seealso:
  - module: dockyard.consul.consul_service
  - module: dockyard.consul.consul_maintenance
  - name: Health endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/health
  - name: Filtering
    description: Syntax of O(filter).
    link: https://developer.hashicorp.com/consul/api-docs/features/filtering
"""

EXAMPLES = r"""
- name: Register a service, so that there is something to look up
  dockyard.consul.consul_service:
    name: shop
    service_port: 8080
    tags: [blue]
    checks:
      - ttl: 1h
        status: passing

- name: Wait until an instance of it is healthy
  dockyard.consul.consul_service_info:
    name: shop
    wait_for:
      state: passing
      timeout: 20
  register: shop

- name: Show where it is
  ansible.builtin.debug:
    msg: "{{ item.node }} {{ item.address }}:{{ item.port }} {{ item.status }}"
  loop: "{{ shop.instances }}"
  loop_control:
    label: "{{ item.id }}"

- name: Find healthy instances with a tag that are not on port 9000, the nearest first
  dockyard.consul.consul_service_info:
    name: shop
    tags: [blue]
    filter: Service.Port != 9000
    near: _agent
    passing: true

- name: Remove the service
  dockyard.consul.consul_service:
    name: shop
    state: absent

- name: Wait until DNS has forgotten it
  dockyard.consul.consul_service_info:
    name: shop
    wait_for:
      state: absent
      timeout: 20

- name: List all services
  dockyard.consul.consul_service_info:
  register: all
"""

RETURN = r"""
instances:
  description: The instances found, by node and id, or with O(near) as Consul orders them.
  returned: when O(name) is given
  type: list
  elements: dict
  contains:
    id:
      description: Id of the service, unique on its node's agent.
      type: str
      sample: web-1
    service:
      description: Name of the service.
      type: str
      sample: web
    node:
      description: Name of the node.
      type: str
      sample: app1
    node_address:
      description: Address of the node.
      type: str
      sample: 192.0.2.31
    address:
      description: Address in DNS. That of the node if the service has none.
      type: str
      sample: 192.0.2.31
    port:
      description: Port of the service.
      type: int
      sample: 80
    tags:
      description: Tags of the service.
      type: list
      elements: str
      sample: [blue]
    meta:
      description: Meta of the service, without the key of M(dockyard.consul.consul_service).
      type: dict
      sample: {version: "2.1"}
    weights:
      description: Weight of the service in the answers to SRV queries, by its state.
      type: dict
      sample: {passing: 1, warning: 1}
    status:
      description: The worst state of all checks, V(passing), V(warning) or V(critical). In maintenance mode, critical.
      type: str
      sample: passing
    checks:
      description: The checks of the service and of its node.
      type: list
      elements: dict
      contains:
        id:
          description: Id of the check.
          type: str
          sample: service:web-1
        name:
          description: Name of the check.
          type: str
          sample: Service 'web' check
        status:
          description: V(passing), V(warning) or V(critical).
          type: str
          sample: passing
        output:
          description: Its last output, as far as the servers know.
          type: str
          sample: "HTTP GET http://127.0.0.1/health: 200 OK"
        notes:
          description: Free text. In maintenance mode, the reason.
          type: str
          sample: ''
        scope:
          description: V(node) or V(service).
          type: str
          sample: service
services:
  description: Names of all services that the token may read, with the tags that any of their instances have.
  returned: when O(name) is not given
  type: dict
  sample:
    consul: []
    web: [blue, v2]
index:
  description: Consul's index of what was read.
  returned: success
  type: int
  sample: 61
"""

import copy
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST, ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    refuse_unaddressable,
    refuse_unknown_characters,
)

# From the best to the worst.
STATES = ("passing", "warning", "critical")
LONGEST_OUTPUT = 300
MOST_TOLD = 10


class Instances:
    """The instances of a service that are asked for."""

    def __init__(self, client, params):
        self.client = client
        self.name = params["name"]
        self.tags = {tag.lower() for tag in params["tags"] or []}
        self.node = params["node"]
        # Tags and node are not put into the filter: the older versions of its language cannot quote a quote.
        self.query = {**client.query, **{name: params[name] for name in ("filter", "near") if params[name]}}
        self.index = 0
        self.found = []

    def read(self, wait=None):
        """Read. With C(wait) this blocks until something has changed since it was read last, or for so many seconds."""
        answer = self.client.get("health/service/" + self.name, {**self.query, "index": self.index}, wait=wait)
        if not answer.data:
            self.refuse_unreadable()
        self.found = [instance(entry) for entry in answer.data if self.is_meant(entry)]
        if "near" not in self.query:
            self.found.sort(key=lambda one: (one["node"], one["id"]))
        # Consul's advice: an index that goes backwards starts again from nothing.
        self.index = answer.index if answer.index and answer.index >= self.index else 0

    def is_meant(self, entry):
        if self.node and entry["Node"]["Node"].lower() != self.node.lower():
            return False
        return self.tags <= {tag.lower() for tag in entry["Service"]["Tags"] or []}

    def refuse_unreadable(self):
        """A list without the right to read it is empty, not an error; other questions tell the two apart."""
        if not self.client.datacenter:  # the agent's word is about the rights in its own
            agent = copy.copy(self.client)
            agent.retries = 0  # 429 and 503 mean warning and critical here, and no trouble
            try:
                agent.get("agent/health/service/name/" + self.name)
            except ConsulError as error:
                if error.status == 403:
                    raise
        if not self.client.get("catalog/nodes", self.client.query).data:
            raise ConsulError(
                f"service {self.name}: the token may read no node, so Consul shows no instance of any service; "
                'give it node_prefix "" with policy read',
                status=403,
            )


def instance(entry):
    node, service = entry["Node"], entry["Service"]
    weights = service.get("Weights") or {"Passing": 1, "Warning": 1}
    checks = [
        {
            "id": check["CheckID"],
            "name": check["Name"],
            "status": check["Status"],
            "output": check["Output"],
            "notes": check["Notes"],
            "scope": "service" if check["ServiceID"] else "node",
        }
        for check in entry["Checks"]
    ]
    return {
        "id": service["ID"],
        "service": service["Service"],
        "node": node["Node"],
        "node_address": node["Address"],
        "address": service["Address"] or node["Address"],
        "port": service["Port"],
        "tags": service["Tags"] or [],
        "meta": {key: value for key, value in (service["Meta"] or {}).items() if key != DIGEST},
        "weights": {"passing": weights["Passing"], "warning": weights["Warning"]},
        "status": max((check["status"] for check in checks), key=STATES.index, default="passing"),
        "checks": checks,
    }


def execute(module, client):
    params = module.params
    validate(params)
    if params["name"] is None:
        return all_services(client)
    refuse_unknown_characters(client, "name", params["name"])
    instances = Instances(client, params)
    instances.read()
    if params["wait_for"] and not module.check_mode:
        wait_until(instances, **params["wait_for"])
    found = [one for one in instances.found if one["status"] == "passing" or not params["passing"]]
    return {"changed": False, "instances": found, "index": instances.index}


def validate(params):
    given = [name for name in ("tags", "node", "filter", "near", "passing", "wait_for") if params[name]]
    if params["name"] == "":
        raise ConsulError("name is empty: give the name of a service, or leave it out to list all")
    if params["name"]:
        refuse_unaddressable("name", params["name"])
    if given and not params["name"]:
        raise ConsulError(f"{', '.join(given)}: name is needed, that of the service this is about")
    if params["wait_for"] and params["wait_for"]["count"] < 1:
        raise ConsulError(f"wait_for: count is {params['wait_for']['count']}, but must be 1 at least; see state absent")


def all_services(client):
    answer = client.get("catalog/services", client.query)
    if not answer.data:
        raise ConsulError(
            "Consul shows no service, not even its own: the token may read none that there is; "
            'give it service_prefix "" with policy read',
            status=403,
        )
    return {"changed": False, "services": answer.data, "index": answer.index}


def wait_until(instances, state, count, timeout):
    deadline = time.monotonic() + timeout
    while not reached(instances.found, state, count):
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConsulError(not_reached(instances, state, count, timeout))
        instances.read(wait=max(left, 0.001))  # 0 would mean Consul's default, five minutes


def reached(found, state, count):
    if state == "absent":
        return not found
    return sum(one["status"] == state for one in found) >= count


def not_reached(instances, state, count, timeout):
    """What was there instead, with what the checks in the way said last."""
    found = instances.found
    if state == "absent":
        words = [f"{len(found)} instance(s) still there after {timeout:g} s"]
    else:
        there = sum(one["status"] == state for one in found)
        words = [f"{there} of {len(found)} instance(s) {state} after {timeout:g} s, {count} needed"]
    if state != "absent" and len(found) < count:
        words[0] += " (if there are more: may the token read this service and its nodes?)"
    rest = [one for one in found if one["status"] != state]
    outputs = latest_outputs(instances.client) if rest else {}
    words += [in_words(one, outputs) for one in rest[:MOST_TOLD]]
    if len(rest) > MOST_TOLD:
        words.append(f"and {len(rest) - MOST_TOLD} more")
    return f"service {instances.name}: {'; '.join(words)}"


def latest_outputs(client):
    """Outputs reach the catalog minutes late; of the checks of its own, the agent that is asked has the last."""
    if client.datacenter:  # there may be a node of the same name
        return {}
    checks = (client.get("agent/checks").data or {}).values()
    return {(check["Node"], check["CheckID"]): check["Output"] for check in checks}


def in_words(one, outputs):
    words = f"{one['id']} on {one['node']} is {one['status']}"
    failing = []
    for check in one["checks"]:
        if check["status"] != "passing":
            output = outputs.get((one["node"], check["id"]), check["output"]) or check["notes"]
            failing.append(f"{check['id']} is {check['status']}: {shortened(output) or 'no output yet'}")
    return f"{words} ({', '.join(failing)})" if failing else words


def shortened(output):
    return " ".join(output.split())[:LONGEST_OUTPUT]


def main():
    module = ConsulModule(
        argument_spec={
            "name": {"type": "str"},
            "tags": {"type": "list", "elements": "str", "aliases": ["tag"]},
            "node": {"type": "str"},
            "filter": {"type": "str"},
            "near": {"type": "str"},
            "passing": {"type": "bool", "default": False, "no_log": False},
            "wait_for": {
                "type": "dict",
                "options": {
                    "state": {"type": "str", "choices": ["absent", "critical", "passing"], "required": True},
                    "count": {"type": "int", "default": 1},
                    "timeout": {"type": "float", "default": 60},
                },
            },
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
