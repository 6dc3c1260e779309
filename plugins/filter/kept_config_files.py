# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_config_files
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The configuration files of the user that the agent of the role reads
description:
  - Returns the files in C(/etc/consul.d) that are not of this collection and that the role leaves in force, by this run's look.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
  moved:
    description: What P(dockyard.consul.moved_files#filter) returns, if the role moves files.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Place the configuration
  dockyard.consul.files:
    files: "{{ files }}"
    validate: >-
      consul validate %s/etc/consul.d {{ ansible_facts | dockyard.consul.kept_config_files([]) | map('quote') | join(' ') }}
"""

RETURN = r"""
_value:
  description: The paths, sorted.
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def kept_config_files(facts, moved):
    """By this run's look."""
    return adoption.kept_config_files(Look.of({"ansible_facts": facts}), {file["path"] for file in moved})


class FilterModule:
    """Jinja2 filter dockyard.consul.kept_config_files."""

    def filters(self):
        return {"kept_config_files": kept_config_files}
