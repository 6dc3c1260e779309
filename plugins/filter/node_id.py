# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_id
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The id of the Consul node of a host
description:
  - Returns the id that the node has, by this run's look at the data folder of its agent. A new node gets the derived id.
  - Where the role has given the node the derived id, that one stays, whatever is in the data folder.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
  data_dir:
    description: The data folder of the agent.
    type: str
    required: true
  derived:
    description: The id of a new node, which follows from its name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the id of the node
  ansible.builtin.debug:
    msg: "{{ ansible_facts | dockyard.consul.node_id('/var/lib/consul', 'dc1/app1' | to_uuid) }}"
"""

RETURN = r"""
_value:
  description: The id.
  type: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def node_id(facts, data_dir, derived):
    """By this run's look."""
    return adoption.node_id_in_use(Look.of({"ansible_facts": facts or {}}), data_dir, derived)


class FilterModule:
    """Jinja2 filter dockyard.consul.node_id."""

    def filters(self):
        return {"node_id": node_id}
