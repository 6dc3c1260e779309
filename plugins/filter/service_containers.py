# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: service_containers
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The containers of a service on a host
description:
  - Returns the containers that the role P(dockyard.consul.release#role) made for a service, by this run's look.
options:
  _input:
    description: The look, C(ansible_facts.dockyard_host).
    type: dict
    required: true
  service:
    description: Name of the service.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the containers of the shop
  ansible.builtin.debug:
    msg: "{{ ansible_facts.dockyard_host | dockyard.consul.service_containers('shop') }}"
"""

RETURN = r"""
_value:
  description:
    - By the port of each, as text, its C(name), whether it is C(running), its C(image) and the digest of its C(settings). Empty
      if the look does not know.
  type: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import releases
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def service_containers(look, service):
    """An engine that this run has restarted still has the containers that it had."""
    docker = Look(look).get("docker") or {}
    return releases.service_containers(docker.get("containers") or [], service)


class FilterModule:
    """Jinja2 filter dockyard.consul.service_containers."""

    def filters(self):
        return {"service_containers": service_containers}
