# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin. C(any_core) runs ansible-inventory of the newest and of the oldest ansible-core. C(inventory) runs
the plugin in this process, which takes a tenth of the time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader, lookup_loader
from ansible.utils.display import Display
from ansible_collections.dockyard.consul.plugins.plugin_utils import catalog
from conftest import ROOT_TOKEN, Agent

ROOT = Path(__file__).parents[2]
CORES = {"newest": Path(sys.executable).parent, "oldest": ROOT / ".venv-oldest/bin"}
DEAD_TOKEN = "11111111-2222-3333-4444-555555555555"
# Of this environment, the tests keep nothing that the plugin reads.
READ_BY_PLUGIN = [name for name in os.environ if name.startswith("CONSUL_") and name != "CONSUL_BIN"]


class Inventory:
    """A configuration file, and what ansible-inventory makes of it."""

    def __init__(self, folder, core="newest"):
        self.folder = folder
        self.core = core
        self.path = folder / "site.consul.yml"
        self.output = ""
        self.warnings = []

    def write(self, **options):
        text = yaml.safe_dump({"plugin": "dockyard.consul.consul", **options})
        self.path.write_text(text, encoding="utf-8")

    def command(self, *arguments, environment=None, program="ansible-inventory"):
        clean = {name: value for name, value in os.environ.items() if name not in READ_BY_PLUGIN}
        clean |= {"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "COLUMNS": "100000"}
        (self.folder / "ansible.cfg").touch()
        done = subprocess.run(
            [CORES[self.core] / program, "-i", self.path, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
            env={**clean, **(environment or {})},
        )
        self.output = done.stdout + done.stderr
        assert "Traceback" not in self.output, self.output
        self.warnings = re.findall(r"^\[WARNING\]: (.*)$", done.stderr, re.MULTILINE)
        return done

    def list(self, *arguments, environment=None, warnings=(), **options):
        """Variables by host. Also keeps the hosts by group."""
        self.write(**options)
        hosts, self.groups = self.hosts_and_groups(*arguments, environment=environment)
        assert len(self.warnings) == len(warnings), self.warnings
        for found, expected in zip(self.warnings, warnings, strict=True):
            assert found.startswith(f"{self.path}: ") and expected in found, found
        return hosts

    def hosts_and_groups(self, *arguments, environment=None):
        done = self.command("--list", *arguments, environment=environment)
        assert done.returncode == 0, self.output
        # Text from Consul is marked as no template.
        data = json.loads(done.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))
        hosts = data.pop("_meta")["hostvars"]
        return hosts, {name: set(group["hosts"]) for name, group in data.items() if "hosts" in group}

    def error(self, *arguments, environment=None, **options):
        """The one line that says why there are no hosts."""
        self.write(**options)
        done = self.command("--list", *arguments, environment=environment)
        assert not json.loads(done.stdout)["_meta"]["hostvars"]
        prefix = "Failed to parse inventory with 'auto' plugin: "
        (message,) = (line[len(prefix) :] for line in self.warnings if line.startswith(prefix))
        return message


class InProcess(Inventory):
    """The same, by the plugin in this process. C(refresh) is the same as --flush-cache, C(earlier) names other sources."""

    def list(self, refresh=False, earlier=(), **options):
        self.refresh, self.earlier = refresh, earlier
        return super().list(**options)

    def loader(self):
        loader = DataLoader()
        loader.set_basedir(str(self.folder))
        return loader

    def manager(self):
        return InventoryManager(self.loader(), sources=[*self.earlier, str(self.path)], cache=not self.refresh)

    def hosts_and_groups(self, environment=None):
        self.warnings.clear()
        manager = self.manager()
        builtin = ("inventory_file", "inventory_dir")
        hosts = {
            name: {key: value for key, value in host.vars.items() if key not in builtin}
            for name, host in manager.hosts.items()
        }
        groups = {name: {host.name for host in group.hosts} for name, group in manager.groups.items()}
        return hosts, {name: members for name, members in groups.items() if members}

    def error(self, **options):
        self.write(**options)
        plugin, self.data = inventory_loader.get("dockyard.consul.consul"), InventoryData()
        with pytest.raises(AnsibleError) as raised:
            plugin.parse(self.data, self.loader(), str(self.path))
        self.output = str(raised.value)
        assert "\n" not in self.output
        return self.output


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    for name in READ_BY_PLUGIN:
        monkeypatch.delenv(name)
    made = InProcess(tmp_path)
    monkeypatch.setattr(Display, "warning", lambda _self, text, *_args, **_options: made.warnings.append(text))
    return made


@pytest.fixture(params=CORES)
def any_core(request, tmp_path):
    return Inventory(tmp_path, request.param)


class Nodes:
    """Nodes in the catalog that have no agent."""

    def __init__(self, agent):
        self.agent = agent

    def add(self, name, address="192.0.2.1", service=None, status=None, **node):
        """A node, a service of it, and a check of this service, otherwise of the node."""
        body = {"Node": name, "Address": address, **node}
        if service:
            body["Service"] = {"ID": service["Service"], **service}
        if status:
            of_service = {"ServiceID": body["Service"]["ID"]} if service else {}
            body["Check"] = {"CheckID": f"check-{of_service}", "Name": "alive", "Status": status, **of_service}
        self.agent.api("PUT", "/v1/catalog/register", body)


def remove_nodes(agent):
    for node in agent.api("GET", "/v1/catalog/nodes"):
        if node["Node"] != "tester":
            name = {"Node": node["Node"]}
            agent.api("PUT", "/v1/catalog/deregister", name)


@pytest.fixture
def nodes(agent):
    yield Nodes(agent)
    remove_nodes(agent)


@pytest.fixture
def three_nodes(nodes):
    web = {"Service": "web", "ID": "web-1", "Port": 80, "Tags": ["blue", "v2"], "Meta": {"version": "2"}}
    rack = {"rack": "a 1"}
    wan = {"lan": "192.0.2.1", "wan": "198.51.100.1"}
    nodes.add("app1", "192.0.2.1", web, "passing", NodeMeta=rack, TaggedAddresses=wan)
    api = {
        "Service": "api",
        "Address": "203.0.113.1",
        "Port": 81,
        "TaggedAddresses": {"wan": {"Address": "api.example.com"}},
    }
    nodes.add("app1", "192.0.2.1", api, "warning", NodeMeta=rack, TaggedAddresses=wan)
    nodes.add("app2", "192.0.2.2", {**web, "Tags": ["green"]}, "critical")
    nodes.add("spare", "192.0.2.3", status="critical")
    return nodes


# --- Hosts and groups -------------------------------------------------------------------------------------------------


def test_nodes(any_core, agent, three_nodes):
    hosts = any_core.list(**agent.connection)
    assert set(hosts) == {"app1", "app2", "spare", "tester"}
    api, web = hosts["app1"].pop("consul_services")
    assert hosts["app1"] == {
        "ansible_host": "192.0.2.1",
        "consul_node": "app1",
        "consul_node_id": "",
        "consul_node_address": "192.0.2.1",
        "consul_node_meta": {"rack": "a 1"},
        "consul_tagged_addresses": {"lan": "192.0.2.1", "wan": "198.51.100.1"},
        "consul_datacenter": "dc1",
        "consul_health": "warning",
    }
    assert web == {
        "id": "web-1",
        "name": "web",
        "address": "192.0.2.1",
        "port": 80,
        "tags": ["blue", "v2"],
        "meta": {"version": "2"},
        "tagged_addresses": {},
        "status": "passing",
    }
    assert (api["address"], api["status"], api["tagged_addresses"]) == (
        "203.0.113.1",
        "warning",
        {"wan": "api.example.com"},
    )
    assert hosts["spare"]["consul_health"] == "critical" and hosts["spare"]["consul_services"] == []
    assert any_core.groups == {
        "datacenter_dc1": {"app1", "app2", "spare", "tester"},
        "health_critical": {"app2", "spare"},
        "health_passing": {"tester"},
        "health_warning": {"app1"},
        "node_meta_rack_a_1": {"app1"},
        "service_api": {"app1"},
        "service_consul": {"tester"},
        "service_web": {"app1", "app2"},
        "tag_blue": {"app1"},
        "tag_green": {"app2"},
        "tag_v2": {"app1"},
    }


def test_instances(inventory, agent, three_nodes):
    hosts = inventory.list(
        **agent.connection,
        hosts_from="instances",
        services=["web", "api", "web"],
        compose={"url": "consul_service.address ~ ':' ~ consul_service.port"},
        groups={"canary": "'blue' in consul_service.tags"},
        keyed_groups=[{"key": "consul_service.meta.version", "prefix": "version"}],
    )
    assert set(hosts) == {"web-1@app1", "web-1@app2", "api@app1"}
    assert hosts["api@app1"]["ansible_host"] == "203.0.113.1"
    web = hosts["web-1@app1"]
    assert (web["ansible_host"], web["url"], web["consul_health"]) == ("192.0.2.1", "192.0.2.1:80", "passing")
    assert web["consul_service"]["tags"] == ["blue", "v2"] and "consul_services" not in web
    assert inventory.groups["canary"] == inventory.groups["health_passing"] == {"web-1@app1"}
    assert inventory.groups["version_2"] == inventory.groups["service_web"] == {"web-1@app1", "web-1@app2"}
    assert inventory.groups["node_meta_rack_a_1"] == {"web-1@app1", "api@app1"}


def test_what_is_selected(inventory, agent, three_nodes):
    """Nodes by their instances, and nodes and instances that pass."""

    def found(**options):
        return set(inventory.list(**agent.connection, **options))

    assert found(services=["web"]) == {"app1", "app2"}
    assert found(filter='Node.Meta.rack == "a 1"') == {"app1"}
    assert found(filter="blue in Service.Tags or Service.Service == consul") == {"app1", "tester"}
    assert found(passing=True) == {"app1", "app2", "tester"}
    assert inventory.groups["service_web"] == {"app1"} and "service_api" not in inventory.groups
    assert found(passing=True, services=["web", "api"]) == {"app1"}
    assert found(passing=True, hosts_from="instances", filter="Service.Service != consul") == {"web-1@app1"}
    assert found(group_by=["tag"]) and set(inventory.groups) == {"tag_blue", "tag_green", "tag_v2", "ungrouped"}
    assert found(group_by=[]) and set(inventory.groups) == {"ungrouped"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_addresses(inventory, agent, three_nodes):
    def addresses(**options):
        hosts = inventory.list(**agent.connection, services=["web", "api"], **options)
        return {name: variables.get("ansible_host") for name, variables in hosts.items()}

    assert addresses(address=["wan", "node"]) == {"app1": "198.51.100.1", "app2": "192.0.2.2"}
    assert addresses(hosts_from="instances", address=["wan", "service", "lan", "node"]) == {
        "web-1@app1": "198.51.100.1",
        "api@app1": "api.example.com",
        "web-1@app2": "192.0.2.2",
    }
    without = ["no address of the kinds in 'address': app2"]
    assert addresses(address=["wan"], warnings=without) == {"app1": "198.51.100.1", "app2": None}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_hosts_of_the_same_name_are_one(inventory, agent, three_nodes):
    options = {**agent.connection, "hosts_from": "instances", "services": ["web", "api"]}
    hosts = inventory.list(**options, hostname="consul_node ~ '.' ~ consul_datacenter")
    assert set(hosts) == {"app1.dc1", "app2.dc1"}
    assert [one["name"] for one in hosts["app1.dc1"]["consul_services"]] == ["api", "web"]
    assert hosts["app1.dc1"]["consul_health"] == "warning"
    assert inventory.groups["service_web"] == {"app1.dc1", "app2.dc1"} and inventory.groups["service_api"] == {
        "app1.dc1"
    }
    assert set(inventory.list(**options, hostname="consul_node_meta.rack")) == {"a_1", "web-1@app2"}
    message = inventory.error(**options, hostname="consul_node_meta.rack", strict=True)
    assert message.startswith("hostname of web-1@app2: ") and "rack" in message


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_names_that_ansible_does_not_take(inventory, agent, nodes):
    nodes.add("a b/c\u2028d", "0.0.0.0", {"Service": "w.e-b", "Tags": ["", "x/y", "1"]})
    for name in ("a//b", "../x", "b\u2028c"):
        nodes.add("plain", "::", {"Service": name})
    nodes.add(
        "plain", "::", {"Service": "w_e_b", "Tags": ["\u00fc"], "ID": "i/1"}, NodeMeta={"a-b": "c d", "empty": ""}
    )
    hosts = inventory.list(
        **agent.connection,
        warnings=[
            "left out, as Consul cannot read services by such names: '../x', 'a//b', 'b\\u2028c'",
            "no address of the kinds in 'address': a_b_c_d, plain",
            "groups that combine several names of Consul: service_w_e_b ('w.e-b', 'w_e_b')",
        ],
    )
    assert set(hosts) == {"a_b_c_d", "plain", "tester"} and "ansible_host" not in hosts["plain"]
    assert inventory.groups["service_w_e_b"] == {"a_b_c_d", "plain"}
    assert inventory.groups["tag_x_y"] == inventory.groups["tag_1"] == {"a_b_c_d"}
    assert inventory.groups["tag__"] == inventory.groups["node_meta_a_b_c_d"] == {"plain"}
    assert all(re.fullmatch("[a-z_][a-z0-9_]*", name) for name in inventory.groups)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_patterns_select_each_host(inventory, agent, nodes):
    """'!x@n1' would select all the others."""
    for identity in ("h:web:80", "a,b", "!x", "&x", "~x", "@x", "x[1]", "x*"):
        nodes.add("n1", service={"Service": "web", "ID": identity})
    nodes.add("2001:db8::1", service={"Service": "api"})
    found = set(inventory.list(**agent.connection, services=["web", "api"], hostname="consul_node_address"))
    assert found == {"192.0.2.1"}
    options = {**agent.connection, "hosts_from": "instances", "services": ["web", "api"]}
    renamed = ["left out, as another host has the same name: '&x@n1', '@x@n1', '~x@n1'"]
    names = {"h_web_80@n1", "a_b@n1", "_x@n1", "x_1_@n1", "x_@n1", "api@2001_db8__1"}
    assert set(inventory.list(**options, warnings=renamed)) == names
    selected = {name: [host.name for host in inventory.manager().list_hosts(name)] for name in names}
    assert selected == {name: [name] for name in names}
    inventory.list(**agent.connection, services=["api"])
    manager = inventory.manager()
    assert [host.name for host in manager.list_hosts("all,!2001:db8::1")] == []
    manager.subset("2001:db8::1")
    assert [host.name for host in manager.list_hosts("service_api")] == ["2001:db8::1"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_nodes_of_different_names_are_never_one_host(inventory, agent, nodes):
    nodes.add("a b", "192.0.2.1", {"Service": "web"})
    nodes.add("a_b", "192.0.2.2", {"Service": "api"})
    options = {**agent.connection, "services": ["web", "api"]}
    hosts = inventory.list(**options, warnings=["left out, as another host has the same name: 'a b'. Set hostname"])
    assert {name: one["ansible_host"] for name, one in hosts.items()} == {"a_b": "192.0.2.2"}
    assert "service_web" not in inventory.groups
    # A name that the user has chosen merges them.
    hosts = inventory.list(**options, hostname="consul_node")
    assert [one["name"] for one in hosts["a_b"]["consul_services"]] == ["web", "api"]
    assert inventory.groups["service_web"] == inventory.groups["service_api"] == {"a_b"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_host_never_has_the_name_of_a_group(inventory, agent, nodes, tmp_path):
    """Ansible would add the group in place of the host."""
    names = ("service_web", "all", "canary", "of_another_source", "app1")
    for name in names:
        nodes.add(name, service={"Service": "web"})
    (tmp_path / "earlier.ini").write_text("[of_another_source]\nstatic\n", encoding="utf-8")
    hosts = inventory.list(
        **agent.connection,
        earlier=[str(tmp_path / "earlier.ini")],
        services=["web"],
        groups={"canary": "true"},
        warnings=[
            "left out, as a group has the same name: 'all', 'canary', 'of_another_source', 'service_web'. Set hostname"
        ],
    )
    assert set(hosts) == {"app1", "static"}
    assert inventory.groups["service_web"] == inventory.groups["canary"] == {"app1"}
    assert inventory.groups["of_another_source"] == {"static"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_expressions(inventory, agent, three_nodes):
    options = {**agent.connection, "services": ["web"], "group_by": ["service"]}
    # An address may come from an expression.
    hosts = inventory.list(**options, address=["wan"], compose={"ansible_host": "consul_node_address", "x": "nowhere"})
    assert hosts["app2"]["ansible_host"] == "192.0.2.2" and "x" not in hosts["app2"]
    for separator, group in ((True, "_passing"), (False, "passing")):
        inventory.list(**options, keyed_groups=[{"key": "consul_health"}], leading_separator=separator)
        assert inventory.groups[group] == {"app1"}
    # What does not depend on an expression is complete if one fails.
    message = inventory.error(**options, strict=True, compose={"x": "consul_node_meta.rack"})
    assert message.startswith("Could not set x for host app2: ")
    assert [host.name for host in inventory.data.groups["service_web"].hosts] == ["app1", "app2"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_status_that_consul_does_not_know(inventory, agent, nodes):
    nodes.add("app1", service={"Service": "web"}, status="unknown")
    assert inventory.list(**agent.connection)["app1"]["consul_health"] == "critical"
    assert inventory.groups["health_critical"] == {"app1"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_text_from_consul_is_no_template(any_core, agent, nodes):
    nodes.add("app1", service={"Service": "web", "Tags": ["{{ lookup('pipe', 'echo evaluated') }}"]})
    any_core.write(**agent.connection, services=["web"], compose={"tag": "consul_services[0].tags[0]"})
    arguments = ["all", "-c", "local", "-m", "debug", "-a", "msg={{ [tag, consul_services] }}"]
    done = any_core.command(*arguments, program="ansible")
    assert done.returncode == 0 and done.stdout.count("lookup('pipe'") == 2, any_core.output
    assert '"evaluated' not in any_core.output


# --- Connection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_tokens(inventory, agent, three_nodes, tmp_path, monkeypatch):
    connection = {name: value for name, value in agent.connection.items() if name != "token"}
    token = agent.token_for('service "web" { policy = "read" } node "app1" { policy = "read" }')
    (tmp_path / "token").write_text(token + "\n", encoding="utf-8")
    ways = [
        ({}, {"CONSUL_HTTP_TOKEN": token}),
        ({}, {"CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token")}),
        ({"token": "{{ lookup('ansible.builtin.env', 'MY_TOKEN') }}"}, {"MY_TOKEN": token}),
        ({"token": "{{ lookup('ansible.builtin.file', 'token') }}"}, {}),
        ({"token": "{{ my_token | default(omit) }}"}, {"CONSUL_HTTP_TOKEN": token}),
    ]
    for options, environment in ways:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            hosts = inventory.list(**connection, **options)
        assert set(hosts) == {"app1"} and [one["name"] for one in hosts["app1"]["consul_services"]] == ["web"]
        assert token not in str(hosts)


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_environment_vault_and_extra_variables(any_core, agent, three_nodes, tmp_path):
    """Everything that the plugin needs to know, but from elsewhere."""
    token = agent.token_for('service "web" { policy = "read" } node "app1" { policy = "read" }')
    environment = {
        "CONSUL_HTTP_ADDR": f"https://127.0.0.1:{agent.ports['https']}",
        "CONSUL_CACERT": agent.connection["ca_path"],
        "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "vault"),
    }
    (tmp_path / "vault").write_text("password", encoding="utf-8")
    secret = VaultLib([("default", VaultSecret(b"password"))]).encrypt(token).decode()
    any_core.write(timeout="{{ seconds }}", passing="{{ only_passing }}", hosts_from="{{ source }}s")
    with any_core.path.open("a", encoding="utf-8") as file:
        file.write("token: !vault |\n" + textwrap.indent(secret, "  "))
    variables = ["-e", "source=node", "-e", "seconds=5", "-e", "only_passing=yes"]
    hosts, _groups = any_core.hosts_and_groups(*variables, environment=environment)
    assert set(hosts) == {"app1"} and not any_core.warnings and token not in any_core.output


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_what_the_token_may_not_read_is_an_error(inventory, agent, three_nodes):
    connection = {**agent.connection, "hosts_from": "instances"}
    assert "ACL not found" in inventory.error(**{**connection, "token": DEAD_TOKEN})
    assert DEAD_TOKEN not in inventory.output
    assert "the token may read no service" in inventory.error(**{**connection, "token": ""})
    assert "the token may read no node" in inventory.error(**{**agent.connection, "token": ""})
    only_services = agent.token_for('service_prefix "" { policy = "read" }')
    assert "the token may read no node" in inventory.error(**{**connection, "token": only_services})
    assert "the token may read no node" in inventory.error(
        **{**connection, "token": only_services, "services": ["web"]}
    )
    reader = agent.token_for('service "web" { policy = "read" } node_prefix "" { policy = "read" }')
    warnings = ["no instance that the token may read: api"]
    hosts = inventory.list(**{**connection, "token": reader, "services": ["web", "api"]}, warnings=warnings)
    assert set(hosts) == {"web-1@app1", "web-1@app2"}
    only_nodes = agent.token_for('node_prefix "" { policy = "read" }')
    assert "the token may read no service" in inventory.error(**{**connection, "token": only_nodes})
    hosts = inventory.list(
        **{**agent.connection, "token": only_nodes},
        warnings=['the token may read no service. Give it service_prefix "" { policy = "read" }'],
    )
    assert set(hosts) == {"app1", "app2", "spare", "tester"} and hosts["spare"]["consul_health"] == "critical"


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize(
    "options, message",
    [
        ({"port": 1, "retries": 0}, "GET /v1/status/leader at http://127.0.0.1:1: connection refused"),
        ({"filter": "nonsense"}, "filter 'nonsense': GET /v1/health/service/consul at http://127.0.0.1:"),
        ({"filter": "Service.Nonsense == 1"}, "filter 'Service.Nonsense == 1': GET "),
        ({"servces": ["web"], "x": 1}, "unknown option: servces, x"),
        ({"hosts_from": "hosts"}, "Invalid value 'hosts' for config 'hosts_from'"),
        ({"group_by": ["services"]}, "Invalid value ['services'] for config 'group_by'"),
        ({"address": ["service"]}, "address: 'service' is possible with hosts_from=instances only"),
        ({"services": [""]}, "services: '' is not a name: write text that is not empty"),
        ({"services": [8080]}, "services: 8080 is not a name"),
        ({"services": ["web", None]}, "services: None is not a name"),
        ({"address": [["wan"]]}, "address: ['wan'] is not a name"),
        ({"token": "{{ lookup('ansible.builtin.file', '/nowhere') }}"}, "option token: "),
        ({"token": "{{ nowhere }}"}, "option token: 'nowhere' is undefined"),
        ({"token": "secret-1\n2"}, "the token holds a line break"),
        ({"ca_path": "/nowhere"}, "ca_path: there is no file /nowhere"),
        ({"datacenter": "nowhere"}, "GET /v1/status/leader at "),
        ({"strict": True, "compose": {"x": "nowhere"}}, "Could not set x for host tester: "),
        ({"strict": True, "groups": {"x": "nowhere"}}, "Could not add host tester to group x: "),
        (
            {"strict": True, "keyed_groups": [{"key": "nowhere"}]},
            "Could not generate group for host tester from nowhere",
        ),
    ],
)
def test_errors_are_one_line(inventory, agent, options, message):
    found = inventory.error(**{**agent.connection, **options})
    assert found.startswith(message), found
    assert "secret-1" not in inventory.output


def test_an_error_as_ansible_prints_it(any_core):
    message = any_core.error(port=1, retries=0)
    assert message.startswith("GET /v1/status/leader at http://127.0.0.1:1: connection refused: no agent listens there")


@pytest.mark.parametrize(
    "name, taken", [("a.consul.yml", True), ("a.consul.yaml", True), ("a.yml", False), ("consul", False)]
)
def test_which_files_are_taken(inventory, tmp_path, name, taken):
    path = tmp_path / name
    path.touch()
    assert inventory_loader.get("dockyard.consul.consul").verify_file(str(path)) == taken


def test_another_datacenter(running_agent, inventory, tmp_path):
    """Also for the lookup."""
    for name in ("dc1", "dc2"):
        (tmp_path / name).mkdir()
    with running_agent(tmp_path / "dc1", wan=True) as here:
        join = {"node_name": "far", "datacenter": "dc2", "retry_join_wan": [f"127.0.0.1:{here.ports['serf_wan']}"]}
        with running_agent(tmp_path / "dc2", config=join, wan=True):
            here.wait_for(lambda: here.api("PUT", "/v1/kv/k?dc=dc2", b"v"), "the other datacenter")
            hosts = inventory.list(**here.connection, datacenter="dc2")
            assert {name: one["consul_datacenter"] for name, one in hosts.items()} == {"far": "dc2"}
            assert set(inventory.list(**here.connection)) == {"tester"}
            found = lookup_loader.get("dockyard.consul.consul_kv", loader=inventory.loader())
            assert found.run(["k"], **here.connection, datacenter="dc2") == ["v"]
            assert found.run(["k"], **here.connection, default="here") == ["here"]


# --- Cache ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_cache(inventory, agent, three_nodes, tmp_path):
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options = {**agent.connection, **cache}
    first = inventory.list(**options)
    three_nodes.add("later", "192.0.2.4")
    assert inventory.list(**options) == first
    assert set(inventory.list(**options, services=["web"])) == {"app1", "app2"}
    assert "later" in inventory.list(**options, refresh=True)
    assert "later" in inventory.list(**options)
    reader = agent.token_for('service "web" { policy = "read" } node "app1" { policy = "read" }')
    assert set(inventory.list(**{**options, "token": reader})) == {"app1"}
    assert set(inventory.list(**options, hosts_from="instances", services=["web"])) == {"web-1@app1", "web-1@app2"}
    files = list((tmp_path / "cache").iterdir())
    inventory.list(**options, consistency="stale")
    assert len(list((tmp_path / "cache").iterdir())) == len(files) + 1
    for file in files:
        assert not any(token in f"{file.name} {file.read_text(encoding='utf-8')}" for token in (ROOT_TOKEN, reader))


# --- Without a leader -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_leader(tmp_path_factory):
    """One of two servers, under deny. The other one has ended."""
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}}
    # How long a request waits for a leader.
    config = {"acl": acl, "bootstrap_expect": 2, "performance": {"raft_multiplier": 1, "rpc_hold_timeout": "100ms"}}
    agents = [Agent(tmp_path_factory.mktemp("first"), config=config, token=ROOT_TOKEN)]
    try:
        agents[0].launch()
        join = {
            "node_name": "second",
            "retry_join": [f"127.0.0.1:{agents[0].ports['serf_lan']}"],
            "retry_interval": "1s",
        }
        agents.append(Agent(tmp_path_factory.mktemp("second"), config={**config, **join}, token=ROOT_TOKEN))
        agents[1].launch()
        both = "/v1/health/service/consul?passing&consistent"
        agents[0].wait_for(lambda: len(agents[0].api("GET", both)) == 2, "two servers", 60)
        Nodes(agents[0]).add("app1", "192.0.2.1", {"Service": "web"})
        agents[0].wait_for(lambda: agents[0].api("GET", "/v1/catalog/service/web?stale"), "web on this server")
        agents[1].process.kill()
        agents[1].process.wait()
        agents[0].wait_for(lambda: agents[0].api("GET", "/v1/status/leader") == "", "no leader", 60)
        yield agents[0]
    finally:
        for agent in agents:
            if agent.process and agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()


def test_without_a_leader_the_hosts_come_from_a_stale_read(any_core, without_leader, inventory, tmp_path):
    warnings = [f"the cluster of http://127.0.0.1:{without_leader.http_port} has no leader"]
    hosts = any_core.list(**without_leader.connection, warnings=warnings)
    assert {"app1", "tester"} <= set(hosts) and any_core.groups["service_web"] == {"app1"}

    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options = {**without_leader.connection, **cache}
    assert set(inventory.list(**options, consistency="stale", warnings=warnings)) == set(hosts)
    assert not list((tmp_path / "cache").glob("*"))
    assert "has no leader" in inventory.error(**options, consistency="consistent")


def test_a_leader_that_is_lost_during_the_read(inventory, without_leader, monkeypatch):
    monkeypatch.setattr(catalog.Reader, "_has_leader", lambda _self: True)
    options = {**without_leader.connection, "retries": 0}
    hosts = inventory.list(**options, warnings=["has no leader"])
    assert {"app1", "tester"} <= set(hosts)
    assert "has no leader" in inventory.error(**options, consistency="consistent")


# --- Many instances ---------------------------------------------------------------------------------------------------

SERVICES = ("api", "cache", "database", "queue", "web")


def fill(agent, count):
    """So many instances on 100 nodes, in transactions."""
    operations = [
        {"Node": {"Verb": "set", "Node": {"Node": f"node{number}", "Address": f"192.0.2.{number}"}}}
        for number in range(100)
    ]
    for number in range(count):
        node, name = f"node{number % 100}", SERVICES[number % len(SERVICES)]
        identity = f"{name}-{number}"
        service = {"ID": identity, "Service": name, "Port": 80, "Tags": ["blue"], "Meta": {"version": "1"}}
        check = {"Node": node, "CheckID": identity, "Name": "alive", "Status": "passing", "ServiceID": identity}
        operations.append({"Service": {"Verb": "set", "Node": node, "Service": service}})
        operations.append({"Check": {"Verb": "set", "Check": check}})
    for start in range(0, len(operations), 64):
        agent.api("PUT", "/v1/txn", operations[start : start + 64])


def requests_in(log, start):
    lines = log.read_text(encoding="utf-8", errors="replace")[start:].splitlines()
    return Counter(
        url.split("?")[0] for line in lines for url in re.findall(r"http: Request finished: .* url=(\S+)", line)
    )


def test_5000_instances_take_one_request_per_service(running_agent, inventory, tmp_path):
    socket = tmp_path / "http.sock"
    config = {"log_level": "DEBUG", "addresses": {"http": f"127.0.0.1 unix://{socket}"}}
    with running_agent(tmp_path, config=config) as agent:
        fill(agent, 5000)
        log = tmp_path / "agent.log"
        for hosts_from, hosts, more in (("instances", 5001, []), ("nodes", 101, ["catalog/nodes", "health/state/any"])):
            before = len(log.read_text(encoding="utf-8", errors="replace"))
            found = inventory.list(**agent.connection, hosts_from=hosts_from)
            assert len(found) == hosts
            names = [f"health/service/{name}" for name in (*SERVICES, "consul")]
            expected = Counter(f"/v1/{path}" for path in ("status/leader", "catalog/services", *names, *more))
            # The agent logs a request after it has answered it.
            agent.wait_for(
                lambda before=before, expected=expected: requests_in(log, before) == expected, f"exactly {expected}"
            )
            assert len(inventory.groups["service_web"]) == (1000 if hosts_from == "instances" else 20)
        assert len(inventory.list(unix_socket=str(socket))) == 101


# --- Documentation ----------------------------------------------------------------------------------------------------


def documented_runs():
    """Each block with an output, with the file above it."""
    text = (ROOT / "docs/inventory.md").read_text(encoding="utf-8")
    file = ""
    for language, block in re.findall(r"^```(yaml|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "yaml":
            file = block
        else:
            yield file, block


@pytest.fixture(scope="module")
def documented_site(running_agent, tmp_path_factory):
    """The site of docs/inventory.md."""
    with running_agent(tmp_path_factory.mktemp("documented"), config={"node_name": "consul1"}) as agent:
        nodes = Nodes(agent)
        mydemo = {"Service": "mydemo", "Port": 5000, "Tags": ["v1.1.0"]}
        for name, address, rack, status in (("app1", "31", "a", "passing"), ("app2", "32", "b", "critical")):
            address = f"10.213.0.{address}"
            service = {**mydemo, "ID": f"mydemo-{address}-5000"}
            nodes.add(name, address, service, status, NodeMeta={"rack": rack})
        nodes.add("redis1", "10.213.0.21", {"Service": "redis", "Port": 6379}, "passing", NodeMeta={"rack": "a"})
        nodes.add("lb1", "10.213.0.41", status="passing")
        yield agent


def test_documentation(any_core, documented_site):
    """Each file of docs/inventory.md gives the output that stands below it."""
    environment = {"CONSUL_HTTP_ADDR": f"127.0.0.1:{documented_site.http_port}"}
    runs = list(documented_runs())
    assert len(runs) == 3
    for file, block in runs:
        any_core.path.write_text(file, encoding="utf-8")
        command, _newline, expected = block.partition("\n")
        program, *arguments = command.removeprefix("$ ").split()
        assert [program, *arguments[:2]] == ["ansible-inventory", "-i", any_core.path.name]
        done = any_core.command(*arguments[2:], environment=environment)
        assert done.stdout == expected and not any_core.warnings


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_examples(inventory, agent, three_nodes, tmp_path):
    """With an address, a token, a datacenter and a folder that exist here."""
    plugin = inventory_loader.get("dockyard.consul.consul")
    examples = list(yaml.safe_load_all(sys.modules[type(plugin).__module__].EXAMPLES))
    elsewhere = {"host": "127.0.0.1", "datacenter": "dc1", "cache_connection": str(tmp_path / "cache")}
    nodes = ["app1", "app2", "spare", "tester"]
    expected = [
        (nodes, "service_web"),
        (["web-1@app1"], "version_2"),
        ([f"{node}.dc1" for node in nodes], "service_api"),
    ]
    for example, (hosts, group) in zip(examples, expected, strict=True):
        replaced = {name: value for name, value in elsewhere.items() if name in example}
        assert sorted(inventory.list(**{**example, **agent.connection, **replaced})) == hosts
        assert inventory.groups[group]
    assert list((tmp_path / "cache").iterdir())
