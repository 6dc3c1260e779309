# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_maintenance import (
    NONE,
    Maintenance,
    State,
    change_reason,
    confirmed,
)

DEFAULT = "no reason was provided"


def maintenance(**options):
    return {"dockyard.consul.consul_maintenance": options}


def service(**options):
    return {"dockyard.consul.consul_service": options}


@pytest.fixture(autouse=True)
def services(agent):
    """Two of one name and another, and no maintenance, neither before nor after."""
    agent.api("PUT", "/v1/agent/maintenance?enable=false")
    for port, identity in enumerate(("web-1", "web-2", "other"), 8001):
        body = {"Name": identity.split("-")[0], "ID": identity, "Port": port}
        agent.api("PUT", "/v1/agent/service/register", body)
    yield
    agent.api("PUT", "/v1/agent/maintenance?enable=false")


def reasons(agent):
    """The reason of each maintenance, by the id of its check."""
    checks = agent.api("GET", "/v1/agent/checks").values()
    return {check["CheckID"]: check["Notes"] for check in checks if check["Type"] == "maintenance"}


def in_dns(agent, name):
    command = ["dig", "+short", "@127.0.0.1", "-p", str(agent.dns_port), f"{name}.service.consul", "SRV"]
    return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def test_a_service_four_ways(playbook, agent):
    task = maintenance(service_id="web-1", state="enabled", reason="a neue Platte: 50% ü/?&")
    created = playbook.four_ways(task, maintenance(service_id="web-1", state="disabled"), lambda: reasons(agent))
    assert created["maintenance"] and created["reason"] == "a neue Platte: 50% ü/?&"
    assert created["diff"]["before"] == "enabled: false\n"
    assert "50% ü" in created["diff"]["after"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_the_node_four_ways(in_process, agent):
    created = in_process.four_ways(maintenance(state="enabled"), maintenance(state="disabled"), lambda: reasons(agent))
    assert DEFAULT in created["reason"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_in_maintenance_is_not_in_dns(in_process, agent):
    agent.wait_for(lambda: in_dns(agent, "web") == 2, "both instances in DNS")
    in_process.run(maintenance(service_id="web-1", state="enabled"))
    assert list(reasons(agent)) == ["_service_maintenance:web-1"]
    agent.wait_for(lambda: in_dns(agent, "web") == 1, "one instance in DNS")
    in_process.run(maintenance(service_id="web-1", state="disabled"), maintenance(state="enabled"))
    assert list(reasons(agent)) == ["_node_maintenance"]
    agent.wait_for(lambda: in_dns(agent, "web") + in_dns(agent, "other") == 0, "no instance in DNS")
    in_process.run(maintenance(state="disabled"))
    agent.wait_for(lambda: in_dns(agent, "web") == 2, "both instances in DNS again")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_reasons(in_process, agent):
    tasks = [
        maintenance(**identity, state="enabled", **reason)
        for identity in ({}, {"service_id": "web-1"})
        for reason in ({}, {"reason": "two"}, {"reason": "two"}, {})
    ]
    results = in_process.run(*tasks)
    for first, other, same, unsaid in (results[:4], results[4:]):
        assert [task["changed"] for task in (first, other, same, unsaid)] == [True, True, False, False]
        assert DEFAULT in first["reason"] and unsaid["reason"] == "two"
        assert DEFAULT in other["diff"]["before"] and other["diff"]["after"] == "enabled: true\nreason: two\n"
    assert reasons(agent) == {"_node_maintenance": "two", "_service_maintenance:web-1": "two"}


def test_a_reason_that_consul_does_not_take(agent):
    client = ConsulClient(port=agent.http_port, token=agent.token)
    web = Maintenance(client, "web-1")
    web.enable("one")
    with pytest.raises(ConsulError, match="maintenance mode was disabled to change its reason, and is still disabled"):
        change_reason(web, "x" * 2_000_000)
    assert reasons(agent) == {}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_the_agent_does_not_confirm_is_an_error(agent):
    web = Maintenance(ConsulClient(port=agent.http_port, token=agent.token), "web-1")
    with pytest.raises(ConsulError, match="service web-1 is not in maintenance, although"):
        confirmed(web, State(True, None))
    web.enable("one")
    for wanted in (NONE, State(True, "two")):
        with pytest.raises(ConsulError, match=r"service web-1 is in maintenance \(one\), although"):
            confirmed(web, wanted)
    assert confirmed(web, State(True, None)) == confirmed(web, State(True, "one")) == State(True, "one")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_unknown_service(in_process, agent):
    tasks = [maintenance(service_id=name, state=state) for name in ("web", "") for state in ("enabled", "disabled")]
    enable, disable, *empty = in_process.failures(*tasks)
    for words in (enable, disable):
        assert "service web: " in words and "it shows: other, web-1, web-2" in words
    assert all("service_id is empty" in words for words in empty)
    assert reasons(agent) == {}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_registration_leaves_maintenance_alone(in_process, agent):
    def task(*ids, **options):
        return service(
            name="kept", checks=[{"id": check, "ttl": "1h", "status": "passing"} for check in ids], **options
        )

    _created, _enabled, again, changed = in_process.run(
        task("a", "b"), maintenance(service_id="kept", state="enabled", reason="x"), task("a", "b"), task("b", "c")
    )
    assert not again["changed"] and changed["changed"]
    assert reasons(agent) == {"_service_maintenance:kept": "x"}
    assert sorted(agent.api("GET", "/v1/agent/checks")) == ["_service_maintenance:kept", "b", "c"]
    failure = in_process.run(task("b", "c", wait="passing", wait_timeout=0), fails=True)
    assert "kept is not passing after 0 s: the service is in maintenance: x" in failure["msg"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    def test_a_token_without_the_right(self, in_process, agent):
        reader = agent.token_for('service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }')
        tokens = {"none": None, "reader": reader, "dead": "11111111-2222-3333-4444-555555555555"}
        agent.api("PUT", "/v1/agent/maintenance?enable=true&reason=theirs")
        agent.api("PUT", "/v1/agent/service/maintenance/web-1?enable=true&reason=theirs")
        before = reasons(agent)
        tasks = [
            maintenance(**({"token": token} if token else {}), **identity, **options)
            for token in tokens.values()
            for identity in ({}, {"service_id": "web-1"})
            for options in ({"state": "disabled"}, {"state": "enabled", "reason": "mine"})
        ]
        words = in_process.failures(*tasks, connection={"port": agent.http_port})
        assert all("Permission denied" in word for word in words[:8]), words
        assert all("ACL not found" in word for word in words[8:]), words
        assert reasons(agent) == before

    def test_least_privilege(self, in_process, agent):
        only_web = {"port": agent.http_port, "token": agent.token_for('service "web" { policy = "write" }')}
        on, again, off = in_process.run(
            maintenance(service_id="web-1", state="enabled", reason="mine"),
            maintenance(service_id="web-1", state="enabled", reason="mine"),
            maintenance(service_id="web-1", state="disabled"),
            connection=only_web,
        )
        assert on["changed"] and not again["changed"] and off["changed"]
        assert reasons(agent) == {}
