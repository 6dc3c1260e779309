# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import KVStore


def kv(**options):
    return {"dockyard.consul.consul_kv": options}


def kv_info(**options):
    return {"dockyard.consul.consul_kv_info": options}


def test_what_is_read(playbook, agent):
    for key, value in {"app/a": b"one", "app/b/c": b"\xff", "app/b/d": b"", "application": b"x"}.items():
        agent.api("PUT", f"/v1/kv/{key}?flags=3", value)
    before = agent.api("GET", "/v1/kv/?recurse")
    results = playbook.run(
        kv_info(key="app/a"),
        kv(key="app/a"),
        kv_info(key="app/", recurse=True),
        kv(key="app/", recurse=True),
        kv_info(key="", recurse=True),
        kv_info(key="app", keys=True),
        kv_info(key="app/", keys=True, separator="/"),
        {**kv_info(key="app/a"), "check_mode": True},
    )
    one, same_one, tree, same_tree, everything, names, folder, checked = results
    assert not any(result["changed"] for result in results)
    assert [(item["Value"], item["Flags"]) for item in one["data"]] == [("one", 3)]
    assert one["data"] == [same_one["data"]] == checked["data"] and one["index"] == same_one["index"]
    assert one["index"] == before[0]["ModifyIndex"]
    assert tree["data"] == same_tree["data"]
    assert [(item["Key"], item.get("Value"), item.get("Base64")) for item in everything["data"]] == [
        ("app/a", "one", None),
        ("app/b/c", None, "/w=="),
        ("app/b/d", "", None),
        ("application", "x", None),
    ]
    assert names["data"] == ["app/a", "app/b/c", "app/b/d", "application"]
    assert folder["data"] == ["app/a", "app/b/"]
    assert agent.api("GET", "/v1/kv/?recurse") == before


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_missing_or_awkward(in_process, agent):
    agent.api("PUT", "/v1/txn", [{"KV": {"Verb": "set", "Key": key, "Value": "eA=="}} for key in ("/a/b", "/a/c/d")])
    none, no_tree, no_names, no_awkward, awkward, awkward_tree, awkward_names = in_process.run(
        kv_info(key="app"),
        kv_info(key="app/", recurse=True),
        kv_info(key="app/", keys=True),
        kv_info(key="/a"),
        kv_info(key="/a/b"),
        kv_info(key="/a/", recurse=True),
        kv_info(key="/a/", keys=True, separator="/"),
    )
    assert none["data"] == no_awkward["data"] == []
    assert no_tree["data"] == [] and no_names["data"] == []
    assert [item["Value"] for item in awkward["data"]] == ["x"]
    assert [item["Key"] for item in awkward_tree["data"]] == ["/a/b", "/a/c/d"]
    assert awkward_names["data"] == ["/a/b", "/a/c/"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    @pytest.mark.parametrize("key", ["app/a", "app/none", "/app/a", "/app/none"])
    @pytest.mark.parametrize("question", ["read", "tree", "names", "records"])
    def test_what_may_not_be_read_is_not_missing(self, agent, key, question):
        agent.api(
            "PUT", "/v1/txn", [{"KV": {"Verb": "set", "Key": key, "Value": "eA=="}} for key in ("/app/a", "app/a")]
        )
        for token in (None, agent.token_for('key_prefix "other/" { policy = "write" }')):
            store = KVStore(ConsulClient(port=agent.http_port, token=token))
            with pytest.raises(ConsulError, match="Permission denied.*policies do not allow") as raised:
                getattr(store, question)([key] if question == "records" else key)
            assert raised.value.status == 403

    def test_tokens(self, in_process, agent):
        agent.api("PUT", "/v1/kv/app/a", b"1")
        agent.api("PUT", "/v1/kv/other", b"2")
        reader = {"port": agent.http_port, "token": agent.token_for('key_prefix "app/" { policy = "read" }')}
        allowed, missing, names = in_process.run(
            kv_info(key="app/a"), kv_info(key="app/b"), kv_info(key="app/", keys=True), connection=reader
        )
        assert (
            [item["Value"] for item in allowed["data"]] == ["1"]
            and missing["data"] == []
            and names["data"] == ["app/a"]
        )
        failure = in_process.run(kv_info(key="other"), connection=reader, fails=True)
        assert "Permission denied" in failure["msg"] and failure["status"] == 403
        dead = {"port": agent.http_port, "token": "11111111-2222-3333-4444-555555555555"}
        assert "ACL not found" in in_process.run(kv_info(key="app/", recurse=True), connection=dead, fails=True)["msg"]
        assert dead["token"] not in in_process.output
