# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_check
short_description: Register health checks of a node with its Consul agent
version_added: 0.1.0
description:
  - Registers, updates and removes checks of the node that an agent runs on, one or many in one task. A check of a service
    belongs to O(dockyard.consul.consul_service#module:checks).
  - The options describe the whole check. An option that is not set has the default of Consul.
  - A check that is as described is not written, so its state stays. An update keeps the state, too, unless the type of the
    check changes.
notes:
  - A critical check of the node takes all services of the node out of DNS. A new check is critical until its first run,
    unless O(status) says otherwise.
  - Consul does not return the definition of a check. The module keeps a digest of it, and of the token, at the end of the
    notes of the check, as V([dockyard_consul_digest=...]).
  - An agent runs the old check beside the new one if the type of a check changes. The module therefore deregisters the old
    one first.
  - An agent refuses a field that its version of Consul does not know. The task fails before it writes, if the token may read
    the agent (C(agent_prefix "" { policy = "read" })). Otherwise it fails with the error of Consul.
  - The token requires C(write) for the node.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  id: &id
    description: ID of the check, unique on its agent. By default, the name.
    type: str
    aliases: [check_id]
  name: &name
    description: Name of the check. Required for O(state=present).
    type: str
  http: &http
    description: URL to request. Status 2xx is passing, 429 is warning, any other is critical.
    type: str
  method: &method
    description: Method of the request.
    type: str
  header: &header
    description:
      - Headers of the request, each a string or a list of strings. A header that is null is left out.
      - Their values are hidden in logs and diffs.
    type: dict
  body: &body
    description: Body of the request. A dictionary or list is written as JSON.
    type: str
  disable_redirects: &disable_redirects
    description: Do not follow redirects. Consul 1.9.17, 1.10.10, 1.11.5, 1.12 and newer.
    type: bool
  check_tls_server_name:
    description:
      - Name that the certificate must be valid for. Consul 1.10 and newer.
      - O(tls_server_name) is that of the connection to the agent.
    type: str
  tls_skip_verify: &tls_skip_verify
    description: Do not verify the certificate.
    type: bool
  tcp: &tcp
    description: Host and port to connect to.
    type: str
  tcp_use_tls: &tcp_use_tls
    description: Make a TLS handshake with C(tcp). Consul 1.16.2 and newer.
    type: bool
  udp: &udp
    description:
      - Host and port to send a datagram to. No answer is passing. Only a refused port is critical.
      - Consul 1.13 and newer.
    type: str
  h2ping: &h2ping
    description: Host and port to send an HTTP/2 ping to. Consul 1.10 and newer.
    type: str
  h2ping_use_tls: &h2ping_use_tls
    description: Use TLS for the ping. The default of Consul is V(true). Consul 1.11 and newer.
    type: bool
  grpc: &grpc
    description: Address of a gRPC health service (C(host:port/service)).
    type: str
  grpc_use_tls: &grpc_use_tls
    description: Use TLS for the gRPC check.
    type: bool
  os_service: &os_service
    description:
      - Service of the operating system that must run. Only agents on Windows implement it.
      - Consul 1.14 and newer.
      - The tests of this collection run no agent on Windows. They test that an older agent refuses it.
    type: str
  ttl: &ttl
    description: A program reports the state to the agent, at least once in this time. Such a check has no interval.
    type: str
  args: &args
    description: Command to run, as a list. The agent must allow script checks.
    type: list
    elements: str
  docker_container_id: &docker_container_id
    description: Run C(args) inside this container.
    type: str
  shell: &shell
    description: Shell to use inside the container.
    type: str
  alias_service: &alias_service
    description: Copy the state of this service.
    type: str
  alias_node: &alias_node
    description:
      - Copy the state of this node, or with C(alias_service), of the service there. The node must be in the
        catalog, because Consul 1.8 crashes otherwise.
      - The agent takes up to a minute to replace or remove such a check. It answers no other request meanwhile.
    type: str
  interval: &interval
    description: Time between two runs, such as V(10s) or V(1m30s).
    type: str
  check_timeout:
    description: Time after which a run of the check fails. O(timeout) is that of the connection to the agent.
    type: str
  notes: &notes
    description: Free text.
    type: str
  status: &status
    description: State until the first run. The default of Consul is critical.
    type: str
    choices: [passing, warning, critical]
  success_before_passing: &success_before_passing
    description: Number of successes in a row after which the check is passing.
    type: int
  failures_before_warning: &failures_before_warning
    description:
      - Number of failures in a row until warning. By default, as for critical.
      - At most the number that is given for critical. Consul 1.11 and newer.
    type: int
  failures_before_critical: &failures_before_critical
    description: Number of failures in a row after which the check is critical.
    type: int
  output_max_size: &output_max_size
    description: Maximum number of bytes of output to keep, up to the limit of the agent.
    type: int
  checks:
    description: Several checks of the node. Each has the same options as a single one.
    type: list
    elements: dict
    suboptions:
      id: *id
      name: *name
      http: *http
      method: *method
      header: *header
      body: *body
      disable_redirects: *disable_redirects
      check_tls_server_name:
        description: Name that the certificate must be valid for. Consul 1.10 and newer.
        type: str
        aliases: [tls_server_name]
      tls_skip_verify: *tls_skip_verify
      tcp: *tcp
      tcp_use_tls: *tcp_use_tls
      udp: *udp
      h2ping: *h2ping
      h2ping_use_tls: *h2ping_use_tls
      grpc: *grpc
      grpc_use_tls: *grpc_use_tls
      os_service: *os_service
      ttl: *ttl
      args: *args
      docker_container_id: *docker_container_id
      shell: *shell
      alias_service: *alias_service
      alias_node: *alias_node
      interval: *interval
      check_timeout:
        description: Time after which a run of the check fails.
        type: str
        aliases: [timeout]
      notes: *notes
      status: *status
      success_before_passing: *success_before_passing
      failures_before_warning: *failures_before_warning
      failures_before_critical: *failures_before_critical
      output_max_size: *output_max_size
  state:
    description:
      - V(absent) removes the check with that O(id). Without an ID, it removes each check of the node with that O(name).
      - A check of a service is not removed. Its ID is an error.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: dockyard.consul.consul_service
  - name: Agent check endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent/check
"""

EXAMPLES = r"""
- name: Check the space on the disk
  dockyard.consul.consul_check:
    name: disk
    args: [test, -d, /var/lib]
    interval: 1m
    status: passing

- name: Register two checks of this node
  dockyard.consul.consul_check:
    checks:
      - name: SSH
        id: ssh
        tcp: 127.0.0.1:22
        interval: 30s
        timeout: 3s
        status: passing
      - name: backup
        notes: reports once a day
        ttl: 25h
        status: passing

- name: Remove a check
  dockyard.consul.consul_check:
    name: SSH
    state: absent
"""

RETURN = r"""
check:
  description: The check as Consul's agent describes it after the task, V(null) if there is none.
  returned: when O(checks) is not given
  type: dict
  sample:
    CheckID: disk
    Name: disk
    Node: app1
    Notes: '[dockyard_consul_digest=8a3bc1d0c9e1b9d48a3bc1d0c9e1b9d4]'
    Output: ''
    ServiceID: ''
    Status: passing
    Type: script
operation:
  description: What was done to the one check, V(create), V(update) or V(remove).
  returned: when O(checks) is not given and something changed
  type: str
  sample: update
checks:
  description: The checks as Consul's agent describes them after the task, by id.
  returned: when O(checks) is given
  type: dict
operations:
  description: What was done to each check, by ID. V(create), V(update) or V(remove). An unchanged check is not listed.
  returned: success
  type: dict
  sample:
    disk: update
written:
  description: Ids of the checks that had been changed when the task failed.
  returned: failure of a write
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_check_module import CheckModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import unaddressable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_checks import (
    INCOMPLETE,
    NODE_CHECK_ARGUMENTS,
    NODE_CHECK_SPEC,
    checks_to_remove,
    described,
    is_registered,
    is_replaced,
    marked,
    node_checks,
    refuse_checks_of_services,
    shown,
    shown_wanted,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_service_agent import Agent


def execute(module, client):
    params = module.params
    agent = Agent(client)
    absent = params["state"] == "absent"
    bodies = [] if absent else node_checks(params, client.token)
    before = client.get("agent/checks").data or {}
    removed, unknown = checks_to_remove(params, before) if absent else ([], [])
    ids = [body["ID"] for body in bodies]
    refuse_checks_of_services(ids, before)
    changed = [body for body in bodies if not is_registered(body, before)]
    for body in changed:
        agent.refuse_impossible_check({**body, "CheckID": body["ID"]}, f"check {body['ID']}")
    if unknown:
        refuse_blind_token(client)
    operations = {body["ID"]: "update" if body["ID"] in before else "create" for body in changed}
    operations.update(dict.fromkeys(removed, "remove"))
    after = {**before, **{body["ID"]: described(body) for body in changed}}
    if not module.check_mode:
        # A check that the token may not read is not in the list. Consul then refuses to deregister it.
        carry_out(agent, before, changed, removed + [identity for identity in unknown if not unaddressable(identity)])
        if operations:
            after = client.get("agent/checks").data or {}
    found = {identity: after[identity] for identity in ids if identity in after}
    one = params["checks"] is None
    return {
        "changed": bool(operations),
        "operations": operations,
        "diff": diff_of(
            {identity: shown(before[identity]) for identity in operations if identity in before},
            {body["ID"]: shown_wanted(body) for body in changed},
            "Consul checks of the node",
        ),
        **({"check": next(iter(found.values()), None)} if one else {"checks": found}),
        **({"operation": next(iter(operations.values()))} if one and operations else {}),
    }


def refuse_blind_token(client):
    """A list without the right to read it is empty, and no error."""
    if not client.get("catalog/nodes").data:
        raise ConsulError(
            'the token may read no node, so Consul shows no check (Permission denied); give it node_prefix "" with policy '
            "read",
            status=403,
        )


def carry_out(agent, before, changed, removed):
    done = []
    try:
        for body in changed:
            register(agent, body, before.get(body["ID"]))
            done.append(body["ID"])
        for identity in removed:
            deregister(agent, identity, before.get(identity))
            done.append(identity)
    except ConsulError as error:
        error.written = done
        raise


def deregister(agent, identity, found):
    try:
        agent.patient([found]).put("agent/check/deregister/" + identity, idempotent=True)
    except ConsulError as error:
        if found or "Unknown check" not in (error.detail or ""):
            raise


def register(agent, body, found):
    client = agent.patient([found])
    if found and is_replaced(body, found):
        # The new check is there before the old one goes, and an interrupted run is seen as one.
        client.put("agent/check/register", data=marked(body, INCOMPLETE), idempotent=True)
        client.put("agent/check/deregister/" + body["ID"], idempotent=True)
    client.put("agent/check/register", data=body, idempotent=True)


def main():
    module = CheckModule(
        argument_spec=NODE_CHECK_ARGUMENTS,
        required_one_of=[("name", "id", "checks")],
        mutually_exclusive=[(option, "checks") for option in NODE_CHECK_SPEC],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
