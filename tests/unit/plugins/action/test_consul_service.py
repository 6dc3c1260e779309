# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.consul_service import (
    agent_runs,
    foretold_without_agent,
    registered,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    SERVICE_OPTIONS,
    registration,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

TOKEN = "11111111-0000-0000-0000-000000000000"
CHECK = {"tcp": "192.0.2.1:6379", "interval": "10s"}
TASK = {"name": "redis", "service_port": "6379", "address": "192.0.2.1", "checks": [CHECK], "token": TOKEN}


@pytest.fixture
def agent():
    """What the agent shows once the task has run."""
    options = dict.fromkeys(SERVICE_OPTIONS) | {"enable_tag_override": False, **TASK}
    body = registration(options, "service", TOKEN)
    check = {"service_id": "redis", "type": "tcp", "status": "passing"}
    return {"services": {"redis": {**body, "Service": "redis"}}, "checks": {"service:redis": check}}


def test_a_service_as_wanted_is_returned(agent):
    assert registered(TASK, agent) == {"service": agent["services"]["redis"]}
    many = {"services": [{**TASK, "port": 6379}], "token": TOKEN}
    del many["services"][0]["service_port"], many["services"][0]["token"]
    assert registered(many, agent) == {"services": agent["services"]}


@pytest.mark.parametrize(
    "other",
    [
        {"service_port": 6380},
        {"token": "22222222-0000-0000-0000-000000000000"},
        {"checks": [{**CHECK, "interval": "11s"}]},
        {"name": "other"},
        {"state": "absent"},
        {"host": "192.0.2.9"},
        {"no_such_option": 1},
        {"checks": [{}]},
    ],
)
def test_what_differs_or_cannot_be_told_is_for_the_module(agent, other):
    assert registered({**TASK, **other}, agent) is None


@pytest.mark.parametrize("consul", [None, {}, {"services": None, "checks": {}}, {"services": {}, "checks": {}}])
def test_what_is_not_known_is_for_the_module(consul):
    assert registered(TASK, consul) is None


def test_waiting_is_for_the_module_unless_all_checks_pass(agent):
    assert registered({**TASK, "wait": "passing"}, agent) is not None
    agent["checks"]["service:redis"]["status"] = "critical"
    assert registered({**TASK, "wait": "passing"}, agent) is None
    assert registered(TASK, agent) is not None


@pytest.mark.parametrize("service_id", ["", "redis"])
def test_waiting_is_for_the_module_while_the_node_or_the_service_is_not_in_dns(agent, service_id):
    agent["checks"]["x"] = {"service_id": service_id, "type": "maintenance", "status": "critical"}
    assert registered({**TASK, "wait": "passing"}, agent) is None
    assert registered(TASK, agent) is not None


def test_a_check_of_another_type_is_for_the_module(agent):
    agent["checks"]["service:redis"]["type"] = "http"
    assert registered(TASK, agent) is None


def test_what_only_several_services_have_wrong_is_for_the_module(agent):
    both = [{"name": name, "checks": [{"id": "x", "ttl": "1h"}]} for name in ("a", "b")]
    assert registered({"services": both}, agent) is None and foretold_without_agent({"services": both}) is None


@pytest.mark.parametrize(
    ("known", "runs"),
    [
        ({"units": {"consul": {"active": "active"}}, "consul": {"running": []}}, True),
        ({"units": {"consul": {"active": "inactive"}}, "consul": {"running": []}}, False),
        ({"units": {"consul": {"active": "inactive"}}, "consul": {"running": [{"pid": 1}]}}, True),
        ({"units": {"consul": {"active": "inactive"}}, "consul": {"running": []}, "changed": ["unit:consul"]}, True),
        ({"units": {}, "consul": {"running": []}}, True),
        (None, True),
    ],
)
def test_an_agent_does_not_run_only_where_the_look_shows_it(known, runs):
    assert agent_runs(Look(known)) is runs


def test_without_an_agent_a_service_would_be_created():
    found = foretold_without_agent(TASK)
    assert found["changed"] and found["operation"] == "create" and found["operations"] == {"redis": "create"}
    assert (found["service"]["Service"], found["service"]["Port"]) == ("redis", 6379)
    assert "192.0.2.1:6379" in found["diff"]["after"] and not found["diff"]["before"].strip("{}\n")
    assert TOKEN not in str(found)

    many = foretold_without_agent({"services": [{"name": "web", "token": TOKEN}, {"name": "shop"}]})
    assert many["changed"] and many["operations"] == {"web": "create", "shop": "create"}
    assert list(many["services"]) == ["web", "shop"]
    assert TOKEN not in str(many)


def test_without_an_agent_nothing_would_be_removed():
    assert foretold_without_agent({"name": "redis", "state": "absent"})["changed"] is False
    assert foretold_without_agent({"services": []})["changed"] is False


@pytest.mark.parametrize(
    "wrong", [{"no_such_option": 1}, {"checks": [{}]}, {"purge": True}, {"host": "192.0.2.9"}, {"service_port": 70000}]
)
def test_errors_and_other_agents_are_for_the_module(wrong):
    assert foretold_without_agent({**TASK, **wrong}) is None
