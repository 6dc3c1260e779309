# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_engine
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: What the role docker_host installs and sets on a host
description:
  - Returns the packages that are due and the settings for C(/etc/docker/daemon.json), by the look of this run.
  - An engine that is installed stays. Settings of the user stay, unless the inventory sets them.
options:
  _input:
    description: C(ansible_facts) of the host, with its look.
    type: dict
    required: true
  dns:
    description: Nameservers of containers.
    type: list
    elements: str
    required: true
  log_opts:
    description: The variables of the role that limit logs, by name. One with the default of the role is a default here.
    type: dict
    required: true
  extra:
    description: More settings, which win.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be merged into daemon.json
  ansible.builtin.debug:
    msg: "{{ ansible_facts | dockyard.consul.docker_engine(['192.0.2.1'], {'docker_host_log_max_file': 3}, {}) }}"
"""

RETURN = r"""
_value:
  description:
    - C(packages), those to install. C(settings) and C(defaults), for C(json) and C(json_defaults) of
      M(dockyard.consul.files). C(validate), the command that judges the file, or V(null) if the engine has none.
      C(live_restore_due), whether C(live-restore) is to be switched on. It is V(true) if it is not known whether it is on.
  type: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.docker_engine import (
    Engine,
    daemon_settings,
    packages_due,
    validate_command,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def docker_engine(facts, dns, log_opts, extra):
    known = Look.of({"ansible_facts": facts})
    engine = Engine(known)
    merges = daemon_settings(engine, dns, log_opts, extra)
    return {
        "packages": packages_due(known, facts),
        "validate": validate_command(known),
        "live_restore_due": bool(merges["settings"].get("live-restore")) and not engine.has_live_restore,
        **merges,
    }


class FilterModule:
    """Jinja2 filter dockyard.consul.docker_engine."""

    def filters(self):
        return {"docker_engine": docker_engine}
