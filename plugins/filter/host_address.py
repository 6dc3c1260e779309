# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_address
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Find the LAN address of a host of the inventory
description:
  - Takes the variables of a host, as in C(hostvars), and returns its address on the LAN.
  - It is what P(dockyard.consul.lan_address#filter) finds in the host's facts, narrowed by the variables that the user
    set for that host, V(<option>_addr), V(<option>_interface) or V(<option>_cidr).
  - Of a host without facts, such as one that is down, V(<option>_addr) is taken at its word.
options:
  _input:
    description: The variables of one host, its network facts among them.
    type: dict
    required: true
  option:
    description: What the variables that a user sets begin with, such as V(consul_agent_bind).
    type: str
    required: true
seealso:
  - plugin: dockyard.consul.lan_address
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the addresses of all servers
  ansible.builtin.debug:
    msg: >-
      {{ groups['consul_server'] | map('extract', hostvars)
         | map('dockyard.consul.host_address', 'consul_agent_bind') }}
"""

RETURN = r"""
_value:
  description: An IPv4 address of the host.
  type: str
"""

from ipaddress import IPv4Address

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.lan_address import lan_address


def host_address(host, option):
    """Return the LAN address of a host, given its variables."""
    facts, address = host.get("ansible_facts"), host.get(f"{option}_addr")
    if address and "interfaces" not in (facts or {}):
        try:
            return str(IPv4Address(address))
        except ValueError as error:
            name = host.get("inventory_hostname", "the host")
            raise AnsibleFilterError(f"host_address: {option}_addr of {name} is no IPv4 address: {error}") from error
    return lan_address(
        facts,
        address=address,
        interface=host.get(f"{option}_interface"),
        cidr=host.get(f"{option}_cidr"),
        option=option,
    )


class FilterModule:
    """Jinja2 filter dockyard.consul.host_address."""

    def filters(self):
        return {"host_address": host_address}
