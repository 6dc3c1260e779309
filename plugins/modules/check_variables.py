# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Check the variables of roles of this collection
version_added: 0.1.0
description:
  - Compares the variables of the host with the argument specs of the roles, and runs the checks of the roles.
  - Reports every problem of the host in one message. Each line has the variable, its value, and what to do. The value of a
    secret is not shown.
  - Warns of a variable of a role that is misspelt, such as C(redis_pasword).
  - Also checks what the roles of a host require of each other, such as different ports. These are the roles in O(roles), and
    those that the site runs on the groups of the host.
  - Changes nothing. It runs on the controller, and connects to the host only to look at it, where this run has not done so
    with M(dockyard.consul.look).
  - For all problems of all hosts in one run, use one task on all hosts, in a play with C(any_errors_fatal=true).
author:
  - The dockyard.consul authors (@dockyard)
attributes:
  check_mode:
    description: Can run in check mode and return changed status without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
  action:
    description: Has an action plugin, and runs on the controller.
    support: full
options:
  roles:
    description: Names of roles of this collection, without C(dockyard.consul). An empty list checks nothing.
    type: list
    elements: str
    required: true
  entry_point:
    description: The entry point that is going to run. It selects the argument spec. V(kv) of mydemo has checks of its own.
    type: str
    default: main
  fails:
    description: Fail if there is a problem. With V(false), RV(problems) has them.
    type: bool
    default: true
  heading:
    description: The first sentence of an error, for a task that comes after changes.
    type: str
    default: Nothing was changed.
  look:
    description: Look at the host first if this run has not done so. With V(false), checks that need the look find nothing.
    type: bool
    default: true
  names_leftovers:
    description:
      - Whether to warn of roles that the host has, and that none of its inventory groups is for any more. If the variable
        C(remove) is set, there is no such warning, and the roles in C(remove) must exist.
    type: bool
    default: false
  creates_secrets:
    description:
      - Whether this run creates the missing secrets and tokens of the site after the checks. A missing secret is then no
        problem.
    type: bool
    default: false
notes:
  - The defaults of the roles apply also in a play that does not run the roles.
  - A secret is read only if you set it, because the site's own may not exist yet.
  - Checks that concern all hosts, such as node names that are used twice, run on one host of the play.
"""

EXAMPLES = r"""
- name: Check the variables of all hosts before anything changes
  hosts: all
  gather_facts: true
  any_errors_fatal: true
  tasks:
    - name: Check the variables
      dockyard.consul.check_variables:
        roles: "{{ lookup('dockyard.consul.site_value', 'roles') }}"
        creates_secrets: true
"""

RETURN = r"""
problems:
  description: All problems of the host.
  returned: success
  type: list
  elements: str
  sample: []
msg:
  description: All problems of the host, one per line.
  returned: on failure
  type: str
  sample: |-
    Nothing was changed. 2 problems with the variables of redis1:
    - redis_port is 70000. A port is a number from 1 to 65535.
    - redis_bind is empty. List the addresses to listen on.
"""
