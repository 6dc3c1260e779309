# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest

DIGEST = "dockyard_consul_digest"
ALL_KINDS = [
    {
        "id": "web-http",
        "http": "http://127.0.0.1:9/health",
        "method": "POST",
        "header": {"Authorization": "Bearer H34der-secret", "X-List": ["a", "b"]},
        "body": "ping",
        "tls_skip_verify": True,
        "interval": "1m30s",
        "timeout": "500ms",
        "notes": "for people",
        "success_before_passing": 2,
        "failures_before_critical": 3,
        "output_max_size": 512,
        "deregister_critical_service_after": "24h",
    },
    {"tcp": "127.0.0.1:9", "interval": "1m", "status": "passing"},
    {"grpc": "127.0.0.1:9/web", "grpc_use_tls": True, "interval": "1m"},
    {"ttl": "1h", "name": "reports by itself"},
    {"args": ["/bin/true"], "interval": "1m"},
    {"alias_service": "other"},
]


def service(**options):
    return {"dockyard.consul.consul_service": options}


def registered(agent):
    """Services without their content hash, and the ids of their checks."""
    checks = agent.api("GET", "/v1/agent/checks")
    return agent.api("GET", "/v1/agent/services"), sorted(checks)


def dig(agent, name, kind):
    command = ["dig", "+short", "@127.0.0.1", "-p", str(agent.dns_port), name, kind]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_one_service_four_ways(playbook, agent):
    task = service(
        name="web",
        id="web-1",
        address="192.0.2.10",
        service_port=80,
        tags=["b", "a"],
        meta={"version": 2, "on": True, "text": "x"},
        weights={"passing": 10},
        checks=ALL_KINDS,
    )
    created = playbook.four_ways(task, service(id="web-1", state="absent"), lambda: registered(agent))
    assert created["operation"] == "create"
    assert created["service"]["Meta"] | {DIGEST: ""} == {"version": "2", "on": "true", "text": "x", DIGEST: ""}
    assert created["service"]["Weights"] == {"Passing": 10, "Warning": 1}
    playbook.run(task, verbose=True)
    _services, checks = registered(agent)
    assert checks == [*(f"service:web-1:{number}" for number in range(2, 7)), "web-http"]
    assert "H34der-secret" not in playbook.output


def test_many_services_four_ways(in_process, agent):
    services = [
        {"name": "web", "id": f"web-{number}", "port": 8000 + number, "checks": [{"ttl": "1h", "status": "passing"}]}
        for number in range(20)
    ]
    in_process.four_ways(service(services=services), service(name="web", state="absent"), lambda: registered(agent))


def test_what_was_asked_is_compared_by_meaning(in_process, agent):
    def task(tags=("a", "b"), interval="1m", **options):
        checks = [{"tcp": "127.0.0.1:9", "interval": interval, "timeout": "2s"}]
        return service(name="web", service_port=80, tags=list(tags), checks=checks, **options)

    results = in_process.run(
        task(),
        task(tags=("b", "a"), interval="60s"),
        task(interval="61s"),
        task(interval="61s", address="192.0.2.1"),
        task(interval="61s"),
        service(name="web", service_port=80),
        service(name="web", service_port=80),
    )
    assert [result["changed"] for result in results] == [True, False, True, True, True, True, False]
    assert results[2]["operation"] == "update"
    assert registered(agent)[1] == [], "checks that were left out are still there"


def test_a_rerun_or_a_change_elsewhere_leaves_a_check_its_state(in_process, agent):
    def task(**options):
        return service(name="web", checks=[{"ttl": "1h"}, {"ttl": "2h"}], **options)

    in_process.run(task())
    agent.api("PUT", "/v1/agent/check/pass/service:web:1")
    in_process.run(task(), task(tags=["new"]))
    assert agent.api("GET", "/v1/agent/checks")["service:web:1"]["Status"] == "passing"


def test_changes_by_others_are_seen(in_process, agent):
    task = service(name="web", service_port=80, checks=[{"ttl": "1h"}])
    in_process.run(task)
    agent.api("PUT", "/v1/agent/check/deregister/service:web")
    assert in_process.run(task)["changed"]
    agent.api("PUT", "/v1/agent/check/register", {"Name": "alien", "ServiceID": "web", "TTL": "1h"})
    assert in_process.run(task)["changed"]
    assert registered(agent)[1] == ["service:web"]
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "Port": 81})
    assert in_process.run(task)["changed"]
    assert not in_process.run(task)["changed"]


def test_a_changed_address_is_changed_in_dns(in_process, agent):
    def names():
        # Without a token to look up with, DNS under deny would answer nothing; the catalog is what it answers from.
        return [(item["ServiceAddress"], item["ServicePort"]) for item in agent.api("GET", "/v1/catalog/service/web")]

    for address in ("192.0.2.1", "192.0.2.2"):
        in_process.run(service(name="web", address=address, service_port=80))
        agent.wait_for(lambda wanted=address: names() == [(wanted, 80)], f"{address} in the catalog")
        tagged = agent.api("GET", "/v1/catalog/service/web")[0]["ServiceTaggedAddresses"]
        assert {item["Address"] for item in tagged.values()} == {address}


def test_tagged_addresses(in_process, agent):
    def task(address, wan_port=None):
        wan = {"address": "198.51.100.1", "port": wan_port}
        given = {"tagged_addresses": {"wan": wan}} if wan_port else {}
        return service(name="web", address=address, service_port=80, **given)

    one, other = "192.0.2.1", "192.0.2.2"
    results = in_process.run(
        task(one), task(one, 8080), task(one, 8080), task(one, 8081), task(other, 8081), task(other)
    )
    assert [result["changed"] for result in results] == [True, True, False, True, True, True]
    assert "198.51.100.1" in results[1]["diff"]["after"] and "198.51.100.1" not in results[1]["diff"]["before"]
    wan = {"Address": "198.51.100.1", "Port": 8081}
    derived = {"Address": other, "Port": 80}
    assert results[4]["service"]["TaggedAddresses"] == {"wan": wan, "lan_ipv4": derived, "wan_ipv4": derived}
    assert results[5]["service"]["TaggedAddresses"] == {"lan_ipv4": derived, "wan_ipv4": derived}

    # Someone wrote back what an agent said of an older address.
    meta = results[5]["service"]["Meta"]
    pinned = {"lan_ipv4": {"Address": one, "Port": 80}}
    body = {"Name": "web", "Address": other, "Port": 80, "Meta": meta, "TaggedAddresses": pinned}
    agent.api("PUT", "/v1/agent/service/register", body)
    repaired, again = in_process.run(task(other), task(other))
    assert repaired["changed"] and not again["changed"]
    assert again["service"]["TaggedAddresses"] == {"lan_ipv4": derived, "wan_ipv4": derived}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_dns_answers(in_process, agent):
    for address, port in (("192.0.2.1", 80), ("192.0.2.2", 81)):
        in_process.run(service(name="web", address=address, service_port=port))
        agent.wait_for(lambda wanted=address: dig(agent, "web.service.consul", "A") == [wanted], "the address in DNS")
        assert dig(agent, "web.service.consul", "SRV")[2] == str(port)


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_another_token_registers_the_service_again(in_process, agent):
    """Consul shows no registration's token, and refuses what a check says once that token is deleted."""
    rules = (
        'service "web" { policy = "write" }\nnode_prefix "" { policy = "read" }\nagent_prefix "" { policy = "read" }'
    )
    tokens = [agent.token_for(rules) for _token in range(3)]

    def task(token, **options):
        return service(name="web", service_port=80, checks=[{"ttl": "1h"}], token=token, **options)

    def digest():
        return agent.api("GET", "/v1/agent/service/web")["Meta"][DIGEST]

    in_process.run(task(tokens[0]))
    agent.api("PUT", "/v1/agent/check/pass/service:web")
    first = digest()
    again, foretold, moved, repeated = in_process.run(
        task(tokens[0]), {**task(tokens[1]), "check_mode": True}, task(tokens[1]), task(tokens[1])
    )
    assert [one["changed"] for one in (again, foretold, moved, repeated)] == [False, True, True, False]
    assert moved["operation"] == "update" and moved["diff"] == foretold["diff"]
    second = digest()
    assert second != first
    assert first not in str(moved) and second not in str(moved["diff"]), "the digests tell of the tokens"
    assert agent.api("GET", "/v1/agent/checks")["service:web"]["Status"] == "passing", "it keeps its state"

    accessor = agent.api("GET", "/v1/acl/token/self", token=tokens[0])["AccessorID"]
    agent.api("DELETE", f"/v1/acl/token/{accessor}")
    agent.api("PUT", "/v1/agent/check/fail/service:web?note=broken")
    agent.wait_for(lambda: states(agent) == ["critical"], "the check by the new token")
    # A token of the service's own comes before that of the call.
    owned, owned_again = in_process.run(*[task(tokens[1], service_token=tokens[2])] * 2)
    assert owned["changed"] and not owned_again["changed"]
    assert not any(token in in_process.output for token in tokens)


def states(agent):
    return [check["Status"] for check in agent.api("GET", "/v1/health/checks/web")]


def test_purge_removes_only_what_the_module_registered(in_process, agent):
    agent.api("PUT", "/v1/agent/service/register", {"Name": "foreign"})
    in_process.run(service(services=[{"name": "a"}, {"name": "b"}, {"name": "c", "connect": {"sidecar_service": {}}}]))
    task = service(
        services=[{"name": "b"}, {"name": "c", "connect": {"sidecar_service": {}}}, {"name": "d"}], purge=True
    )
    result = in_process.run(task)
    assert result["operations"] == {"a": "remove", "d": "create"}
    assert sorted(registered(agent)[0]) == ["b", "c", "c-sidecar-proxy", "d", "foreign"]
    assert not in_process.run(task)["changed"]
    assert in_process.run(service(services=[], purge=True))["changed"]
    assert sorted(registered(agent)[0]) == ["foreign"]


def test_tags_that_others_may_change_are_left_alone(in_process, agent):
    task = service(name="web", tags=["a"], enable_tag_override=True)
    in_process.run(task)
    node = agent.api("GET", "/v1/catalog/service/web")[0]
    agent.api(
        "PUT",
        "/v1/catalog/register",
        {
            "Node": node["Node"],
            "Address": node["Address"],
            "SkipNodeUpdate": True,
            "Service": {
                "ID": "web",
                "Service": "web",
                "Tags": ["theirs"],
                "Meta": node["ServiceMeta"],
                "EnableTagOverride": True,
            },
        },
    )
    assert not in_process.run(task)["changed"]
    assert agent.api("GET", "/v1/catalog/service/web")[0]["ServiceTags"] == ["theirs"]


def test_wait_until_passing(in_process, agent):
    healthy = {"tcp": f"127.0.0.1:{agent.http_port}", "interval": "1s"}
    in_process.run(
        service(services=[{"name": "a", "checks": [healthy]}, {"name": "b"}], wait="passing", wait_timeout=20)
    )
    found = agent.api("GET", "/v1/health/service/a?passing")
    assert [item["Service"]["ID"] for item in found] == ["a"]
    sick = {"http": f"http://127.0.0.1:{agent.http_port}/v1/nothing-here", "interval": "1s"}
    failure = in_process.run(service(name="sick", checks=[sick], wait="passing", wait_timeout=3), fails=True)
    assert "sick is not passing after 3 s: service:sick is critical" in failure["msg"]
    assert "404" in failure["msg"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"checks": [{"tcp": "x:1", "interval": "10"}]}, "check 1: interval: '10' is not a duration"),
        ({"checks": [{"tcp": "x:1"}]}, "tcp needs an interval"),
        ({"checks": [{"ttl": "1m"}, {"ttl": "1m", "http": "http://x"}]}, "check 2: exactly one of"),
        ({"service_port": 70000}, "port 70000"),
        ({"meta": {DIGEST: "x"}}, "is the key of consul_service itself"),
        ({"purge": True}, "services is needed"),
    ],
)
@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_mistakes_are_told_before_anything_is_sent(in_process, agent, options, words):
    assert words in in_process.run(service(name="web", **options), fails=True)["msg"]
    assert registered(agent)[0] == {}


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    @pytest.mark.parametrize(
        "options", [{"name": "web"}, {"id": "web", "state": "absent"}, {"name": "web", "state": "absent"}]
    )
    def test_dead_or_missing_token_is_an_error_in_every_state(self, in_process, agent, options):
        dead = {"port": agent.http_port, "token": "11111111-2222-3333-4444-555555555555"}
        assert "ACL not found" in in_process.run(service(**options), connection=dead, fails=True)["msg"]
        agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "Port": 1})
        nobody = {"port": agent.http_port}
        assert "Permission denied" in in_process.run(service(**options), connection=nobody, fails=True)["msg"]
        assert registered(agent)[0]["web"]["Port"] == 1

    def test_least_privilege(self, in_process, agent):
        rules = 'service "web" { policy = "write" } node_prefix "" { policy = "read" }'
        only_web = {"port": agent.http_port, "token": agent.token_for(rules)}
        checks = [{"tcp": f"127.0.0.1:{agent.http_port}", "interval": "1s"}]
        task = service(name="web", checks=checks, wait="passing", wait_timeout=20)
        first, again = in_process.run(task, task, connection=only_web)
        assert first["changed"] and not again["changed"]
        failure = in_process.run(service(name="other"), connection=only_web, fails=True)
        assert "Permission denied" in failure["msg"]
