# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins.lookup import site_value
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import NAMES

# What Ansible's plugin loader does before it hands out a plugin.
DOCUMENTED = yaml.safe_load(site_value.DOCUMENTATION)["options"]
constants.config.initialize_plugin_configuration_definitions("lookup", site_value.__name__, DOCUMENTED)

INTERFACE = {"active": True, "type": "ether", "ipv4": {"address": "10.0.0.11"}}


FACTS = {"interfaces": ["eth0"], "eth0": {"ipv4": {"address": "10.0.0.5"}}}
HOST = {
    "inventory_hostname": "web1",
    "inventory_dir": "/site",
    "groups": {"consul_server": ["c1"]},
    "hostvars": {},
    "ansible_facts": FACTS,
}


def template(value):
    return trust_as_template(value) if isinstance(value, str) and "{" in value else value


def lookup(variables, *names, **options):
    loader, variables = DataLoader(), {"inventory_hostname": "web1", **variables}
    plugin = site_value.LookupModule(loader=loader, templar=Templar(loader=loader, variables=variables))
    plugin._load_name = site_value.__name__
    return plugin.run(list(names), variables, **options)


@pytest.mark.parametrize("missing", ["error", "empty"])
def test_values_of_the_host(missing):
    facts = {"interfaces": ["eth0"], "eth0": INTERFACE}
    assert lookup({"ansible_facts": facts}, "lan_address", "node_name", missing=missing) == ["10.0.0.11", "web1"]
    given = {"consul_agent_bind_addr": "10.0.0.12", "ansible_facts": {}}
    assert lookup(given, "lan_address", missing=missing) == ["10.0.0.12"]


@pytest.mark.parametrize("variables", [{}, {"ansible_facts": {}}])
def test_an_address_without_facts_is_empty_only_where_that_is_asked_for(variables):
    assert lookup(variables, "lan_address", missing="empty") == [""]
    with pytest.raises(AnsibleLookupError):
        lookup(variables, "lan_address")


def test_an_address_that_the_facts_do_not_tell_is_an_error():
    with pytest.raises(AnsibleLookupError):
        lookup({"ansible_facts": {"interfaces": []}}, "lan_address", missing="empty")


def test_another_value_is_an_error():
    with pytest.raises(AnsibleLookupError, match="'address' is none of"):
        lookup({}, "address", missing="empty")


def test_every_value_of_a_host_with_defaults():
    assert dict(zip(NAMES, lookup(HOST, *NAMES), strict=True)) == {
        "roles": [],
        "uses_resolver": False,
        "node_name": "web1",
        "lan_address": "10.0.0.5",
        "datacenter": "dc1",
        "domain": "consul",
        "servers_group": "consul_server",
        "servers": ["c1"],
        "acl_server": "c1",
        "acl_server_candidates": ["c1"],
        "tokens_first": False,
        "foreign_server": "",
        "secrets_dir": "/site/.secrets",
        "acl_enabled": True,
        "dns_cache_seconds": 1,
    }


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("node_name", {"consul_agent_node_name": "{{ inventory_hostname }}-a"}, "web1-a"),
        ("secrets_dir", {"site_secrets_dir": "{{ inventory_dir }}/{{ part }}", "part": "{{ 's' }}"}, "/site/s"),
        ("lan_address", {"consul_agent_bind_addr": "{{ ansible_facts.eth0.ipv4.address }}"}, "10.0.0.5"),
        ("acl_enabled", {"consul_agent_acl_default_policy": "{{ 'allow' }}"}, False),
        ("domain", {"consul_agent_config_extra": {"domain": trust_as_template("{{ inventory_hostname }}.example")}}, "web1.example"),
        ("dns_cache_seconds", {"nginx_lb_resolver_valid": "{{ 2 + 3 }}s"}, 5),
        ("dns_cache_seconds", {"nginx_lb_resolver_valid": 7}, 7),
    ],
)  # fmt: skip
def test_variables_are_templated(name, given, value):
    assert lookup({**HOST, **{option: template(text) for option, text in given.items()}}, name) == [value]


def test_only_what_is_read_is_templated():
    wrong = {"consul_agent_node_name": template("{{ nobody }}")}
    assert lookup({**HOST, **wrong}, "datacenter") == ["dc1"]
    with pytest.raises(AnsibleError, match="'nobody' is undefined"):
        lookup({**HOST, **wrong}, "node_name")


def test_variables_of_the_vault(local_playbook, tmp_path):
    """They are no strings for Ansible."""
    vault = tmp_path / "vault"
    vault.write_text("password of the vault")
    (local_playbook.folder / "group_vars").mkdir()
    text = "11111111-0000-4000-8000-000000000000"
    lines = [
        f"{name}: !vault |\n{encrypted(value)}"
        for name, value in [("consul_agent_node_name", "node9"), ("token", text)]
    ]
    (local_playbook.folder / "group_vars/all.yml").write_text("".join(lines))
    secret = "lookup('dockyard.consul.site_secret', 'x', kind='uuid', variable='token')"
    show = {
        "ansible.builtin.debug": {"msg": "{{ lookup('dockyard.consul.site_value', 'node_name') }} {{ " + secret + " }}"}
    }
    done = local_playbook({"tasks": [show]}, options=["--vault-password-file", str(vault)])
    assert f"node9 {text}" in done.output


def encrypted(value):
    text = VaultLib([("default", VaultSecret(b"password of the vault"))]).encrypt(value)
    return "".join(f"  {line}\n" for line in text.decode().splitlines())
