# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_services
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List services in the catalog that the agent of their node does not know
description:
  - Returns the services that the Consul catalog has of the nodes of these hosts, and that the agent of the host did not know
    when this run looked at the host. Their state in the catalog and in DNS never changes.
  - The service C(consul) of servers is never part of the result.
  - A host is left out if the agent or the catalog did not answer, if this run has not looked at it, or if this run has changed
    its agent or a registration since. It is also left out if the node in the catalog has an address that the host does not have.
extends_documentation_fragment: dockyard.consul.hosts
seealso:
  - module: dockyard.consul.consul_catalog_service
"""

EXAMPLES = r"""
- name: Remove the stale services of all hosts in the play
  dockyard.consul.consul_catalog_service:
    node: "{{ item.node }}"
    id: "{{ item.id }}"
    name: "{{ item.name }}"
    modify_index: "{{ item.modify_index }}"
    state: absent
  loop: "{{ ansible_play_hosts | dockyard.consul.stale_services(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - The services, each with C(node), C(id) and C(name), and C(modify_index), its index in the catalog at the time of the look.
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.stale_services import stale_services


def stale_services_of(hosts, hostvars):
    return [one for host in hosts for one in stale_services(Look.of(hostvars[host]), addresses_of(hostvars[host]))]


def addresses_of(variables):
    facts = variables.get("ansible_facts") or {}
    return [*(facts.get("all_ipv4_addresses") or []), *(facts.get("all_ipv6_addresses") or [])]


class FilterModule:
    """Jinja2 filter dockyard.consul.stale_services."""

    def filters(self):
        return {"stale_services": stale_services_of}
