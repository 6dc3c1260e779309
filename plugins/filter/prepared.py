# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: prepared
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Whether a role was prepared in this run
description:
  - Returns whether this run has already checked the variables of a role on this host and made its secrets, as
    C(playbooks/site.yml) does for all roles before the first one. A role alone in a play does it itself.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
  role:
    description: Name of a role of this collection.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Check the variables and the host
  ansible.builtin.include_tasks: preflight.yml
  when: not ansible_facts | dockyard.consul.prepared('redis')
"""

RETURN = r"""
_value:
  description: Whether it was. What a fact cache has kept from another run does not count.
  type: bool
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def prepared(facts, role):
    """By the note of site_secrets."""
    return role in Look.of({"ansible_facts": facts}).prepared


class FilterModule:
    """Jinja2 filter dockyard.consul.prepared."""

    def filters(self):
        return {"prepared": prepared}
