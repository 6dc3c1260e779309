# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.adopted_secrets import adopted_secrets
from ansible_collections.dockyard.consul.plugins.filter.adoption_report import adoption_report
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id

FOLDER = "/opt/consul"
SETTINGS = {"acl.enabled": True, "acl.default_policy": "deny", "ca_file": "/etc/consul.d/ca.pem", "datacenter": "dc1"}
AGENT = {
    "pid": 42,
    "unit": "consul",
    "binary": "/usr/bin/consul",
    "user": "consul",
    "config_dirs": ["/etc/consul.d"],
    "config_files": [],
    "options": {},
    "files": ["/etc/consul.d/server.hcl"],
    "settings": SETTINGS,
    "data_dir": FOLDER,
    "server": True,
    "ca_fingerprints": ["00"],
}
SERVICES = [{"id": "web-1", "name": "web", "token": True}]


def variables(agent=(), settings=(), **look):
    running = {**AGENT, **dict(agent), "settings": {**SETTINGS, **dict(settings)}}
    known = {
        "run": run_id(),
        "hostname": "old1",
        "placed": [],
        "packages": {"consul": "1.8.7+dfsg1-2"},
        "consul": {"running": [running], "version": "1.8.7", "services": {"web-1": {}, "api": {}}},
        "consul_config": {"/etc/consul.d/server.hcl": {"services": SERVICES}},
        "consul_data": {FOLDER: {"node_id_on_disk": "1-2", "gossip_key_digests": ["abc"]}},
        **look,
    }
    return {"inventory_hostname": "old1", "site_secrets_dir": "/secrets", "ansible_facts": {FACT: known}}


def test_the_whole_report():
    assert adoption_report(variables(), ["one problem"]) == [
        "Found:",
        "  Consul 1.8.7, a server: process 42 of the unit consul, as user consul",
        "  data in /opt/consul, node old1 with the id 1-2",
        "  datacenter dc1, domain consul, ACL default policy deny",
        "  gossip encrypted, TLS with the CA /etc/consul.d/ca.pem",
        "  configuration: /etc/consul.d/server.hcl",
        "  services: web-1 in files, api by the API",
        "In the way of a run of the site, or changed by it:",
        "- one problem",
        "Lines for this host in the inventory:",
        "  consul_agent_adopt: true",
        "  consul_agent_version: 1.8.7",
        "  consul_agent_install_method: package",
        "  consul_agent_data_dir: /opt/consul",
        "  consul_agent_node_id: 1-2",
        "  # consul_agent_dns_port: 8600  # the port now. Without this line, DNS is on port 53",
        "For the folder of secrets, /secrets:",
        "  operator/gossip.key: /opt/consul/serf/local.keyring",
        "  ca.pem: /etc/consul.d/ca.pem",
        (
            "  ca.key: the private key of the CA. It was not found on this host. Without it, set consul_agent_tls_ca_file,"
            " consul_agent_tls_certificate_file and consul_agent_tls_key_file for each server."
        ),
        "  operator/management.token: a management token of the cluster. No host has it.",
        "  Fetch operator/gossip.key, ca.pem from this host with -e adopt_secrets=true.",
    ]


def test_a_cluster_with_names_of_its_own():
    settings = {"node_name": "first", "datacenter": "dc2", "domain": "lan", "ports.serf_lan": 9301, "ports.dns": 53}
    lines = [line.strip() for line in adoption_report(variables(settings=settings), [])]
    for line in (
        "consul_agent_node_name: first",
        "consul_agent_datacenter: dc2",
        "consul_agent_config_extra: {domain: lan, ports: {serf_lan: 9301}}",
        "Nothing is in the way of a run of the site.",
    ):
        assert line in lines, lines
    assert not any("consul_agent_dns_port" in line for line in lines)


def test_a_cluster_without_encryption_and_acls():
    settings = {"acl.enabled": False, "ca_file": ""}
    found = variables(settings=settings, consul_data={FOLDER: {"gossip_key_digests": []}})
    text = "\n".join(adoption_report(found, []))
    assert "gossip not encrypted, no TLS" in text and "consul_agent_acl_default_policy: allow" in text
    assert "management" not in text and "adopt_secrets" not in text
    assert adopted_secrets(found["ansible_facts"]) == []


def test_a_ca_in_a_folder_of_files():
    """Which of the files the user has to bring is not known."""
    found = variables(settings={"ca_file": "", "ca_path": "/srv/tls"})
    text = "\n".join(adoption_report(found, []))
    assert "TLS with the CA /srv/tls" in text and "ca.pem: the certificate of the CA. It was not found" in text
    assert [secret["name"] for secret in adopted_secrets(found["ansible_facts"])] == ["operator/gossip.key"]


@pytest.mark.parametrize("running, text", [([], "does not run"), ([{**AGENT}], "runs, set up by this collection")])
def test_nothing_to_take_over(running, text):
    placed = ["/etc/consul.d/consul.json"]
    assert adoption_report(variables(consul={"running": running}, placed=placed), []) == [
        "Found:",
        f"  Consul {text}.",
        "Nothing is in the way of a run of the site.",
    ]


@pytest.mark.parametrize("key", ["/etc/consul.d/ca-key.pem", "/etc/consul.d/ca.key"])
def test_the_secrets_on_a_host(key):
    facts = variables(paths={key: {"type": "file"}})["ansible_facts"]
    assert adopted_secrets(facts) == [
        {"name": "operator/gossip.key", "path": "/opt/consul/serf/local.keyring", "kind": "keyring"},
        {"name": "ca.pem", "path": "/etc/consul.d/ca.pem", "kind": "file"},
        {"name": "ca.key", "path": key, "kind": "file"},
    ]
