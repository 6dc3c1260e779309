# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: adopted_secrets
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The secrets of a Consul cluster that are on a host
description:
  - Returns where the agent of the host, which this collection did not set up, keeps the gossip key, the CA, and perhaps the private
    key of the CA, by this run's look.
options:
  _input:
    description: The facts of the host, C(ansible_facts).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Read them
  ansible.builtin.slurp:
    src: "{{ item.path }}"
  loop: "{{ ansible_facts | dockyard.consul.adopted_secrets }}"
  no_log: true
"""

RETURN = r"""
_value:
  description:
    - Each with its file in the folder of secrets (C(name)), its C(path) on the host, and its C(kind), V(keyring) for a list of
      gossip keys in JSON with the one in use first, or V(file).
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption_report import secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def adopted_secrets(facts):
    """By this run's look."""
    return [secret._asdict() for secret in secrets(Look.of({"ansible_facts": facts}))]


class FilterModule:
    """Jinja2 filter dockyard.consul.adopted_secrets."""

    def filters(self):
        return {"adopted_secrets": adopted_secrets}
