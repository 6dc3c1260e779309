# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: retirement_plan
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Plan how a host is taken out of a site
description:
  - Returns through which server a host is taken out, what is in the way, which services are drained, and which tokens are
    revoked. Used by the role P(dockyard.consul.retire#role).
options:
  _input:
    description:
      - The results of M(dockyard.consul.host_info) with C(cluster=true), in a loop over the servers that stay.
    type: list
    elements: dict
    required: true
  node:
    description: Name of the host's node.
    type: str
    required: true
  nodes:
    description: Names of the nodes of all hosts that are taken out.
    type: list
    elements: str
    required: true
  datacenter:
    description: Datacenter of the site.
    type: str
    required: true
  token_files:
    description: The files with tokens in the folder of secrets of the node.
    type: list
    elements: str
    default: []
  min_servers:
    description: How many servers must remain.
    type: int
    default: 3
  allow_outage:
    description: Whether a service may be left without an instance.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what is in the way
  ansible.builtin.debug:
    msg: "{{ (views.results | dockyard.consul.retirement_plan('app7', ['app7'], 'dc1')).problems }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    server:
      description: The inventory name of the server to ask. Empty if none answers and knows a leader.
      type: str
    problems:
      description: What is in the way, each a sentence.
      type: list
      elements: str
    services:
      description: How many instances of each service the node has.
      type: dict
    acls:
      description: C(policies) and C(tokens) of the node, as M(dockyard.consul.consul_acl) removes them.
      type: dict
"""

from pathlib import PurePath

from ansible_collections.dockyard.consul.plugins.plugin_utils import retirement


def retirement_plan(results, node, nodes, datacenter, token_files=(), min_servers=3, allow_outage=False):
    server, cluster = retirement.first_view(results)
    return {
        "server": server,
        "problems": list(
            retirement.problems(cluster, list(nodes), int(min_servers), allow_outage, "retire_allow_outage")
        ),
        "services": retirement.services_of(cluster, node),
        "acls": retirement.revoked(node, datacenter, [PurePath(file).stem for file in token_files]),
    }


class FilterModule:
    """Jinja2 filter dockyard.consul.retirement_plan."""

    def filters(self):
        return {"retirement_plan": retirement_plan}
