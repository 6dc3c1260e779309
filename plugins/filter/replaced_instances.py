# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: replaced_instances
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The instances of a service that have to be replaced
description:
  - Of the ports of a service, returns those whose container is missing, does not run, or is run with other settings.
options:
  _input:
    description: The ports of the service.
    type: list
    elements: int
    required: true
  containers:
    description: The containers, as P(dockyard.consul.service_containers#filter) returns them.
    type: dict
    required: true
  definition:
    description: What they are to be run with, as P(dockyard.consul.instance_settings#filter) takes it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a release would replace
  ansible.builtin.debug:
    msg: "{{ [7000, 7001] | dockyard.consul.replaced_instances(containers, definition) }}"
"""

RETURN = r"""
_value:
  description: Ports.
  type: list
  elements: int
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.releases import replaced


class FilterModule:
    """Jinja2 filter dockyard.consul.replaced_instances."""

    def filters(self):
        return {"replaced_instances": replaced}
