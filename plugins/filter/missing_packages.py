# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_packages
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the packages that a host lacks
description:
  - Returns those of some Debian packages that were not installed when this run looked at the host.
  - A package that the look did not ask for counts as missing.
options:
  _input:
    description: The packages that the look found, C(ansible_facts.dockyard_host.packages).
    type: dict
    required: true
  packages:
    description: Names of packages.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Install nginx
  ansible.builtin.apt:
    name: [nginx]
  when: ansible_facts.dockyard_host.packages | dockyard.consul.missing_packages(['nginx']) | length > 0
"""

RETURN = r"""
_value:
  description: Names of packages, in the order that was given.
  type: list
  elements: str
"""


def missing_packages(installed, packages):
    """Of these packages, those that are not installed."""
    return [package for package in packages if not (installed or {}).get(package)]


class FilterModule:
    """Jinja2 filter dockyard.consul.missing_packages."""

    def filters(self):
        return {"missing_packages": missing_packages}
