# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: consul_install_due
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Why Consul has to be installed on a host
description:
  - Compares what this run found on a host with what is wanted.
options:
  _input:
    description: The look, C(ansible_facts.dockyard_host).
    type: dict
    required: true
  method:
    description: How Consul is installed, V(repository), V(package), V(archive) or V(local).
    type: str
    required: true
  binary:
    description: The program.
    type: str
    required: true
  version:
    description: The version that is wanted, such as V(1.21.4). Empty for any.
    type: str
    default: ""
  capability:
    description: The file capabilities that the program must have, as C(getcap) writes them.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Install Consul
  ansible.builtin.include_tasks: install.yml
  when: >-
    ansible_facts.dockyard_host
    | dockyard.consul.consul_install_due('package', '/usr/bin/consul', '1.21.4') | length > 0
"""

RETURN = r"""
_value:
  description: The reason, an empty string if there is nothing to do.
  type: str
"""


def consul_install_due(look, method, binary, version="", capability=""):
    """The reason to install Consul, or an empty text."""
    found = (look.get("consul_binaries") or {}).get(binary)
    if not found:
        return f"there is no {binary}"
    if found.get("error"):
        return f"{binary}: {found['error']}"
    if method == "local":  # whether the file on the controller is another one is for the installation to compare
        return "the file on the controller is compared"
    installed = found["version"]
    if version and not same_release(installed, version):
        return f"Consul {installed} is installed, not {version}"
    if found["capabilities"] != capability:
        return f"{binary} has the capabilities '{found['capabilities']}', not '{capability}'"
    return ""


def same_release(installed, wanted):
    """What is wanted may be less than a release (1.21), or more, as the version of a package (1.8.7+dfsg1-2)."""
    return (
        installed == wanted
        or installed.startswith(wanted + ".")
        or wanted.startswith((installed + "+", installed + "-"))
    )


class FilterModule:
    """Jinja2 filter dockyard.consul.consul_install_due."""

    def filters(self):
        return {"consul_install_due": consul_install_due}
