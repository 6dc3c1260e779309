# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_settings import agent_settings, combined

VARIABLES = {
    "consul_agent_datacenter": "dc1",
    "consul_agent_node_name": "web1",
    "consul_agent_node_id": "",
    "consul_agent_data_dir": "/var/lib/consul",
    "consul_agent_client_addr": "127.0.0.1",
    "consul_agent_gossip_key": "GOSSIP",
    "consul_agent_recursors": ["192.0.2.53"],
    "consul_agent_dns_addresses": [],
    "consul_agent_dns_port": 53,
    "consul_agent_dns_use_cache": True,
    "consul_agent_metrics_retention": "",
    "consul_agent_acl_default_policy": "deny",
    "consul_agent_acl_agent_token": "AGENT",
    "consul_agent_acl_management_token": "MANAGEMENT",
    "consul_agent_acl_dns_token": "DNS",
    "consul_agent_face_config": {"auto_encrypt": {"tls": True}},
    "consul_agent_config_extra": {},
}
SERVER = {"consul_agent_face_config": {"server": True, "ports": {"grpc": 8502}}}


def settings(version=(1, 21), **given):
    return agent_settings({**VARIABLES, **given}, "192.0.2.31", ["192.0.2.11"], version)


def test_a_client_has_no_certificate_on_its_disk():
    client = settings()
    assert client["tls"]["defaults"]["cert_file"] is client["tls"]["defaults"]["key_file"] is None
    assert client["auto_encrypt"] == {"tls": True}
    assert (client["bind_addr"], client["retry_join"]) == ("192.0.2.31", ["192.0.2.11"])


def test_a_server_has_one_and_the_management_token():
    server = settings(**SERVER)
    assert server["tls"]["defaults"]["key_file"] == "/etc/consul.d/agent.key"
    assert server["acl"]["tokens"] == {"agent": "AGENT", "initial_management": "MANAGEMENT", "dns": "DNS"}
    assert server["ports"] == {"dns": 53, "grpc": 8502}


@pytest.mark.parametrize(
    ("version", "policy", "more"),
    [((1, 21), "deny", {"dns": "DNS"}), ((1, 16), "deny", {"default": "DNS"}), ((1, 21), "allow", {})],
)
def test_a_token_for_dns_only_under_deny(version, policy, more):
    """A server gives its host DNS as a client does."""
    client = settings(version, consul_agent_acl_default_policy=policy)
    assert client["acl"]["tokens"] == {"agent": "AGENT", **more}
    server = settings(version, consul_agent_acl_default_policy=policy, **SERVER)
    assert server["acl"]["tokens"] == {**client["acl"]["tokens"], "initial_management": "MANAGEMENT"}


def test_what_is_not_set_is_left_out():
    client = settings()
    assert client["node_id"] is client["addresses"]["dns"] is client["telemetry"]["prometheus_retention_time"] is None
    set_ = settings(
        consul_agent_node_id="id", consul_agent_dns_addresses=["127.0.0.1", "::1"], consul_agent_metrics_retention="60s"
    )
    assert (set_["node_id"], set_["addresses"]["dns"]) == ("id", "127.0.0.1 ::1")
    assert set_["telemetry"]["prometheus_retention_time"] == "60s"


def test_the_users_own_settings_win():
    client = settings(
        consul_agent_config_extra={"performance": {"raft_multiplier": 5}, "recursors": [], "log_level": "INFO"}
    )
    assert (client["performance"], client["recursors"], client["log_level"]) == ({"raft_multiplier": 5}, [], "INFO")


def test_combined_changes_neither():
    one, other = {"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": 3}
    assert combined(one, other) == {"a": {"b": 1, "c": [2]}, "d": 3}
    assert (one, other) == ({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": 3})
