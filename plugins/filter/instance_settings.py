# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: instance_settings
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: What an instance of a service is run with
description:
  - Takes the definition of a service's containers and returns the settings of the one at a port, with a digest of them.
options:
  _input:
    description:
      - The definition, with C(image), C(env), C(port_variable), C(volumes), C(command), C(stop_seconds), C(log_max_size) and
        C(log_max_file).
    type: dict
    required: true
  port:
    description: The port.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what the instance at port 7000 is run with
  ansible.builtin.debug:
    msg: "{{ definition | dockyard.consul.instance_settings(7000) }}"
"""

RETURN = r"""
_value:
  description: C(image), C(env), C(volumes), C(command) and C(digest).
  type: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.releases import instance_settings


class FilterModule:
    """Jinja2 filter dockyard.consul.instance_settings."""

    def filters(self):
        return {"instance_settings": instance_settings}
