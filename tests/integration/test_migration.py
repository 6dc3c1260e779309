# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The claims of docs/migration.md: its tasks run with community.general and with this collection, on a real agent."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.community.general.plugins.modules import consul_agent_service
from ansible_collections.community.general.plugins.modules import consul_kv as peer_kv
from ansible_collections.community.general.plugins.modules import consul_kv_info as peer_kv_info
from ansible_collections.dockyard.consul.plugins.modules import consul_kv, consul_kv_info, consul_service
from in_process import Module

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/migration.md").read_text(encoding="utf-8")
NAMES = {"consul_kv": "consul_kv", "consul_kv_info": "consul_kv_info", "consul_agent_service": "consul_service"}
PEER = "community.general."
PEER_OPTIONS = ("host", "port", "scheme", "token", "ca_path")


def section(heading):
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def blocks(heading):
    """The tasks of each YAML block of a section."""
    return [
        yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    ]


def module_of(task):
    return next(key for key in task if "." in key)


def renamed(task):
    module = module_of(task)
    ours = "dockyard.consul." + NAMES[module.removeprefix(PEER)]
    return {(ours if key == module else key): value for key, value in task.items()}


DENY = pytest.mark.parametrize("agent", ["deny"], indirect=True)


@pytest.fixture
def run(playbook, agent):
    """Results of tasks of both collections, in one run."""
    peer = {name: value for name, value in agent.connection.items() if name in PEER_OPTIONS}

    def results(tasks, **options):
        tasks = [{**task, "module_defaults": {"group/community.general.consul": peer}} for task in tasks]
        found = playbook.run(*tasks, **options)
        return found if isinstance(found, list) else [found]

    return results


def lasting(data):
    """A result without what differs from one run to the next."""
    if isinstance(data, list):
        return [lasting(item) for item in data]
    if isinstance(data, dict):
        return {
            key: lasting(value) for key, value in data.items() if key not in ("CreateIndex", "ModifyIndex", "Session")
        }
    return data


def keys_of(agent):
    found = agent.api("GET", "/v1/kv/?recurse") if agent.key_names() else []
    return {item["Key"]: (item["Value"], item["Flags"], item["LockIndex"], "Session" in item) for item in found}


def services_of(agent):
    services = agent.api("GET", "/v1/agent/services")
    for service in services.values():
        service.get("Meta", {}).pop("dockyard_consul_digest", None)
        service.pop("ContentHash", None)
    checks = agent.api("GET", "/v1/agent/checks")
    kept = ("Name", "Notes", "ServiceID", "ServiceName", "Type")
    return services, {name: {key: check[key] for key in kept} for name, check in checks.items()}


def acls_of(agent):
    policies = [agent.api("GET", f"/v1/acl/policy/{one['ID']}") for one in agent.api("GET", "/v1/acl/policies")]
    roles = agent.api("GET", "/v1/acl/roles")
    tokens = [agent.api("GET", f"/v1/acl/token/{one['AccessorID']}") for one in agent.api("GET", "/v1/acl/tokens")]
    made = [one for one in (*policies, *roles, *tokens) if "shop" in (one.get("Name") or one["Description"])]
    names = ("Name", "Description", "Rules", "Datacenters", "AccessorID", "SecretID", "Local", "ServiceIdentities")
    return [
        {
            **{name: one.get(name) for name in names},
            "links": [link["Name"] for kind in ("Policies", "Roles") for link in one.get(kind) or []],
        }
        for one in made
    ]


def forget(agent):
    agent.api("DELETE", "/v1/kv/?recurse")
    for identity in agent.api("GET", "/v1/agent/services"):
        agent.api("PUT", f"/v1/agent/service/deregister/{identity}")


def compare(task, theirs, ours):
    assert theirs["changed"] == ours["changed"], task
    if "data" in theirs:  # community.general returns none for a lock
        assert lasting(theirs["data"]) == lasting(ours["data"]), task
    if "index" in ours:
        assert isinstance(theirs["index"], str) and isinstance(ours["index"], int)
    if theirs.get("service"):
        differing = {"ContentHash", "Meta", "CreateIndex", "ModifyIndex"}
        assert theirs["service"].keys() <= ours["service"].keys(), task
        for field in (set(theirs["service"]) & set(ours["service"])) - differing:
            assert theirs["service"][field] == ours["service"][field], (task, field)


@DENY
def test_tasks_move_by_their_name_alone(run, agent):
    (tasks,) = blocks("Tasks that move by their name alone")
    assert {module_of(task).removeprefix(PEER) for task in tasks} == {*NAMES}
    seen = []
    for written in (tasks, [renamed(task) for task in tasks]):
        forget(agent)
        session = agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"]
        results = run(written, variables={"session_id": session})
        seen.append((results, keys_of(agent), services_of(agent)))
        agent.api("PUT", f"/v1/session/destroy/{session}")
    (theirs, *their_state), (ours, *our_state) = seen
    assert their_state == our_state and len(theirs) == len(ours) == len(tasks)
    for task, their_result, our_result in zip(tasks, theirs, ours, strict=True):
        compare(task, their_result, our_result)


OPEN = pytest.mark.parametrize("agent", ["open"], indirect=True)


@OPEN
def test_what_the_other_collection_wrote_is_unchanged(agent):
    """Step 3 of the page."""
    (tasks,) = blocks("Tasks that move by their name alone")
    runs = {"consul_kv": (peer_kv, consul_kv), "consul_agent_service": (consul_agent_service, consul_service)}
    tried = []
    for task in tasks:
        name, options = module_of(task).removeprefix(PEER), task[module_of(task)]
        if name in runs and not {"state", "cas"} & set(options) and ("value" in options or name != "consul_kv"):
            theirs, ours = (Module(module, agent) for module in runs[name])
            theirs(**options)
            assert [ours(**options)["changed"] for _again in range(2)] == [name == "consul_agent_service", False]
            tried.append(name)
    assert tried.count("consul_kv") >= 5 and tried.count("consul_agent_service") == 2


@OPEN
def test_services_and_their_checks(run, agent):
    before, after = blocks("consul and consul_agent_check")
    assert all(result["changed"] for result in run(before))
    theirs = services_of(agent)
    forget(agent)
    first, again = run([*after, *after])
    assert first["changed"] and not again["changed"]
    assert services_of(agent) == theirs and len(theirs[0]) == len(theirs[1]) == 1


@DENY
def test_acls(run, agent):
    before, after = blocks("consul_policy, consul_role and consul_token")
    clean = {"dockyard.consul.consul_acl": removal(after)}
    assert all(result["changed"] for result in run(before))
    theirs = acls_of(agent)
    _removed, first, again = run([clean, *after, *after])
    assert first["changed"] and not again["changed"]
    assert acls_of(agent) == theirs and len(theirs) == 3
    run([clean])
    assert acls_of(agent) == []


def removal(tasks):
    (task,) = tasks
    options = task["dockyard.consul.consul_acl"]
    gone = {"state": "absent"}
    return {
        "policies": [{"name": one["name"], **gone} for one in options["policies"]],
        "roles": [{"name": one["name"], **gone} for one in options["roles"]],
        "tokens": [{"accessor_id": one["accessor_id"], **gone} for one in options["tokens"]],
    }


@DENY
def test_sessions(run, agent):
    before, after = blocks("consul_session")
    kept = ("Name", "Node", "Behavior", "LockDelay", "TTL")
    found = []
    for tasks in (before, after):
        created, listed = run(tasks)
        (session,) = [one for one in agent.api("GET", "/v1/session/list") if one["Name"] == "migration"]
        assert created["changed"] and created["session_id"] == session["ID"]
        assert session["ID"] in [one["ID"] for one in listed["sessions"]]
        assert listed["changed"] == (tasks is before)  # community.general reports a change for a list
        assert session["NodeChecks"] == ([] if tasks is before else ["serfHealth"])
        found.append({name: session[name] for name in kept})
        again = run(tasks)[0]
        assert again["changed"] == (tasks is before)  # the other collection creates a second session
        for one in agent.api("GET", "/v1/session/list"):
            agent.api("PUT", f"/v1/session/destroy/{one['ID']}")
    assert found[0] == found[1]


@DENY
def test_the_lookup(run, agent):
    values = {"shop/message": b"Hello", "shop/db/host": b"db", "shopping": b"x", "blank/a": b""}
    for key, value in values.items():
        agent.api("PUT", f"/v1/kv/{key}", value)
    before, after = blocks("The lookup consul_kv")
    variables = {"host": "127.0.0.1", "port": agent.http_port, "scheme": "http", "token": agent.token}
    place = "host=host, port=port, scheme=scheme, token=token"
    rows = [
        show(f"query('{collection}.consul_kv', '{term}', recurse={recurse}, {place})")
        for collection in ("community.general", "dockyard.consul")
        for term, recurse in (("shop", "true"), ("blank/a", "false"), ("none", "false"))
    ]
    rows[-1]["ignore_errors"] = True
    theirs, ours, *told = run([*before, *after, *rows], variables=variables)
    assert theirs["msg"] == ours["msg"] == ["Hello", "blue", ["db", "Hello"]]
    assert [row["msg"] for row in told[:-1]] == [
        ["db", "Hello", "x"],
        ["None"],
        [],
        [{"db/host": "db", "message": "Hello"}],
        [""],
    ]
    assert "has no key 'none'" in told[-1]["msg"]


def show(expression):
    return {"ansible.builtin.debug": {"msg": "{{ " + expression + " }}"}}


def test_differences_of_consul_kv(agent):
    """The rows of the table, with both collections."""
    agent.api("PUT", "/v1/kv/held", b"x")
    mine, other = (agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"] for _which in range(2))
    agent.api("PUT", f"/v1/kv/held?acquire={other}", b"x")
    agent.api("PUT", f"/v1/kv/mine?acquire={mine}", b"x")
    agent.api("PUT", f"/v1/kv/also-mine?acquire={mine}", b"x")
    agent.api("PUT", "/v1/kv/binary", b"\xff")
    agent.api("PUT", "/v1/kv/empty", b"")
    agent.api("PUT", "/v1/kv/flagged", b"x")
    lock = {"session": mine, "state": "acquire"}
    rows = {
        "flags": {"key": "flagged", "value": "x", "flags": "3"},
        "cas": {"key": "flagged", "value": "y", "cas": "1"},
        "held": {"key": "held", "value": "z", **lock},
        "session": {"key": "k", "value": "v", "session": mine},
        "recurse": {"key": "k", "value": "w", "recurse": True},
        "read with flags": {"key": "k", "flags": "1"},
        "binary": {"key": "binary"},
        "retrieve": {"key": "k", "value": "x", "retrieve": False},
        "taken": {"key": "k", "value": "x", **lock},
        "cas and lock": {"key": "k", "value": "y", "cas": "1", **lock},
        "released": {"key": "mine", "value": "x", "session": mine, "state": "release"},
        "lost": {"key": "binary", "value": "y", "session": mine, "state": "release"},
        "absent and cas": {"key": "flagged", "recurse": True, "cas": "1", "state": "absent"},
        "absent and value": {"key": "none", "value": "x", "state": "absent"},
        "true": {"key": "true", "value": True},
        "mapping": {"key": "mapping", "value": {"a": [1]}},
    }
    their_kv, our_kv = Module(peer_kv, agent), Module(consul_kv, agent)
    theirs, ours = {}, {}
    for name, options in rows.items():
        theirs[name], ours[name] = their_kv(**options), our_kv(**options)
    fails = {name for name, result in ours.items() if result.get("failed")}
    refused = {"session", "recurse", "read with flags", "cas and lock", "absent and cas", "absent and value"}
    assert fails == {"cas", "held", "lost", *refused}
    assert {name for name, result in theirs.items() if result.get("failed")} == {"cas and lock"}
    changed = {name: (theirs[name]["changed"], ours[name].get("changed")) for name in ("flags", "taken", "released")}
    assert changed == {"flags": (False, True), "taken": (False, True), "released": (False, True)}
    assert not any(theirs[name]["changed"] for name in ("cas", "held", "lost")) and theirs["absent and cas"]["changed"]
    assert theirs["retrieve"]["data"] is None and "data" not in ours["retrieve"]
    assert theirs["true"]["data"]["Value"] == "True" and ours["true"]["data"]["Value"] == "true"
    assert theirs["mapping"]["data"]["Value"] == "{'a': [1]}" and ours["mapping"]["data"]["Value"] == '{"a":[1]}'
    assert base64.b64decode(ours["binary"]["data"]["Base64"]) == b"\xff"
    # A release without a value.
    our_kv(key="also-mine", session=mine, state="release")
    assert agent.raw("also-mine") == b"x"
    agent.api("PUT", f"/v1/kv/also-mine?acquire={mine}", b"x")
    their_kv(key="also-mine", session=mine, state="release")
    assert agent.raw("also-mine") == b""
    for session in (mine, other):
        agent.api("PUT", f"/v1/session/destroy/{session}")


@OPEN
def test_differences_of_consul_kv_info(agent):
    agent.api("PUT", "/v1/kv/empty", b"")
    agent.api("PUT", "/v1/kv/binary", b"\xff")
    theirs, ours = Module(peer_kv_info, agent), Module(consul_kv_info, agent)
    assert ours(key="binary")["data"][0]["Base64"] == "/w=="
    assert theirs(key="empty")["data"][0]["Value"] is None and ours(key="empty")["data"][0]["Value"] == ""
    assert isinstance(theirs(key="none")["index"], str) and "index" not in ours(key="none")
    assert isinstance(theirs(key="empty")["index"], str) and isinstance(ours(key="empty")["index"], int)


@OPEN
def test_a_value_that_is_not_text_is_an_error_of_the_other_collection_only(run, agent):
    agent.api("PUT", "/v1/kv/binary", b"\xff")
    tasks = [{f"{PEER}{name}": {"key": "binary"}, "ignore_errors": True} for name in ("consul_kv", "consul_kv_info")]
    results = run([*tasks, *map(renamed, tasks)])
    assert [bool(result.get("failed")) for result in results] == [True, True, False, False]


@OPEN
def test_differences_of_consul_service(agent):
    theirs, ours = Module(consul_agent_service, agent), Module(consul_service, agent)
    theirs(name="web", meta={"a": "b"})
    theirs(name="web", service_port=80)
    assert agent.api("GET", "/v1/agent/service/web")["Meta"] == {"a": "b"}
    ours(name="web", service_port=80)
    assert set(agent.api("GET", "/v1/agent/service/web")["Meta"]) == {"dockyard_consul_digest"}
    ours(services=[{"name": "web", "id": "web-1"}, {"name": "web", "id": "web-2"}])
    assert "60" in ours(name="web", checks=[{"tcp": "127.0.0.1:80", "interval": "60"}])["msg"]
    assert ours(name="web", state="absent")["changed"] and agent.api("GET", "/v1/agent/services") == {}


def test_every_block_of_the_page_is_run():
    headings = [
        "Tasks that move by their name alone",
        "consul and consul_agent_check",
        "consul_policy, consul_role and consul_token",
        "consul_session",
        "The lookup consul_kv",
    ]
    assert sum(len(blocks(heading)) for heading in headings) == PAGE.count("```yaml\n")
