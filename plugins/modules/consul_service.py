# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_service
short_description: Register services and their checks with a Consul agent
version_added: 0.1.0
description:
  - Registers, updates and removes services of one agent, one or many in one task.
  - The options describe the whole registration. An option that is not set has the default of Consul, and a check that is not
    listed any more is removed.
  - A registration that is as described is not written, so the state of its checks stays.
notes:
  - Consul does not return the definition of a check. The module keeps a digest of the checks (and of O(connect)) in the meta
    of the service, under V(dockyard_consul_digest), and registers again if it differs. A check that was added or removed by
    other means is noticed by its ID. A check that was registered by other means with the same ID is not noticed while the
    meta of the service stays the same.
  - This meta key also marks the services that O(purge) may remove.
  - Consul does not return the token of a registration either. A digest of it is part of that digest, so a service is
    registered again when O(service_token) or O(token) changes. Without that, the agent could no longer report the state
    of the checks once the old token is deleted.
  - In the same run as M(dockyard.consul.look), the decision is made on the controller. The module runs only if
    something is due, or not known.
  - With O(enable_tag_override=true) other programs may change the tags, so the module sets them once and does not compare
    them. When it updates the service for another reason, it registers the tags that the catalog has.
  - An agent runs the old check beside the new one if the type of a check changes under the same ID. The module therefore
    deregisters the old one first. The new check starts in its O(checks[].status), or critical.
  - The tagged addresses that Consul derives from O(address) are never written back, because that would keep an old address
    in DNS. If another program did so, the service is registered again.
  - An agent refuses a field that its version of Consul does not know, and the command of a check where script checks are not
    enabled. The task fails before it writes, also in check mode, if the token may read the agent
    (C(agent_prefix "" { policy = "read" })). Otherwise it fails with the error of Consul. Each option says which version it
    requires.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  name: &name
    description:
      - Name of the service. It is found in DNS as C(<name>.service.consul). Required to register it.
      - Consul cannot look up a name that starts with C(/), has C(//), C(.) or C(..) as a path segment, or an unprintable
        character. It is refused, and so is such an ID.
    type: str
  id: &id
    description: ID of the service, unique on its agent. By default, the name.
    type: str
  address: &address
    description: Address of the service in DNS. By default, that of the node.
    type: str
  tagged_addresses: &tagged_addresses
    description:
      - Further addresses of the service by name, such as V(wan), which other datacenters get if agents have
        C(translate_wan_addrs). Each has an C(address), and if it is not the service's, a C(port).
      - Unless they are given here, Consul derives V(lan_ipv4), V(wan_ipv4), V(lan_ipv6) and V(wan_ipv6) from
        C(address).
    type: dict
  service_port: &service_port
    description: Port of the service in DNS (SRV records).
    type: int
  tags: &tags
    description: Tags. Their order does not matter. Numbers and booleans are written as JSON.
    type: list
    elements: str
  meta: &meta
    description:
      - Metadata of the service. Consul accepts only text, so other values are written as JSON.
      - At most 63 pairs. A key has 1 to 128 letters, digits, V(-) and V(_), and a value at most 512 bytes.
    type: dict
  weights: &weights
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
  enable_tag_override: &enable_tag_override
    description: Allow other programs to change the tags in the catalog. An update keeps the tags that they have set.
    type: bool
    default: false
  service_token: &service_token
    description: ACL token that the agent registers the service in the catalog with. By default, the token of the task.
    type: str
  connect: &connect
    description:
      - 'Service mesh settings C(native) or C(sidecar_service), passed on as they are, such as V({sidecar_service: {}}).'
      - The sidecar is removed when the setting is. The settings of its proxy and checks are not validated.
      - Tokens and the headers of its checks are hidden in logs and diffs.
    type: dict
  checks: &checks
    description: Health checks of the service. Each has exactly one type, such as C(http) or C(tcp).
    type: list
    elements: dict
    suboptions:
      id:
        description: ID of the check, unique on the agent. By default V(service:<id>), numbered if there are several.
        type: str
        aliases: [check_id]
      name:
        description: Name of the check.
        type: str
      http:
        description: URL to request. Status 2xx is passing, 429 is warning, any other is critical.
        type: str
      method:
        description: Method of the request.
        type: str
      header:
        description:
          - Headers of the request, each a string or a list of strings. A header that is null is left out.
          - Their values are hidden in logs and diffs.
        type: dict
      body:
        description: Body of the request. A dictionary or list is written as JSON.
        type: str
      disable_redirects:
        description: Do not follow redirects. Consul 1.9.17, 1.10.10, 1.11.5, 1.12 and newer.
        type: bool
      tls_server_name:
        description: Name that the certificate must be valid for. Consul 1.10 and newer.
        type: str
      tls_skip_verify:
        description: Do not verify the certificate.
        type: bool
      tcp:
        description: Host and port to connect to.
        type: str
      tcp_use_tls:
        description: Make a TLS handshake with C(tcp). Consul 1.16.2 and newer.
        type: bool
      udp:
        description:
          - Host and port to send a datagram to. No answer is passing. Only a refused port is critical.
          - Consul 1.13 and newer.
        type: str
      h2ping:
        description: Host and port to send an HTTP/2 ping to. Consul 1.10 and newer.
        type: str
      h2ping_use_tls:
        description: Use TLS for the ping. The default of Consul is V(true). Consul 1.11 and newer.
        type: bool
      grpc:
        description: Address of a gRPC health service (C(host:port/service)).
        type: str
      grpc_use_tls:
        description: Use TLS for the gRPC check.
        type: bool
      os_service:
        description:
          - Service of the operating system that must run. Only agents on Windows implement it.
          - Consul 1.14 and newer.
          - The tests of this collection run no agent on Windows. They test that an older agent refuses it.
        type: str
      ttl:
        description: A program reports the state to the agent, at least once in this time. Such a check has no interval.
        type: str
      args:
        description: Command to run, as a list. The agent must allow script checks.
        type: list
        elements: str
      docker_container_id:
        description: Run C(args) inside this container.
        type: str
      shell:
        description: Shell to use inside the container.
        type: str
      alias_service:
        description: Copy the state of this service.
        type: str
      alias_node:
        description:
          - Copy the state of this node, or with C(alias_service), of the service there. The node must be in the
            catalog, because Consul 1.8 crashes otherwise.
          - The agent takes up to a minute to replace or remove such a check. It answers no other request meanwhile.
        type: str
      interval:
        description: Time between two runs, such as V(10s) or V(1m30s).
        type: str
      timeout:
        description: Time after which a run of the check fails.
        type: str
      notes:
        description: Free text.
        type: str
      status:
        description: State until the first run. The default of Consul is critical.
        type: str
        choices: [passing, warning, critical]
      success_before_passing:
        description: Number of successes in a row after which the check is passing.
        type: int
      failures_before_warning:
        description:
          - Number of failures in a row until warning. By default, as for critical.
          - At most the number that is given for critical. Consul 1.11 and newer.
        type: int
      failures_before_critical:
        description: Number of failures in a row after which the check is critical.
        type: int
      output_max_size:
        description: Maximum number of bytes of output to keep, up to the limit of the agent.
        type: int
      deregister_critical_service_after:
        description: Deregister the service when the check has been critical for this long. At least one minute.
        type: str
  services:
    description: Several services. Each has the same options as a single one.
    type: list
    elements: dict
    suboptions:
      name: *name
      id: *id
      address: *address
      tagged_addresses: *tagged_addresses
      service_port:
        <<: *service_port
        aliases: [port]
      tags: *tags
      meta: *meta
      weights: *weights
      enable_tag_override: *enable_tag_override
      service_token:
        <<: *service_token
        aliases: [token]
      connect: *connect
      checks: *checks
  purge:
    description:
      - Remove the services on this agent that this module registered and that O(services) does not list.
      - Services registered by anyone else are left alone.
    type: bool
    default: false
  state:
    description:
      - V(absent) removes the service of that id. If only the name is given, all services of that name on this agent.
      - The agent cannot be asked to remove a service with an ID that no path can hold, such as V(/web). The module then
        registers it again with a check that expires, and the agent removes the service within 90 seconds.
    type: str
    choices: [absent, present]
    default: present
  wait:
    description:
      - Wait until DNS gives the services, with all checks passing, as the servers see them. This includes the checks of the
        node, and the maintenance mode of the service and of the node.
      - Without checks on this agent, the token must be able to read the agent, if another node has a service with the same
        ID.
      - Not done in check mode.
    type: str
    choices: [passing]
  wait_timeout:
    description: Seconds to wait, for all services together. Then the task fails, with the output of the checks.
    type: float
    default: 60
seealso:
  - module: dockyard.consul.consul_check
  - module: dockyard.consul.consul_service_info
  - name: Agent service endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent/service
"""

EXAMPLES = r"""
- name: Register Redis with a TCP check
  dockyard.consul.consul_service:
    name: redis
    service_port: 6379
    checks:
      - tcp: 127.0.0.1:6379
        interval: 10s
        timeout: 3s

- name: Register all services of this host and nothing else
  dockyard.consul.consul_service:
    services:
      - name: web
        port: 80
        tags: [blue, v2]
        meta:
          version: "2.1"
        checks:
          - http: http://127.0.0.1/health
            interval: 5s
            timeout: 1s
            deregister_critical_service_after: 10m
      - name: web
        id: web-admin
        port: 8080
        tagged_addresses:
          wan:
            address: 198.51.100.7
            port: 18080
    purge: true

- name: Register a service that reports by itself, and wait until it is found as healthy
  dockyard.consul.consul_service:
    name: backup
    checks:
      - ttl: 25h
        status: passing
    wait: passing

- name: Remove a service
  dockyard.consul.consul_service:
    id: web-admin
    state: absent
"""

RETURN = r"""
service:
  description:
    - The service as C(/v1/agent/service/<id>) describes it after the task, V(null) if there is none.
    - In check mode, a service that would be written is described as far as it is known. When the decision is made from
      M(dockyard.consul.look), it has no C(ContentHash).
  returned: when O(services) is not given
  type: dict
  sample:
    ID: redis
    Service: redis
    Address: ''
    Port: 6379
    Tags: []
    Meta:
      dockyard_consul_digest: 8a3bc1d0c9e1b9d4
    Weights:
      Passing: 1
      Warning: 1
    EnableTagOverride: false
    ContentHash: d65ffd80060e6017
operation:
  description: What was done to the one service, V(create), V(update) or V(remove).
  returned: when O(services) is not given and something changed
  type: str
  sample: update
services:
  description: The services as C(/v1/agent/services) describes them after the task, by id.
  returned: when O(services) is given
  type: dict
operations:
  description: What was done to each service, by ID. V(create), V(update) or V(remove). An unchanged service is not listed.
  returned: success
  type: dict
  sample:
    web: update
    web-admin: create
written:
  description: Ids of the services that had been changed when the task failed.
  returned: failure of a write
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_check_module import CheckModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_service_agent import Agent, wait_until_in_dns
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    SERVICE_ARGUMENTS,
    SERVICE_OPTIONS,
    described,
    described_services,
    is_expiring,
    is_registered,
    keeps_tags,
    refuse_taken_checks,
    registrations,
    service_id,
    shown,
    shown_wanted,
    unlisted,
)


def execute(module, client):
    params = module.params
    agent = Agent(client)
    bodies, removed = decide(agent, params)
    before, before_checks = agent.services, agent.checks
    changed = [body for body in bodies if not is_registered(body, before, before_checks)]
    for body in changed:
        agent.refuse_impossible(body)
        if keeps_tags(body, before):
            body["Tags"] = agent.present_tags(body)
    operations = {body["ID"]: "update" if body["ID"] in before else "create" for body in changed}
    operations.update(dict.fromkeys(removed, "remove"))
    if not module.check_mode:
        carry_out(agent, changed, removed)
        if params["wait"]:
            wait_until_in_dns(agent, bodies, params["wait_timeout"])
    return {
        "changed": bool(operations),
        "operations": operations,
        "diff": diff_of(
            {key: shown(before[key], before, before_checks, changed) for key in operations if key in before},
            {body["ID"]: shown_wanted(body, before.get(body["ID"]), before_checks) for body in changed},
            "Consul services",
        ),
        **outcome(agent, params, operations, services_after(module, agent, changed, removed)),
    }


def decide(agent, params):
    """What is wanted: the registrations, and the ids to remove. Validates everything before the agent is asked."""
    described_by_options = described_services(params)
    if params["state"] == "absent":
        for where, options in described_by_options:
            if not service_id(options):
                raise ConsulError(f"{where}: id or name is needed to remove a service")
        agent.load()
        bodies = []
        removed = [identity for _where, options in described_by_options for identity in agent.ids_of(options)]
    else:
        bodies = registrations(params, agent.client.token)
        agent.load()
        removed = unlisted(bodies, agent.services) if params["purge"] else []
    removed = [identity for identity in dict.fromkeys(removed) if not is_expiring(agent.services[identity])]
    refuse_taken_checks(bodies, removed, agent.services, agent.checks)
    return bodies, removed


def carry_out(agent, changed, removed):
    done = []
    try:
        for body in changed:
            agent.register(body)
            done.append(body["ID"])
        for identity in removed:
            agent.remove(identity)
            done.append(identity)
    except ConsulError as error:
        error.written = done
        raise
    if done:
        agent.load()


def services_after(module, agent, changed, removed):
    """The agent's services after the task; in check mode, as far as they can be predicted."""
    after = {
        identity: service
        for identity, service in agent.services.items()
        if identity not in removed and not is_expiring(service)
    }
    if not module.check_mode:
        return after
    after.update({body["ID"]: described(body) for body in changed})
    return after


def outcome(agent, params, operations, after):
    if params["services"] is not None:
        ids = [service_id(options) for options in params["services"]]
        return {"services": {identity: after[identity] for identity in ids if identity in after}}
    identity = service_id(params)
    service = after.get(identity)
    if service is not None and service is agent.services.get(identity):
        service = agent.described(identity)
    return {"service": service, **({"operation": next(iter(operations.values()))} if operations else {})}


def main():
    module = CheckModule(
        argument_spec=SERVICE_ARGUMENTS,
        required_one_of=[("name", "id", "services")],
        mutually_exclusive=[(option, "services") for option in SERVICE_OPTIONS],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
