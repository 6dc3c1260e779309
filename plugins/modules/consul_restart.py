# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_restart
short_description: Restart a Consul agent that is due for it, and wait until it is back
version_added: 0.1.0
description:
  - Restarts the agent of the host if it started before one of the files in O(reads) was changed, if its program was replaced
    or if systemd has not read its changed unit. Starts an agent that does not run. Otherwise it does nothing.
  - Instead of an agent in O(replaces) it starts its own. The process is killed, so that it does not leave the cluster, and its unit
    is disabled.
  - A server is restarted only if enough of the other servers are healthy for the cluster to keep its quorum. The module
    waits up to 20 s for that, and fails otherwise. Without a leader there is no quorum to lose, and the server is restarted.
  - An agent in O(replaces) on a server must answer at O(host) and O(port). Otherwise the module fails.
  - The task ends when the agent knows a leader again, all its checks pass that passed before, and its DNS answers. If DNS
    refused to answer before the restart, or there is no leader, it may refuse after it.
  - A server that gets ACLs in place of an agent without them may also refuse to answer, and its checks do not count. It has no
    token until the leader has ACLs as well. So do not restart only some of the servers.
  - If a restart fails, or its host is lost, this run restarts no further agent. The task then fails on each host that is
    left, and names the host that failed.
notes:
  - To restart hosts in batches, set C(throttle). To restart them in a certain order, loop over them with C(delegate_to),
    C(run_once=true) and C(throttle=1).
  - After a start an agent reports each check as critical until it has passed once. Do not restart all agents at once.
  - The agent must not leave the cluster when it stops (C(leave_on_terminate=false)), and a restart of its unit must
    send it SIGTERM.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  action:
    description: Has an action plugin, which remembers a failed restart for the rest of the run.
    support: full
  diff_mode:
    support: none
options:
  name:
    description: The systemd unit of the agent.
    type: str
    default: consul
  reads:
    description: Files that the agent reads only when it starts. Shell patterns are allowed.
    type: list
    elements: path
    default: []
  replaces:
    description: Agents that this one replaces. One that does not run any more is left out.
    type: list
    elements: dict
    default: []
    suboptions:
      pid:
        description: Its process id.
        type: int
        required: true
      started:
        description: When it started, in microseconds since 1970, as M(dockyard.consul.host_info) returns it.
        type: int
        required: true
      unit:
        description: The systemd unit that it belongs to, if any.
        type: str
      user:
        description: The user that it runs as.
        type: str
  data_dir:
    description:
      - The data folder of the agent. If an agent in O(replaces) ran as another user, its files are given to the user C(consul).
    type: path
  server_address:
    description:
      - RPC address of this server, as the cluster knows it (C(host:port)). Required on servers, and only there.
      - With it, the quorum of the other servers is checked before the restart. It is an error if the cluster does not
        know this address.
    type: str
  servers:
    description:
      - How many servers the site has. If it has more than two, a server is not restarted while the cluster has two or less,
        because Consul removes a failed server from the cluster within seconds.
      - With V(0), only the servers that the cluster has count.
    type: int
    default: 0
  dns_port:
    description: DNS port of the agent on 127.0.0.1. With V(0), the task does not wait for DNS.
    type: int
    default: 53
  domain:
    description: DNS domain of Consul.
    type: str
    default: consul
  wait_seconds:
    description: Seconds that the agent may take to be back, before the task fails.
    type: int
    default: 60
seealso:
  - module: dockyard.consul.service_current
"""

EXAMPLES = r"""
- name: Restart the clients that are due, three at a time
  dockyard.consul.consul_restart:
    reads: [/etc/consul.d/consul.json]
    token: "{{ consul_agent_acl_agent_token }}"
  throttle: 3

- name: Restart the servers that are due, one at a time, the leader last
  dockyard.consul.consul_restart:
    reads: [/etc/consul.d/consul.json, /etc/consul.d/secrets.json]
    server_address: "{{ item.address }}:8300"
    token: "{{ consul_agent_acl_agent_token }}"
  delegate_to: "{{ item.host }}"
  run_once: true
  throttle: 1
  loop: "{{ ansible_play_hosts | dockyard.consul.restart_order(hostvars, 'consul_service') }}"
  loop_control:
    break_when: [restarted is failed]
  register: restarted
"""

RETURN = r"""
reasons:
  description: Why the agent was restarted or started. Empty if it was not. In check mode, why it would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/consul.d/consul.json is newer than the start of consul]
ansible_facts:
  description:
    - The fact C(dockyard_host) of M(dockyard.consul.look), in which the agent and its unit count as not looked at.
    - Not returned by a delegated task.
  returned: if the agent was restarted or started, and this run has looked at the host
  type: dict
"""

import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_replacing import replace, running
from ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts import (
    ANSWERS,
    PAUSE,
    REFUSES,
    SILENT,
    dns_state,
    known_leader,
    passing,
    wait_for_quorum,
)
from ansible_collections.dockyard.consul.plugins.module_utils.service_control import Service
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import ARGUMENTS, Decision, SystemdError

# After another server was restarted, the cluster needs some seconds before this one may be.
QUORUM_SECONDS = 20
OTHERS_REFUSE = "Servers that have ACLs already refuse requests until the leader has them."


def agent_checks(client):
    """The checks of the agent, or none where the agent or the token does not tell them."""
    try:
        return client.get("agent/checks").data or {}
    except ConsulError:
        return {}


def has_acls(client):
    """Whether the agent has ACLs. One without them answers from its own settings."""
    try:
        client.get("acl/token/self")
    except ConsulError as error:
        return "ACL support disabled" not in (error.detail or "")
    return True


def service_of(module):
    options = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    options.update(name=module.params["name"], reads=module.params["reads"], timeout=module.params["wait_seconds"])
    return Service(module, options)


def needed_of_dns(params, has_leader):
    """What DNS must do after the restart, by what it does before. Without a leader, or before the first run has made its token,
    it refuses, and a restart changes nothing about that."""
    if not params["dns_port"]:
        return SILENT
    refuses = dns_state(params["dns_port"], name_in_dns(params)) == REFUSES
    return ANSWERS if has_leader and not refuses else REFUSES


def name_in_dns(params):
    return f"consul.service.{params['domain']}"


def wait_until_back(client, params, former, has_leader, dns):
    """ConsulError with what is still missing when the time is over."""
    deadline = time.monotonic() + params["wait_seconds"]
    while True:
        missing = what_is_missing(client, params, former, has_leader, dns)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise ConsulError(
                f"Consul was restarted, but {params['wait_seconds']} s later {missing} Repair that, then run again."
                f" 'journalctl -u {params['name']}' has the log of the agent."
            )
        time.sleep(PAUSE)


def what_is_missing(client, params, former, has_leader, dns):
    leader = known_leader(client)
    if leader is None:
        return f"its API at {client.place} does not answer."
    if has_leader and not leader:
        return "it knows no leader."
    checks = agent_checks(client)
    failing = sorted(former - passing(checks))
    if failing:
        outputs = [
            f"{identity}: {' '.join(checks[identity]['Output'].split())[:200]}"
            for identity in failing
            if identity in checks
        ]
        return (
            f"these checks do not pass that passed before: {', '.join(failing)} ({'; '.join(outputs) or 'no output'})."
        )
    if dns > SILENT and dns_state(params["dns_port"], name_in_dns(params)) < dns:
        return f"its DNS does not answer on 127.0.0.1:{params['dns_port']}."
    return ""


def execute(module, client):
    params = module.params
    service = service_of(module)
    replaced = running(params["replaces"])
    gets_acls = False
    try:
        unit, decision = service.look()
        if replaced:
            decision = Decision("restart", True, [f"{one} is replaced" for one in replaced])
        is_due = decision.step in ("restart", "start")
        if is_due and not module.check_mode:
            # Answers come from this agent alone, and a question that fails is asked again here.
            client.retries = 0
            client.consistency = "stale"
            gets_acls = bool(replaced and params["server_address"]) and not has_acls(client)
            if params["server_address"] and decision.step == "restart":
                has_leader = wait_for_quorum(
                    client, params["server_address"], QUORUM_SECONDS, params["servers"], must_answer=bool(replaced)
                )
            else:
                leader = known_leader(client)
                # The API of another's agent may be at another address. That of this one is not.
                has_leader = bool(leader) or (leader is None and bool(replaced))
            former, dns = passing(agent_checks(client)), needed_of_dns(params, has_leader)
            if gets_acls:
                # Consul answers "ACL not found" to everybody, also without a token.
                former, dns = set(), min(dns, REFUSES)
            if replaced:
                replace(service, replaced, params["data_dir"])
            service.act(unit, decision)
            wait_until_back(client, params, former, has_leader, dns)
    except (SystemdError, ConsulError) as error:
        message = f"{error} {OTHERS_REFUSE}" if gets_acls else str(error)
        raise ConsulError(message, status=getattr(error, "status", None)) from error
    return {"changed": is_due, "reasons": decision.reasons if is_due else []}


def main():
    module = ConsulModule(
        argument_spec={
            "name": {"type": "str", "default": "consul"},
            "reads": {"type": "list", "elements": "path", "default": []},
            "replaces": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "pid": {"type": "int", "required": True},
                    "started": {"type": "int", "required": True},
                    "unit": {"type": "str"},
                    "user": {"type": "str"},
                },
            },
            "data_dir": {"type": "path"},
            "server_address": {"type": "str"},
            "servers": {"type": "int", "default": 0},
            "dns_port": {"type": "int", "default": 53},
            "domain": {"type": "str", "default": "consul"},
            "wait_seconds": {"type": "int", "default": 60},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
