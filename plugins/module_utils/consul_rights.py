# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the token in use may do. Consul leaves out what a token may not read, so that an empty answer may mean either."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError


def may(client, resource, access, name):
    """Whether the token may read or write this node, service or session. True where the agent cannot tell."""
    question = [{"Resource": resource, "Access": access, "Segment": name}]
    try:
        # The web UI of Consul asks this. An agent without ACLs answers 401.
        answer = client.post("internal/acl/authorize", client.query, question).data
    except ConsulError as error:
        if error.status in (400, 401, 404, 405):
            return True
        raise
    return all(item["Allow"] for item in answer)


def require(client, resource, access, name):
    """Raise an error that names the rule which the token lacks. An empty name stands for all."""
    if not may(client, resource, access, name):
        rule = f'{resource} "{name}"' if name else f'{resource}_prefix ""'
        which = f"{resource} {name!r}" if name else f"every {resource}"
        raise ConsulError(
            f'the token may not {access} {which} at {client.place}: it requires the rule {rule} {{ policy = "{access}" }}',
            status=403,
        )
