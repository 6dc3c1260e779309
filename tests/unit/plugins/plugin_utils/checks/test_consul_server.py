# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id

MAIN = "/etc/consul.d/consul.json"
THREE = {"groups": {"consul_server": ["web1", "consul1", "consul2"]}}
ADDRESSES = {"consul2": {"consul_agent_bind_addr": "10.0.0.2"}}
OWN_CERTIFICATE = {"consul_agent_tls_certificate_file": "/etc/hostname", "consul_agent_tls_key_file": "/etc/hostname"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"consul_agent_dns_port": 8600, "consul_agent_resolver": False},
        {"consul_server_https_port": 8501},
        {**THREE, "consul_server_bootstrap_expect": 3},
        {"consul_agent_resolver": False, "consul_agent_tls_ca_file": "/etc/hostname", **OWN_CERTIFICATE},
        {"consul_server_monitoring_token": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"},
        {
            "consul_agent_tls_ca_file": "/etc/hostname",
            "site_tls_ca_certificate": "PEM",
            "site_tls_ca_private_key": "PEM",
        },
    ],
)
def test_right(said, given):
    assert said("consul_server", given, hostvars=ADDRESSES) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"consul_agent_dns_port": 8600},
            "consul_agent_dns_port is 8600, and consul_agent_resolver is true. resolv.conf cannot name a port.",
        ),
        (
            {"consul_server_https_port": -1},
            "consul_server_https_port is -1. A port is a number from 1 to 65535, and 0 closes",
        ),
        (
            {"consul_server_bootstrap_expect": 3},
            (
                "consul_server_bootstrap_expect is 3. The inventory has 1 server, and the servers elect no leader before that many"
                " run. Use 1."
            ),
        ),
        (
            {**THREE, "consul_server_bootstrap_expect": 0},
            (
                "consul_server_bootstrap_expect is 0. The inventory has 3 servers, and the servers elect no leader before that many"
                " run. Use 1 to 3."
            ),
        ),
        (
            {"consul_server_monitoring_token": "secret"},
            "consul_server_monitoring_token has 6 characters. It must be a UUID in lower-case letters.",
        ),
        (
            {"consul_agent_tls_ca_file": "/etc/hostname"},
            "consul_agent_tls_ca_file is set, but this server has no certificate, and no key of the CA to sign one.",
        ),
        ({"site_secrets_dir": "secrets"}, "site_secrets_dir is 'secrets'. It must be an absolute path"),
        # Checked as a client's.
        ({"consul_agent_datacenter": "DC"}, "consul_agent_datacenter is 'DC'."),
    ],
)
def test_wrong(said, given, text):
    problems = said("consul_server", given, hostvars=ADDRESSES)
    assert len(problems) == 1 and problems[0].startswith(text), problems


def test_a_server_with_its_own_certificate_needs_no_ca_of_the_site(said):
    assert said("consul_server", {"site_secrets_dir": "x", **OWN_CERTIFICATE}) == []


def under(policy, placed=(MAIN,)):
    """The look at a host with an agent of the role."""
    agent = {"pid": 1, "unit": "consul", "config_dirs": ["/etc/consul.d"], "config_files": [], "options": {}}
    agent = {**agent, "data_dir": "/var/lib/consul", "settings": {}, "files": []}
    return {"placed": list(placed), "consul": {"running": [agent], "acl_default_policy": policy}}


@pytest.mark.parametrize(
    "server, client, policy, is_refused",
    [
        ("allow", "allow", "deny", True),
        ("allow", "deny", "deny", False),
        ("allow", None, "deny", False),  # not looked at, or a new one
        ("deny", "allow", "deny", False),
        ("allow", "allow", "allow", False),
    ],
)
def test_the_clients_change_to_deny_before_the_servers(said, server, client, policy, is_refused):
    facts = {FACT: {"run": run_id(), **(under(client) if client else {})}}
    given = {
        "consul_agent_acl_default_policy": policy,
        "groups": {"consul_server": ["web1"], "consul_client": ["app1", "web1"]},
    }
    texts = said("consul_server", given, look=under(server), hostvars={"app1": {"ansible_facts": facts}})
    assert bool(texts) is is_refused
    assert all("Run the playbook dockyard.consul.consul_client with" in text and "(app1)" in text for text in texts)


def test_a_cluster_under_allow_is_not_taken_over_with_deny(said):
    facts = {FACT: {"run": run_id(), **under("allow", placed=())}}
    given = {"consul_agent_adopt": True, "groups": {"consul_server": ["web1"], "consul_client": ["app1"]}}
    look = under("allow", placed=())
    texts = said("consul_server", given, look=look, hostvars={"app1": {"ansible_facts": facts}})
    (text,) = [text for text in texts if "would get no answer from DNS" in text]
    assert "Set consul_agent_acl_default_policy to allow, run the site" in text
