# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_member
short_description: Remove a node from a Consul cluster
version_added: 0.1.0
description:
  - Removes a node whose agent was stopped or is lost from the list of members, from the Raft peers and from the catalog, and
    waits until it is in none of them. Another node can then have the name at once.
  - Without this, Consul keeps a node that has failed for 72 hours.
notes:
  - Ask the agent of another node, one that stays.
  - The agent of the node must not run. The module waits until the cluster has noticed that it was stopped.
  - A server is removed only while the others hold the quorum, and only if O(min_servers) servers remain.
  - "O(token) requires the rules C(operator = \"write\"), C(node:write) for the node, C(node:read) for all nodes, and
    C(service:write) for the services of the node."
  - A node that no agent has ever run, such as one of M(dockyard.consul.consul_node), is removed from the catalog alone.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  name:
    description: Name of the node. Consul does not distinguish upper and lower case here.
    type: str
    required: true
  state:
    description: Whether the node is in the cluster.
    type: str
    choices: [absent]
    default: absent
  min_servers:
    description:
      - How many servers must remain if the node is a server. Three is the smallest number with which a cluster survives the
        loss of a server.
    type: int
    default: 3
  wait_seconds:
    description:
      - How long to wait, in seconds, until the cluster has a leader, has noticed that the agent was stopped, and the node is gone.
    type: float
    default: 60
seealso:
  - module: dockyard.consul.consul_node
  - name: Force Leave and Shutdown
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent#force-leave-and-shutdown
"""

EXAMPLES = r"""
- name: Remove the node of a host that is lost
  dockyard.consul.consul_member:
    name: app7
    token: "{{ management_token }}"
  delegate_to: consul1.example.com
"""

RETURN = r"""
member:
  description:
    - What the cluster had of the node. V(null) if it had nothing.
    - C(status) is V(alive), V(leaving), V(left) or V(failed), or V(null) for a node that is in the catalog alone. C(server) and
      C(peer) tell whether it is a server and one of the Raft peers.
  returned: success
  type: dict
  sample: {"name": "app7", "status": "failed", "server": false, "peer": false}
"""

import collections
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import catalog_node, refuse_unaddressable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts import accepts
from ansible_collections.dockyard.consul.plugins.module_utils.host.agent import MEMBER_STATES

PAUSE = 0.3

Member = collections.namedtuple("Member", "name status server peer in_catalog")


def refuse_elsewhere(client):
    """Members are known to the agents of their own datacenter alone."""
    if client.datacenter and client.get("agent/self").data["Config"]["Datacenter"] != client.datacenter:
        raise ConsulError(
            f"the agent at {client.place} is not in the datacenter {client.datacenter}: ask an agent that is"
        )


def read(client, name):
    """What the cluster has of a node: a Member, or None. With it, the addresses of the Raft peers other than the node."""
    peers = set(client.get("status/peers").data or [])
    listed = client.get("agent/members").data or []
    if not listed:
        raise ConsulError(
            f"the agent at {client.place} shows no member, not even itself: the token requires node:read for all nodes"
        )
    found = next((one for one in listed if one["Name"].lower() == name.lower()), None)
    entry = catalog_node(client, name)
    if found is None:
        return (Member(entry["Node"]["Node"], None, False, False, True) if entry else None), peers
    is_server = found["Tags"].get("role") == "consul"
    address = f"{found['Addr']}:{found['Tags'].get('port')}" if is_server else None
    status = MEMBER_STATES.get(found["Status"], "unknown")
    member = Member(found["Name"], status, is_server, address in peers, entry is not None)
    return (member if is_there(member) else None), peers - {address}


def answered(deadline, ask, *arguments):
    """What a question is answered. Without a leader, which the node may have been, it is asked again until the deadline."""
    while True:
        try:
            return ask(*arguments)
        except ConsulError as error:
            if error.status != 500 or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def is_there(member):
    """A member that has left may be listed for some days, and does no harm."""
    return member.status not in (None, "left") or member.peer or member.in_catalog


def refusal(member, others, accepting, min_servers):
    """Why a server must not be removed, or an empty text. OTHERS are the addresses of the other Raft peers, ACCEPTING those
    of them that accept connections."""
    if not member.peer:
        return ""
    if len(others) < min_servers:
        return (
            f"{member.name} is a server, and {len(others)} would remain, fewer than min_servers ({min_servers}). Add another"
            " server to the cluster first."
        )
    quorum = (len(others) + 1) // 2 + 1
    if len(accepting) < quorum:
        there = ", ".join(sorted(accepting)) or "none"
        return (
            f"{member.name} is a server. To remove it, {quorum} of the other {len(others)} servers must answer, and only"
            f" {len(accepting)} do ({there}). Bring the others back first."
        )
    return ""


def execute(module, client):
    params = module.params
    name = params["name"]
    refuse_unaddressable("name", name)
    refuse_elsewhere(client)
    deadline = time.monotonic() + params["wait_seconds"]
    before, others = answered(deadline, read, client, name)
    if before:
        reason = refusal(before, others, list(filter(accepts, others)) if before.peer else [], params["min_servers"])
        if reason:
            raise ConsulError(reason)
        if not module.check_mode:
            remove(client, before, deadline)
    return {
        "changed": before is not None,
        "member": shown(before) or None,
        "diff": diff_of(shown(before), {}, f"Member {name}"),
    }


def remove(client, member, deadline):
    name = member.name
    while member is not None and member.status in ("alive", "leaving"):
        if time.monotonic() > deadline:
            raise ConsulError(
                f"the agent of {name} still runs, so {name} would come back at once. Stop it on its host first (systemctl stop"
                " consul)"
            )
        time.sleep(PAUSE)
        member, _others = answered(deadline, read, client, name)
    if member is not None and member.status is not None:
        client.put(f"agent/force-leave/{name}", {"prune": ""}, idempotent=True)
    while True:
        member, _others = answered(deadline, read, client, name)
        if member is None:
            return
        if time.monotonic() > deadline:
            where = "a Raft peer" if member.peer else "in the catalog" if member.in_catalog else member.status
            raise ConsulError(f"{name} is still {where}: run the task again")
        # The leader does it, too, but only once it has heard that the node has left, and not for a node without an agent.
        if member.status in (None, "left") and member.in_catalog:
            answered(deadline, deregister, client, name)
        time.sleep(PAUSE)


def deregister(client, name):
    client.put("catalog/deregister", data={"Node": name}, idempotent=True)


def shown(member):
    if member is None:
        return {}
    return {"name": member.name, "status": member.status, "server": member.server, "peer": member.peer}


def main():
    module = ConsulModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
            "min_servers": {"type": "int", "default": 3},
            "wait_seconds": {"type": "float", "default": 60},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
