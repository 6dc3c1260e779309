# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restart_order
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Order the servers that are due for a restart, the leader last
description:
  - Of some hosts, returns those whose agent is due for a restart, by the registered result of
    M(dockyard.consul.service_current), or that run an agent
    that this collection did not set up. The host that leads, by this run's look, comes last, so that there is one election.
  - Under the strategy C(free), a host may come here before another one has its result. The leader is left out then, and is
    returned to the host that comes last.
extends_documentation_fragment: dockyard.consul.hosts
options:
  result:
    description: The variable that holds the result.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Restart the servers, one at a time
  dockyard.consul.consul_restart:
    server_address: "{{ item.address }}:8300"
  delegate_to: "{{ item.host }}"
  loop: "{{ ansible_play_hosts | dockyard.consul.restart_order(hostvars, 'service') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - Each host with its name in the inventory (C(host)) and its address on the LAN (C(address)).
    - C(replaces) are the agents that this collection did not set up, C(moved_from) the folders from which this run has moved files
      of their configuration.
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.filter.host_address import host_address
from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import moved_from, replaced_agents
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.restarts import restart_order


def ordered(hosts, hostvars, result):
    looks = {host: Look.of(hostvars[host]) for host in hosts}
    replaces = {host: replaced_agents(looks[host]) for host in hosts}
    due = {host: replaces[host] or (hostvars[host].get(result) or {}).get("due") == "restart" for host in hosts}
    addresses = {host: host_address(hostvars[host], "consul_agent_bind") for host in hosts if due[host]}
    leads = {host: leader_of(looks[host]).rpartition(":")[0] == address for host, address in addresses.items()}
    undecided = [host for host in hosts if hostvars[host].get(result) is None]
    return [
        {"host": host, "address": addresses[host], "replaces": replaces[host], "moved_from": moved_from(looks[host])}
        for host in restart_order(hosts, due, leads, undecided)
    ]


def leader_of(look):
    """The address of the leader as this host knew it. What this run has changed of the host since tells nothing about it."""
    return (look.known.get("consul") or {}).get("leader") or ""


class FilterModule:
    """Jinja2 filter dockyard.consul.restart_order."""

    def filters(self):
        return {"restart_order": ordered}
