# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stale_keyrings
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The keyring with which a Consul client cannot join
description:
  - An agent keeps the gossip keys with which it has joined, and they take precedence over its configuration. A client that was given
    a wrong key once stays alone with it.
  - By this run's look, returns the keyring of a client that knows no leader and does not have the key which the servers use, as an
    entry of M(dockyard.consul.files). Where no server uses the key, nothing is returned.
options:
  _input:
    description: The facts of the client, C(ansible_facts).
    type: dict
    required: true
  data_dir:
    description: The data folder of its agent.
    type: str
    required: true
  key:
    description: The gossip key of the site.
    type: str
    required: true
  servers:
    description: The inventory names of the Consul servers.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Remove the keyring of a client that cannot join
  dockyard.consul.files:
    files: >-
      {{ ansible_facts | dockyard.consul.stale_keyrings('/var/lib/consul', consul_agent_gossip_key, groups['consul_server'],
                                                        hostvars) }}
"""

RETURN = r"""
_value:
  description: At most one entry, with C(path) and C(state=absent).
  type: list
  elements: dict
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.keyrings import stale_keyring
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look


def stale_keyrings(facts, data_dir, key, servers, hostvars):
    """Facts are no templates, and to template all variables of a host takes long."""
    raw_get = getattr(hostvars, "raw_get", hostvars.get)
    looks = [Look.of({"ansible_facts": (raw_get(server) or {}).get("ansible_facts")}) for server in servers]
    path = stale_keyring(Look.of({"ansible_facts": facts}), data_dir, key, looks)
    return [{"path": path, "state": "absent"}] if path else []


class FilterModule:
    """Jinja2 filter dockyard.consul.stale_keyrings."""

    def filters(self):
        return {"stale_keyrings": stale_keyrings}
