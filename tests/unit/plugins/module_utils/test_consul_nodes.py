# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_nodes import (
    Change,
    changes,
    duration,
    label_of,
    present_state,
    problems_of,
    problems_with_consul,
    shown_state,
    wanted_state,
)

ID = "3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d"


def service(name="pg", **options):
    defaults = {
        "id": None,
        "address": None,
        "port": None,
        "tags": [],
        "meta": {},
        "tagged_addresses": {},
        "weights": None,
    }
    return {"name": name, **defaults, **options}


def check(name="alive", **options):
    names = (
        "id",
        "service_id",
        "status",
        "output",
        "notes",
        "http",
        "tcp",
        "method",
        "tls_skip_verify",
        "interval",
        "timeout",
    )
    return {**dict.fromkeys(names), "name": name, **options}


def params(**options):
    defaults = {"name": "db1", "address": "192.0.2.1", "id": None, "meta": {}, "tagged_addresses": {}, "services": None}
    return {**defaults, "checks": None, "purge": True, "force": False, "state": "present", **options}


FULL = params(
    id=ID.upper(),
    meta={"external-node": True, "rack": 7, "empty": None},
    tagged_addresses={"wan": "198.51.100.1", "number": 5},
    services=[
        service(
            id="pg-1",
            address="192.0.2.2",
            port=5432,
            tags=["b", "a", "b"],
            meta={"v": 1},
            tagged_addresses={"wan": {"address": "198.51.100.2"}, "lan": {"address": "192.0.2.3", "port": 1}},
            weights={"passing": 2, "warning": 0},
        ),
        service("web"),
    ],
    checks=[
        check(status="passing", notes="n", output="o"),
        check(
            None, id="pg", service_id="pg-1", http="http://db1/", interval="90s", timeout="500ms", tls_skip_verify=True
        ),
    ],
)


def records_of(state):
    """What Consul returns for a state."""
    node = {
        "ID": state["id"] or "",
        "Node": state["name"],
        "Address": state["address"],
        "TaggedAddresses": state["tagged_addresses"] or None,
        "Meta": state["meta"] or None,
    }
    bodies = [change.body for change in changes(None, state)]
    services = {body["Service"]["ID"]: body["Service"] for body in bodies if "Service" in body}
    checks = [body for body in bodies if "CheckID" in body]
    return copy.deepcopy((node, services, checks))


def test_options_that_are_right():
    assert problems_of(FULL) == problems_of(params()) == []
    assert problems_of(params(state="absent", address=None)) == []


@pytest.mark.parametrize(
    "options, words",
    [
        ({"name": "a b"}, "name: 'a b' is not a valid node name"),
        ({"name": ""}, "name: '' is not a valid node name"),
        ({"name": "a/b"}, "name: 'a/b' is not a valid node name"),
        ({"name": "a\n"}, "name: 'a\\n' is not a valid node name"),
        ({"name": "a//b", "state": "absent"}, "name 'a//b' has '//'"),
        ({"name": "a/../b", "state": "absent"}, "name 'a/../b' has the path segment '..'"),
        ({"name": "a\nb", "state": "absent"}, "name 'a\\nb' has the character U+000A"),
        ({"name": "", "state": "absent"}, "name is empty"),
        ({"address": None}, "address is required with state: present"),
        ({"address": "a b"}, "node db1: address a b has a space"),
        ({"address": "0.0.0.0"}, "node db1: address 0.0.0.0 is not an address that other hosts"),
        ({"id": "7"}, "id: '7' is not a UUID"),
        (
            {"tagged_addresses": {"lan": "0.0.0.0"}},
            "node db1: tagged_addresses: lan: address 0.0.0.0 is not an address",
        ),
        ({"tagged_addresses": {"lan": None}}, "node db1: tagged_addresses: lan: address: null is given"),
        ({"tagged_addresses": {"lan": ""}}, "node db1: tagged_addresses: lan: give an address"),
        (
            {"tagged_addresses": {"wan": {"address": "192.0.2.1"}}},
            "node db1: tagged_addresses: wan: address: a dictionary is given where a text is required",
        ),
        ({"meta": {"a b": 1}}, "node db1: meta: 'a b' is not a valid key"),
        ({"meta": {"consul-x": 1}}, "node db1: meta: 'consul-x' starts with consul-"),
        ({"meta": {"a": "x" * 513}}, "node db1: meta: 'a': its value is longer than 512 bytes"),
        ({"meta": {"a": float("nan")}}, "node db1: meta: 'a': a number that is not finite is given"),
        ({"meta": {f"k{number}": 1 for number in range(65)}}, "node db1: meta has 65 pairs, more than 64"),
        ({"services": [service("")]}, "services: an entry has no name"),
        ({"services": [service("/a/../b")]}, "service /a/../b: name '/a/../b' starts with '/'"),
        ({"services": [service("a\u2028")]}, "service a\\u2028: name 'a\\u2028' has the character U+2028"),
        ({"services": [service(id="x\ny")]}, "service x\\ny: id 'x\\ny' has the character U+000A"),
        ({"services": [service(address="::")]}, "service pg: address :: is not an address"),
        ({"services": [service(port=65536)]}, "service pg: port 65536 is not between"),
        ({"services": [service(meta={"ä": 1})]}, "service pg: meta: '\\xe4' is not a valid key"),
        ({"services": [service(weights={"passing": 0, "warning": 1})]}, "service pg: weights: passing is 0"),
        ({"services": [service(tagged_addresses={"wan": "192.0.2.1"})]}, "service pg: tagged_addresses: wan: give an"),
        (
            {"services": [service(tagged_addresses={"wan": {"address": "192.0.2.1", "port": "abc"}})]},
            "service pg: tagged_addresses: wan: port abc is not between",
        ),
        (
            {"services": [service(tagged_addresses={"wan": {"address": "192.0.2.1", "Port": 1}})]},
            "service pg: tagged_addresses: wan: give an address",
        ),
        ({"services": [service(), service("x", id="pg")]}, "service pg is listed twice"),
        ({"services": [service(), service("PG")]}, "service PG is listed twice: Consul does not tell upper from lower"),
        ({"checks": [check(None)]}, "checks: an entry has neither id nor name"),
        ({"checks": [check("serfhealth")]}, "check serfhealth: this id belongs to nodes with an agent"),
        (
            {"checks": [check("_node_maintenance")]},
            "check _node_maintenance: the check id _node_maintenance is Consul's",
        ),
        ({"checks": [check("a//b")]}, "check a//b: the check id 'a//b' has '//'"),
        ({"checks": [check(http="http://x", tcp="x:1")]}, "check alive: set http or tcp, not both"),
        ({"checks": [check(interval="30")]}, "check alive: interval: '30' is not a duration"),
        ({"checks": [check(timeout="0s")]}, "check alive: timeout: '0s' must be longer than zero"),
        ({"checks": [check(timeout="9" * 400 + "h")]}, "check alive: timeout: '99"),
        ({"checks": [check(interval="9999999999h")]}, "check alive: interval: '9999999999h' is longer than"),
        ({"checks": [check(), check("x", id="alive")]}, "check alive is listed twice"),
    ],
)
def test_options_that_are_wrong(options, words):
    (problem,) = problems_of(params(**options))
    assert problem.startswith(words) and problem.isprintable()


def test_all_problems_at_once():
    assert len(problems_of(params(address="", id="7", checks=[check(None)]))) == 3


def test_what_is_written_reads_back_as_it_was_asked_for():
    after = wanted_state(FULL, None)
    read = present_state(*records_of(after))
    assert read == after and changes(read, wanted_state(FULL, read)) == []
    assert after["meta"] == {"external-node": "true", "rack": "7", "empty": ""} and after["id"] == ID
    pg = after["services"]["pg-1"]
    assert pg["tagged_addresses"]["wan"]["port"] == 5432 and pg["tagged_addresses"]["lan"]["port"] == 1
    assert pg["tags"] == ["a", "b"] and pg["meta"] == {"v": "1"}
    assert after["tagged_addresses"] == {"wan": "198.51.100.1", "number": "5"}


def test_a_new_node():
    planned = changes(None, wanted_state(FULL, None))
    assert [(label_of(change), change.operation, change.right) for change in planned] == [
        ("node/db1", "create", ("node", "db1")),
        ("service/pg-1", "create", ("service", "pg")),
        ("service/web", "create", ("service", "web")),
        ("check/alive", "create", ("node", "db1")),
        ("check/pg", "create", ("service", "pg")),
    ]
    assert planned[0].body["ID"] == ID and "SkipNodeUpdate" not in planned[0].body
    assert all(change.body["SkipNodeUpdate"] for change in planned[1:3])
    # Without the name of the service, Consul would ask for the right to write the service ''.
    assert [change.body["ServiceName"] for change in planned[3:]] == ["", "pg"]
    assert {change.path for change in planned[3:]} == {"txn"} and planned[4].body["Node"] == "db1"


def test_what_is_no_longer_listed_is_removed_and_what_is_not_given_stays():
    before = wanted_state(FULL, None)
    alone = wanted_state(params(id=ID), before)
    assert (alone["services"], alone["checks"]) == (before["services"], before["checks"])
    assert [label_of(change) for change in changes(before, alone)] == ["node/db1"], "meta is gone"

    less = wanted_state({**FULL, "services": [service("web")], "checks": None}, before)
    assert changes(before, less) == [
        Change("remove", "service", "pg-1", ("node", "db1"), "catalog/deregister", {"Node": "db1", "ServiceID": "pg-1"})
    ], "its check goes with it"
    assert list(less["checks"]) == ["alive"]

    no_checks = wanted_state({**FULL, "checks": []}, before)
    assert [label_of(change) for change in changes(before, no_checks)] == ["check/alive", "check/pg"]

    more = wanted_state({**FULL, "services": [service("new")], "checks": [check("more")], "purge": False}, before)
    assert [label_of(change) for change in changes(before, more)] == ["service/new", "check/more"]
    assert changes(before, None) == [
        Change("remove", "node", "db1", ("node", "db1"), "catalog/deregister", {"Node": "db1"})
    ]


def test_the_state_of_a_check_belongs_to_whoever_runs_it():
    before = wanted_state(params(checks=[check(status="passing", output="HTTP 200")]), None)
    assert changes(before, wanted_state(params(checks=[check()]), before)) == []
    after = wanted_state(params(checks=[check(status="critical", output="")]), before)
    assert [change.operation for change in changes(before, after)] == ["update"]
    assert wanted_state(params(checks=[check()]), None)["checks"]["alive"]["status"] == "critical"


def test_a_definition_that_somebody_else_extended_is_written_again():
    before = wanted_state(FULL, None)
    node, services, checks = records_of(before)
    checks[1]["Definition"]["Header"] = {"a": ["b"]}
    (change,) = changes(present_state(node, services, checks), wanted_state(FULL, before))
    assert label_of(change) == "check/pg" and "Header" not in change.body["Definition"]


def test_a_check_of_a_service_that_is_not_there():
    after = wanted_state(params(services=[], checks=[check(service_id="pg")]), None)
    assert problems_with_consul(None, after) == [
        "check alive: the node has no service 'pg', or the token may not read it"
    ]


def test_a_service_or_check_in_another_case():
    """Consul would take it as the same, and the removal of the old one would remove the new one."""
    before = wanted_state(params(services=[service("Web")], checks=[check("Alive")]), None)
    after = wanted_state(params(services=[service("web")], checks=[check("alive")]), before)
    assert problems_with_consul(before, after) == [
        "service web: Consul has this id as 'Web'. Use the same upper and lower case, or remove it first",
        "check alive: Consul has this id as 'Alive'. Use the same upper and lower case, or remove it first",
    ]


def test_a_name_in_another_case():
    before, after = wanted_state(params(), None), wanted_state(params(name="DB1"), None)
    assert problems_with_consul(before, before) == []
    assert problems_with_consul(before, after) == [
        "name: Consul has this node as 'db1'. Use the same upper and lower case, or remove it first"
    ]


@pytest.mark.parametrize(
    "value, expected",
    [
        ("90s", "90s"),
        ("1m30s", "90s"),
        ("1.5s", "1500ms"),
        ("500ms", "500ms"),
        ("500us", "500us"),
        ("500µs", "500us"),
        ("1.5us", "1500ns"),
        ("2500000h", "9000000000s"),
    ],
)
def test_one_spelling_of_durations(value, expected):
    assert duration(value) == expected


def test_the_diff_has_nothing_empty():
    assert shown_state(None) == {}
    state = wanted_state(params(services=[service()], checks=[check()]), None)
    assert shown_state(state) == {
        "name": "db1",
        "address": "192.0.2.1",
        "services": {"pg": {"name": "pg", "port": 0, "weights": {"passing": 1, "warning": 1}}},
        "checks": {"alive": {"name": "alive", "status": "critical"}},
    }
