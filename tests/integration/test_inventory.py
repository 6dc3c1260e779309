# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, run by ansible-inventory of the newest and of the oldest ansible-core."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from conftest import ROOT_TOKEN, Agent

ROOT = Path(__file__).parents[2]
CORES = {"newest": Path(sys.executable).parent, "oldest": ROOT / ".venv-oldest/bin"}
DEAD_TOKEN = "11111111-2222-3333-4444-555555555555"


class Inventory:
    """A configuration file, and runs of ansible-inventory over it."""

    def __init__(self, folder, core="newest"):
        self.folder = folder
        self.core = core
        self.path = folder / "site.consul.yml"
        self.output = ""

    def write(self, **options):
        text = yaml.safe_dump({"plugin": "dockyard.consul.consul", **options})
        self.path.write_text(text, encoding="utf-8")

    def command(self, *arguments, environment=None, program="ansible-inventory"):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSUL_HTTP")}
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

    def list(self, environment=None, warnings=(), arguments=(), **options):
        """Variables by host, and hosts by group."""
        if options:
            self.write(**options)
        done = self.command("--list", *arguments, environment=environment)
        assert done.returncode == 0, self.output
        assert len(self.warnings) == len(warnings), self.output
        for found, expected in zip(self.warnings, warnings, strict=True):
            assert found.startswith(f"{self.path}: ") and expected in found, self.output
        # Text from Consul is marked as no template.
        data = json.loads(done.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))
        hosts = data.pop("_meta")["hostvars"]
        self.groups = {name: set(group["hosts"]) for name, group in data.items() if "hosts" in group}
        return hosts

    def error(self, environment=None, arguments=(), **options):
        """The one line that says why there are no hosts."""
        self.write(**options)
        done = self.command("--list", *arguments, environment=environment)
        assert json.loads(done.stdout) == {"_meta": {"hostvars": {}, **PROFILE}, "all": {"children": ["ungrouped"]}}
        prefix = "Failed to parse inventory with 'auto' plugin: "
        (message,) = (line[len(prefix) :] for line in self.warnings if line.startswith(prefix))
        return message


# What ansible-inventory adds.
PROFILE = {"profile": "inventory_legacy"}


@pytest.fixture
def inventory(tmp_path):
    return Inventory(tmp_path)


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
    api = {"Service": "api", "Address": "203.0.113.1", "Port": 81, "TaggedAddresses": {"wan": {"Address": "api.example.com"}}}
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


def test_instances(any_core, agent, three_nodes):
    hosts = any_core.list(
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
    assert any_core.groups["canary"] == any_core.groups["health_passing"] == {"web-1@app1"}
    assert any_core.groups["version_2"] == any_core.groups["service_web"] == {"web-1@app1", "web-1@app2"}
    assert any_core.groups["node_meta_rack_a_1"] == {"web-1@app1", "api@app1"}


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
    assert inventory.groups["service_web"] == {"app1.dc1", "app2.dc1"} and inventory.groups["service_api"] == {"app1.dc1"}
    assert set(inventory.list(**options, hostname="consul_node_meta.rack")) == {"a_1", "web-1@app2"}
    message = inventory.error(**options, hostname="consul_node_meta.rack", strict=True)
    assert message.startswith("hostname of web-1@app2: ") and "rack" in message


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_names_that_ansible_does_not_take(inventory, agent, nodes):
    nodes.add("a b/c\u2028d", "0.0.0.0", {"Service": "w.e-b", "Tags": ["", "x/y", "1"]})
    for name in ("a//b", "../x", "b\u2028c"):
        nodes.add("plain", "::", {"Service": name})
    nodes.add("plain", "::", {"Service": "w_e_b", "Tags": ["\u00fc"], "ID": "i/1"}, NodeMeta={"a-b": "c d", "empty": ""})
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
def test_text_from_consul_is_no_template(any_core, agent, nodes):
    nodes.add("app1", service={"Service": "web", "Tags": ["{{ lookup('pipe', 'echo evaluated') }}"]})
    any_core.write(**agent.connection, services=["web"], compose={"tag": "consul_services[0].tags[0]"})
    arguments = ["all", "-c", "local", "-m", "debug", "-a", "msg={{ [tag, consul_services] }}"]
    done = any_core.command(*arguments, program="ansible")
    assert done.returncode == 0 and done.stdout.count("lookup('pipe'") == 2, any_core.output
    assert '"evaluated' not in any_core.output


# --- Connection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_tokens(any_core, agent, three_nodes, tmp_path):
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
        hosts = any_core.list(**connection, **options, environment=environment)
        assert set(hosts) == {"app1"} and [one["name"] for one in hosts["app1"]["consul_services"]] == ["web"]
        assert token not in any_core.output
    address = f"https://127.0.0.1:{agent.ports['https']}"
    environment = {"CONSUL_HTTP_ADDR": address, "CONSUL_CACERT": connection["ca_path"]}
    options = {"token": "{{ my_token }}", "timeout": "{{ seconds }}"}
    arguments = ["-e", f"my_token={token}", "-e", "seconds=5"]
    assert set(any_core.list(**options, environment=environment, arguments=arguments)) == {"app1"}


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_what_the_token_may_not_read_is_an_error(inventory, agent, three_nodes):
    connection = {**agent.connection, "hosts_from": "instances"}
    assert "ACL not found" in inventory.error(**{**connection, "token": DEAD_TOKEN})
    assert DEAD_TOKEN not in inventory.output
    assert "may read none" in inventory.error(**{**connection, "token": ""})
    only_services = agent.token_for('service_prefix "" { policy = "read" }')
    assert "the token may read no node" in inventory.error(**{**connection, "token": only_services})
    assert "the token may read no node" in inventory.error(**{**connection, "token": only_services, "services": ["web"]})
    reader = agent.token_for('service "web" { policy = "read" } node_prefix "" { policy = "read" }')
    warnings = ["no instance that the token may read: api"]
    hosts = inventory.list(**{**connection, "token": reader, "services": ["web", "api"]}, warnings=warnings)
    assert set(hosts) == {"web-1@app1", "web-1@app2"}


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
        ({"services": [""]}, "services: an element is empty"),
        ({"token": "{{ lookup('ansible.builtin.file', '/nowhere') }}"}, "option token: "),
        ({"token": "{{ nowhere }}"}, "option token: 'nowhere' is undefined"),
        ({"token": "secret-1\n2"}, "the token holds a line break"),
        ({"ca_path": "/nowhere"}, "ca_path: there is no file /nowhere"),
        ({"datacenter": "nowhere"}, "GET /v1/status/leader at "),
        ({"strict": True, "compose": {"x": "nowhere"}}, "Could not set x for host tester: "),
    ],
)
def test_errors_are_one_line(inventory, agent, options, message):
    found = inventory.error(**{**agent.connection, **options})
    assert found.startswith(message), found
    assert "secret-1" not in inventory.output


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_other_files_are_not_taken(inventory, agent):
    inventory.write(**agent.connection)
    inventory.path = inventory.path.rename(inventory.folder / "site.yml")
    inventory.command("--list")
    assert any("not verified" in line or "could not be verified" in line for line in inventory.warnings), inventory.output


# --- Cache ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_cache(inventory, agent, three_nodes, tmp_path):
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options = {**agent.connection, **cache}
    first = inventory.list(**options)
    three_nodes.add("later", "192.0.2.4")
    assert inventory.list(**options) == first
    assert set(inventory.list(**options, services=["web"])) == {"app1", "app2"}
    assert "later" in inventory.list(**options, arguments=["--flush-cache"])
    assert "later" in inventory.list(**options)
    for file in (tmp_path / "cache").iterdir():
        assert ROOT_TOKEN not in file.read_text(encoding="utf-8")


# --- Without a leader -------------------------------------------------------------------------------------------------


@pytest.fixture
def without_leader(tmp_path_factory):
    """One of two servers, the other of which has ended."""
    agents = [Agent(tmp_path_factory.mktemp("first"))]
    try:
        agents[0].start()
        Nodes(agents[0]).add("app1", "192.0.2.1", {"Service": "web"})
        config = {"node_name": "second", "bootstrap_expect": 0, "retry_join": [f"127.0.0.1:{agents[0].ports['serf_lan']}"]}
        agents.append(Agent(tmp_path_factory.mktemp("second"), config=config))
        agents[1].launch()

        def voters():
            servers = agents[0].api("GET", "/v1/operator/raft/configuration")["Servers"]
            return sum(one["Voter"] for one in servers) == 2

        agents[0].wait_for(voters, "two servers that vote", 60)
        agents[1].process.kill()
        agents[1].process.wait()
        agents[0].wait_for(lambda: agents[0].api("GET", "/v1/status/leader") == "", "no leader", 60)
        yield agents[0]
    finally:
        for agent in agents:
            if agent.process and agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()


def test_without_a_leader_the_hosts_come_from_a_stale_read(any_core, without_leader, tmp_path):
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    for consistency in ("default", "stale"):
        options = {**without_leader.connection, **cache, "consistency": consistency}
        warnings = [f"the cluster of http://127.0.0.1:{without_leader.http_port} has no leader"]
        hosts = any_core.list(**options, warnings=warnings)
        assert {"app1", "tester"} <= set(hosts) and any_core.groups["service_web"] == {"app1"}
    assert not list((tmp_path / "cache").glob("*"))
    assert "has no leader" in any_core.error(**{**options, "consistency": "consistent"})


# --- Many instances ---------------------------------------------------------------------------------------------------

SERVICES = ("api", "cache", "database", "queue", "web")


def fill(agent, count):
    """So many instances on 100 nodes, in transactions."""
    operations = [
        {"Node": {"Verb": "set", "Node": {"Node": f"node{number}", "Address": f"192.0.2.{number}"}}} for number in range(100)
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
    return Counter(url.split("?")[0] for line in lines for url in re.findall(r"http: Request finished: .* url=(\S+)", line))


def test_5000_instances_take_one_request_per_service(running_agent, inventory, tmp_path):
    with running_agent(tmp_path, config={"log_level": "DEBUG"}) as agent:
        fill(agent, 5000)
        log = tmp_path / "agent.log"
        for hosts_from, hosts, more in (("instances", 5001, []), ("nodes", 101, ["catalog/nodes", "health/state/any"])):
            before = len(log.read_text(encoding="utf-8", errors="replace"))
            found = inventory.list(**agent.connection, hosts_from=hosts_from)
            assert len(found) == hosts
            names = [f"health/service/{name}" for name in (*SERVICES, "consul")]
            expected = Counter(f"/v1/{path}" for path in ("status/leader", "catalog/services", *names, *more))
            agent.wait_for(lambda before=before: requests_in(log, before).total() >= expected.total(), "all requests")
            assert requests_in(log, before) == expected
            assert len(inventory.groups["service_web"]) == (1000 if hosts_from == "instances" else 20)


# --- Documentation ----------------------------------------------------------------------------------------------------
