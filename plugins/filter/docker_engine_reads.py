# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_engine_reads
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The files that need a restart of the Docker engine if they are newer than its start
description:
  - Returns C(/etc/docker/daemon.json), or an empty list if a reload applies all that was changed since the engine started.
  - The settings that this run and earlier ones have changed are known. What somebody else has changed needs a restart.
options:
  _input:
    description: The look, C(ansible_facts.dockyard_host).
    type: dict
    required: true
  placed:
    description: The result of M(dockyard.consul.files). Empty if it did not run.
    type: dict
    required: true
  engine:
    description: What P(dockyard.consul.docker_engine#filter) returns.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Reload or restart the engine
  dockyard.consul.service_current:
    name: docker
    reads: "{{ ansible_facts.dockyard_host | dockyard.consul.docker_engine_reads(placed, engine) }}"
    reload_reads: [/etc/docker/daemon.json]
"""

RETURN = r"""
_value:
  description: Paths for C(reads) of M(dockyard.consul.service_current).
  type: list
  elements: str
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.docker_engine import DAEMON_JSON, reads_at_start
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look


def docker_engine_reads(look, placed, engine):
    changed = (placed.get("merged") or {}).get(DAEMON_JSON) or []
    return reads_at_start(Look.of({"ansible_facts": {FACT: look}}), changed, engine)


class FilterModule:
    """Jinja2 filter dockyard.consul.docker_engine_reads."""

    def filters(self):
        return {"docker_engine_reads": docker_engine_reads}
