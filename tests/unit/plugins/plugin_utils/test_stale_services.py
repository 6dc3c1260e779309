# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.stale_services import stale_services_of
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look, run_id
from ansible_collections.dockyard.consul.plugins.plugin_utils.stale_services import stale_services

ADDRESS, OTHER_ADDRESS = "192.0.2.31", "192.0.2.32"
ADDRESSES = (
    "172.17.0.1",
    ADDRESS,
)
STALE = {"node": "app1", "id": "web-2", "name": "web", "modify_index": 22}


def registered(*identities):
    return {
        identity: {"name": identity.split("-")[0], "modify_index": 20 + int(identity[-1])} for identity in identities
    }


def catalog(*identities, node="app1", address=ADDRESS):
    return {"node": node, "address": address, "services": registered(*identities)}


def look(changed=(), run=None, **consul):
    """The look of a client, whose agent does not answer the question for itself."""
    agent = {
        "error": "HTTP 403",
        "errors": {"self": "HTTP 403"},
        "services": {"web-1": {}},
        "catalog": catalog("web-1", "web-2"),
        **consul,
    }
    agent = {name: value for name, value in agent.items() if value != "missing"}
    return {"run": run or run_id(), "changed": list(changed), "consul": agent}


def found(known, addresses=ADDRESSES):
    return stale_services(Look.of({"ansible_facts": {FACT: known}}), addresses)


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


@pytest.mark.parametrize(
    ("options", "addresses", "expected"),
    [
        pytest.param({}, ADDRESSES, [STALE], id="by the address"),
        pytest.param({"catalog": catalog("web-2", address="2001:db8::1")}, ["2001:db8::1"], [STALE], id="by IPv6"),
        pytest.param({}, [OTHER_ADDRESS], [], id="the node of another host"),
        pytest.param({}, [], [], id="no addresses are known"),
        pytest.param({"node": "app1"}, [], [STALE], id="by the agent itself"),
        pytest.param({"node": "app2"}, ADDRESSES, [], id="the agent has another name"),
    ],
)
def test_only_the_node_of_the_host_itself(options, addresses, expected):
    """While hosts exchange their names, the catalog's node of this name is that of the other, whose services are fine."""
    assert found(look(**options), addresses) == expected


def host(known, **facts):
    return {"ansible_facts": {FACT: known, **facts}}


def test_the_filter_is_over_hosts():
    other = catalog("db-1", node="app2", address=OTHER_ADDRESS)
    hostvars = {
        "a1": host(look(), all_ipv4_addresses=ADDRESSES),
        "a2": host(
            look(services={}, catalog=other), all_ipv4_addresses=["192.0.2.9"], all_ipv6_addresses=[OTHER_ADDRESS]
        ),
        "a3": host(look(services={"web-1": {}, "web-2": {}}), all_ipv4_addresses=ADDRESSES),
        "a4": host({}, all_ipv4_addresses=ADDRESSES),
        "a5": host(look()),
        "a6": {},
    }
    db = {"node": "app2", "id": "db-1", "name": "db", "modify_index": 21}
    assert stale_services_of(hostvars, hostvars) == [STALE, db]
    assert stale_services_of(["a3"], hostvars) == stale_services_of([], hostvars) == []
