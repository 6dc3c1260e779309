# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports the plugins that templates use. The first action of a run does it in Ansible's main process.

Each task on each host runs in a fork of that process. Without this, every fork imports the plugins again for its first
template, and Ansible's own filters alone take some 0.1 s.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import ansible.plugins.filter
import ansible.plugins.lookup
import ansible.plugins.test
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins import filter as our_filters
from ansible_collections.dockyard.consul.plugins import lookup as our_lookups


def import_all(package: ModuleType) -> None:
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def preload() -> None:
    for package in (ansible.plugins.filter, ansible.plugins.test, our_filters, our_lookups):
        import_all(package)
    # Ansible's table of filters and tests is made at the first template that needs it.
    Templar(loader=None).template(trust_as_template("{{ [] | flatten is falsy }}"))
