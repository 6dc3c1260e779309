# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: resolver_state
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: How a host resolves names
description:
  - Returns which program manages C(/etc/resolv.conf) of a host, and which nameservers it had before the Consul agent became its
    nameserver.
options:
  _input:
    description: The facts of the host, C(ansible_facts), with the look.
    type: dict
    required: true
  manager:
    description: The program, or V(auto) to find it.
    type: str
    default: auto
"""

EXAMPLES = r"""
- name: Show the nameservers behind the agent
  ansible.builtin.debug:
    msg: "{{ (ansible_facts | dockyard.consul.resolver_state).former_nameservers }}"
"""

RETURN = r"""
_value:
  description: The state of the resolver.
  type: dict
  contains:
    manager:
      description: V(systemd-resolved), V(NetworkManager), V(dhclient) or V(none).
      type: str
    nameservers:
      description: The nameservers in resolv.conf.
      type: list
      elements: str
    former_nameservers:
      description: The nameservers apart from the host itself. Where systemd-resolved is the nameserver, those behind it.
      type: list
      elements: str
    asks_agent:
      description: Whether names are always asked of the agent first.
      type: bool
    rotates:
      description: Whether resolv.conf has the option C(rotate), with which the nameservers are asked in turn.
      type: bool
    lines:
      description:
        - The lines of resolv.conf with the agent as the first nameserver, and without C(rotate).
        - With systemd-resolved, its address comes first. No lines if the file is right as it is.
      type: list
      elements: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import resolver
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def resolver_state(facts, manager="auto"):
    """From the look of this run, or from the facts alone where there is none."""
    found = Look.of({"ansible_facts": facts}).get("resolver") or {}
    return resolver.resolver_state(found, (facts.get("dns") or {}).get("nameservers") or [], manager)


class FilterModule:
    """Jinja2 filter dockyard.consul.resolver_state."""

    def filters(self):
        return {"resolver_state": resolver_state}
