# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.filter.retirement_plan import retirement_plan
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import Agent, agent_acls
from ansible_collections.dockyard.consul.plugins.plugin_utils.retirement import lonely, problems, revoked


def member(name, address, server=False, state="alive"):
    return {"name": name, "address": address, "state": state, "server": server, "version": "1.8.7"}


def instance(service, node, number=1):
    return {"service": service, "id": f"{service}-{number}", "node": node, "address": "", "port": 80}


def failing(node, service_id=""):
    return {"node": node, "service_id": service_id, "id": "x", "status": "critical"}


def cluster(servers=3, instances=(), checks=()):
    found = [member(f"s{number}", f"192.0.2.{number}", True) for number in range(1, servers + 1)]
    return {
        "leader": "192.0.2.1:8300",
        "peers": [f"{one['address']}:8300" for one in found],
        "members": [*found, member("app1", "192.0.2.21"), member("app2", "192.0.2.22")],
        "instances": [*(instance("consul", one["name"]) for one in found), *instances],
        "checks": list(checks),
    }


def said(view, *nodes, min_servers=3, allow_outage=False):
    return list(problems(view, list(nodes), min_servers, allow_outage, "retire_allow_outage"))


def test_a_client_without_services_can_go():
    assert said(cluster(), "app1") == []


def test_a_service_that_runs_elsewhere_too():
    assert said(cluster(instances=[instance("web", "app1"), instance("web", "app2")]), "app1") == []


def test_the_only_instance():
    view = cluster(instances=[instance("web", "app1"), instance("db", "app1")])
    assert said(view, "app1") == [
        (
            "db, web would have no passing instance left. Run another instance first, or accept the outage:"
            " -e retire_allow_outage=true."
        )
    ]
    assert said(view, "app1", allow_outage=True) == []


def test_an_instance_elsewhere_that_does_not_pass_is_none():
    instances = [instance("web", "app1"), instance("web", "app2")]
    assert lonely(cluster(instances=instances, checks=[failing("app2")]), ["app1"]) == ["web"]
    assert lonely(cluster(instances=instances, checks=[failing("app2", "web-1")]), ["app1"]) == ["web"]


def test_what_does_not_pass_here_leaves_nobody_alone():
    view = cluster(instances=[instance("web", "app1")], checks=[failing("app1")])
    assert lonely(view, ["app1"]) == []


def test_all_hosts_of_a_service_at_once():
    view = cluster(instances=[instance("web", "app1"), instance("web", "app2")])
    assert lonely(view, ["app1", "app2"]) == ["web"]


def test_one_of_three_servers():
    assert said(cluster(), "s1") == [
        (
            "2 of 3 servers would remain, fewer than retire_min_servers (3). Add another server to the inventory and run the"
            " site, then retire this one."
        )
    ]
    assert said(cluster(), "s1", min_servers=2) == []


def test_servers_of_which_enough_remain():
    assert said(cluster(5), "s1", "s2") == []
    assert len(said(cluster(5), "s1", "s2", "s3")) == 1


def test_a_server_that_is_no_peer_any_more():
    view = cluster()
    view["peers"].remove("192.0.2.3:8300")
    assert said(view, "s3", min_servers=3) == []


def test_no_server_answers():
    plan = retirement_plan(
        [{"item": "s1", "unreachable": True}, {"item": "s2", "cluster": {"error": "x"}}], "a", ["a"], "dc1"
    )
    assert plan["server"] == "" and plan["services"] == {}
    assert "No server would remain that answers" in plan["problems"][0]


def test_the_first_server_with_a_leader_is_asked():
    results = [
        {"item": "s1", "cluster": {**cluster(), "leader": ""}},
        {"item": "s2", "cluster": cluster(instances=[instance("web", "app1", 1), instance("web", "app1", 2)])},
    ]
    plan = retirement_plan(results, "app1", ["app1"], "dc1", allow_outage=True)
    assert (plan["server"], plan["problems"], plan["services"]) == ("s2", [], {"web": 2})


def test_the_tokens_that_the_roles_made_are_revoked():
    made = agent_acls([Agent("app1", "dc1", "x", False)])["tokens"][0]["accessor_id"]
    found = revoked("app1", "dc1", ["agent", "service-shop"])
    assert {"accessor_id": made, "state": "absent"} in found["tokens"]
    assert len(found["tokens"]) == 3
    assert found["policies"] == [{"name": "mydemo-app1", "state": "absent"}, {"name": "shop-app1", "state": "absent"}]
