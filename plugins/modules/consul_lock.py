# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_lock
short_description: Let one run of Ansible at a time change the site
version_added: 0.1.0
description:
  - Holds a lock in Consul for the whole run of C(ansible-playbook), across plays and hosts. Another run that asks for the lock is
    refused, and learns who has it, since when and for what.
  - The lock is a key with a session. A process on the controller renews the session until the run ends or frees the lock, so
    that tasks may take as long as they need.
  - When the run ends by itself, also with an error, the lock is free within seconds. When its process was killed, the next run
    on the same machine takes the lock at once, and a run on another machine after at most twice the O(ttl).
  - A run that could not renew the lock in time has lost it. Its next task with O(state=renewed) fails. Put one right before
    each step that must not happen twice.
notes:
  - A task of a run that has the lock already gets it again. Each of up to three hosts that ask for it then helps to renew it, so
    that the run does not depend on one host.
  - A lock that the run acquires and releases is not reported as a change, since it ends with the run. V(frozen) and V(freed) are.
  - The lock protects against others who ask for it, and not against changes by hand.
  - Every read of the lock is consistent. Without a leader, nobody gets the lock.
  - The token requires C(key:write) for O(key), and C(session:write) for the node of the agent.
  - On a controller that is not Linux, nobody can tell that a process has ended, so each run waits for the O(ttl).
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  action:
    description: Has an action plugin, which knows the run and renews the lock.
    support: full
  check_mode:
    details: Reads the lock, and takes none. A lock of somebody else is then no error, and is in RV(lock).
  diff_mode:
    support: none
options:
  key:
    description: Key of the lock. Runs with different keys do not wait for each other.
    type: str
    default: dockyard/lock
  state:
    description:
      - With V(acquired) the run has the lock.
      - With V(renewed) the run still has the lock, otherwise the task fails. It must have acquired it.
      - With V(released) the run does not have the lock any more.
      - With V(frozen) nobody gets the lock until it is freed. There is no session, so it survives the run, and restarts.
      - With V(freed) nobody has the lock, whoever had it.
      - With V(read) nothing changes. RV(lock) shows who has it.
    type: str
    choices: [acquired, freed, frozen, read, released, renewed]
    default: acquired
  purpose:
    description: What the lock is for, for V(acquired) and V(frozen). Others who ask for the lock see it.
    type: str
    default: ""
  ttl:
    description:
      - How long the lock lasts if it is not renewed, in seconds, from 10 to 86400. Consul can take up to twice as long to end it.
      - The run renews it every quarter of this time.
    type: int
    default: 60
  wait:
    description: How many seconds to wait for the lock while somebody else has it.
    type: float
    default: 0
  steal:
    description:
      - Take the lock from whoever has it. Their run fails at its next task with O(state=renewed). The lock then
        shows its former holder.
    type: bool
    default: false
  owner:
    description: Who asks. The action plugin sets it.
    type: dict
  session:
    description: Session that the run has the lock with. The action plugin sets it.
    type: str
  gone:
    description: Session of a run that has ended. The action plugin sets it.
    type: str
seealso:
  - module: dockyard.consul.consul_session
  - module: dockyard.consul.consul_kv
"""

EXAMPLES = r"""
- name: Let nobody else change the site meanwhile. Wait up to ten minutes for another run
  dockyard.consul.consul_lock:
    purpose: release of shop 2.4.0
    wait: 600

- name: Stop if the lock was lost, before something happens that must not happen twice
  dockyard.consul.consul_lock:
    state: renewed

- name: Let others go on, before the run ends
  dockyard.consul.consul_lock:
    state: released

- name: Let nobody release anything before the holidays end
  dockyard.consul.consul_lock:
    state: frozen
    purpose: no releases until 7 January

- name: Free it again
  dockyard.consul.consul_lock:
    state: freed
"""

RETURN = r"""
lock:
  description:
    - Who has the lock after the task. With V(freed) and V(released), who had it. In check mode, who has it now.
    - V(null) if nobody has it, or had it.
  returned: always
  type: dict
  contains:
    by:
      description: User and host of the controller.
      type: str
    purpose:
      description: What it is for.
      type: str
    since:
      description: When it was acquired, in UTC, by the clock of the controller.
      type: str
    frozen:
      description: Whether it stays until somebody frees it.
      type: bool
    taken_from:
      description: Its former holder, if this run has stolen it, or V(null).
      type: str
    session:
      description: ID of its session, or V(null).
      type: str
    run:
      description: ID of the run.
      type: str
    machine:
      description: The running kernel and the namespace of process IDs of the controller, or V(null).
      type: str
    pid:
      description: Process ID of C(ansible-playbook).
      type: int
    started:
      description: When this process started, in clock ticks since the start of the machine, or V(null).
      type: int
  sample:
    by: anna@control1
    frozen: false
    machine: 2f0c0d8e-92b7-4d3c-8f0e-0c1f0b6a3d55/4026531836
    pid: 4711
    purpose: release of shop 2.4.0
    run: ansible-local-4711k2h3x9
    session: 3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d
    since: '2026-11-27T08:00:00Z'
    started: 123456
    taken_from: null
lost:
  description: V(true) if the run had the lock, and has it no more.
  returned: if so, with O(state=renewed)
  type: bool
  sample: true
description:
  description: Who has the lock, as a sentence says it. After V(freed) and V(released), who had it.
  returned: success
  type: str
  sample: "held by anna@control1 since 2026-11-27T08:00:00Z, for: release of shop 2.4.0"
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_lock import (
    LockHeld,
    LockLost,
    SiteLock,
    described,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import LONGEST_TTL

SHORTEST_TTL = 10


def execute(module, client):
    params = module.params
    if not SHORTEST_TTL <= params["ttl"] <= LONGEST_TTL:
        raise ConsulError(f"ttl: {params['ttl']} is out of range. Set {SHORTEST_TTL} to {LONGEST_TTL} seconds")
    if params["wait"] < 0:
        raise ConsulError(f"wait: {params['wait']:g} is below 0")
    lock = SiteLock(client, params["key"])
    if params["state"] in ("acquired", "frozen") and not params["owner"]:
        raise ConsulError("owner is not set: use the module in a task, so that its action plugin sets it")
    if params["state"] == "read" or module.check_mode:
        return result(False, lock.read())
    if params["state"] == "renewed" and not params["session"]:
        raise ConsulError("this run has not acquired the lock: put a task with state: acquired before this one")
    states = {"acquired": acquired, "renewed": renewed, "released": released, "frozen": frozen, "freed": freed}
    try:
        return states[params["state"]](params, lock)
    except LockHeld as error:
        module.fail_json(msg=f"{error}. {remedy(error.lock)}", lock=error.lock)
    except LockLost as error:
        module.fail_json(msg=str(error), lost=True)


def remedy(lock):
    if lock["frozen"]:
        return "Free it with dockyard.consul.lock -e lock=free. To free it and go on at once, set -e lock_steal=true"
    return "Wait for it with -e lock_wait=600, or, if that run hangs, take the lock from it with -e lock_steal=true"


def acquired(params, lock):
    owner = {**params["owner"], "purpose": params["purpose"]}
    return result(False, lock.acquire(owner, params["ttl"], params["wait"], params["gone"], params["steal"])[0])


def renewed(params, lock):
    return result(False, lock.renew(params["session"]))


def released(params, lock):
    return result(False, lock.release(params["session"]) if params["session"] else None)


def frozen(params, lock):
    found, is_new = lock.freeze({**params["owner"], "purpose": params["purpose"]})
    return result(is_new, found)


def freed(_params, lock):
    before = lock.release()
    return result(before is not None, before)


def result(changed, lock):
    return {"changed": changed, "lock": lock, "description": described(lock)}


def main():
    module = ConsulModule(
        argument_spec={
            "key": {"type": "str", "default": "dockyard/lock", "no_log": False},
            "state": {
                "type": "str",
                "choices": ["acquired", "freed", "frozen", "read", "released", "renewed"],
                "default": "acquired",
            },
            "purpose": {"type": "str", "default": ""},
            "ttl": {"type": "int", "default": 60},
            "wait": {"type": "float", "default": 0},
            "steal": {"type": "bool", "default": False},
            "owner": {"type": "dict"},
            "session": {"type": "str"},
            "gone": {"type": "str"},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
