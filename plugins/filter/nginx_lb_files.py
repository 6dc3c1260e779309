# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_lb_files
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the configuration files of a load balancer
description:
  - Returns the configuration files that the role P(dockyard.consul.nginx_lb#role) places on a host, as entries of the option
    C(files) of M(dockyard.consul.files).
  - The file with the services is in the folder that nginx reads last. C(nginx.conf) is one of the files if it is as the
    package brought it, as the role placed it, or if the user wants to replace it.
options:
  _input:
    description: The facts of the host, with those of M(dockyard.consul.look).
    type: dict
    required: true
  nginx_conf:
    description: What the role does with C(nginx.conf), as in its variable C(nginx_lb_nginx_conf).
    type: str
    choices: [auto, replace, keep]
    required: true
  worker_connections:
    description: The value of C(worker_connections).
    type: int
    required: true
  services:
    description: The services. If there are none, the welcome page of the package stays.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Place the configuration
  dockyard.consul.files:
    files: "{{ ansible_facts | dockyard.consul.nginx_lb_files('auto', 4096, nginx_lb_services) }}"
    validate: nginx -t
"""

RETURN = r"""
_value:
  description: Entries for the files.
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import files


def nginx_lb_files(facts, nginx_conf, worker_connections, services):
    """As Jinja2 calls it."""
    return files(Look.of({"ansible_facts": facts}), nginx_conf, int(worker_connections), bool(services))


class FilterModule:
    """Jinja2 filter dockyard.consul.nginx_lb_files."""

    def filters(self):
        return {"nginx_lb_files": nginx_lb_files}
