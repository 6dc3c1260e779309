# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gossip keys that an agent keeps. They take precedence over its configuration, so a client that has joined with a wrong key stays
alone with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import data_in
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, digest


def digests(look: Look, folder: str) -> set[str]:
    """The digests of the keys that the agent with this data folder keeps."""
    return set(data_in(look, folder).get("gossip_key_digests") or [])


def keyring_of(folder: str) -> str:
    return f"{folder.rstrip('/')}/serf/local.keyring"


def is_alone(look: Look) -> bool:
    """Whether the agent knows no leader. One with another key than the servers never does, and does not even open its API."""
    return not (look.get("consul") or {}).get("leader")


def stale_keyring(client: Look, folder: str, key: str, servers: Iterable[Look]) -> str | None:
    """The keyring of a client that has no key of the cluster, if it has to be removed so that the client can join. Only where a
    server uses the key: otherwise the key may be the wrong one. One that this run has restarted since the look still uses it."""
    path, wanted = keyring_of(folder), digest(key.encode())
    kept = digests(client, folder)
    if not kept or wanted in kept or path in client.changed or not is_alone(client):
        return None
    folders = [(server, agent["data_dir"]) for server in servers for agent in _ran(server)]
    return path if any(wanted in digests(server, data_dir) for server, data_dir in folders) else None


def _ran(look: Look) -> list[dict[str, Any]]:
    """The agents that ran when this run looked."""
    return (look.known.get("consul") or {}).get("running") or []
