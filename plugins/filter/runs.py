# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: runs
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Whether systemd units run on a host
description:
  - Returns whether all the units were active when this run looked at the host, or have been started by this run.
options:
  _input:
    description: The look, C(ansible_facts.dockyard_host).
    type: dict
    required: true
  units:
    description: Names of units, without C(.service).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Ask the agent, if there is one
  dockyard.consul.consul_kv_info:
    key: shop
  when: ansible_facts.dockyard_host | dockyard.consul.runs(['consul'])
"""

RETURN = r"""
_value:
  description: Whether all of them run.
  type: bool
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look


def runs(look, units):
    """A look of another run tells nothing."""
    known = Look.of({"ansible_facts": {FACT: look}})
    return all(map(known.runs, units))


class FilterModule:
    """Jinja2 filter dockyard.consul.runs."""

    def filters(self):
        return {"runs": runs}
