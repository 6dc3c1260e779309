# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.agent_acls import acls_of
from ansible_collections.dockyard.consul.plugins.filter.app_acls import app_acls
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import SERVER_POLICY, accessor
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id

HOSTS = ["consul1", "web1"]
TOKEN = "11111111-0000-4000-8000-000000000000"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


@pytest.fixture
def hostvars(folder):
    """What hostvars has for a server and a client."""

    def make(web1=None, **both):
        looked = {FACT: {"run": run_id(), "prepared": ["consul_client", "consul_server", "mydemo"]}}
        common = {
            "ansible_facts": looked,
            "site_secrets_dir": str(folder),
            "groups": {"consul_server": ["consul1"]},
            **both,
        }
        return {host: {"inventory_hostname": host, **common} for host in HOSTS} | {
            "web1": {"inventory_hostname": "web1", **common, **(web1 or {})}
        }

    return make


@pytest.fixture
def made(folder):
    """Tokens in the folder of secrets."""
    names = [f"node/{node}/{file}.token" for node in HOSTS for file in ("agent", "service-mydemo")]
    site_secrets.make(folder, dict.fromkeys(names, "uuid"))
    return {name: site_secrets.read(folder, name, "uuid") for name in names}


def test_the_tokens_of_agents(hostvars, made):
    acls = acls_of(HOSTS, hostvars())
    assert [token["policies"] for token in acls["tokens"]] == [["server"], []]
    assert acls["policies"] == [SERVER_POLICY]
    assert acls["secrets"] == {
        accessor("dc1", "node/consul1/agent"): made["node/consul1/agent.token"],
        accessor("dc1", "node/web1/agent"): made["node/web1/agent.token"],
    }


@pytest.mark.parametrize("facts", [{}, {FACT: {"run": "another", "prepared": ["consul_client", "mydemo"]}}])
def test_a_host_of_a_later_batch_is_left_out(hostvars, made, facts):
    """Its secrets are made when its turn comes. Nor are they, if a fact cache says it of another run."""
    later = hostvars({"ansible_facts": facts})
    assert list(acls_of(HOSTS, later)["secrets"]) == [accessor("dc1", "node/consul1/agent")]
    assert app_acls(["web1"], later, "shop") == {"policies": [], "tokens": [], "secrets": {}}


def test_what_the_inventory_sets_comes_first(hostvars, made):
    given = {
        "consul_agent_node_name": "node9",
        "consul_agent_datacenter": "dc2",
        "consul_agent_acl_agent_token": TOKEN,
        "mydemo_token": TOKEN,
    }
    agents = acls_of(HOSTS, hostvars(given))
    assert agents["tokens"][1]["node_identities"] == [{"node_name": "node9", "datacenter": "dc2"}]
    assert agents["secrets"][accessor("dc2", "node/node9/agent")] == TOKEN
    assert app_acls(["web1"], hostvars(given), "shop")["secrets"] == {
        accessor("dc2", "node/node9/service-mydemo"): TOKEN
    }


def test_the_tokens_of_the_app(hostvars, made):
    acls = app_acls(["web1", "consul1"], hostvars(), "config/mydemo")
    assert acls["policies"][0] == {
        "name": "mydemo-web1",
        "description": "mydemo on web1",
        "rules": (
            'service "mydemo" { policy = "write" }\n'
            'key "config/mydemo" { policy = "read" }\n'
            'node "web1" { policy = "read" }\n'
        ),
    }
    identity = accessor("dc1", "node/web1/service-mydemo")
    assert acls["tokens"][0] == {
        "accessor_id": identity, "description": "mydemo on web1", "policies": ["mydemo-web1"]
    }  # fmt: skip
    assert acls["secrets"][identity] == made["node/web1/service-mydemo.token"]
    assert [policy["name"] for policy in acls["policies"]] == ["mydemo-web1", "mydemo-consul1"]


def test_a_token_that_is_missing_is_an_error_that_names_the_file(hostvars, folder):
    with pytest.raises(AnsibleFilterError, match=f"{folder}/node/consul1/agent.token is missing. Copy it"):
        acls_of(HOSTS, hostvars())
    with pytest.raises(AnsibleFilterError, match=f"^app_acls: {folder}/node/web1/service-mydemo.token is missing"):
        app_acls(["web1"], hostvars(), "shop")


def test_a_random_token_stands_for_a_missing_one_in_check_mode(hostvars, folder):
    secrets = list(acls_of(HOSTS, hostvars(ansible_check_mode=True))["secrets"].values())
    assert len(set(secrets)) == 2 and all(uuid.UUID(secret) for secret in secrets)
    assert not folder.exists()


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_file_that_others_can_read_is_refused(hostvars, made, folder, check_mode):
    (folder / "node/web1/agent.token").chmod(0o644)
    with pytest.raises(AnsibleFilterError, match="agent_acls: .*is open to other users"):
        acls_of(HOSTS, hostvars(ansible_check_mode=check_mode))


def test_a_relative_folder_is_refused(hostvars):
    with pytest.raises(AnsibleFilterError, match="agent_acls: .*is not an absolute path"):
        acls_of(["web1"], hostvars({"site_secrets_dir": "secrets"}))
