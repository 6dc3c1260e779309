# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import threading
from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.modules import consul_kv, consul_kv_info
from in_process import Module


def kv(**options):
    return {"dockyard.consul.consul_kv": options}


VALUES = {
    "workers": 4,
    "empty": None,
    "db": {"host": "db.example", "options": {"$json": {"b": 1, "a": "é"}}},
    "list": [2, 1],
    "naïve/ключ": "straße",
    "binary": {"$base64": base64.b64encode(b"\xff\x00\xfe").decode()},
    "folder/": "",
}
STORED = {
    "app/workers": b"4",
    "app/empty": b"",
    "app/db/host": b"db.example",
    "app/db/options": '{"a":"é","b":1}'.encode(),
    "app/list": b"[2,1]",
    "app/naïve/ключ": "straße".encode(),
    "app/binary": b"\xff\x00\xfe",
    "app/folder/": b"",
}


def stored(agent):
    found = agent.api("GET", "/v1/kv/?recurse") if agent.key_names() else []
    return {item["Key"]: base64.b64decode(item["Value"] or "") for item in found}


def test_one_key_four_ways(playbook, agent):
    task = kv(key="app/message", value="Hello")
    created = playbook.four_ways(task, kv(key="app/message", state="absent"), lambda: stored(agent))
    assert created["data"]["Value"] == "Hello"
    assert created["created"] == ["app/message"]


def test_many_keys_four_ways(playbook, in_process, agent):
    task = kv(prefix="app", values=VALUES)
    in_process.four_ways(task, kv(key="app/", recurse=True, state="absent"), lambda: stored(agent))
    # With the values as Ansible hands them over.
    playbook.run(task)
    assert stored(agent) == STORED


def test_purge_leaves_exactly_the_values(in_process, agent):
    agent.api("PUT", "/v1/kv/application", b"not under app/")
    agent.api("PUT", "/v1/kv/app/stale", b"x")
    agent.api("PUT", "/v1/kv/app/kept", b"1")
    result = in_process.run(kv(prefix="app", values={"kept": 1, "new": 2}, purge=True))
    assert (result["created"], result["updated"], result["deleted"]) == (["app/new"], [], ["app/stale"])
    assert agent.key_names() == ["app/kept", "app/new", "application"]
    failure = in_process.run(kv(values={"a": 1}, purge=True), fails=True)
    assert "empty prefix" in failure["msg"]
    assert len(agent.key_names()) == 3


def test_more_keys_than_a_transaction_takes(in_process, agent):
    values = {f"k{number:04}": f"v{number}" for number in range(1000)}
    first, again = in_process.run(kv(prefix="many", values=values), kv(prefix="many", values=values))
    assert len(first["created"]) == 1000 and not again["changed"]
    assert stored(agent)["many/k0999"] == b"v999"


def test_large_values(playbook, in_process, agent):
    values = {"a": "x" * 512 * 1024, "b": "y" * 300_000, "c": "z" * 300_000}
    first, again = playbook.run(kv(prefix="large", values=values), kv(prefix="large", values=values))
    assert first["changed"] and not again["changed"]
    assert {key: len(value) for key, value in stored(agent).items()} == {
        "large/a": 512 * 1024,
        "large/b": 300_000,
        "large/c": 300_000,
    }
    failure = in_process.run(kv(prefix="small", values={"ok": 1, "over": "x" * (512 * 1024 + 1)}), fails=True)
    assert "small/over" in failure["msg"] and "524289" in failure["msg"]
    assert "small/ok" not in agent.key_names()


@pytest.mark.parametrize("key", ["/leading", "trailing/", "a//b", "a/../b", "ünï cødé?x=1#y%2F", "."])
def test_awkward_keys(in_process, agent, key):
    # The key by itself, and among others that are no trouble.
    many = kv(prefix="dir", values={key: "x", "plain": "y"})
    created, again, together, together_again, removed, removed_again = in_process.run(
        kv(key=key, value="x"), kv(key=key, value="x"), many, many, *[kv(key=key, state="absent")] * 2
    )
    assert created["data"]["Key"] == key
    changed = [task["changed"] for task in (created, again, together, together_again, removed, removed_again)]
    assert changed == [True, False, True, False, True, False]
    assert stored(agent) == {f"dir/{key}": b"x", "dir/plain": b"y"}


@pytest.mark.parametrize(
    "key", ["a\u00a0b", "a\tb", "line\nbreak/", "\u2028", "a\x00b", "a\u200bb", "a\U0001fae8b", "\ufeff", "\x7f"]
)
def test_keys_that_consul_takes_in_no_url(agent, key):
    """Each one is written, read, changed and removed by its name, alone and under a prefix."""
    run, info = Module(consul_kv, agent), Module(consul_kv_info, agent)
    many = {"prefix": "dir", "values": {key: "x", "plain": "y"}}
    one = {"key": key, "value": "x"}
    assert [run(**options)["changed"] for options in (one, one, many, many)] == [True, False, True, False]
    assert stored(agent) == {key: b"x", f"dir/{key}": b"x", "dir/plain": b"y"}
    assert run(key=f"dir/{key}")["data"]["Value"] == "x"
    assert [record["Value"] for record in info(key=f"dir/{key}")["data"]] == ["x"]
    assert [record["Key"] for record in info(key=f"dir/{key}", recurse=True)["data"]] == [f"dir/{key}"]
    assert info(key=f"dir/{key}", keys=True)["data"] == [f"dir/{key}"]
    assert run(key=key, value="z", flags=3)["updated"] == [key]
    assert run(key=key, state="absent", check_mode=True)["changed"] and run(key=key, state="absent")["changed"]
    assert not run(key=key, state="absent")["changed"]
    tree = {"key": f"dir/{key}", "recurse": True, "state": "absent"}
    assert run(**tree)["deleted"] == [f"dir/{key}"] and not run(**tree)["changed"]
    session = agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"]
    lock = {"key": key, "session": session}
    assert [run(**lock, state=state)["changed"] for state in ("acquire", "acquire", "release")] == [True, False, True]
    assert run(prefix="dir", values={}, purge=True)["deleted"] == ["dir/plain"]


@pytest.mark.parametrize("content", ["YWJj\n", "YW\nJj", " Y W\tJ\r\nj ", "\n", "YWI=\n"])
def test_white_space_in_base64(agent, content):
    run = Module(consul_kv, agent)
    assert run(key="k", value={"$base64": content}, flags=1)["changed"]
    assert not run(key="k", value={"$base64": content.replace("\n", "")})["changed"]
    assert agent.raw("k") == base64.b64decode(content)


def test_flags(in_process, agent):
    first, same, other, kept = in_process.run(
        kv(key="k", value="v", flags=42),
        kv(key="k", value="v"),
        kv(key="k", value="v", flags=7),
        kv(key="k", value="w"),
    )
    assert [task["changed"] for task in (first, same, other, kept)] == [True, False, True, True]
    assert kept["data"]["Flags"] == 7
    assert agent.api("GET", "/v1/kv/k")[0]["Flags"] == 7


def test_canonical_json_of_a_mapping(in_process, agent):
    first, again = in_process.run(
        kv(key="redis", value={"b": {"y": 1, "x": True}, "a": None}),
        kv(key="redis", value={"a": None, "b": {"x": True, "y": 1}}),
    )
    assert first["changed"] and not again["changed"]
    assert agent.raw("redis") == b'{"a":null,"b":{"x":true,"y":1}}'


def test_secrets_stay_out_of_sight(playbook, agent):
    # In variables, because ansible-playbook shows the lines of the playbook around a task that fails.
    variables = {f"secret{number}": f"S3cret-{number}" for number in range(9)}
    variables |= {
        f"redis{number}": {
            "redis_config": {"redis_password": f"S3cret-{number}", "redis_port": 6379},
            "show_message": text,
        }
        for number, text in enumerate(["first", "second", "third"])
    }
    some = {"key": "redis", "secret_keys": ["redis_password"]}
    everything = {"key": "other", "secret": True}
    playbook.run(
        kv(**some, value="{{ redis0 }}"),
        kv(**some, value="{{ redis1 }}"),
        kv(**some, value="{{ redis2 | to_json }}"),
        kv(**some),
        kv(**everything, value="{{ secret4 }}"),
        kv(prefix="many", values={"password": "{{ secret5 }}", "user": "shown-user"}, secret_keys=["pass*"]),
        kv(prefix="many", values={"password": "{{ secret6 }}"}, secret=True, state="absent"),
        {
            "block": [kv(**everything, value="{{ secret7 }}", cas=1)],
            "rescue": [{"ansible.builtin.debug": {"msg": "lost"}}],
        },
        # A failure stays readable, and hides no less. Argument errors come before the module itself runs.
        kv(**everything, value="{{ secret8 }}", nonsense=1),
        variables=variables,
        verbose=True,
        fails=True,
    )
    assert "S3cret" not in playbook.output
    for shown in ("(hidden, changed)", "first", "second", "third", "shown-user", "cas is 1", "nonsense"):
        assert shown in playbook.output
    assert agent.raw("other") == b"S3cret-4"


def test_cas_and_conflicts(in_process, agent):
    created = in_process.run(kv(key="k", value="one", cas=0))
    assert created["changed"]
    assert "the modify index of the key is" in in_process.run(kv(key="k", value="two", cas=0), fails=True)["msg"]
    assert agent.raw("k") == b"one"
    assert not in_process.run(kv(key="k", value="one", cas=0))["changed"]
    assert in_process.run(kv(key="k", value="two", cas=created["data"]["ModifyIndex"]))["changed"]
    stale = created["data"]["ModifyIndex"]
    assert "nothing was written" in in_process.run(kv(key="k", state="absent", cas=stale), fails=True)["msg"]
    assert agent.raw("k") == b"two"


class Meddler(ConsulClient):
    """A client of an agent that someone else writes to, between what this client reads and its first write."""

    def __init__(self, agent, meddle):
        options = dict(agent.connection, ca_path=agent.connection.get("ca_path"))
        super().__init__(**options)
        self.meddle = meddle

    def put(self, path, params=None, data=None, idempotent=False):
        if not idempotent and self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().put(path, params, data, idempotent)


def execute(client, **options):
    params = {name: spec.get("default") for name, spec in consul_kv.ARGUMENT_SPEC.items()}
    module = SimpleNamespace(params=dict(params, **options), check_mode=False)
    return consul_kv.execute(module, client)


LARGE = "x" * 500_000


@pytest.fixture
def session(agent):
    return agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"]


class TestSomeoneElseWrites:
    """The same, or something else, in the same moment."""

    @pytest.mark.parametrize("before", [None, b"old"])
    @pytest.mark.parametrize("value", ["new", LARGE])
    def test_the_same_value(self, agent, before, value):
        if before:
            agent.api("PUT", "/v1/kv/k", before)
        meddler = Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k", value.encode()))
        result = execute(meddler, key="k", value=value)
        assert not result["changed"] and result["updated"] == result["created"] == []
        assert result["diff"]["before"] == result["diff"]["after"] == ""
        record = agent.api("GET", "/v1/kv/k")[0]
        assert (result["data"]["Value"], result["data"]["ModifyIndex"]) == (value, record["ModifyIndex"])

    @pytest.mark.parametrize("value", ["new", LARGE])
    def test_another_value(self, agent, value):
        agent.api("PUT", "/v1/kv/k", b"old")
        with pytest.raises(ConsulError, match="k: .*changed by someone else"):
            execute(Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k", b"theirs")), key="k", value=value)
        assert agent.raw("k") == b"theirs"

    def test_the_same_value_with_other_flags(self, agent):
        agent.api("PUT", "/v1/kv/k", b"old")
        with pytest.raises(ConsulError, match="changed by someone else"):
            execute(Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k?flags=8", b"new")), key="k", value="new", flags=7)

    def test_the_same_value_where_cas_is_given(self, agent):
        with pytest.raises(ConsulError, match="changed by someone else"):
            execute(Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k", b"new")), key="k", value="new", cas=0)

    def test_removed_as_well(self, agent):
        agent.api("PUT", "/v1/kv/k", b"old")
        # Consul does not refuse to remove what is gone, so that the module cannot know who did it.
        assert execute(Meddler(agent, lambda: agent.api("DELETE", "/v1/kv/k")), key="k", state="absent")["changed"]
        assert agent.key_names() == []

    def test_written_instead_of_removed(self, agent):
        agent.api("PUT", "/v1/kv/k", b"old")
        with pytest.raises(ConsulError, match="changed by someone else"):
            execute(Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k", b"new")), key="k", state="absent")

    def test_some_of_many_keys(self, agent):
        for number in range(3):
            agent.api("PUT", f"/v1/kv/app/stale{number}", b"x")

        def meddle():
            agent.api("PUT", "/v1/kv/app/k001", b"1")
            agent.api("PUT", "/v1/kv/app/k070", b"1")
            agent.api("DELETE", "/v1/kv/app/stale1")

        values = {f"k{number:03}": 1 for number in range(100)}
        result = execute(Meddler(agent, meddle), prefix="app", values=values, purge=True)
        assert result["changed"] and result["deleted"] == ["app/stale0", "app/stale1", "app/stale2"]
        assert len(result["created"]) == 98 and not {"app/k001", "app/k070"} & {*result["created"]}
        assert stored(agent) == {f"app/{key}": b"1" for key in values}

    def test_one_of_many_keys_otherwise(self, agent):
        with pytest.raises(ConsulError, match="app/b: .*changed by someone else"):
            execute(
                Meddler(agent, lambda: [agent.api("PUT", f"/v1/kv/app/{key}", b"1") for key in "ab"]),
                prefix="app",
                values={"a": 1, "b": 2, "c": 3},
            )
        assert agent.key_names() == ["app/a", "app/b"]

    def test_unlocked_as_well(self, agent, session):
        agent.api("PUT", f"/v1/kv/lock?acquire={session}", b"x")
        meddler = Meddler(agent, lambda: agent.api("PUT", f"/v1/kv/lock?release={session}", b"x"))
        assert not execute(meddler, key="lock", session=session, state="release")["changed"]

    @pytest.mark.parametrize("given", [{}, {"value": "free"}])
    def test_unlocked_with_another_value(self, agent, session, given):
        agent.api("PUT", f"/v1/kv/lock?acquire={session}", b"x")
        meddler = Meddler(agent, lambda: agent.api("PUT", f"/v1/kv/lock?release={session}", b"theirs"))
        with pytest.raises(ConsulError, match="lock: changed by someone else since it was read; run again$"):
            execute(meddler, key="lock", session=session, state="release", **given)
        assert agent.raw("lock") == b"theirs"

    @pytest.mark.parametrize("before", [None, b"old"])
    @pytest.mark.parametrize("given", [{}, {"value": "mine"}])
    def test_written_before_the_lock_is_taken(self, agent, session, before, given):
        if before:
            agent.api("PUT", "/v1/kv/k", before)
        meddler = Meddler(agent, lambda: agent.api("PUT", "/v1/kv/k?flags=8", b"theirs"))
        with pytest.raises(ConsulError, match="k: changed by someone else since it was read; run again$"):
            execute(meddler, key="k", state="acquire", session=session, **given)
        (record,) = agent.api("GET", "/v1/kv/k")
        assert (agent.raw("k"), record["Flags"], record.get("Session")) == (b"theirs", 8, None)

    def test_removed_before_the_lock_is_taken(self, agent, session):
        agent.api("PUT", "/v1/kv/k", b"old")
        with pytest.raises(ConsulError, match="k: changed by someone else since it was read; run again$"):
            execute(Meddler(agent, lambda: agent.api("DELETE", "/v1/kv/k")), key="k", state="acquire", session=session)
        assert agent.key_names() == []

    def test_written_under_the_own_lock(self, agent, session):
        agent.api("PUT", f"/v1/kv/k?acquire={session}", b"old")
        meddler = Meddler(agent, lambda: agent.api("PUT", f"/v1/kv/k?acquire={session}", b"theirs"))
        with pytest.raises(ConsulError, match="k: changed by someone else since it was read; run again$"):
            execute(meddler, key="k", state="release", session=session)
        assert agent.raw("k") == b"theirs"

    def test_locked_by_someone_else(self, agent, session):
        other = agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"]
        meddler = Meddler(agent, lambda: agent.api("PUT", f"/v1/kv/k?acquire={other}", b"theirs"))
        with pytest.raises(ConsulError, match="k: the lock is held by another session$"):
            execute(meddler, key="k", state="acquire", session=session)

    def test_eight_hosts_at_once(self, agent):
        """Rounds enough that some of them meet: before, one in ten failed."""
        outcomes = []

        def host(number, start):
            start.wait()
            try:
                outcomes.append(execute(Meddler(agent, None), key=f"round/{number}", value="same")["changed"])
            except ConsulError as error:
                outcomes.append(str(error))

        for number in range(15):
            start = threading.Barrier(8)
            threads = [threading.Thread(target=host, args=(number, start)) for _host in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert outcomes.count(True) == 15 and outcomes.count(False) == 105, outcomes


def test_lock(in_process, agent):
    mine, other = (agent.api("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"] for _which in range(2))
    acquire = kv(key="lock", value="me", session=mine, state="acquire")
    assert in_process.run(acquire, check=True)["changed"]
    assert agent.key_names() == []
    assert in_process.run(acquire)["changed"]
    assert not in_process.run(acquire)["changed"]
    assert agent.api("GET", "/v1/kv/lock")[0]["Session"] == mine
    assert "held by another" in in_process.run(kv(key="lock", session=other, state="acquire"), fails=True)["msg"]
    assert "held by another" in in_process.run(kv(key="lock", session=other, state="release"), fails=True)["msg"]
    release = kv(key="lock", session=mine, state="release")
    released, again, with_value, lost = in_process.run(
        release,
        release,
        kv(key="lock", session=mine, state="release", value="me"),
        {**kv(key="lock", session=mine, state="release", value="free"), "ignore_errors": True},
    )
    assert [task["changed"] for task in (released, again, with_value)] == [True, False, False]
    assert "does not hold the lock" in lost["msg"]
    assert agent.raw("lock") == b"me"
    nobody = "00000000-0000-0000-0000-000000000001"
    assert "unknown to Consul" in in_process.run(kv(key="lock", session=nobody, state="acquire"), fails=True)["msg"]


def test_read(in_process, agent):
    agent.api("PUT", "/v1/kv/a/1", b"one")
    agent.api("PUT", "/v1/kv/a/2", b"\xff")
    one, tree, none = in_process.run(kv(key="a/1"), kv(key="a/", recurse=True), kv(key="nothing"))
    assert (one["changed"], one["data"]["Value"]) == (False, "one")
    assert [(item["Key"], item.get("Value"), item.get("Base64")) for item in tree["data"]] == [
        ("a/1", "one", None),
        ("a/2", None, "/w=="),
    ]
    assert none["data"] is None


def test_unknown_datacenter(in_process):
    assert "No path to datacenter" in in_process.run(kv(key="k", value="v", datacenter="mars"), fails=True)["msg"]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    @pytest.mark.parametrize("options", [{"value": "v"}, {"state": "absent"}, {"state": "absent", "recurse": True}])
    def test_dead_or_missing_token_is_an_error_in_every_state(self, in_process, agent, options):
        dead = {"port": agent.http_port, "token": "11111111-2222-3333-4444-555555555555"}
        failure = in_process.run(kv(key="k/", **options), connection=dead, fails=True)
        assert "ACL not found" in failure["msg"] and failure["status"] == 403
        assert dead["token"] not in in_process.output
        failure = in_process.run(kv(key="k/", **options), connection={"port": agent.http_port}, fails=True)
        assert "Permission denied" in failure["msg"]

    def test_read_only_token(self, in_process, agent):
        agent.api("PUT", "/v1/kv/app/a", b"1")
        reader = {"port": agent.http_port, "token": agent.token_for('key_prefix "app/" { policy = "read" }')}
        assert not in_process.run(kv(key="app/a", value="1"), connection=reader)["changed"]
        assert "Permission denied" in in_process.run(kv(key="app/a", value="2"), connection=reader, fails=True)["msg"]
        absent = kv(key="app/", recurse=True, state="absent")
        assert "Permission denied" in in_process.run(absent, connection=reader, fails=True)["msg"]
        assert agent.raw("app/a") == b"1"

    def test_a_token_for_the_listed_keys_only(self, agent):
        agent.api("PUT", "/v1/kv/secret", b"x")
        run = Module(consul_kv, agent)
        rules = 'key "a" { policy = "write" } key "b/c" { policy = "write" }'
        run.connection = {"port": agent.http_port, "token": agent.token_for(rules)}
        task = {"values": {"a": 1, "b": {"c": 2}}}
        assert [run(**task)["changed"] for _run in range(2)] == [True, False]
        for state in ("present", "absent"):
            assert run.refusal(values={"a": 1, "secret": "x"}, state=state).startswith("secret: Permission denied")
            assert run.refusal(values={"a": 1, "none": "x"}, state=state).startswith("none: Permission denied")
        assert run(**task, state="absent")["deleted"] == ["a", "b/c"]

    def test_tokens_from_the_environment(self, playbook, agent, tmp_path):
        token_file = tmp_path / "token"
        token_file.write_text(agent.token + "\n", encoding="utf-8")
        address = {"CONSUL_HTTP_ADDR": f"http://127.0.0.1:{agent.http_port}"}
        tasks = [
            kv(key="k", value="v") | {"environment": {**address, **variables}}
            for variables in ({"CONSUL_HTTP_TOKEN": agent.token}, {"CONSUL_HTTP_TOKEN_FILE": str(token_file)})
        ]
        assert all(result["data"] for result in playbook.run(*tasks, connection={}))
