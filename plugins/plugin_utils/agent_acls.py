# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ACL tokens of agents, as consul_acl takes them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

# Ansible's namespace, so that the filter to_uuid gives the same.
NAMESPACE = uuid.UUID("361e6d51-faec-444a-9079-341386da8e2e")

# What a server asks about the others before it is restarted.
SERVER_POLICY = {
    "name": "server",
    "description": "Agents of the Consul servers",
    "rules": (
        'agent_prefix "" { policy = "read" }\n'
        'node_prefix "" { policy = "read" }\n'
        'service_prefix "" { policy = "read" }\n'
        'operator = "read"\n'
    ),
}


class Agent(NamedTuple):
    node: str
    datacenter: str
    token: str
    server: bool


def accessor(datacenter: str, path: str) -> str:
    """The public id of a token, which follows from its file in the folder of secrets. So every run finds it again."""
    return str(uuid.uuid5(NAMESPACE, f"{datacenter}/token/{path}"))


def agent_acls(agents: Sequence[Agent]) -> dict[str, Any]:
    """Policies, tokens and secrets for these agents. Each may write its own node and read all services."""
    tokens, secrets = [], {}
    for agent in agents:
        identity = accessor(agent.datacenter, f"node/{agent.node}/agent")
        secrets[identity] = agent.token
        tokens.append(
            {
                "accessor_id": identity,
                "description": f"Agent of {agent.node}",
                "node_identities": [{"node_name": agent.node, "datacenter": agent.datacenter}],
                "policies": [SERVER_POLICY["name"]] if agent.server else [],
            }
        )
    policies = [SERVER_POLICY] if any(agent.server for agent in agents) else []
    return {"policies": policies, "tokens": tokens, "secrets": secrets}
