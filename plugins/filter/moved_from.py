# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: moved_from
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The folders from which this run has moved configuration files
description:
  - Returns the folders of those files that P(dockyard.consul.moved_files#filter) has named and this run has moved. What they held
    is in force until the agent restarts.
  - Of a client that is alone, returns the folder of its keyring if an earlier run has removed that.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Restart the agent
  dockyard.consul.consul_restart:
    reads: "{{ ['/etc/consul.d/consul.json'] + ansible_facts | dockyard.consul.moved_from }}"
"""

RETURN = r"""
_value:
  description: The folders.
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def moved_from(facts):
    """By this run's look."""
    return adoption.moved_from(Look.of({"ansible_facts": facts}))


class FilterModule:
    """Jinja2 filter dockyard.consul.moved_from."""

    def filters(self):
        return {"moved_from": moved_from}
