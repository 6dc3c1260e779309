# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_acls
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the ACL tokens of the Consul agents of some hosts
description:
  - Returns the tokens of the agents of some hosts, as M(dockyard.consul.consul_acl) takes them. Each may write its own node
    and read all services. Those of servers may read the state of the cluster as well.
  - A host for which this run has not made the secrets yet, such as one of a later batch, is left out.
  - A token is V(consul_agent_acl_agent_token) of the host if the inventory sets it, otherwise the content of
    C(node/<node>/agent.token) in the folder of secrets. In check mode a random one stands for a token that is missing.
extends_documentation_fragment: dockyard.consul.hosts
"""

EXAMPLES = r"""
- name: Make the tokens of the agents
  dockyard.consul.consul_acl:
    policies: "{{ acls.policies }}"
    tokens: "{{ acls.tokens }}"
    secrets: "{{ acls.secrets }}"
    token: "{{ consul_agent_acl_management_token }}"
  run_once: true
  vars:
    acls: "{{ ansible_play_hosts | dockyard.consul.agent_acls(hostvars) }}"
"""

RETURN = r"""
_value:
  description: C(policies), C(tokens) and C(secrets).
  type: dict
"""

import uuid

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import Agent, agent_acls
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues

AGENT_ROLES = ("consul_server", "consul_client")


def acls_of(hosts, hostvars):
    return agent_acls([agent_of(host, hostvars[host]) for host in hosts if has_secrets(hostvars[host], *AGENT_ROLES)])


def has_secrets(variables, *roles):
    """Whether this run has made the secrets of one of these roles for a host. It has not for one of a later batch, or for one
    that cannot be reached."""
    return not set(roles).isdisjoint(Look.of(variables).prepared)


def agent_of(host, variables):
    site = SiteValues(variables)
    token = token_of(
        site, variables, "consul_agent_acl_agent_token", site_secrets.node_token(site.node_name), "agent_acls"
    )
    return Agent(site.node_name, site.datacenter, token, host in site.servers)


def token_of(site, variables, variable, name, filter_name):
    """The value of the variable, or of the file of this name in the folder of secrets."""
    token = variables.get(variable)
    if token:
        return token
    try:
        folder = site_secrets.checked_folder(site.secrets_dir)
        token = site_secrets.read(folder, name, "uuid")
    except site_secrets.SecretError as error:
        raise AnsibleFilterError(f"{filter_name}: {error}") from error
    if token is None and not variables.get("ansible_check_mode"):
        raise AnsibleFilterError(
            f"{filter_name}: {folder / name} is missing. Copy it from the controller that set up the site."
        )
    return token or str(uuid.uuid4())


class FilterModule:
    """Jinja2 filter dockyard.consul.agent_acls."""

    def filters(self):
        return {"agent_acls": acls_of}
