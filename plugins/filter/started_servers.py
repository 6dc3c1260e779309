# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: started_servers
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Count the servers that run
description:
  - Returns how many of the hosts have a Consul agent that ran when this run looked at them, or that this run has started.
  - A host that this run has not looked at counts if it is not in the play.
extends_documentation_fragment: dockyard.consul.hosts
options:
  play_hosts:
    description: The hosts of the play with all its batches, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Wait for a leader, once enough servers were started to elect one
  ansible.builtin.uri:
    url: http://127.0.0.1:8500/v1/status/leader
  when: groups['consul_server'] | dockyard.consul.started_servers(hostvars, ansible_play_hosts_all) >= 3
"""

RETURN = r"""
_value:
  description: The number of hosts.
  type: int
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def started_servers(hosts, hostvars, play_hosts):
    """Outside the play, a host may run. In the play, one that nobody has looked at comes in a later batch, or is down. Where
    this run has seen a leader, enough have been started."""
    looks = {host: Look.of(hostvars[host]) for host in hosts}
    if any((look.known.get("consul") or {}).get("leader") for look in looks.values()):
        return len(looks)
    return sum(1 for host, look in looks.items() if may_run(look, host in play_hosts))


def may_run(look, in_play):
    return look.runs("consul") if look else not in_play


class FilterModule:
    """Jinja2 filter dockyard.consul.started_servers."""

    def filters(self):
        return {"started_servers": started_servers}
