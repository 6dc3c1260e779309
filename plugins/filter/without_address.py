# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: without_address
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the hosts with an address that this run does not know
description:
  - Returns those hosts for which the inventory sets no C(consul_agent_bind_addr) and of which there are no network facts.
extends_documentation_fragment: dockyard.consul.hosts
"""

EXAMPLES = r"""
- name: Gather the addresses of the servers
  ansible.builtin.setup:
    gather_subset: ["!all", "!min", network]
  delegate_to: "{{ item }}"
  delegate_facts: true
  loop: "{{ groups['consul_server'] | dockyard.consul.without_address(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Names of hosts.
  type: list
  elements: str
"""


def without_address(hosts, hostvars):
    """Read without templating: only whether something is there counts."""
    raw_get = getattr(hostvars, "raw_get", hostvars.get)
    return [host for host in hosts if not has_address(raw_get(host) or {})]


def has_address(variables):
    return bool(variables.get("consul_agent_bind_addr") or (variables.get("ansible_facts") or {}).get("interfaces"))


class FilterModule:
    """Jinja2 filter dockyard.consul.without_address."""

    def filters(self):
        return {"without_address": without_address}
