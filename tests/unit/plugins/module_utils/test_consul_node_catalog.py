# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import types

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_catalog import Catalog, Conflict
from ansible_collections.dockyard.consul.plugins.module_utils.consul_nodes import Change
from ansible_collections.dockyard.consul.plugins.modules import consul_node

NODE = {"ID": "", "Node": "db1", "Address": "192.0.2.1", "TaggedAddresses": None, "Meta": None}
CHECK = {
    "CheckID": "alive",
    "Name": "alive",
    "Status": "critical",
    "Output": "",
    "Notes": "",
    "ServiceID": "",
    "ModifyIndex": 7,
}
STALE = json.dumps({"Results": None, "Errors": [{"OpIndex": 0, "What": "failed to set check, index is stale"}]})
DENIED = json.dumps({"Results": None, "Errors": [{"OpIndex": 0, "What": "Permission denied"}]})
PARAMS = {
    "name": "db1",
    "address": "192.0.2.1",
    "id": None,
    "meta": {},
    "tagged_addresses": {},
    "services": None,
    "checks": [{**dict.fromkeys(consul_node.CHECK_SPEC), "name": "alive", "notes": "new"}],
    "purge": True,
    "force": False,
    "state": "present",
}


class Client:
    """Has one node with one check. Each transaction gets the next of the answers."""

    consistency = "default"

    def __init__(self, *answers, datacenter=None, may_read=True):
        self.datacenter = datacenter
        self.query = {"dc": datacenter} if datacenter else {}
        self.place = "here"
        self.check = dict(CHECK)
        self.answers = list(answers)
        self.may_read = may_read
        self.puts = []

    def get(self, path, params=None, missing_ok=False):
        if missing_ok:
            raise ConsulError("HTTP 400", 400)  # for each name that is not ASCII
        assert params == self.query
        return Answer(200, {"Node": NODE, "Services": {}} if path.startswith("catalog") else [self.check], None)

    def post(self, path, params, question):
        return Answer(200, [{"Allow": self.may_read}], None)

    def put(self, path, params=None, data=None, idempotent=False):
        self.puts.append((path, params, data))
        words = self.answers.pop(0) if self.answers else None
        if words:
            # As consul-esm does between the read and the write.
            self.check.update(Status="passing", Output="connected", ModifyIndex=self.check["ModifyIndex"] + 1)
            raise ConsulError("HTTP 409", 409, detail=words)
        return Answer(200, {"Results": [{}]}, None)


def run(client, **options):
    module = types.SimpleNamespace(params={**PARAMS, **options}, check_mode=False)
    return consul_node.execute(module, client)


def test_a_check_is_written_with_the_index_that_was_read():
    client = Client()
    assert run(client)["operations"] == {"check/alive": "update"}
    ((path, _query, (operation,)),) = client.puts
    assert path == "txn" and operation["Check"]["Verb"] == "cas"
    assert operation["Check"]["Check"]["ModifyIndex"] == 7 and operation["Check"]["Check"]["Status"] == "critical"


def test_the_state_that_another_program_writes_meanwhile_stays():
    client = Client(STALE)
    result = run(client)
    first, second = (operations[0]["Check"]["Check"] for _path, _query, operations in client.puts)
    assert (first["Status"], second["Status"], second["Output"]) == ("critical", "passing", "connected")
    assert second["ModifyIndex"] == 8 and client.consistency == "consistent"
    assert result["node"]["checks"]["alive"]["status"] == "passing" and result["changed"]


def test_a_program_that_never_stops_writing():
    with pytest.raises(
        ConsulError, match="^check/alive: another program wrote it since it was read, 5 times"
    ) as raised:
        run(Client(*[STALE] * 99))
    assert raised.value.written == []


def test_a_node_that_is_gone_meanwhile_is_a_conflict():
    client = Client()
    client.put = lambda *_arguments, **_options: Answer(200, {"Results": [], "Errors": None}, None)
    catalog = Catalog(client)
    with pytest.raises(Conflict):
        catalog.apply([Change("create", "check", "alive", ("node", "db1"), "txn", {"CheckID": "alive"})])


def test_a_missing_right_is_an_error_in_one_line():
    with pytest.raises(ConsulError, match="^check/alive: Permission denied .the token's policies") as raised:
        run(Client(DENIED))
    assert (raised.value.status, raised.value.written) == (409, [])


def test_an_error_names_what_was_written_before():
    client = Client(None, DENIED)
    with pytest.raises(ConsulError) as raised:
        run(client, address="192.0.2.2")
    assert raised.value.written == ["node/db1"]


def test_each_write_names_another_datacenter():
    client = Client(datacenter="dc2")
    run(client, address="192.0.2.2")
    run(client, state="absent")
    assert [path for path, _query, _body in client.puts] == ["catalog/register", "txn", "catalog/deregister"]
    assert client.puts[0][2]["Datacenter"] == client.puts[2][2]["Datacenter"] == "dc2"
    assert client.puts[1][1] == {"dc": "dc2"}
    client = Client()
    run(client, address="192.0.2.2")
    assert "Datacenter" not in client.puts[0][2]


def test_a_name_that_this_version_of_consul_cannot_print():
    client = Client()
    service = {**dict.fromkeys(consul_node.SERVICE_SPEC), "name": "\U0001fae8", "id": "face"}
    with pytest.raises(ConsulError, match="^service face: '.U0001fae8' has a character that this version of Consul"):
        run(client, services=[service])
    assert client.puts == []


def test_purge_requires_the_right_to_see_all_services():
    words = 'it requires the rule service_prefix "" { policy = "read" }$'
    for given in ({"services": []}, {}):
        with pytest.raises(ConsulError, match=words):
            run(Client(may_read=False), **given)
    for given in ({"purge": False}, {"checks": None}, {"state": "absent"}):
        run(Client(may_read=False), **given)
