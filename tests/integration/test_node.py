# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import types

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_catalog import Catalog
from ansible_collections.dockyard.consul.plugins.modules import consul_node

ID = "3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d"
NOBODY = "11111111-2222-3333-4444-555555555555"
FULL = {
    "name": "db1",
    "address": "192.0.2.1",
    "id": ID,
    "meta": {"external-node": True, "rack": 7},
    "tagged_addresses": {"wan": "198.51.100.1"},
    "services": [
        {
            "name": "pg",
            "id": "pg-1",
            "port": 5432,
            "tags": ["primary", "blue"],
            "meta": {"version": 15},
            "tagged_addresses": {"wan": {"address": "198.51.100.2"}},
            "weights": {"passing": 2, "warning": 0},
        },
        {"name": "web", "address": "192.0.2.2", "port": 80},
    ],
    "checks": [
        {"name": "alive", "status": "passing", "notes": "by hand"},
        {
            "id": "pg",
            "service_id": "pg-1",
            "status": "passing",
            "tcp": "192.0.2.1:5432",
            "interval": "90s",
            "timeout": "5s",
        },
    ],
}


def node(**options):
    return {"dockyard.consul.consul_node": options}


def direct(agent, token=None, check_mode=False, **options):
    """The module's result, without the time that Ansible takes."""
    checked = ArgumentSpecValidator(consul_node.NODE_SPEC).validate(options)
    assert not checked.error_messages
    client = ConsulClient(port=agent.http_port, token=token or agent.token)
    return consul_node.execute(
        types.SimpleNamespace(params=checked.validated_parameters, check_mode=check_mode), client
    )


@pytest.fixture(autouse=True)
def no_external_nodes(agent):
    yield
    for found in agent.api("GET", "/v1/catalog/nodes"):
        if found["Node"] != "tester":
            agent.api("PUT", "/v1/catalog/deregister", {"Node": found["Node"]})


def catalog(agent):
    """All external nodes with their services and checks, without indexes."""
    names = [found["Node"] for found in agent.api("GET", "/v1/catalog/nodes") if found["Node"] != "tester"]
    return {
        name: without_indexes(
            [agent.api("GET", f"/v1/catalog/node/{name}"), agent.api("GET", f"/v1/health/node/{name}")]
        )
        for name in names
    }


def without_indexes(item):
    if isinstance(item, dict):
        return {key: without_indexes(value) for key, value in item.items() if not key.endswith("Index")}
    return [without_indexes(value) for value in item] if isinstance(item, list) else item


def dig(agent, name, kind="A"):
    command = ["dig", "+short", "@127.0.0.1", "-p", str(agent.dns_port), f"{name}.consul", kind]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def test_four_ways(playbook, agent):
    created = playbook.four_ways(node(**FULL), node(name="db1", state="absent"), lambda: catalog(agent))
    assert created["operations"] == {
        "node/db1": "create",
        "service/pg-1": "create",
        "service/web": "create",
        "check/alive": "create",
        "check/pg": "create",
    }
    assert created["node"]["services"]["pg-1"]["weights"] == {"passing": 2, "warning": 0}
    assert created["diff"]["before"] == "" and "port: 5432\n" in created["diff"]["after"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_with_the_token_in_the_environment(playbook, agent):
    connection = {name: value for name, value in agent.connection.items() if name != "token"}
    results = playbook.run(
        node(**FULL),
        node(**FULL),
        node(name="db1", state="absent"),
        connection=connection,
        environment={"CONSUL_HTTP_TOKEN": agent.token},
    )
    assert [result["changed"] for result in results] == [True, False, True] and catalog(agent) == {}
    assert agent.token not in str(results)


def test_what_dns_gives(agent):
    direct(agent, **FULL)
    assert dig(agent, "db1.node") in (["192.0.2.1"], []), "nothing, where the anonymous token may read nothing"
    if agent.token:
        return
    assert dig(agent, "pg.service") == ["192.0.2.1"] and dig(agent, "web.service") == ["192.0.2.2"]
    critical = [FULL["checks"][0], {**FULL["checks"][1], "status": "critical"}]
    changed = direct(agent, **{**FULL, "checks": critical})
    assert changed["operations"] == {"check/pg": "update"}
    assert dig(agent, "pg.service") == [] and dig(agent, "web.service") == ["192.0.2.2"]


def test_everything_that_changes(agent):
    direct(agent, **FULL)
    services, checks = FULL["services"], FULL["checks"]
    for options, operations in (
        ({"address": "db1.example.com"}, {"node/db1": "update"}),
        ({"meta": {}}, {"node/db1": "update"}),
        ({"tagged_addresses": {}}, {"node/db1": "update"}),
        ({"id": None}, {}),
        ({"id": NOBODY}, {"node/db1": "update"}),
        ({"services": [services[0], {**services[1], "port": 81}]}, {"service/web": "update"}),
        ({"services": [{**services[0], "tags": ["blue", "primary"]}, services[1]]}, {}),
        ({"services": [services[0]]}, {"service/web": "remove"}),
        ({"services": [services[0]], "purge": False}, {}),
        ({"checks": [checks[1]]}, {"check/alive": "remove"}),
        ({"checks": [{**checks[0], "notes": ""}, checks[1]]}, {"check/alive": "update"}),
        ({"checks": [checks[0], {**checks[1], "interval": "1m30s"}]}, {}),
        ({"checks": [{"name": "alive"}, checks[1]]}, {"check/alive": "update"}),  # the notes
        ({"services": [services[1]], "checks": [checks[0]]}, {"service/pg-1": "remove"}),
        ({"services": [], "checks": []}, {"check/alive": "remove", "service/pg-1": "remove", "service/web": "remove"}),
    ):
        there = catalog(agent)
        foretold = direct(agent, check_mode=True, **{**FULL, **options})
        assert foretold["operations"] == operations and catalog(agent) == there
        done = direct(agent, **{**FULL, **options})
        assert done == foretold and done["changed"] == bool(operations)
        again = direct(agent, **{**FULL, **options})
        assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        direct(agent, **FULL)
        if "id" not in options:
            assert catalog(agent) == there


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_state_that_another_program_sets(agent):
    """As consul-esm does."""
    options = {
        "name": "db1",
        "address": "192.0.2.1",
        "checks": [{"name": "alive", "tcp": "192.0.2.1:1", "interval": "30s"}],
    }
    assert direct(agent, **options)["node"]["checks"]["alive"]["status"] == "critical"
    body = agent.api("GET", "/v1/health/node/db1")[0]
    body.update(Status="passing", Output="connected")
    agent.api("PUT", "/v1/catalog/register", {"Node": "db1", "SkipNodeUpdate": True, "Check": body})
    assert not direct(agent, **options)["changed"]
    assert agent.api("GET", "/v1/health/node/db1")[0]["Status"] == "passing"


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_state_that_another_program_sets_meanwhile(agent, monkeypatch):
    """As consul-esm does, after the module has read the check and before it writes it."""
    options = {"name": "db1", "address": "192.0.2.1", "checks": [{"name": "alive", "tcp": "192.0.2.1:1"}]}
    direct(agent, **options)
    apply = Catalog.apply

    def after_another_program(self, planned):
        body = agent.api("GET", "/v1/health/node/db1")[0]
        if body["Status"] == "critical":
            body.update(Status="passing", Output="connected")
            agent.api("PUT", "/v1/catalog/register", {"Node": "db1", "SkipNodeUpdate": True, "Check": body})
        apply(self, planned)

    monkeypatch.setattr(Catalog, "apply", after_another_program)
    options["checks"][0]["notes"] = "new"
    assert direct(agent, **options)["operations"] == {"check/alive": "update"}
    (found,) = agent.api("GET", "/v1/health/node/db1")
    assert (found["Status"], found["Output"], found["Notes"]) == ("passing", "connected", "new")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_consul_takes_as_one(agent):
    """Ids in upper and lower case, and durations in every unit."""
    timed = {"name": "alive", "tcp": "192.0.2.1:1", "interval": "2499999h0.0000015s", "timeout": "500us"}
    options = {"name": "db1", "address": "192.0.2.1", "services": [{"name": "web"}], "checks": [timed]}
    direct(agent, **options)
    assert not direct(agent, **options)["changed"]
    for kind, body in (("Service", {"ID": "WEB", "Service": "web"}), ("Check", {"CheckID": "ALIVE", "Name": "alive"})):
        agent.api("PUT", "/v1/catalog/register", {"Node": "db1", "Address": "192.0.2.1", kind: body})
    there = catalog(agent)
    assert list(there["db1"][0]["Services"]) == ["WEB"] and len(there["db1"][1]) == 1
    with pytest.raises(ConsulError, match="service web: Consul has this id as 'WEB'.* check alive: Consul has this id"):
        direct(agent, **options)
    assert catalog(agent) == there


def test_a_node_with_an_agent(in_process, agent):
    for options in ({"address": "192.0.2.1"}, {"address": "127.0.0.1", "services": [{"name": "web"}]}):
        for name in ("tester", "TESTER"):
            with pytest.raises(
                ConsulError, match=f"^node {name} has a Consul agent, which would undo this. Register its"
            ):
                direct(agent, name=name, **options)
    with pytest.raises(
        ConsulError, match="^node tester has a Consul agent. It runs, and would register the node again"
    ):
        direct(agent, name="tester", state="absent")
    # As a node looks after its agent has died: its check is critical.
    body = {
        "Node": "dead",
        "Address": "192.0.2.9",
        "Check": {"CheckID": "serfHealth", "Name": "s", "Status": "critical"},
    }
    agent.api("PUT", "/v1/catalog/register", body)
    (refused,) = in_process.failures(node(name="dead", state="absent"))
    assert refused == (
        "node dead has a Consul agent. It does not answer. If the agent is gone for good, set force: true to remove the node"
    )
    removed = direct(agent, name="dead", state="absent", force=True)
    assert removed["operations"] == {"node/dead": "remove"} and catalog(agent) == {}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_member_that_is_not_in_the_catalog_yet(agent):
    here = Catalog(ConsulClient(port=agent.http_port))
    assert here.is_member("TESTER") and not here.is_member("db1")
    assert Catalog(ConsulClient(port=agent.http_port, datacenter="dc1")).is_member("tester")
    assert not Catalog(ConsulClient(port=agent.http_port, datacenter="dc2")).is_member("tester")
    with pytest.raises(ConsulError, match="^node tester has a Consul agent"):
        consul_node.refuse_agent(here, None, {"name": "tester", "state": "present", "force": False})


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_refused(agent):
    direct(agent, name="db1", address="192.0.2.1", id=ID)
    for options, words in (
        (
            {"name": "DB1"},
            "^Nothing was changed. name: Consul has this node as 'db1'. Use the same upper and lower case",
        ),
        ({"id": ID}, f"^id: node db1 has the id {ID} already$"),
        (
            {"address": "0.0.0.0", "services": [{"name": "pg", "port": -1}]},
            "^Nothing was changed. node db2: address .*service pg: port",
        ),
        (
            {"checks": [{"name": "c", "service_id": "none"}]},
            "^Nothing was changed. check c: the node has no service 'none', or the token may not read it$",
        ),
    ):
        for check_mode in (True, False):
            with pytest.raises(ConsulError, match=words):
                direct(agent, check_mode=check_mode, **{"name": "db2", "address": "192.0.2.2", **options})
    assert list(catalog(agent)) == ["db1"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    def test_a_token_without_the_right(self, agent):
        direct(agent, **FULL)
        there = catalog(agent)
        reader = agent.token_for('node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }')
        stranger = agent.token_for('key_prefix "" { policy = "read" }')
        changed = {**FULL, "address": "192.0.2.9"}
        gone = {"name": "db1", "state": "absent"}
        may_not_read = 'it requires the rule node "db1" { policy = "read" }$'
        may_not_write = 'it requires the rule node "db1" { policy = "write" }$'
        for token, options, check_mode, words in (
            (stranger, changed, False, may_not_read),
            (stranger, gone, False, may_not_read),
            (stranger, gone, True, may_not_read),
            (reader, changed, False, "^node/db1: PUT /v1/catalog/register at .*Permission denied"),
            (reader, changed, True, may_not_write),
            (reader, gone, False, "^node/db1: PUT /v1/catalog/deregister at .*Permission denied"),
            (reader, gone, True, may_not_write),
            (NOBODY, gone, False, "the token is unknown to Consul"),
        ):
            with pytest.raises(ConsulError, match=words):
                direct(agent, token, check_mode, **options)
        assert not direct(agent, reader, **FULL)["changed"]
        assert catalog(agent) == there

    def test_least_privilege_and_an_error_in_the_middle(self, agent):
        sees = 'node "db1" { policy = "write" } service_prefix "" { policy = "read" }'
        one = agent.token_for(sees + 'service "pg" { policy = "write" }')
        with pytest.raises(
            ConsulError, match="^service/web: PUT /v1/catalog/register at .*Permission denied"
        ) as raised:
            direct(agent, one, **FULL)
        assert raised.value.written == ["node/db1", "service/pg-1"]
        with pytest.raises(ConsulError, match='it requires the rule service "web" { policy = "write" }$'):
            direct(agent, one, True, **FULL)
        both = agent.token_for('node "db1" { policy = "write" } service_prefix "" { policy = "write" }')
        assert list(direct(agent, both, **FULL)["operations"]) == ["service/web", "check/alive", "check/pg"]
        blind = agent.token_for('node "db1" { policy = "write" } service "web" { policy = "write" }')
        only_web = {**FULL, "services": [FULL["services"][1]], "checks": None}
        with pytest.raises(ConsulError, match='it requires the rule service_prefix "" { policy = "read" }$'):
            direct(agent, blind, **only_web)
        assert not direct(agent, blind, **only_web, purge=False)["changed"]
        reader = agent.token_for(sees)
        with pytest.raises(ConsulError, match="^check/pg: Permission denied .the token's policies do not allow this"):
            direct(agent, reader, **{**FULL, "checks": [{**FULL["checks"][1], "notes": "new"}]})
        assert direct(agent, one, name="db1", state="absent")["changed"] and catalog(agent) == {}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_node_whose_id_begins_like_the_name_is_another_one(agent):
    """Where no node has the name, Consul looks for an ID that begins so."""
    other = {"Node": "other", "ID": "db12" + ID[4:], "Address": "192.0.2.9"}
    agent.api("PUT", "/v1/catalog/register", other)
    assert agent.api("GET", "/v1/catalog/node/db1")["Node"]["Node"] == "other"
    assert direct(agent, name="db1", address="192.0.2.1")["changed"]
    assert not direct(agent, name="db1", address="192.0.2.1")["changed"]
    assert {one["Node"] for one in agent.api("GET", "/v1/catalog/nodes")} == {"db1", "other", "tester"}
