# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: consul_config_files
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Render Consul agent configuration as files to place
description:
  - What P(dockyard.consul.consul_config#filter) renders, as entries of the option C(files) of M(dockyard.consul.files).
  - The files are C(consul.json) (read at a start), C(start.json) (used at a start only), C(reloadable.json) (read at a
    reload) and C(secrets.json). Their group is C(consul) and their mode C(0640).
options:
  _input:
    description: The configuration, in the form of the newest Consul.
    type: dict
    required: true
  version:
    description: The version of Consul that will read the files, as a quoted string.
    type: str
    required: true
  folder:
    description: The folder that holds the agent's configuration.
    type: str
    default: /etc/consul.d
seealso:
  - plugin: dockyard.consul.consul_config
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Place the configuration
  dockyard.consul.files:
    files: "{{ settings | dockyard.consul.consul_config_files(version='1.21.4') }}"
    validate: consul validate %s/etc/consul.d
"""

RETURN = r"""
_value:
  description: Four entries with C(path), C(content), C(group), C(mode) and C(secret).
  type: list
  elements: dict
"""

import json
from typing import Any

from ansible_collections.dockyard.consul.plugins.filter.consul_config import consul_config

NAMES = {"main": "consul.json", "start": "start.json", "reloadable": "reloadable.json", "secret": "secrets.json"}


def consul_config_files(settings: Any, version: Any, folder: str = "/etc/consul.d") -> list[dict]:
    """Render settings for a version of Consul as entries of the action files."""
    parts = consul_config(settings, version)
    return [
        {
            "path": f"{folder}/{name}",
            "content": json.dumps(parts[part], indent=2, sort_keys=True, ensure_ascii=False) + "\n",
            "group": "consul",
            "mode": "0640",
            "secret": part == "secret",
        }
        for part, name in NAMES.items()
    ]


class FilterModule:
    def filters(self) -> dict:
        return {"consul_config_files": consul_config_files}
