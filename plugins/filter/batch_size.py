# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: batch_size
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: How many hosts a number or a percentage is
description: Returns a number as it is, and a percentage as that share of the hosts, rounded down, but at least 1.
options:
  _input:
    description: A number of hosts, or a percentage such as V(25%).
    type: raw
    required: true
  hosts:
    description: How many hosts there are.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Restart a quarter of the clients at a time
  dockyard.consul.consul_restart:
  throttle: "{{ '25%' | dockyard.consul.batch_size(ansible_play_hosts | length) }}"
"""

RETURN = r"""
_value:
  description: The number of hosts in a batch.
  type: int
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils.restarts import batch_size


def size_of(wanted, hosts):
    try:
        return batch_size(wanted, hosts)
    except ValueError as error:
        raise AnsibleFilterError(f"batch_size: {error}") from error


class FilterModule:
    """Jinja2 filter dockyard.consul.batch_size."""

    def filters(self):
        return {"batch_size": size_of}
