# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.stale_services import stale_services_of
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look, run_id
from ansible_collections.dockyard.consul.plugins.plugin_utils.stale_services import stale_services

NODE_ID = "9462b729-8407-5dd9-be89-d81900ac2e55"
DATA = {"/var/lib/consul": {"error": None, "node_id_on_disk": NODE_ID}}
AGENT = {"unit": "consul", "data_dir": "/var/lib/consul"}
STALE = {"node": "app1", "id": "web-2", "name": "web", "modify_index": 22}


def registered(*identities):
    return {
        identity: {"name": identity.split("-")[0], "modify_index": 20 + int(identity[-1])} for identity in identities
    }


def catalog(*identities, node="app1", node_id=NODE_ID):
    return {"node": node, "node_id": node_id, "services": registered(*identities)}


def look(changed=(), run=None, consul_data=DATA, **consul):
    """The look of a client, whose agent does not answer the question for itself."""
    agent = {
        "error": "HTTP 403",
        "errors": {"self": "HTTP 403"},
        "running": [AGENT],
        "services": {"web-1": {}},
        "catalog": catalog("web-1", "web-2"),
        **consul,
    }
    agent = {name: value for name, value in agent.items() if value != "missing"}
    return {"run": run or run_id(), "changed": list(changed), "consul": agent, "consul_data": consul_data}


def found(known):
    return stale_services(Look.of({"ansible_facts": {FACT: known}}))


def test_what_the_agent_does_not_know_is_stale():
    assert found(look()) == [STALE]
    assert found(look(services={})) == [{**STALE, "id": "web-1", "modify_index": 21}, STALE]
    assert found(look(services={"web-1": {}, "web-2": {}, "web-3": {}})) == []
    assert found(look(services={"web-1": {}, "web-2": {}}, catalog=catalog())) == []


def test_the_service_of_servers_is_never_stale():
    services = {"consul": {"name": "consul", "modify_index": 9}, **registered("web-2")}
    assert found(look(services={}, catalog={**catalog(), "services": services})) == [STALE]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(look(services="missing"), id="the agent did not answer"),
        pytest.param(look(services=None), id="the agent was not asked"),
        pytest.param(look(catalog="missing"), id="the catalog did not answer"),
        pytest.param(look(catalog=None), id="the catalog does not have the node"),
        pytest.param(look(run="another"), id="the look of another run"),
        pytest.param(look(changed=["consul"]), id="the agent was changed since"),
        pytest.param(look(changed=["consul", "unit:consul"]), id="the agent was restarted since"),
        pytest.param({**look(), "consul": None}, id="no agent"),
        pytest.param({}, id="no look"),
        pytest.param(None, id="no fact"),
    ],
)
def test_what_is_not_known_is_not_stale(known):
    assert found(known) == []


OTHER_ID = "00000000-0000-0000-0000-00000000000b"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [STALE], id="by the data folder"),
        pytest.param({"node_id": NODE_ID, "consul_data": {}}, [STALE], id="by the agent itself"),
        pytest.param({"catalog": catalog("web-2", node_id=OTHER_ID)}, [], id="the node of another host"),
        pytest.param({"node_id": OTHER_ID}, [], id="the agent has another id"),
        pytest.param({"catalog": catalog("web-2", node_id="")}, [], id="a node without an id"),
        pytest.param({"consul_data": {}}, [], id="no data folder"),
        pytest.param({"consul_data": {"/var/lib/consul": {"node_id_on_disk": None}}}, [], id="no id on the disk"),
        pytest.param({"running": []}, [], id="no agent runs"),
        pytest.param({"running": [{**AGENT, "unit": "another"}]}, [], id="another agent runs"),
        pytest.param({"running": [{**AGENT, "unit": None}, AGENT]}, [STALE], id="another agent runs as well"),
        pytest.param({"running": [{**AGENT, "data_dir": None}]}, [], id="the data folder is not known"),
        pytest.param({"running": [AGENT, AGENT]}, [], id="two of one unit"),
    ],
)
def test_only_the_node_of_the_host_itself(options, expected):
    """While hosts exchange their names, the catalog's node of this name is that of the other, whose services are fine."""
    assert found(look(**options)) == expected


def test_the_filter_is_over_hosts():
    other = catalog("db-1", node="app2", node_id=OTHER_ID)
    known = {
        "a1": look(),
        "a2": look(services={}, catalog=other, node_id=OTHER_ID),
        "a3": look(services={"web-1": {}, "web-2": {}}),
        "a4": {},
    }
    hostvars = {host: {"ansible_facts": {FACT: one}} for host, one in known.items()}
    db = {"node": "app2", "id": "db-1", "name": "db", "modify_index": 21}
    assert stale_services_of(["a1", "a2", "a3", "a4"], hostvars) == [STALE, db]
    assert stale_services_of(["a3"], hostvars) == stale_services_of([], hostvars) == []
