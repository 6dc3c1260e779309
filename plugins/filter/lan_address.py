# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lan_address
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Find the address that a host has on its LAN
description:
  - Returns the IPv4 address by which the other hosts of the site reach a host, from its facts.
  - By default, it is the only private address (RFC 1918, RFC 6598) on an interface that is up. Loopback, and the bridges and
    virtual pairs of a container engine, do not count. If there is none, it is the address of the default route.
  - Two or more such addresses are an error that lists them.
options:
  _input:
    description: The host's C(ansible_facts), network facts gathered.
    type: dict
    required: true
  address:
    description: The address itself. It must be one of the host's.
    type: str
  interface:
    description: The interface that has the address. It must have exactly one.
    type: str
  cidr:
    description: The network that the address is in, such as V(10.20.0.0/16). Exactly one of the host's must be.
    type: str
  option:
    description:
      - Prefix of the variables that a user sets. Error messages name them, with C(_addr), C(_interface) and C(_cidr).
    type: str
    default: lan
notes:
  - Set at most one of O(address), O(interface) and O(cidr). An empty string counts as not set.
"""

EXAMPLES = r"""
- name: Bind to the LAN
  ansible.builtin.debug:
    msg: >-
      {{ ansible_facts | dockyard.consul.lan_address(
           address=consul_agent_bind_addr, interface=consul_agent_bind_interface, cidr=consul_agent_bind_cidr,
           option='consul_agent_bind') }}
"""

RETURN = r"""
_value:
  description: An IPv4 address of the host.
  type: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils import lan_address as found


def lan_address(facts, address=None, interface=None, cidr=None, option="lan"):
    """Return the IPv4 address by which the other hosts of the site reach this one."""
    try:
        return found.lan_address(facts, address, interface, cidr, option)
    except found.NoAddress as error:
        raise AnsibleFilterError(f"lan_address: {error}") from error


class FilterModule:
    """Jinja2 filter dockyard.consul.lan_address."""

    def filters(self):
        return {"lan_address": lan_address}
