# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a server may be restarted now, and whether its agent is back."""

from __future__ import annotations

import json
import socket
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.host.dns import A, DNSError, DNSRefusal, Resolver

RPC_SECONDS = 3
PAUSE = 0.3
SILENT, REFUSES, ANSWERS = range(3)


def needed_without(servers):
    """The number of other servers that must be healthy before one of so many servers restarts. Of two servers, the other one
    has no quorum in any case."""
    return servers // 2 + 1 if servers > 2 else servers - 1


def refusal(own, healthy, servers, of_site=0):
    """Why the server at the address OWN must not be restarted now, or an empty text.

    OF_SITE is how many servers the site has. Autopilot removes a server that has failed from the cluster within seconds: of
    three servers two are left, which look like a cluster of two that is healthy.
    """
    if own not in servers:
        return (
            f"Consul is not restarted: this server should be {own} in the cluster, which only knows"
            f" {', '.join(sorted(servers))}. So nobody can tell whether the cluster would go on without it. Correct the"
            " address of this host (consul_agent_bind_addr), then run again."
        )
    if len(servers) <= 2 < of_site:
        return (
            f"Consul is not restarted: the cluster has only {len(servers)} of the {of_site} servers of the site, too few for the"
            " cluster to go on without this one. Bring the others back, then run again."
        )
    others = healthy - {own}
    needed = needed_without(len(servers))
    if len(others) >= needed:
        return ""
    there = ", ".join(sorted(others)) or "none"
    return (
        f"Consul is not restarted: {needed} of the other {len(servers) - 1} servers must be healthy for the cluster to go on"
        f" without this one, and only {len(others)} are ({there}). Bring the others back, then run again."
    )


def wait_for_quorum(client, own, seconds, of_site=0, must_answer=False):
    """Wait until the cluster can go on without the server at the address OWN. ConsulError if it cannot in time.

    After the restart of another server a leader may be missing for some seconds, and Autopilot takes some more to find that
    server healthy. Returns False if there is no leader: then there is nothing to lose, and a restart may bring one. An agent that
    does not answer counts as one without a leader, unless it MUST_ANSWER.
    """
    deadline = time.monotonic() + seconds
    while True:
        leader, trouble = known_leader(client), ""
        if leader:
            try:
                trouble = refusal(own, *healthy_servers(client), of_site)
            except ConsulError as error:
                trouble = f"Consul is not restarted: the state of the other servers is not known. {error}"
            if not trouble:
                return True
        elif leader is None and must_answer:
            trouble = (
                f"Consul is not restarted: its API at {client.place} does not answer, so nobody can tell whether the cluster"
                " would go on without this server. Let the agent answer there (client_addr, ports.http), then run again."
            )
        if time.monotonic() > deadline:
            if trouble:
                raise ConsulError(trouble)
            return False
        time.sleep(PAUSE)


def known_leader(client):
    """The address of the leader, empty if there is none, None if the agent does not answer."""
    try:
        return client.get("status/leader").data or ""
    except ConsulError as error:
        return "" if error.status == 500 else None


def healthy_servers(client):
    """The healthy servers of the cluster, and all of them, by the address of their RPC port.

    A healthy server accepts connections on its RPC port. Autopilot, which needs a token with C(operator = "read"), must also
    find it healthy. Autopilot alone is not enough: it notices some seconds later that a server has stopped.
    """
    try:
        health = autopilot_health(client)
    except ConsulError:
        peers = client.get("status/peers").data or []
        return set(filter(accepts, peers)), set(peers)
    servers = health["Servers"] or []
    healthy = (one["Address"] for one in servers if one["Healthy"])
    return set(filter(accepts, healthy)), {one["Address"] for one in servers}


def autopilot_health(client):
    """Consul answers with status 429 when a server is not healthy; the body is the same."""
    try:
        return client.get("operator/autopilot/health").data
    except ConsulError as error:
        if error.status != 429:
            raise
        try:
            return json.loads(error.detail)
        except ValueError:
            raise error from None


def accepts(address):
    """Whether a TCP port, C(host:port) or C([host]:port), takes a connection."""
    host, _colon, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=RPC_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def passing(checks):
    """The ids of the checks that pass, of what the agent gives as C(agent/checks)."""
    return {identity for identity, check in checks.items() if check["Status"] == "passing"}


def dns_state(port, name, timeout=2.0):
    """How the agent's DNS answers for a name: SILENT, REFUSES or ANSWERS. That a name is not there is an answer, too.

    It refuses, for example with SERVFAIL, without a leader, or while its token does not exist yet.
    """
    try:
        Resolver(f"127.0.0.1:{port}", timeout).ask(name, A)
    except DNSRefusal:
        return REFUSES
    except DNSError:
        return SILENT
    return ANSWERS
