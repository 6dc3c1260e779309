# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: knows_containers
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Whether this run knows the containers of a host
description:
  - Returns whether the Docker engine answered when this run looked at the host, and this run has changed neither the engine nor
    its containers since.
options:
  _input:
    description: The look, C(ansible_facts.dockyard_host).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look again, if this run has changed the engine
  dockyard.consul.look:
    again: true
  when: not (ansible_facts.dockyard_host | dockyard.consul.knows_containers)
"""

RETURN = r"""
_value:
  description: Whether they are known.
  type: bool
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def knows_containers(look):
    """An engine that was restarted may have lost containers."""
    known = Look(look)
    docker = known.get("docker") or {"error": "not known"}
    return docker["error"] is None and known.unit("docker") is not None


class FilterModule:
    """Jinja2 filter dockyard.consul.knows_containers."""

    def filters(self):
        return {"knows_containers": knows_containers}
