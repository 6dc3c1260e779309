# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_values
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Get the values of a host that several roles share
description:
  - Takes the variables of one host and returns its node name, its LAN address, and the other values that several roles
    share, with their defaults.
  - Works for any host of the inventory, also for one that is not part of the run.
options:
  _input:
    description: The variables of one host, such as C(hostvars['web1']).
    type: dict
    required: true
notes:
  - Read one value, as in the examples. A value is computed only when it is read, and can fail then. For example,
    C(lan_address) needs the network facts of the host or V(consul_agent_bind_addr).
"""

EXAMPLES = r"""
- name: Show the address of this host
  ansible.builtin.debug:
    msg: "{{ (hostvars[inventory_hostname] | dockyard.consul.site_values).lan_address }}"

- name: Show the node names of all app hosts
  ansible.builtin.debug:
    msg: >-
      {{ groups['docker_host'] | map('extract', hostvars) | map('dockyard.consul.site_values')
         | map(attribute='node_name') }}
"""

RETURN = r"""
_value:
  description: The shared values of the host.
  type: dict
  contains:
    roles:
      description:
        - Roles that the site runs on the host, in the order of the layers. Each runs on the group with its name.
        - A host in the groups C(consul_server) and C(consul_client) is a server.
      type: list
      elements: str
    uses_resolver:
      description: >-
        Whether the host has a Consul agent and uses it as its nameserver. V(consul_agent_resolver), or whether
        V(consul_agent_dns_port) is 53.
      type: bool
    node_name:
      description: Name of the Consul node. V(consul_agent_node_name), or the name in the inventory.
      type: str
    lan_address:
      description:
        - IPv4 address by which the other hosts of the site reach this one. V(consul_agent_bind_addr), or found in the facts
          by V(consul_agent_bind_interface) or V(consul_agent_bind_cidr), or the one private address.
      type: str
    datacenter:
      description: Consul's datacenter. V(consul_agent_datacenter), or V(dc1).
      type: str
    domain:
      description: Consul's DNS domain. V(consul_agent_config_extra.domain), or V(consul).
      type: str
    servers_group:
      description: Inventory group of the Consul servers. V(consul_agent_servers_group), or V(consul_server).
      type: str
    servers:
      description: Inventory names of the Consul servers.
      type: list
      elements: str
    acl_server:
      description:
        - Inventory name of the server through which ACL tokens are made. V(consul_agent_acl_server), or the first server that
          runs by this run's look, or the first one that this run has looked at, or the first one.
      type: str
    acl_server_candidates:
      description:
        - Inventory names of the servers outside the play that this run has not looked at. Look at them, one after the other until
          one runs, before a token is made. Empty if this run knows a server that runs, or if V(consul_agent_acl_server) is set.
      type: list
      elements: str
    tokens_first:
      description: >-
        Whether the tokens of the servers are made before these restart, by this run's look. True if a server of a cluster that was
        set up by hand is taken over, V(acl_server) knows a leader, and no server is known to be without ACLs.
      type: bool
    foreign_server:
      description: >-
        V(acl_server), if it is outside the play, runs an agent that this collection did not set up, and a client of the play gets
        an agent. Empty otherwise.
      type: str
    secrets_dir:
      description: >-
        Folder on the controller that keeps the secrets of the site. V(site_secrets_dir), or C(.secrets) in the folder of the
        inventory.
      type: str
    acl_enabled:
      description: Whether Consul denies requests without a token. True unless V(consul_agent_acl_default_policy=allow).
      type: bool
    dns_cache_seconds:
      description: >-
        How many seconds a DNS answer may be cached on this host. The longest of Consul's TTLs for services
        (V(consul_agent_config_extra.dns_config.service_ttl)) and V(nginx_lb_resolver_valid), rounded up. At least 1.
      type: int
"""

from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import site_values


class FilterModule:
    """Jinja2 filter dockyard.consul.site_values."""

    def filters(self):
        return {"site_values": site_values}
