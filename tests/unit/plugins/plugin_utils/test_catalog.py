# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog import (
    PARALLEL,
    Query,
    Reader,
    assemble,
    is_addressable,
    shortened,
)


def node(name, **fields):
    return {"Node": name, "Address": "192.0.2.1", "Datacenter": "dc1", **fields}


def entry(name, service="web", of_node="passing", of_service="passing", **fields):
    checks = [{"Status": of_node, "ServiceID": ""}, {"Status": of_service, "ServiceID": service}]
    return {"Node": node(name), "Service": {"ID": service, "Service": service, **fields}, "Checks": checks}


@pytest.mark.parametrize("name", ["web", "a/b", "schl\u00fcssel", "a b", "...", "a..b", "%2F"])
def test_names_that_consul_reads(name):
    assert is_addressable(name)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\nb", "a\u2028b", "a\xa0b"])
def test_names_that_consul_redirects_or_refuses(name):
    assert not is_addressable(name)


def test_shortened():
    assert shortened("abc") == "a, b, c"
    assert shortened(str(number) for number in range(8)) == "0, 1, 2, 3, 4 and 3 more"


def test_what_is_missing_is_empty():
    nodes, (instance,) = assemble([entry("app1", Tags=None, Meta=None, TaggedAddresses=None)])
    assert nodes == {
        "app1": {
            "name": "app1",
            "id": "",
            "address": "192.0.2.1",
            "datacenter": "dc1",
            "tagged_addresses": {},
            "meta": {},
            "status": "passing",
        }
    }
    assert instance == {
        "node": "app1",
        "id": "web",
        "name": "web",
        "address": "",
        "port": 0,
        "tags": [],
        "meta": {},
        "tagged_addresses": {},
        "status": "passing",
    }


def test_what_is_kept_of_an_instance():
    tagged = {"wan": {"Address": "198.51.100.1", "Port": 8080}}
    fields = {"Address": "203.0.113.1", "Port": 80, "Meta": {"v": "2", DIGEST: "x"}, "TaggedAddresses": tagged}
    _nodes, (instance,) = assemble([entry("app1", **fields)])
    assert (instance["address"], instance["port"], instance["meta"]) == ("203.0.113.1", 80, {"v": "2"})
    assert instance["tagged_addresses"] == {"wan": "198.51.100.1"}


def test_states_are_of_the_own_checks():
    entries = [
        entry("app1", "api", of_service="critical"),
        entry("app1", "web"),
        entry("app2", "web", of_node="warning"),
    ]
    nodes, instances = assemble(entries)
    assert {name: one["status"] for name, one in nodes.items()} == {"app1": "passing", "app2": "warning"}
    assert [(one["node"], one["name"], one["status"]) for one in instances] == [
        ("app1", "api", "critical"),
        ("app1", "web", "passing"),
        ("app2", "web", "warning"),
    ]


def test_nodes_without_an_instance():
    checks = [
        {"Node": "spare2", "Status": "critical"},
        {"Node": "spare1", "Status": "passing"},
        {"Node": "x", "Status": "warning"},
    ]
    nodes = [node("spare2", Meta={"rack": "a"}), node("spare1"), node("app1", ID="1-2")]
    found, _instances = assemble([entry("app1")], nodes, checks)
    assert list(found) == ["app1", "spare1", "spare2"]
    assert (found["app1"]["id"], found["spare2"]["meta"]) == ("1-2", {"rack": "a"})
    assert (found["spare1"]["status"], found["spare2"]["status"]) == ("passing", "critical")
    found, instances = assemble([entry("app1")], nodes, checks, passing=True)
    assert list(found) == ["app1", "spare1"] and len(instances) == 1


def test_an_instance_between_two_answers_of_consul_is_no_error():
    """The check of the node failed after the instance was read."""
    found, instances = assemble([entry("app1")], [node("app1")], [{"Node": "app1", "Status": "critical"}], passing=True)
    assert (found, instances) == ({}, [])


# --- Reader -----------------------------------------------------------------------------------------------------------


class Client:
    """Answers by path, and keeps what was asked."""

    place = base_url = "http://127.0.0.1:8500"
    consistency = "default"

    def __init__(self, answers, datacenter=None):
        self.answers = {"status/leader": "192.0.2.1:8300", **answers}
        self.query = {"dc": datacenter} if datacenter else {}
        self.asked = []

    def get(self, path, params):
        self.asked.append((path, params))
        return Answer(200, self.answers.get(path), 1)


def test_services_are_read_in_parallel():
    """No answer comes before so many questions are open."""
    everybody = threading.Barrier(PARALLEL)

    class Slow(Client):
        def get(self, path, params):
            if path.startswith("health/service/"):
                everybody.wait(5)
            return super().get(path, params)

    services = {f"web{number}": [] for number in range(PARALLEL)}
    answers = {f"health/service/{name}": [entry("app1", name)] for name in services}
    found = Reader(Slow({"catalog/services": services, **answers})).read(Query(all_nodes=False))
    assert len(found.instances) == PARALLEL == 8


def test_each_question_names_the_datacenter():
    answers = {"catalog/services": {"web": []}, "health/service/web": [entry("app1")], "catalog/nodes": [node("app1")]}
    client = Client(answers, datacenter="west")
    Reader(client).read(Query())
    assert len(client.asked) == 5 and all(params["dc"] == "west" for _path, params in client.asked)


def test_a_token_that_reads_nodes_only():
    client = Client({"catalog/nodes": [node("app1")]})
    found = Reader(client).read(Query())
    assert list(found.nodes) == ["app1"]
    assert found.warnings == ['the token may read no service. Give it service_prefix "" { policy = "read" }']
    with pytest.raises(ConsulError, match="^the token may read no service. Give it service_prefix"):
        Reader(client).read(Query(all_nodes=False))


def test_an_unknown_status_is_critical():
    """Consul takes any text as the status of a check of an external node."""
    (found, instances) = assemble([entry("app1", of_node="unknown", of_service="")])
    assert found["app1"]["status"] == instances[0]["status"] == "critical"
    assert assemble([entry("app1", of_node="unknown")], passing=True) == ({}, [])
