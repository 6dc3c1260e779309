# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.modules import consul_check
from in_process import Module
from test_service_cases import HTTP, ONLY_OPEN, TTL, UNADDRESSABLE, hits, types_of, web  # noqa: F401 (a fixture)

DIGEST = "dockyard_consul_digest"


def check(**options):
    return {"dockyard.consul.consul_check": options}


def node_checks(agent):
    """The checks of the node as the agent has them, but for their states."""
    checks = agent.api("GET", "/v1/agent/checks")
    return {key: (one["Name"], one["Notes"], one["Type"], one["ServiceID"]) for key, one in checks.items()}


def test_one_check_four_ways(playbook, agent):
    header = {"Authorization": "Bearer H34der-secret"}
    task = check(
        name="disk", id="disk-1", notes="for people", header=header, status="passing", check_timeout="3s", **HTTP
    )
    created = playbook.four_ways(task, check(id="disk-1", state="absent"), lambda: node_checks(agent))
    assert created["operation"] == "create" and created["operations"] == {"disk-1": "create"}
    assert created["check"]["Status"] == "passing" and created["check"]["ServiceID"] == ""
    assert created["check"]["Notes"].startswith("for people [dockyard_consul_digest=")
    assert DIGEST not in created["diff"]["after"] and "for people" in created["diff"]["after"]
    assert "H34der-secret" not in playbook.output


def test_many_checks_four_ways(in_process, agent):
    checks = [{"name": f"check {number}", "id": f"c/{number}", "timeout": "3s", **TTL} for number in range(3)]
    removal = check(checks=[{"id": one["id"]} for one in checks], state="absent")
    created = in_process.four_ways(check(checks=checks), removal, lambda: node_checks(agent))
    assert sorted(created["checks"]) == ["c/0", "c/1", "c/2"]
    assert agent.api("GET", "/v1/health/node/tester")


@ONLY_OPEN
def test_what_is_compared(in_process, agent):
    def task(**options):
        return check(**{"name": "disk", "ttl": "60s", **options})

    tasks = [
        task(),
        task(ttl="1m"),
        task(ttl="2m"),
        task(ttl="2m", notes="x"),
        task(ttl="2m", notes="x"),
        task(ttl="2m"),
    ]
    results = in_process.run(tasks[0])
    agent.api("PUT", "/v1/agent/check/pass/disk")
    results = [results, *in_process.run(*tasks[1:])]
    assert [one["changed"] for one in results] == [True, False, True, True, False, True]
    assert agent.api("GET", "/v1/agent/checks")["disk"]["Status"] == "passing", "an update keeps the state"
    # By other means.
    agent.api("PUT", "/v1/agent/check/register", {"Name": "disk", "TTL": "3m"})
    mended, again = in_process.run(tasks[-1], tasks[-1])
    assert mended["changed"] and not again["changed"]


@ONLY_OPEN
def test_a_check_of_another_kind_ends_the_old_one(in_process, agent, web):  # noqa: F811
    in_process.run(check(name="disk", http=f"{web.url}/old", interval="1s"))
    agent.wait_for(lambda: hits(web, "/old"), "a request")
    changed, again = in_process.run(check(name="disk", **TTL), check(name="disk", **TTL))
    assert changed["changed"] and not again["changed"] and types_of(agent) == {"disk": "ttl"}
    before = hits(web, "/old")
    in_process.run(check(name="witness", http=f"{web.url}/new", interval="1s"))
    agent.wait_for(lambda: hits(web, "/new") > 2, "three requests of the other check")
    assert hits(web, "/old") == before


@ONLY_OPEN
def test_a_check_of_a_service_is_left_alone(in_process, agent):
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "Check": {"CheckID": "x", "TTL": "1h"}})
    words = in_process.failures(check(name="x", **TTL), check(id="x", state="absent"))
    assert all("it is a check of service web on this agent" in message for message in words)
    assert types_of(agent) == {"x": "ttl"}


def test_a_check_is_removed_by_its_name(agent):
    for identity, service_id in (("ssh", ""), ("ssh-2", ""), ("web-ssh", "web")):
        if service_id:
            agent.api("PUT", "/v1/agent/service/register", {"Name": service_id})
        body = {"ID": identity, "Name": "SSH", "ServiceID": service_id, "TTL": "1h"}
        agent.api("PUT", "/v1/agent/check/register", body)
    module, task = Module(consul_check, agent), {"name": "SSH", "state": "absent"}
    predicted, removed, again = module(check_mode=True, **task), module(**task), module(**task)
    assert predicted["operations"] == removed["operations"] == {"ssh": "remove", "ssh-2": "remove"}
    assert predicted["diff"] == removed["diff"] and removed["check"] is None
    assert not again["changed"] and types_of(agent) == {"web-ssh": "ttl"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": "1h", "id": "x"}, "name is needed"),
        ({"name": "x"}, "exactly one of"),
        ({"name": "x", "http": "http://x"}, "http needs an interval"),
        ({"name": "serfHealth", "ttl": "1h"}, "Consul's own"),
        ({"name": "x", "udp": "x:1", "interval": "1m"}, "udp requires Consul 1.13.0 or newer, and this agent is 1.8.7"),
        ({"name": "x", "os_service": "nginx", "interval": "1m"}, "os_service requires Consul 1.14.0"),
        ({"name": "x", "alias_node": "nowhere"}, "the catalog has no node nowhere"),
        ({"checks": [{"name": "x", "ttl": "1h"}, {"name": "y", "id": "x", "ttl": "1h"}]}, "more than once: x"),
        *[({"name": name, "ttl": "1h"}, reason) for name, reason in UNADDRESSABLE.items()],
        ({"id": "/x", "state": "absent"}, "starts with '/'"),
        ({"checks": [{"ttl": "1h"}], "state": "absent"}, "checks[0]: id or name is needed"),
    ],
)
def test_what_is_refused(agent, options, words):
    assert words in Module(consul_check, agent).refusal(**options)


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_under_deny(in_process, agent):
    writer = {"port": agent.http_port, "token": agent.token_for('node "tester" { policy = "write" }')}
    task = check(name="disk", **TTL)
    first, again = in_process.run(task, task, connection=writer)
    assert first["changed"] and not again["changed"]
    reader = agent.token_for('node_prefix "" { policy = "read" }')
    for token in (None, reader, "11111111-2222-3333-4444-555555555555"):
        other = {"port": agent.http_port, **({"token": token} if token else {})}
        for words in in_process.failures(
            check(name="disk", ttl="2h"),
            check(id="disk", state="absent"),
            check(name="disk", state="absent"),
            connection=other,
        ):
            assert "Permission denied" in words or "ACL not found" in words
    assert types_of(agent) == {"disk": "ttl"}
    assert in_process.run(check(id="disk", state="absent"), connection=writer)["changed"]
