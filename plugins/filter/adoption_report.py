# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: adoption_report
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: What a host has of Consul, and what a takeover needs
description:
  - Describes the agent of a host that this collection did not set up, by this run's look, and returns the lines to put into the
    inventory. Used by the playbook C(adopt.yml).
options:
  _input:
    description: The variables of the host, C(hostvars[inventory_hostname]).
    type: dict
    required: true
  problems:
    description: The problems that M(dockyard.consul.check_variables) has found.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what was found and what to do
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | dockyard.consul.adoption_report(checked.problems) }}"
"""

RETURN = r"""
_value:
  description: The lines. They hold no secret.
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption_report import report
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues


def adoption_report(variables, problems):
    """By this run's look."""
    return report(Look.of(variables), SiteValues(variables), problems)


class FilterModule:
    """Jinja2 filter dockyard.consul.adoption_report."""

    def filters(self):
        return {"adoption_report": adoption_report}
