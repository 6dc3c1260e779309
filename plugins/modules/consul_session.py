# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_session
short_description: Create, renew and destroy sessions
version_added: 0.1.0
description:
  - A session is what holds a lock on a key. It ends when it is destroyed, when one of its checks becomes critical, or when its
    TTL expires.
  - A session is found again by its name and its node, so that a second run creates no second session.
notes:
  - Everyone who uses the same name on the same node shares the session, and its locks. Give each its own name if only one of
    them may hold a lock.
  - If several sessions of the node have the name, O(state=present) and O(state=renewed) use the oldest, and leave the others
    alone. O(state=absent) and O(recreate) destroy all. Use O(id) to renew or destroy one of them.
  - Consul can end a session with a TTL as late as twice the TTL after the last renewal.
  - To create, renew or destroy a session, the token requires C(session:write) for the node. If O(node) is not set, it also
    requires C(agent:read), to read the name of the agent's node.
  - With C(agent:read) on a server, check mode also compares O(ttl) with C(session_ttl_min).
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  name:
    description:
      - Name of the session. Required for O(state=present).
      - For the other states, set either O(name) or O(id).
    type: str
  id:
    description: ID of the session, a UUID, for O(state=renewed) and O(state=absent).
    type: str
  node:
    description: Node of the session. By default, that of the agent. Required with O(datacenter) of another datacenter.
    type: str
  checks:
    description:
      - IDs of checks of the node. When one of them becomes critical, the session ends.
      - The default V(serfHealth) ends the session when the node fails. An empty list ties the session to no check. An external
        node has no V(serfHealth).
    type: list
    elements: str
    default: [serfHealth]
  service_checks:
    description: IDs of checks of the node's services. When one of them becomes critical, the session ends.
    type: list
    elements: str
    default: []
  ttl:
    description:
      - Time after which the session ends if it is not renewed, in seconds, at most 86400. The servers set the lower limit with
        C(session_ttl_min), which is 10 seconds by default.
      - By default, the session does not expire.
    type: int
  behavior:
    description:
      - What happens to the locked keys when the session ends. With V(release) they stay and are no longer locked. With
        V(delete) they are deleted.
    type: str
    choices: [delete, release]
    default: release
  lock_delay:
    description:
      - When the session ends while it holds locks, nobody can lock these keys for this time. In seconds, from 0 to 60.
      - A key that was released before is free at once.
    type: int
    default: 15
    aliases: [delay]
  recreate:
    description:
      - Whether a session that has other settings is destroyed and created again. Its locks end, and with O(behavior=delete) of
        the old session its locked keys are deleted.
      - By default, such a session is an error, because Consul cannot change a session.
    type: bool
    default: false
  state:
    description:
      - With V(present) the session exists. If it existed already and has a TTL, it is renewed.
      - With V(renewed) the session is renewed. A session that does not exist is an error, because its locks are lost.
      - With V(absent) the session does not exist.
      - A renewal is not reported as a change, since it changes nothing that can be read.
    type: str
    choices: [absent, present, renewed]
    default: present
seealso:
  - module: dockyard.consul.consul_session_info
  - module: dockyard.consul.consul_kv
  - name: Session endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/session
"""

EXAMPLES = r"""
- name: Create a session for a lock
  dockyard.consul.consul_session:
    name: migration
    ttl: 600
    lock_delay: 0
  register: session

- name: Take the lock
  dockyard.consul.consul_kv:
    key: locks/migration
    value: "{{ inventory_hostname }}"
    state: acquire
    session: "{{ session.session_id }}"

- name: Renew the session between two long tasks. This fails if the lock is lost
  dockyard.consul.consul_session:
    id: "{{ session.session_id }}"
    state: renewed

- name: Destroy the session, which releases the lock
  dockyard.consul.consul_session:
    name: migration
    state: absent

- name: Create a session that no check ends
  dockyard.consul.consul_session:
    name: by-hand
    checks: []

- name: Destroy it by its name
  dockyard.consul.consul_session:
    name: by-hand
    state: absent
"""

RETURN = r"""
session_id:
  description:
    - ID of the session.
    - V(null) if there is none, or in check mode for a session that would be created.
  returned: success
  type: str
  sample: 3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d
session:
  description:
    - The session as Consul returns it. C(LockDelay) is in nanoseconds.
    - V(null) if there is none, or in check mode for a session that would be created.
  returned: success
  type: dict
  sample:
    Behavior: release
    CreateIndex: 61
    ID: 3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d
    LockDelay: 0
    ModifyIndex: 61
    Name: migration
    Node: app1
    NodeChecks: [serfHealth]
    ServiceChecks: []
    TTL: 600s
renewed:
  description: Whether the session was renewed.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import one_line
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import require
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import (
    Sessions,
    body_of,
    differences,
    oldest,
    problem_of,
    refusal,
    shown_session,
    shown_settings,
    wanted_settings,
)


def execute(module, client):
    params = module.params
    problem = problem_of(params)
    if problem:
        raise ConsulError(problem)
    sessions = Sessions(client)
    if params["id"] is not None:
        found = sessions.by_id(params["id"])
    else:
        params["node"] = params["node"] or sessions.own_node()
        found = sessions.named(params["name"], params["node"])
    states = {"present": present, "renewed": renewed, "absent": absent}
    return states[params["state"]](module, sessions, found)


def present(module, sessions, found):
    params = module.params
    before = oldest(found)
    if before:
        differing = differences(before, params)
        if differing and not params["recreate"]:
            raise ConsulError(refusal(before, differing))
        if not differing:
            is_renewed = bool(before["TTL"]) and not module.check_mode
            if not is_renewed or sessions.renew(before["ID"]):
                return result(before, before, is_renewed)
            before = None  # it expired since it was read
    body = body_of(params, params["node"])
    sessions.refuse_unusable(body)
    sessions.refuse_short_ttl(params["ttl"])
    if module.check_mode:
        require(sessions.client, "session", "write", params["node"])
        return result(before, None, False, shown_settings(body["Name"], body["Node"], wanted_settings(params)))
    if before:
        for record in found:
            sessions.destroy(record["ID"])
    created = sessions.create(body)
    after = settle(sessions, created, params)
    return result(before, after, False)


def settle(sessions, created, params):
    """If somebody else created a session of this name at the same time, both use the older one."""
    sessions.client.consistency = "consistent"
    after = oldest(sessions.named(params["name"], params["node"]))
    if after is None:
        raise ConsulError(
            f"session {one_line(params['name'])}: Consul created it as {created}, and it is already gone: check {params['node']}"
        )
    if after["ID"] != created:
        sessions.destroy(created)
        differing = differences(after, params)
        if differing:
            raise ConsulError(refusal(after, differing))
    return after


def renewed(module, sessions, found):
    params = module.params
    before = oldest(found)
    # Consul shows no session that the token may not read, and refuses to renew it.
    identity = before["ID"] if before else params["id"]
    if module.check_mode:
        if before is None and identity:
            require(sessions.client, "session", "read", "")
        exists = before is not None
    else:
        exists = identity is not None and sessions.renew(identity) and before is not None
    if not exists:
        which = params["id"] or f"{one_line(params['name'])} on node {params['node']}"
        raise ConsulError(
            f"session {which} does not exist: it expired, a check ended it, or somebody destroyed it. Its locks are lost"
        )
    return result(before, before, not module.check_mode)


def absent(module, sessions, found):
    params = module.params
    if not module.check_mode:
        # An id that is not found may be that of a session which the token may not read. Consul then refuses this.
        for identity in [record["ID"] for record in found] or [params["id"]] * (params["id"] is not None):
            sessions.destroy(identity)
    elif found:
        require(sessions.client, "session", "write", found[0]["Node"])
    return result(oldest(found), None, False)


def result(before, after, is_renewed, foretold=None):
    """C(foretold) is the diff's view of a session that check mode does not create."""
    old, new = shown_session(before), shown_session(after) if foretold is None else foretold
    name = one_line((new or old).get("name", ""))
    return {
        "changed": foretold is not None or (before and before["ID"]) != (after and after["ID"]),
        "session_id": after["ID"] if after else None,
        "session": after,
        "renewed": is_renewed,
        "diff": diff_of(old, new, f"Session {name}" if name else "Session"),
    }


def main():
    module = ConsulModule(
        argument_spec={
            "name": {"type": "str"},
            "id": {"type": "str"},
            "node": {"type": "str"},
            "checks": {"type": "list", "elements": "str", "default": ["serfHealth"]},
            "service_checks": {"type": "list", "elements": "str", "default": []},
            "ttl": {"type": "int"},
            "behavior": {"type": "str", "choices": ["delete", "release"], "default": "release"},
            "lock_delay": {"type": "int", "default": 15, "aliases": ["delay"]},
            "recreate": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["absent", "present", "renewed"], "default": "present"},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
