# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_acls
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the ACL tokens of the app mydemo on some hosts
description:
  - Returns the policies and tokens of mydemo on some hosts, as M(dockyard.consul.consul_acl) takes them. Each may register
    the service, read the app's key and read the node that it is on.
  - A host for which this run has not made the secrets yet, such as one of a later batch, is left out.
  - A token is V(mydemo_token) of the host if the inventory sets it, otherwise the content of
    C(node/<node>/service-mydemo.token) in the folder of secrets.
extends_documentation_fragment: dockyard.consul.hosts
options:
  key:
    description: The app's key in Consul's KV store.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make the tokens of the app
  dockyard.consul.consul_acl:
    policies: "{{ acls.policies }}"
    tokens: "{{ acls.tokens }}"
    secrets: "{{ acls.secrets }}"
  run_once: true
  vars:
    acls: "{{ ansible_play_hosts | dockyard.consul.app_acls(hostvars, mydemo_kv_key) }}"
"""

RETURN = r"""
_value:
  description: C(policies), C(tokens) and C(secrets).
  type: dict
"""

from ansible_collections.dockyard.consul.plugins.filter.agent_acls import has_secrets, token_of
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import accessor
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import node_service_token
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues


def app_acls(hosts, hostvars, key):
    """The policies, tokens and secrets of mydemo on these hosts."""
    policies, tokens, secrets = [], [], {}
    for host in hosts:
        if not has_secrets(hostvars[host], "mydemo"):
            continue
        site = SiteValues(hostvars[host])
        name = f"mydemo-{site.node_name}"
        identity = accessor(site.datacenter, f"node/{site.node_name}/service-mydemo")
        rules = [
            'service "mydemo" { policy = "write" }',
            f'key "{key}" {{ policy = "read" }}',
            f'node "{site.node_name}" {{ policy = "read" }}',
        ]
        description = f"mydemo on {site.node_name}"
        policies.append({"name": name, "description": description, "rules": "\n".join(rules) + "\n"})
        tokens.append({"accessor_id": identity, "description": description, "policies": [name]})
        secrets[identity] = token_of(
            site, hostvars[host], "mydemo_token", node_service_token(site.node_name, "mydemo"), "app_acls"
        )
    return {"policies": policies, "tokens": tokens, "secrets": secrets}


class FilterModule:
    """Jinja2 filter dockyard.consul.app_acls."""

    def filters(self):
        return {"app_acls": app_acls}
