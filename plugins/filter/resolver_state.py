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
      description: Whether names are asked of the agent first.
      type: bool
"""


# resolvconf writes what the others give it; there is nothing to tell it.
MANAGERS = ("systemd-resolved", "NetworkManager", "dhclient")


def resolver_state(facts, manager="auto"):
    """From the look, or from the facts alone where there is none."""
    found = (facts.get("dockyard_host") or {}).get("resolver") or {}
    used = found.get("nameservers") or (facts.get("dns") or {}).get("nameservers") or []
    if manager == "auto":
        manager = next((one for one in found.get("managers") or [] if one in MANAGERS), "none")
    through_resolved = manager == "systemd-resolved"
    behind = found.get("upstream_nameservers") or [] if through_resolved else used
    return {
        "manager": manager,
        "nameservers": used,
        "former_nameservers": [address for address in behind if not is_own(address)],
        "asks_agent": "127.0.0.1" in (found.get("global_nameservers") or [])
        if through_resolved
        else used[:1] == ["127.0.0.1"],
    }


def is_own(address):
    return address.startswith("127.") or address.endswith("::1")


class FilterModule:
    """Jinja2 filter dockyard.consul.resolver_state."""

    def filters(self):
        return {"resolver_state": resolver_state}
