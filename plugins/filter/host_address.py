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
  - Returns the LAN address of a host, from its variables as in C(hostvars).
  - It is the result of P(dockyard.consul.lan_address#filter) for the facts of the host, with the variables that the user set
    for that host, V(<option>_addr), V(<option>_interface) or V(<option>_cidr).
  - For a host without facts, such as one that is down, V(<option>_addr) is used without a check.
options:
  _input:
    description: The variables of one host, including its network facts.
    type: dict
    required: true
  option:
    description: Prefix of the variables that a user sets, such as V(consul_agent_bind).
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

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils import lan_address


def host_address(host, option):
    """Return the LAN address of a host, given its variables."""
    try:
        return lan_address.host_address(host, option)
    except lan_address.NoAddress as error:
        name = host.get("inventory_hostname", "the host")
        raise AnsibleFilterError(f"host_address: {name}: {error}") from error


class FilterModule:
    """Jinja2 filter dockyard.consul.host_address."""

    def filters(self):
        return {"host_address": host_address}
