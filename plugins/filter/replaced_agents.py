# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: replaced_agents
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The agents of Consul that a takeover stops
description:
  - Returns the agents that run on the host, by this run's look, and that this collection did not set up.
  - Empty as soon as this run has started the agent of the role.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Start Consul on a host where it does not run
  dockyard.consul.service_current:
    name: consul
  when: not ansible_facts | dockyard.consul.replaced_agents
"""

RETURN = r"""
_value:
  description: Each with its process id (C(pid)), when it started (C(started)), its systemd unit (C(unit)), and the user
    that it runs as (C(user)).
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def replaced_agents(facts):
    """By this run's look."""
    return adoption.replaced_agents(Look.of({"ansible_facts": facts}))


class FilterModule:
    """Jinja2 filter dockyard.consul.replaced_agents."""

    def filters(self):
        return {"replaced_agents": replaced_agents}
