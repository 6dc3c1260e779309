# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.site_status import DAY, site_status

NOW = 1_800_000_000
DIGEST, OTHER_DIGEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SERVERS = ["consul1", "consul2", "consul3"]
ADDRESSES = {"consul1": 11, "consul2": 12, "consul3": 13, "app1": 31, "app2": 32, "lb1": 41}


def address(host):
    return f"192.0.2.{ADDRESSES[host]}"


def check(node, status="passing", **fields):
    """That of a node, or with service_id of a service."""
    blank = {"service_id": "", "id": "serfHealth", "name": "Serf Health Status", "output": "", "notes": ""}
    return {"node": node, "status": status, **blank, **fields}


def certificate(path, days, fingerprint):
    return {"path": path, "ends": NOW + days * DAY + 60, "fingerprint": fingerprint, "error": None}


def healthy_site():
    """The arguments of the filter for three servers, two app hosts and a load balancer, all well."""
    members = [
        {"name": host, "address": address(host), "state": "alive", "server": host in SERVERS, "version": "1.8.7"}
        for host in ADDRESSES
    ]
    instances = [
        {
            "service": "mydemo",
            "id": f"mydemo-{address(host)}-5000",
            "node": host,
            "address": address(host),
            "port": 5000,
        }
        for host in ("app1", "app2")
    ]
    checks = [check(host) for host in ADDRESSES]
    checks += [
        check(one["node"], service_id=one["id"], id=f"service:{one['id']}", name="Service 'mydemo' check")
        for one in instances
    ]
    hosts = {}
    for host in ADDRESSES:
        hosts[host] = {
            "os": "Debian GNU/Linux 12 (bookworm)",
            "consul": {
                "error": None,
                "version": "1.8.7",
                "node": host,
                "address": address(host),
                "server": host in SERVERS,
                "outputs": {},
            },
            "dns": [],
            "certificates": [certificate("/etc/consul.d/ca.pem", 3000, "ca")],
        }
    for server in SERVERS:
        hosts[server]["certificates"].append(certificate("/etc/consul.d/agent.pem", 300, server))
        hosts[server]["cluster"] = copy.deepcopy(
            {
                "error": None,
                "leader": f"{address('consul2')}:8300",
                "peers": [f"{address(one)}:8300" for one in SERVERS],
                "members": members,
                "instances": instances,
                "checks": checks,
            }
        )
    for app in ("app1", "app2"):
        container = {"name": "mydemo", "state": "running", "status": "Up 2 hours", "kept": True}
        hosts[app]["docker"] = {
            "error": None,
            "version": "20.10.24",
            "containers": [{**container, "image": "registry:5000/mydemo", "digest": DIGEST}],
        }
    hosts["lb1"]["nginx"] = {"error": None, "version": "1.22.1"}
    hosts["lb1"]["dns"] = [
        {
            "service": "mydemo",
            "name": "mydemo.service.consul",
            "answers": [address("app1"), address("app2")],
            "error": None,
        }
    ]
    return {
        "hosts": hosts,
        "nodes": dict.fromkeys(ADDRESSES, ""),
        "servers": SERVERS,
        "services": {"mydemo": ["app1", "app2"]},
        "controller": {
            "certificates": [certificate("/site/.secrets/ca.pem", 3000, "ca")],
            "ages": [
                {"path": "/site/.secrets/operator/gossip.key", "written": NOW - 40 * DAY},
                {"path": "/site/.secrets/ca.key", "written": NOW - 40 * DAY},
                {"path": "/site/.secrets/node/consul1/server.key", "written": NOW - 8 * DAY},
                {"path": "/site/.secrets/node/consul2/server.key", "written": NOW - 7 * DAY},
                {"path": "/site/.secrets/node/app1/agent.token", "written": NOW - 2 * DAY},
                {"path": "/site/.secrets/node/app2/agent.token", "written": NOW - 9 * DAY},
            ],
        },
        "now": NOW,
    }


@pytest.fixture
def site():
    return healthy_site()


def views(site):
    return [site["hosts"][server]["cluster"] for server in SERVERS]


def change(site, kind, test, **fields):
    """Change what every server says of the members, instances or checks that pass the test."""
    for view in views(site):
        for one in view[kind]:
            if test(one):
                one.update(fields)


def sentences(site):
    report = site_status(**site)
    assert report["healthy"] == (not report["problems"]) == report["data"]["healthy"]
    said = [problem["say"] for problem in report["problems"]]
    assert report["text"].replace("\n       ", " ").splitlines()[: len(said)] == [f"WRONG  {one}" for one in said]
    assert report["data"]["problems"] == report["problems"]
    return said


def test_a_service_that_its_agent_does_not_know(site):
    """A ghost: consul#5209. The catalog keeps its last state for ever."""
    for app in ("app1", "app2"):
        identity = f"mydemo-{address(app)}-5000"
        site["hosts"][app]["consul"] |= {
            "services": {identity: {}},
            "checks": {f"service:{identity}": {"status": "passing"}},
        }
    assert site_status(**site)["healthy"]
    site["hosts"]["app1"]["consul"]["services"] = {}
    (problem,) = site_status(**site)["problems"]
    assert problem["where"] == "app1" and "the agent of the node does not know it" in problem["say"]
    assert problem["say"].endswith("Run the site again, which removes it from the catalog")


@pytest.mark.parametrize("status", ["passing", "critical"])
def test_a_check_that_its_agent_does_not_know(site, status):
    """Of the node. Under deny, its agent may not remove it. A critical one keeps all services of the node out of DNS."""
    views(site)[0]["checks"].append(
        {
            "node": "app1",
            "id": "disk",
            "service_id": "",
            "name": "Disk",
            "status": status,
            "output": "full",
            "notes": "",
        }
    )
    known = site["hosts"]["app1"]["consul"]

    def of_checks():
        return [one for one in site_status(**site)["problems"] if "does not know it" in one["say"]]

    assert of_checks() == [], "the agent was not asked"
    known |= {"checks": {"disk": {"status": status}}}
    assert of_checks() == []
    known |= {"checks": {}}
    (problem,) = of_checks()
    assert (problem["kind"], problem["where"]) == ("registration", "app1")
    assert "the catalog has the check Disk of the node" in problem["say"]
    for view in views(site):
        view["leader"] = ""
    assert of_checks() == []


def test_a_registration_that_acls_block(site):
    """The agent sees that the service is sick, and the catalog does not hear of it: consul#3345."""
    identity = f"mydemo-{address('app1')}-5000"
    checks = {f"service:{identity}": {"status": "critical"}}
    site["hosts"]["app1"]["consul"] |= {"services": {identity: {}}, "checks": checks}
    (problem,) = site_status(**site)["problems"]
    assert (
        problem["where"] == "app1" and "Usually ACLs block the agent" in problem["say"] and identity in problem["say"]
    )


def test_a_service_that_never_came_to_the_catalog(site):
    """Registered without a token, before the site denied what needs one."""
    site["hosts"]["lb1"]["consul"] |= {"services": {"shop": {}}, "checks": {}}
    (problem,) = site_status(**site)["problems"]
    assert (problem["kind"], problem["where"]) == ("registration", "lb1")
    assert "has the service shop, and the catalog does not" in problem["say"]
    assert "Usually ACLs block the agent" in problem["say"]
    assert problem["say"].endswith("Register it with a token that has service:write for it")

    change(site, "members", lambda one: one["name"] == "lb1", state="failed")
    assert not [one for one in site_status(**site)["problems"] if one["kind"] == "registration"]


def test_without_a_leader_the_catalog_is_old(site):
    """No agent can write into it, whatever the ACLs are."""
    identity = f"mydemo-{address('app1')}-5000"
    checks = {f"service:{identity}": {"status": "critical"}}
    site["hosts"]["app1"]["consul"] |= {"services": {identity: {}, "shop": {}}, "checks": checks}
    site["hosts"]["app2"]["consul"] |= {"services": {}, "checks": {}}
    assert len([one for one in site_status(**site)["problems"] if one["kind"] == "registration"]) == 3
    for view in views(site):
        view["leader"] = ""
    assert {one["kind"] for one in site_status(**site)["problems"]} == {"leader"}


def test_a_later_look_into_the_catalog_counts(site):
    """A service came or went between the look of the server and that of the host."""
    mine, other = f"mydemo-{address('app1')}-5000", f"mydemo-{address('app2')}-5000"
    catalog = {"node": "app1", "services": {mine: {}, "shop": {}}}
    site["hosts"]["app1"]["consul"] |= {"services": {mine: {}, "shop": {}, "lost": {}}, "catalog": catalog}
    site["hosts"]["app2"]["consul"] |= {"services": {}, "catalog": {"node": "app2", "services": {}}}
    (problem,) = site_status(**site)["problems"]
    assert "has the service lost, and the catalog does not" in problem["say"]

    # The name of another node in the inventory, and a node that the token may not read.
    for catalog in ({"node": "app2", "services": {other: {}}}, None):
        site["hosts"]["app1"]["consul"]["catalog"] = catalog
        site["hosts"]["app2"]["consul"]["catalog"] = catalog
        assert len(site_status(**site)["problems"]) == 3


def test_an_unknown_status_is_critical(site):
    """Consul takes any text as the status of a check of an external node, and serves the instance in DNS."""
    identity = f"mydemo-{address('app1')}-5000"
    change(site, "checks", lambda one: one["service_id"] == identity, status="unknown")
    said = [(one["kind"], one["say"]) for one in site_status(**site)["problems"]]
    assert [kind for kind, _say in said] == ["service", "check"] and "is unknown" in said[1][1]
    (state, _other) = [one["status"] for one in site_status(**site)["data"]["services"]]
    assert state == "critical"


def test_what_the_agent_was_not_asked_is_no_problem(site):
    site["hosts"]["app1"]["consul"]["services"] = None
    assert site_status(**site)["healthy"]


def test_a_healthy_site(site):
    assert sentences(site) == []
    assert site_status(**site)["text"] == EXPECTED


EXPECTED = f"""\
HEALTHY  6 nodes, 2 instances, nothing is wrong

Leader consul2, Raft peers consul1, consul2, consul3 (as consul1 sees it)

Nodes
  NODE     ADDRESS     KIND    STATE  CONSUL  DOCKER    NGINX   SYSTEM
  consul1  192.0.2.11  server  alive  1.8.7   -         -       Debian 12
  consul2  192.0.2.12  server  alive  1.8.7   -         -       Debian 12
  consul3  192.0.2.13  server  alive  1.8.7   -         -       Debian 12
  app1     192.0.2.31  client  alive  1.8.7   20.10.24  -       Debian 12
  app2     192.0.2.32  client  alive  1.8.7   20.10.24  -       Debian 12
  lb1      192.0.2.41  client  alive  1.8.7   -         1.22.1  Debian 12

Services
  SERVICE  NODE  ADDRESS          STATE    CHECK
  mydemo   app1  192.0.2.31:5000  passing  Service 'mydemo' check  passing
  mydemo   app2  192.0.2.32:5000  passing  Service 'mydemo' check  passing

Containers
  CONTAINER  HOST  STATE    DIGEST               IMAGE
  mydemo     app1  running  {DIGEST[:19]}  registry:5000/mydemo
  mydemo     app2  running  {DIGEST[:19]}  registry:5000/mydemo

Load balancers
  HOST  NAME                   RESOLVES TO
  lb1   mydemo.service.consul  192.0.2.31, 192.0.2.32

Certificates
  DAYS LEFT  ENDS        HOSTS                FILE
  300        2027-11-11  consul1              /etc/consul.d/agent.pem
  300        2027-11-11  consul2              /etc/consul.d/agent.pem
  300        2027-11-11  consul3              /etc/consul.d/agent.pem
  3000       2035-04-03  6 hosts, controller  /etc/consul.d/ca.pem

Keys, tokens and passwords, in /site/.secrets
  DAYS OLD  FILE
  40        operator/gossip.key
  40        ca.key
  8         node/*/server.key (the oldest of 2)
  9         node/*/agent.token (the oldest of 2)"""


def test_it_fits_a_terminal_and_yaml_shows_it_as_it_is(site):
    fail_check(site, "critical", "a long story " * 30)
    for line in site_status(**site)["text"].splitlines():
        assert len(line) <= 92 and line == line.rstrip() and line.isprintable()


def test_what_somebody_may_copy_is_not_broken_in_two(site):
    path = "/etc/" + "a-long-path/" * 9
    fail_check(site, "critical", f"see {path} for more")
    assert f" {path} " in site_status(**site)["text"].replace("\n", " ")


def test_a_long_list_is_cut_short(site):
    site["services"]["mydemo"] = [f"app{number}" for number in range(3, 43)]
    said = sentences(site)[0]
    assert said.startswith("mydemo: 2 passing instance(s) for 40 host(s); none on app3, app4, ")
    assert said.endswith(", app13, and 29 more")


def test_the_data_is_json_and_holds_all_of_it(site):
    data = json.loads(json.dumps(site_status(**site)["data"]))
    assert data["time"] == "2027-01-15T08:00:00Z"
    assert data["leader"] == "consul2" and data["peers"] == SERVERS
    assert data["nodes"][3] == {
        "name": "app1",
        "address": "192.0.2.31",
        "server": False,
        "state": "alive",
        "version": "1.8.7",
        "docker": "20.10.24",
        "nginx": None,
        "system": "Debian 12",
    }
    assert [one["status"] for one in data["services"]] == ["passing", "passing"]
    assert {one["digest"] for one in data["containers"]} == {DIGEST}
    assert data["load_balancers"][0]["answers"] == ["192.0.2.31", "192.0.2.32"]
    assert {one["days"] for one in data["certificates"]} == {300, 3000}
    assert data["secrets"][0] == {"path": "/site/.secrets/operator/gossip.key", "days_old": 40}


# Hosts and agents


def test_a_dead_host(site):
    site["hosts"]["app1"] = {"unreachable": True, "msg": "Failed to connect\nto the host"}
    change(site, "members", lambda one: one["name"] == "app1", state="failed")
    change(site, "checks", lambda one: one["node"] == "app1" and one["id"] == "serfHealth", status="critical")
    site["hosts"]["lb1"]["dns"][0]["answers"] = [address("app2")]
    assert sentences(site) == [
        "app1: Ansible cannot reach it: Failed to connect to the host",
        "app1: the node has failed: no other reaches its agent",
        "mydemo: 1 passing instance(s) for 2 host(s); none on app1",
    ]
    assert "  app1     192.0.2.31  client  failed  1.8.7" in site_status(**site)["text"]


def test_a_host_that_cannot_be_looked_at(site):
    site["hosts"]["lb1"] = {"failed": True, "msg": "no python"}
    assert sentences(site) == ["lb1: it could not be looked at: no python"]
    site["hosts"]["lb1"] = {"failed": True, "msg": "Task failed: no JSON", "module_stderr": "not\nfound"}
    assert sentences(site) == ["lb1: it could not be looked at: no JSON (not found)"]


def test_an_agent_that_is_down(site):
    site["hosts"]["lb1"]["consul"] = {"error": "connection refused"}
    assert sentences(site) == ["lb1: its Consul agent cannot be asked: connection refused"]


def test_a_resolver_that_others_have_changed(site):
    """It is looked at on hosts that use their agent as nameserver."""
    right = {"error": None, "resolv_conf": "nameserver 127.0.0.1\n", "nameservers": ["127.0.0.1"], "managers": []}
    wrong = {**right, "resolv_conf": "nameserver 192.0.2.1\n", "nameservers": ["192.0.2.1"]}
    site["hosts"]["app1"]["resolver"], site["hosts"]["lb1"]["resolver"] = right, wrong
    (said,) = sentences(site)
    assert said.startswith("lb1: the first nameserver in resolv.conf is 192.0.2.1 and not the Consul agent.")


def test_a_dead_server_is_passed_over(site):
    site["hosts"]["consul1"] = {"unreachable": True, "msg": "no route"}
    for server in ("consul2", "consul3"):
        for one in site["hosts"][server]["cluster"]["members"]:
            if one["name"] == "consul1":
                one["state"] = "failed"
        site["hosts"][server]["cluster"]["peers"].pop(0)
    assert sentences(site) == [
        (
            "consul1: the server is not among the Raft peers (consul2, consul3), so it holds no data and has no vote; "
            "see journalctl -u consul there"
        ),
        "consul1: Ansible cannot reach it: no route",
        "consul1: the node has failed: no other reaches its agent",
    ]
    assert "(as consul2 sees it)" in site_status(**site)["text"]


def test_a_server_that_answers_for_itself_only(site):
    site["hosts"]["consul1"]["cluster"] = {"error": "HTTP 500"}
    assert sentences(site) == ["consul1: its view of the cluster failed: HTTP 500"]


def test_no_agent_can_be_asked(site):
    for server in SERVERS:
        site["hosts"][server]["consul"] = site["hosts"][server]["cluster"] = {"error": "connection refused"}
    said = sentences(site)
    assert said[0].startswith("no agent could be asked how the cluster is")
    assert said[1:] == [f"{server}: its Consul agent cannot be asked: connection refused" for server in SERVERS]
    text = site_status(**site)["text"]
    assert "Leader unknown" in text
    assert "  app1     192.0.2.31  client  unknown  1.8.7" in text


def test_no_leader(site):
    for view in views(site):
        view["leader"] = ""
    change(site, "members", lambda one: one["name"] in ("consul2", "consul3"), state="failed")
    assert sentences(site)[0] == (
        "the servers have no leader, so nothing can be written: 1 of 3 servers alive (consul1), and a majority of them "
        "must see each other"
    )
    assert "Leader none" in site_status(**site)["text"]


def test_a_server_that_has_lost_the_leader(site):
    site["hosts"]["consul1"]["cluster"]["leader"] = ""
    assert sentences(site) == ["consul1: knows of no leader, and consul2 does: consul2"]


def test_a_token_that_may_read_nothing(site):
    for view in views(site):
        view.update(members=[], instances=[], checks=[])
    (said,) = sentences(site)
    assert "status_token may read none" in said


# Nodes


def test_a_node_that_left(site):
    change(site, "members", lambda one: one["name"] == "lb1", state="left")
    assert sentences(site) == ["lb1: the node has left the cluster, or is leaving: its agent was stopped"]


def test_a_node_that_never_came(site):
    site["nodes"]["app3"] = "app-three"
    assert sentences(site) == ["app3: the inventory has it, and the cluster has no node app-three"]
    assert "  app-three  -           client  missing" in site_status(**site)["text"]


def test_nodes_that_the_inventory_has_not_got(site):
    for view in views(site):
        gone = {"address": "192.0.2.99", "server": False, "version": "1.8.7"}
        view["members"] += [{"name": "old1", "state": "failed", **gone}, {"name": "old2", "state": "left", **gone}]
    (said,) = sentences(site)
    assert said == (
        "old1: the node has failed: no other reaches its agent; the inventory has no such host: if it is gone, "
        "consul force-leave old1"
    )
    assert "old2" not in site_status(**site)["text"]


def test_what_runs_and_the_inventory_has_not_got(site):
    for view in views(site):
        view["members"].append(
            {"name": "db7", "address": "192.0.2.99", "server": False, "version": "1.8.7", "state": "alive"}
        )
        view["instances"].append({"service": "db", "id": "db", "node": "db7", "address": "192.0.2.99", "port": 5432})
    report = site_status(**site)
    assert report["healthy"]
    assert "\nNot in the inventory: nodes db7; services db\n" in report["text"]
    assert report["data"]["not_in_inventory"] == {"nodes": ["db7"], "services": ["db"]}


def test_nodes_may_be_named_otherwise_than_hosts(site):
    change(site, "members", lambda one: one["name"] == "app1", name="one")
    for kind in ("instances", "checks"):
        change(site, kind, lambda one: one["node"] == "app1", node="one")
    site["nodes"]["app1"] = "one"
    assert sentences(site) == []
    assert "  one      192.0.2.31  client  alive  1.8.7   20.10.24" in site_status(**site)["text"]


def test_a_node_in_maintenance(site):
    maintenance = check("app1", "critical", id="_node_maintenance", name="Node Maintenance Mode", notes="new disk")
    for view in views(site):
        view["checks"].append(maintenance)
    site["hosts"]["lb1"]["dns"][0]["answers"] = [address("app2")]
    assert sentences(site) == [
        "app1: the node is in maintenance: new disk",
        "mydemo: 1 passing instance(s) for 2 host(s); none on app1",
    ]
    text = site_status(**site)["text"]
    assert "  app1     192.0.2.31  client  maintenance  1.8.7" in text
    assert "  mydemo   app1  192.0.2.31:5000  maintenance  Service 'mydemo' check  passing" in text


def test_different_versions(site):
    change(site, "members", lambda one: one["name"] == "app1", version="1.10.0")
    assert sentences(site) == [
        "the agents are of different versions of Consul: 1.10.0 on app1; 1.8.7 on consul1, consul2, consul3, app2, lb1"
    ]


# Services


def fail_check(site, status, output="connection refused"):
    change(site, "checks", lambda one: one["node"] == "app1" and one["service_id"], status=status, output=output)


def test_a_check_that_is_critical(site):
    fail_check(site, "critical", "connection\x1b[31m refused")
    site["hosts"]["lb1"]["dns"][0]["answers"] = [address("app2")]
    assert sentences(site) == [
        "mydemo: 1 passing instance(s) for 2 host(s); none on app1",
        "app1: mydemo-192.0.2.31-5000: the check Service 'mydemo' check is critical: connection?[31m refused",
    ]


def test_the_agent_knows_a_checks_output_sooner(site):
    fail_check(site, "warning", "as it was")
    site["hosts"]["app1"]["consul"]["outputs"] = {f"service:mydemo-{address('app1')}-5000": "as it is"}
    # In a warning, DNS still gives it out, so the load balancer is right.
    assert sentences(site) == [
        "mydemo: 1 passing instance(s) for 2 host(s); none on app1",
        "app1: mydemo-192.0.2.31-5000: the check Service 'mydemo' check is warning: as it is",
    ]


def test_a_check_of_a_node(site):
    for view in views(site):
        view["checks"].append(check("lb1", "warning", id="disk", name="disk"))
    assert sentences(site) == ["lb1: the node: the check disk is warning: no output yet"]
    assert "  (the node)  lb1" in site_status(**site)["text"]


def test_a_service_in_maintenance(site):
    for view in views(site):
        own = next(one for one in view["instances"] if one["node"] == "app1")["id"]
        view["checks"].append(
            check("app1", "critical", service_id=own, id=f"_service_maintenance:{own}", name="m", notes="release 1.1")
        )
    site["hosts"]["lb1"]["dns"][0]["answers"] = [address("app2")]
    assert sentences(site) == [
        "app1: mydemo-192.0.2.31-5000 is in maintenance: release 1.1",
        "mydemo: 1 passing instance(s) for 2 host(s); none on app1",
    ]


def test_a_service_that_is_nowhere(site):
    site["services"]["redis"] = ["app2"]
    assert sentences(site) == ["redis: 0 passing instance(s) for 1 host(s); none on app2"]


def test_two_instances_on_a_host_and_one_that_fails(site):
    for view in views(site):
        second = {"service": "mydemo", "id": "second", "node": "app1", "address": address("app1"), "port": 5001}
        view["instances"].append(second)
        view["checks"].append(check("app1", "critical", service_id="second", id="c", name="n", output="refused"))
    assert sentences(site) == ["app1: second: the check n is critical: refused"]


# Containers


def test_a_container_that_does_not_run(site):
    site["hosts"]["app1"]["docker"]["containers"][0].update(state="exited", status="Exited (137) 3 seconds ago")
    assert sentences(site) == ["app1: the container mydemo does not run: Exited (137) 3 seconds ago"]


def test_a_container_that_has_done_its_work_is_no_problem(site):
    site["hosts"]["app1"]["docker"]["containers"].append(
        {"name": "once", "state": "exited", "status": "Exited (0)", "kept": False, "image": "i", "digest": OTHER_DIGEST}
    )
    assert sentences(site) == []


def test_docker_is_down(site):
    site["hosts"]["app1"]["docker"] = {"error": "the engine does not run"}
    assert sentences(site) == ["app1: Docker cannot be asked: the engine does not run"]


def test_different_images(site):
    site["hosts"]["app2"]["docker"]["containers"][0]["digest"] = OTHER_DIGEST
    (said,) = sentences(site)
    assert said == (
        "registry:5000/mydemo: not all hosts run the same image: "
        "sha256:aaaaaaaaaaaa on app1; sha256:bbbbbbbbbbbb on app2"
    )


# Load balancers


def test_nginx_is_down(site):
    site["hosts"]["lb1"]["nginx"] = {"error": "connection refused", "version": "1.22.1"}
    assert sentences(site) == ["lb1: nginx does not answer: connection refused"]


def test_a_load_balancer_that_resolves_something_else(site):
    site["hosts"]["lb1"]["dns"][0]["answers"] = [address("app1"), "192.0.2.99"]
    (said,) = sentences(site)
    assert said == (
        "lb1: mydemo.service.consul resolves to 192.0.2.31, 192.0.2.99, and the instances that pass are at "
        "192.0.2.31, 192.0.2.32"
    )


def test_a_name_that_cannot_be_looked_up(site):
    site["hosts"]["lb1"]["dns"][0].update(answers=[], error="no answer within 3 s")
    assert sentences(site) == ["lb1: mydemo.service.consul cannot be looked up: no answer within 3 s"]


def test_ports_count_where_dns_tells_them(site):
    site["hosts"]["lb1"]["dns"][0]["answers"] = [f"{address('app1')}:5000", f"{address('app2')}:5000"]
    assert sentences(site) == []
    site["hosts"]["lb1"]["dns"][0]["answers"] = [f"{address('app1')}:5001", f"{address('app2')}:5000"]
    assert len(sentences(site)) == 1


def test_a_name_of_which_nobody_knows_what_it_means(site):
    site["hosts"]["lb1"]["dns"][0].update(name="blue.mydemo.service.consul", answers=[address("app1")])
    assert sentences(site) == []
    site["hosts"]["lb1"]["dns"][0]["answers"] = []
    assert sentences(site) == ["lb1: blue.mydemo.service.consul resolves to nothing: users get 503"]


# Certificates and keys


@pytest.mark.parametrize(
    "days, said",
    [
        (14, []),
        (13, ["the certificate ends in 13 day(s), on 2027-01-28"]),
        (0, ["the certificate ends in 0 day(s), on 2027-01-15"]),
        (-1, ["the certificate has expired, on 2027-01-14"]),
    ],
)
def test_a_certificate_near_its_end(site, days, said):
    site["hosts"]["consul1"]["certificates"][1] = certificate("/etc/consul.d/agent.pem", days, "consul1")
    assert sentences(site) == [f"consul1: /etc/consul.d/agent.pem: {one}" for one in said]


def test_the_threshold_is_a_variable(site):
    assert len(sentences({**site, "certificate_days": 301})) == 3


def test_the_ca_is_told_of_once(site):
    for result in (*site["hosts"].values(), site["controller"]):
        result["certificates"][0]["ends"] = NOW + 3 * DAY
    (said,) = sentences(site)
    assert said.startswith("consul1, consul2, consul3, app1, app2, lb1, controller: /etc/consul.d/ca.pem: ")


def test_a_certificate_that_cannot_be_read(site):
    site["hosts"]["consul1"]["certificates"].append(
        {"path": "/etc/consul.d/x.pem", "ends": None, "fingerprint": None, "error": "it holds no certificate"}
    )
    assert sentences(site) == ["consul1: /etc/consul.d/x.pem: cannot be read: it holds no certificate"]
    assert "  ?          ?           consul1" in site_status(**site)["text"]


def test_a_secret_that_is_too_old(site):
    assert sentences({**site, "secret_days": 40}) == []
    assert sentences({**site, "secret_days": 39}) == [
        "controller: /site/.secrets/operator/gossip.key is 40 days old; change it",
        "controller: /site/.secrets/ca.key is 40 days old; change it",
    ]


# What is wrong comes first, and worst first


def test_the_order(site):
    for view in views(site):
        view["leader"] = ""
    site["hosts"]["app1"] = {"unreachable": True, "msg": "gone"}
    site["hosts"]["app2"]["docker"]["containers"][0]["state"] = "exited"
    fail_check(site, "critical")
    kinds = [problem["kind"] for problem in site_status(**site)["problems"]]
    assert kinds == ["leader", "unreachable", "container", "service", "check", "dns"]


def test_what_the_filter_is_given():
    with pytest.raises(AnsibleFilterError, match="as dictionaries"):
        site_status([], {}, [])


def test_the_check_of_a_node_shows_why_its_instances_are_critical(site):
    change(site, "checks", lambda one: one["node"] == "app1" and one["id"] == "serfHealth", status="critical")
    lines = site_status(**site)["text"].partition("\nServices\n")[2].splitlines()
    at = next(number for number, line in enumerate(lines) if line.split()[:2] == ["mydemo", "app1"])
    assert lines[at].split()[3] == "critical" and lines[at + 1].split() == ["Serf", "Health", "Status", "critical"]
