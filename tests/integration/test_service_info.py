# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_service_info import Instances, wait_until


def info(**options):
    return {"dockyard.consul.consul_service_info": options}


def register(agent, identity, status="passing", **options):
    """An instance of web with a TTL check, known to the servers."""
    check = {"CheckID": f"ttl-{identity}", "Name": "reports", "TTL": "1h", "Status": status}
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "ID": identity, "Check": check, **options})
    agent.wait_for(
        lambda: any(item["ServiceID"] == identity for item in agent.api("GET", "/v1/catalog/service/web")),
        f"{identity} in the catalog",
    )


def ids(result):
    return [item["id"] for item in result["instances"]]


def instances(agent, **options):
    params = {**dict.fromkeys(("tags", "node", "filter", "near")), "name": "web", **options}
    return Instances(ConsulClient(port=agent.http_port, token=agent.token, retries=0), params)


@pytest.fixture
def other_node(agent):
    """An instance on a node that has no agent, in the catalog only."""
    service = {"ID": "web-3", "Service": "web", "Address": "192.0.2.3", "Port": 83, "Tags": ["Blue"]}
    check = {"CheckID": "down", "Name": "of the node", "Status": "critical", "Output": "no\n  such host"}
    node = {"Node": 'O"ther', "Address": "192.0.2.30"}
    agent.api("PUT", "/v1/catalog/register", {**node, "Service": service, "Check": check})
    yield
    agent.api("PUT", "/v1/catalog/deregister", node)


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_what_is_found(playbook, in_process, agent, other_node):
    task = {"name": "web", "id": "web-1", "service_port": 81, "tags": ["blue", "v2"], "meta": {"v": "2"}}
    check = {"id": "c", "name": "n", "ttl": "1h", "status": "warning", "notes": "for people"}
    in_process.run({"dockyard.consul.consul_service": {**task, "weights": {"passing": 7}, "checks": [check]}})
    register(agent, "web-2", Tags=["green"], Port=82)
    found, dry = playbook.run(
        info(name="web"),
        {**info(name="web", wait_for={"state": "absent"}), "check_mode": True},
    )
    on_node, both_tags, any_case, filtered, passing, nothing, everything = in_process.run(
        info(name="web", node='o"THER'),
        info(name="web", tags=["blue", "v2"]),
        info(name="web", tag="blue"),
        info(name="web", filter="Service.Port != 83 and Service.Meta.v == `2`"),
        info(name="web", passing=True),
        info(name="nothing"),
        info(),
    )
    assert ids(found) == ["web-3", "web-1", "web-2"] and not found["changed"]
    third, one, _two = found["instances"]
    checks = {check["id"]: check for check in one.pop("checks")}
    address = agent.api("GET", "/v1/catalog/node/tester")["Node"]["Address"]
    assert one == {
        "id": "web-1",
        "service": "web",
        "node": "tester",
        "node_address": address,
        "address": address,
        "port": 81,
        "tags": ["blue", "v2"],
        "meta": {"v": "2"},
        "weights": {"passing": 7, "warning": 1},
        "status": "warning",
    }
    assert checks["c"] == {
        "id": "c",
        "name": "n",
        "status": "warning",
        "output": "",
        "notes": "for people",
        "scope": "service",
    }
    assert checks["serfHealth"]["scope"] == "node"
    assert (third["address"], third["node_address"], third["status"]) == ("192.0.2.3", "192.0.2.30", "critical")
    assert (ids(on_node), ids(both_tags), ids(any_case)) == (["web-3"], ["web-1"], ["web-3", "web-1"])
    assert (ids(filtered), ids(passing), ids(nothing)) == (["web-1"], ["web-2"], [])
    assert len(ids(dry)) == 3, "check mode waited"
    assert sorted(everything["services"]) == ["consul", "web"] and "instances" not in everything
    assert sorted(everything["services"]["web"]) == ["Blue", "blue", "green", "v2"]
    assert isinstance(found["index"], int) and isinstance(everything["index"], int)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_the_nearest_first(agent, other_node):
    register(agent, "web-1")
    for distance, node in enumerate(("tester", 'O"ther')):
        coordinate = {"Vec": [distance] + [0] * 7, "Error": 1, "Adjustment": 0, "Height": 0}
        agent.api("PUT", "/v1/coordinate/update", {"Node": node, "Coord": coordinate})
    agent.wait_for(lambda: len(agent.api("GET", "/v1/coordinate/nodes")) == 2, "the coordinates")
    for near, expected in (("_agent", ["web-1", "web-3"]), ('O"ther', ["web-3", "web-1"])):
        web = instances(agent, near=near)
        web.read()
        assert [one["id"] for one in web.found] == expected


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_waiting(playbook, agent):
    register(agent, "web-1", status="critical")
    register(agent, "web-2", status="critical")
    started = time.monotonic()
    flips = [
        threading.Timer(seconds, agent.api, ("PUT", path))
        for seconds, path in ((2, "/v1/agent/check/pass/ttl-web-1"), (3, "/v1/agent/check/pass/ttl-web-2"))
    ]
    for flip in flips:
        flip.start()
    two, none = playbook.run(
        info(name="web", wait_for={"state": "passing", "count": 2}),
        info(name="nothing", wait_for={"state": "absent"}),
    )
    assert time.monotonic() - started < 50, "a wait went on until its end"
    assert [item["status"] for item in two["instances"]] == ["passing", "passing"]
    assert none["instances"] == []


class Listening(ConsulClient):
    """Keeps what it asks, repetitions and all."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def _call_once(self, method, path, *arguments):
        self.asked.append(path)
        return super()._call_once(method, path, *arguments)


@pytest.mark.parametrize(
    "state, path",
    [
        ("passing", "/v1/agent/check/pass/ttl-web-1"),
        ("critical", "/v1/agent/check/fail/ttl-web-1"),
        ("absent", "/v1/agent/service/deregister/web-1"),
    ],
)
def test_a_change_ends_the_wait_at_once_and_nothing_is_asked_meanwhile(agent, state, path):
    register(agent, "web-1", status="warning")
    web = instances(agent)
    web.client = Listening(port=agent.http_port, token=agent.token)
    web.read()
    flipped = []

    def flip():
        flipped.append(time.monotonic())
        agent.api("PUT", path)

    threading.Timer(1, flip).start()
    wait_until(web, state, 1, 60)
    assert 0 <= time.monotonic() - flipped[0] < 10
    assert len(web.client.asked) <= 8, "this was polling"


def test_a_service_that_comes_later(agent):
    web = instances(agent)
    web.read()
    threading.Timer(0.5, register, (agent, "web-1")).start()
    wait_until(web, "passing", 1, 60)
    assert [one["id"] for one in web.found] == ["web-1"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_index_that_goes_backwards_starts_anew(agent):
    register(agent, "web-1")
    web = instances(agent)
    web.index = 10**12
    web.read(wait=0.2)
    assert web.index == 0
    started = time.monotonic()
    web.read(wait=60)
    assert time.monotonic() - started < 10 and 0 < web.index < 10**12


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_time_out_tells_what_is_there(in_process, agent, other_node):
    register(agent, "web-1")
    register(agent, "web-2", status="critical")
    # Without a change of state this output is minutes late in the catalog.
    agent.api(
        "PUT", "/v1/agent/check/update/ttl-web-2", {"Status": "critical", "Output": "line one\n line two" + "x" * 400}
    )
    late, gone, nowhere, count, nonsense, empty, nameless = in_process.failures(
        info(name="web", passing=True, wait_for={"state": "passing", "count": 2, "timeout": 1}),
        info(name="web", node="tester", wait_for={"state": "absent", "timeout": 0.5}),
        info(name="web", node="nowhere", wait_for={"state": "passing", "timeout": 0}),
        info(name="web", wait_for={"state": "passing", "count": 0}),
        info(name="web", filter="nonsense"),
        info(name=""),
        info(tags=["a"]),
    )
    output = "line one line two" + "x" * 283
    assert late == (
        "service web: 1 of 3 instance(s) passing after 1 s, 2 needed; "
        'web-3 on O"ther is critical (down is critical: no such host); '
        f"web-2 on tester is critical (ttl-web-2 is critical: {output})"
    )
    assert gone.startswith("service web: 2 instance(s) still there after 0.5 s; web-1 on tester is passing; web-2 on")
    assert nowhere == (
        "service web: 0 of 0 instance(s) passing after 0 s, 1 needed "
        "(if there are more: may the token read this service and its nodes?)"
    )
    assert "count is 0" in count and "boolean expression" in nonsense
    assert "name is empty" in empty and "tags: name is needed" in nameless


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    @pytest.mark.parametrize(
        "rules, words",
        [
            ('node_prefix "" { policy = "read" }', "Permission denied"),
            ('service_prefix "" { policy = "read" }', "the token may read no node"),
            ('service "other" { policy = "read" } node_prefix "" { policy = "read" }', "Permission denied"),
        ],
    )
    @pytest.mark.parametrize("registered", [True, False])
    def test_what_may_not_be_read_is_an_error(self, agent, rules, words, registered):
        if registered:
            register(agent, "web-1", status="critical")
        web = instances(agent)
        web.client = Listening(port=agent.http_port, token=agent.token_for(rules))
        with pytest.raises(ConsulError, match=words) as raised:
            web.read()
        assert raised.value.status == 403
        assert len(set(web.client.asked)) == len(web.client.asked), "a critical service was taken for trouble"

    def test_tokens(self, in_process, agent):
        register(agent, "web-1")
        rules = 'service "web" { policy = "read" } node "tester" { policy = "read" }'
        reader = {"port": agent.http_port, "token": agent.token_for(rules)}
        found, listed = in_process.run(info(name="web", wait_for={"state": "passing"}), info(), connection=reader)
        assert ids(found) == ["web-1"] and listed["services"] == {"web": []}
        nobody = {"port": agent.http_port}
        assert "may read none" in in_process.run(info(), connection=nobody, fails=True)["msg"]
        waiting = info(name="web", wait_for={"state": "absent"})
        assert "Permission denied" in in_process.run(waiting, connection=nobody, fails=True)["msg"]
        dead = {"port": agent.http_port, "token": "11111111-2222-3333-4444-555555555555"}
        assert "ACL not found" in in_process.run(waiting, connection=dead, fails=True)["msg"]
