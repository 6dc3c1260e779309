# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import seconds, site_values

HOST = {"inventory_hostname": "web1", "inventory_dir": "/site", "groups": {"consul_server": ["c1"], "other": ["c2"]}}
EXTRA = {"domain": "example", "dns_config": {"service_ttl": {"*": "3s", "shop": "1m30s"}}}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({}, "roles", []),
        (
            {"group_names": ["nginx_lb", "web", "redis", "consul_client"]},
            "roles",
            ["consul_client", "redis", "nginx_lb"],
        ),
        # A host runs one agent.
        ({"group_names": ["consul_client", "consul_server", "redis"]}, "roles", ["consul_server", "redis"]),
        ({}, "uses_resolver", False),
        ({"group_names": ["consul_client"]}, "uses_resolver", True),
        ({"group_names": ["consul_server"]}, "uses_resolver", True),
        ({"group_names": ["consul_client"], "consul_agent_dns_port": "8600"}, "uses_resolver", False),
        ({"group_names": ["consul_client"], "consul_agent_resolver": "no"}, "uses_resolver", False),
        ({}, "node_name", "web1"),
        ({"consul_agent_node_name": "node1"}, "node_name", "node1"),
        ({"consul_agent_bind_addr": "10.0.0.9"}, "lan_address", "10.0.0.9"),
        (
            {"ansible_facts": {"interfaces": ["eth0"], "eth0": {"ipv4": {"address": "10.0.0.5"}}}},
            "lan_address",
            "10.0.0.5",
        ),
        ({}, "datacenter", "dc1"),
        ({"consul_agent_datacenter": "dc2"}, "datacenter", "dc2"),
        ({}, "domain", "consul"),
        ({"consul_agent_config_extra": EXTRA}, "domain", "example"),
        ({}, "servers_group", "consul_server"),
        ({}, "servers", ["c1"]),
        ({"consul_agent_servers_group": "other"}, "servers", ["c2"]),
        ({"consul_agent_servers_group": "nobody"}, "servers", []),
        ({}, "secrets_dir", "/site/.secrets"),
        ({"site_secrets_dir": "/srv/secrets"}, "secrets_dir", "/srv/secrets"),
        ({}, "acl_enabled", True),
        ({"consul_agent_acl_default_policy": "allow"}, "acl_enabled", False),
        ({}, "dns_cache_seconds", 1),
        ({"nginx_lb_resolver_valid": "500ms"}, "dns_cache_seconds", 1),
        ({"nginx_lb_resolver_valid": "1500ms"}, "dns_cache_seconds", 2),
        ({"nginx_lb_resolver_valid": 30}, "dns_cache_seconds", 30),
        ({"nginx_lb_resolver_valid": "5s", "consul_agent_config_extra": EXTRA}, "dns_cache_seconds", 90),
        ({"consul_agent_config_extra": {"dns_config": "x"}}, "dns_cache_seconds", 1),
        ({"consul_agent_config_extra": {"dns_config": {"service_ttl": "5s"}}}, "dns_cache_seconds", 1),
        ({"consul_agent_config_extra": "domain"}, "domain", "consul"),
    ],
)
def test_values(given, name, value):
    assert site_values({**HOST, **given})[name] == value


def test_a_value_that_cannot_be_computed_leaves_the_others():
    values = site_values(HOST)
    with pytest.raises(NoAddress, match="network facts of the host are missing"):
        values["lan_address"]
    assert values["node_name"] == values.node_name == "web1"


def test_only_what_it_has():
    assert "lan_addr" not in site_values(HOST)
    with pytest.raises(KeyError):
        site_values(HOST)["__class__"]


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25), ("1d", 86400)])
def test_durations(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "5 s", "-1s", "1s!"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def server(active, run=None, changed=()):
    looked = {"run": run or run_id(), "changed": list(changed), "units": {"consul": {"active": active}}}
    return {"ansible_facts": {FACT: looked}}


@pytest.mark.parametrize(
    ("hostvars", "expected"),
    [
        ({}, "c1"),
        ({"c2": {}}, "c1"),
        ({"c1": server("active"), "c2": server("active")}, "c1"),
        ({"c1": server("failed"), "c2": server("active")}, "c2"),
        ({"c1": {}, "c2": server("inactive"), "c3": server("active")}, "c3"),  # c1 is down: nobody could look at it
        ({"c2": server("active", run="another")}, "c1"),
        ({"c2": server("inactive", changed=["unit:consul"]), "c3": server("active")}, "c2"),  # started by this run
        ({"c1": server("inactive"), "c2": server("inactive")}, "c1"),
        # Nobody could look at c1. The others answer, so that the run can name what is wrong there.
        ({"c1": {}, "c2": server("inactive"), "c3": server("inactive")}, "c2"),
    ],
)
def test_the_server_that_makes_tokens(hostvars, expected):
    variables = {**HOST, "groups": {"consul_server": ["c1", "c2", "c3"]}, "hostvars": hostvars}
    assert site_values(variables).acl_server == expected
    assert site_values({**variables, "consul_agent_acl_server": "other"}).acl_server == "other"


FACTS = {"ansible_facts": {"interfaces": ["lo"]}}


@pytest.mark.parametrize(
    ("given", "hostvars", "expected"),
    [
        ({}, {}, ["c1", "c2", "c3"]),
        ({}, {"c1": server("active", run="another")}, ["c1", "c2", "c3"]),
        # One that answered in this run comes first.
        ({}, {"c1": {}, "c2": FACTS, "c3": FACTS}, ["c2", "c3", "c1"]),
        ({}, {"c3": server("active")}, []),
        ({}, {"c3": server("inactive", changed=["unit:consul"])}, []),
        ({}, {"c1": server("inactive"), "c2": {}}, ["c2", "c3"]),
        # The play looks at its own hosts, and c1 has dropped out of it.
        ({"ansible_play_hosts_all": ["c1", "c2", "c3", "web1"]}, {"c2": server("inactive")}, []),
        ({"ansible_play_hosts_all": ["c1", "web1"]}, {"c1": server("inactive")}, ["c2", "c3"]),
        ({"ansible_play_hosts_all": ["c1", "web1"]}, {"c1": server("active")}, []),
        ({"consul_agent_acl_server": "c2"}, {}, []),
    ],
)
def test_the_servers_to_look_at_before_a_token_is_made(given, hostvars, expected):
    variables = {**HOST, "groups": {"consul_server": ["c1", "c2", "c3"]}, "hostvars": hostvars, **given}
    assert site_values(variables).acl_server_candidates == expected


RUNNING = [{"pid": 1, "started": 1, "unit": "old", "options": {}}]


@pytest.mark.parametrize(
    ("agent", "first"),
    [
        ({"leader": "192.0.2.1:8300", "acl_default_policy": "deny", "running": RUNNING}, True),
        ({"leader": "192.0.2.1:8300", "running": RUNNING}, True),  # it does not tell everybody its policy
        ({"leader": "192.0.2.1:8300", "acl_default_policy": "disabled", "running": RUNNING}, False),
        ({"leader": "", "running": RUNNING}, False),
        ({"leader": "192.0.2.1:8300", "acl_default_policy": "deny"}, False),  # it was not set up by hand
        ({}, False),
    ],
)
def test_whether_tokens_are_made_before_the_servers_restart(agent, first):
    hostvars = {"c1": server("active")}
    hostvars["c1"]["ansible_facts"]["dockyard_host"].update(consul=agent, placed=[])
    variables = {**HOST, "groups": {"consul_server": ["c1"]}, "hostvars": hostvars}
    assert site_values(variables).tokens_first is first


def test_a_killed_run_has_given_acls_to_one_server():
    hostvars = {"c1": server("active"), "c2": server("active")}
    ours = {"leader": "192.0.2.2:8300"}  # refuses to tell more until all have them
    theirs = {"leader": "192.0.2.2:8300", "acl_default_policy": "disabled", "running": RUNNING}
    for name, agent in {"c1": ours, "c2": theirs}.items():
        hostvars[name]["ansible_facts"]["dockyard_host"].update(consul=agent, placed=[])
    variables = {**HOST, "groups": {"consul_server": ["c1", "c2"]}, "hostvars": hostvars}
    assert site_values(variables).acl_server == "c1"
    assert site_values(variables).tokens_first is False


FOREIGN = {"placed": [], "consul": {"running": [{"pid": 1, "started": 1, "unit": "old", "options": {}}]}}
FRESH = {"placed": [], "consul": {"running": []}}
MAIN = "/etc/consul.d/consul.json"
OURS = {
    "placed": [MAIN],
    "consul": {"running": [{"unit": "consul", "options": {}, "config_dirs": ["/etc/consul.d"], "config_files": []}]},
}


@pytest.mark.parametrize(
    "in_play, server, client, groups, expected",
    [
        (["a1"], FOREIGN, FRESH, ["consul_client"], "c1"),  # a new host of a cluster that is not taken over yet
        (["a1"], FOREIGN, FOREIGN, ["consul_client"], "c1"),
        (["a1"], FOREIGN, FOREIGN, [], "c1"),  # whatever the group of the clients
        (["a1"], FOREIGN, OURS, ["consul_client"], ""),  # it has its certificate
        (["a1"], FOREIGN, FRESH, ["docker_host"], ""),  # no agent
        (["a1"], OURS, FRESH, ["consul_client"], ""),
        (["a1"], None, FRESH, ["consul_client"], ""),
        (["a1", "c1"], FOREIGN, FRESH, ["consul_client"], ""),
        (["c1"], FOREIGN, FRESH, ["consul_client"], ""),
    ],
)
def test_a_server_to_take_over_before_the_clients(in_play, server, client, groups, expected):
    def host(known):
        facts = {} if known is None else {FACT: {"run": run_id(), **known}}
        return {"ansible_facts": facts}

    variables = {
        **HOST,
        "ansible_play_hosts": in_play,
        "ansible_play_hosts_all": in_play,
        "groups": {"consul_server": ["c1"], **{group: ["a1"] for group in groups}},
        "hostvars": {"c1": host(server), "a1": host(client)},
    }
    assert site_values(variables).foreign_server == expected


def test_only_the_facts_of_servers_are_read():
    """As Ansible's hostvars are: reading a host templates all of its variables."""

    class HostVars(dict):
        def raw_get(self, host):
            return dict.get(self, host)

        def get(self, host, default=None):
            raise AssertionError("all variables of the host were templated")

        __getitem__ = get

    variables = {**HOST, "hostvars": HostVars(c1=server("inactive"))}
    assert site_values(variables).acl_server == "c1"
    assert site_values(variables).acl_server_candidates == []


def test_a_site_without_servers_makes_no_tokens():
    assert site_values({**HOST, "groups": {}}).acl_server == ""
    assert site_values({**HOST, "groups": {}}).acl_server_candidates == []
    assert site_values({**HOST, "groups": {}, "consul_agent_acl_server": "c9"}).acl_server == "c9"
