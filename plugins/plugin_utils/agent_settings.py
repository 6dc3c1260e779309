# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of an agent, under the names of the newest Consul. The filter consul_config makes it fit the version
installed. A setting that is None is left out.

In Python, because as 40 Jinja expressions it took 0.2 s a host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FOLDER = "/etc/consul.d"
# The version that brought a token for DNS alone. Before it, only the default token serves DNS.
DNS_TOKEN_SINCE = (1, 17)


def agent_settings(
    v: Mapping[str, Any], address: str, servers: Sequence[str], version: Sequence[int]
) -> dict[str, Any]:
    """The settings of a server or client. V has the variables of the role, SERVERS the servers' addresses."""
    server = bool(v["consul_agent_face_config"].get("server"))
    base = {
        "datacenter": v["consul_agent_datacenter"],
        "node_name": v["consul_agent_node_name"],
        "node_id": v["consul_agent_node_id"] or None,
        "data_dir": v["consul_agent_data_dir"],
        "bind_addr": address,
        "client_addr": v["consul_agent_client_addr"],
        "encrypt": v["consul_agent_gossip_key"],
        "retry_join": list(servers),
        "recursors": list(v["consul_agent_recursors"]),
        "addresses": {"dns": " ".join(v["consul_agent_dns_addresses"]) or None},
        "ports": {"dns": int(v["consul_agent_dns_port"])},
        "performance": {"raft_multiplier": 1},
        # A client that leaves takes its services out of DNS, so a stop must not leave the cluster.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        # nginx sends no EDNS. Without the truncation bit it would see three instances and never ask again over TCP.
        # https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/dns
        "dns_config": {
            "enable_truncate": True,
            "use_cache": v["consul_agent_dns_use_cache"],
            "cache_max_age": "1h",
        },
        "acl": {
            "enabled": True,
            "default_policy": v["consul_agent_acl_default_policy"],
            "enable_token_persistence": True,
            "tokens": tokens(v, server, version),
        },
        "telemetry": {"prometheus_retention_time": v["consul_agent_metrics_retention"] or None},
        "tls": {
            "defaults": {
                "ca_file": f"{FOLDER}/ca.pem",
                # A client gets its certificate by auto_encrypt and keeps it in memory.
                "cert_file": f"{FOLDER}/agent.pem" if server else None,
                "key_file": f"{FOLDER}/agent.key" if server else None,
                "verify_incoming": True,
                "verify_outgoing": True,
            },
            "internal_rpc": {"verify_server_hostname": True},
        },
    }
    return combined(combined(base, v["consul_agent_face_config"]), v["consul_agent_config_extra"])


def tokens(v: Mapping[str, Any], server: bool, version: Sequence[int]) -> dict[str, Any]:
    found = {"agent": v["consul_agent_acl_agent_token"]}
    if server:
        # The servers make it when they first elect a leader, so no bootstrap call is needed, whose answer could be lost.
        # https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/acl
        found["initial_management"] = v["consul_agent_acl_management_token"]
    if v["consul_agent_acl_default_policy"] == "deny":
        # Under deny, DNS needs a token to read with.
        found["dns" if tuple(version) >= DNS_TOKEN_SINCE else "default"] = v["consul_agent_acl_dns_token"]
    return found


def combined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both. The other's win; a list is replaced as a whole."""
    result = dict(one)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = combined(result[name], value) if both else value
    return result
