# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: moved_files
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The files of a host that a takeover moves to the backups
description:
  - Returns the configuration files in C(/etc/consul.d) and the drop-ins of C(consul.service) that are not of this collection,
    as entries of M(dockyard.consul.files). That module makes a backup of what it removes.
  - Files with nothing but services, checks and watches are not among them.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
  kept:
    description: Paths of files that stay.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Move them
  dockyard.consul.files:
    files: "{{ ansible_facts | dockyard.consul.moved_files(consul_agent_kept_files) }}"
"""

RETURN = r"""
_value:
  description: The entries, each with C(path) and C(state=absent).
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def moved_files(facts, kept):
    """By this run's look."""
    paths = adoption.moved_files(Look.of({"ansible_facts": facts}), kept)
    return [{"path": path, "state": "absent"} for path in paths]


class FilterModule:
    """Jinja2 filter dockyard.consul.moved_files."""

    def filters(self):
        return {"moved_files": moved_files}
