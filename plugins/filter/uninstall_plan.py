# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: uninstall_plan
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Plan what is taken off a host
description:
  - Returns what this collection has on a host, by the look of this run, and how it is taken off. Used by the role
    P(dockyard.consul.uninstall#role).
options:
  _input:
    description: The facts of the host, C(ansible_facts), with the look.
    type: dict
    required: true
  roles:
    description:
      - The roles to take off. V(consul_agent) stands for V(consul_server) and V(consul_client). By default, all that the host
        has.
    type: list
    elements: str
  groups:
    description: With this, only roles that none of these inventory groups is for.
    type: list
    elements: str
  names:
    description: The names of the services of the roles V(redis) and V(registry), by role.
    type: dict
"""

EXAMPLES = r"""
- name: Show what the host has
  ansible.builtin.debug:
    msg: "{{ (ansible_facts | dockyard.consul.uninstall_plan).roles }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    roles:
      description: The roles that are taken off.
      type: list
      elements: str
    containers:
      description: Names of containers to remove.
      type: list
      elements: str
    services:
      description: Names of services to deregister from the agent of the host.
      type: list
      elements: str
    stop:
      description: Units to stop and disable.
      type: list
      elements: str
    goes_on:
      description: Units that go on, each with C(unit), C(reads) and C(reload_reads) for M(dockyard.consul.service_current).
      type: list
      elements: dict
    paths:
      description: Patterns of paths for M(dockyard.consul.remove_files).
      type: list
      elements: str
    put_back:
      description: Patterns of paths from which only removed files are put back.
      type: list
      elements: str
    serves:
      description: Whether the agent is a server of a cluster that has a leader, and would be taken off.
      type: bool
    folders:
      description: Folders to remove if they are empty.
      type: list
      elements: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils import parts
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def uninstall_plan(facts, roles=None, groups=None, names=None):
    look = Look.of({"ansible_facts": facts})
    unknown = sorted(set(roles or ()) - parts.PARTS.keys())
    if unknown:
        raise AnsibleFilterError(
            f"uninstall_plan: {', '.join(unknown)} cannot be taken off. Known roles: {', '.join(parts.PARTS)}."
        )
    found = parts.present(look) if groups is None else parts.leftovers(look, groups)
    chosen = [role for role in found if not roles or role in roles]
    return {"roles": chosen, **parts.plan(look, chosen, names)}


class FilterModule:
    """Jinja2 filter dockyard.consul.uninstall_plan."""

    def filters(self):
        return {"uninstall_plan": uninstall_plan}
