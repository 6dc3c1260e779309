# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests are sent, in which order. That Consul does with them what is expected, tests/integration shows."""

from __future__ import annotations

import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.module_utils.consul_service_agent import (
    LONGEST_STOP,
    Agent,
    Wait,
    wait_until_in_dns,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import registration, service_spec

DENIED = ConsulError("Permission denied", status=403)
REPLACING = {"replace-existing-checks": "true"}


class InTurn(list):
    """Answers that are given one after the other. The last one stays."""

    def next(self):
        return self.pop(0) if len(self) > 1 else self[0]


class Client:
    """Answers what the test has for a path: data or an error to raise. Keeps what it is asked to write, and how long it
    would have waited for that."""

    def __init__(self, **answers):
        self.answers = {path.replace("__", "/"): answer for path, answer in answers.items()}
        self.query, self.timeout = {}, 10
        self.puts, self.gets, self.timeouts = [], [], []

    def get(self, path, params=None, missing_ok=False, wait=None):
        self.gets.append((path, params, wait))
        answer = self.answers.get(path)
        if isinstance(answer, InTurn):
            answer = answer.next()
        if isinstance(answer, ConsulError):
            raise answer
        if answer is None and not missing_ok:
            raise ConsulError("no such path", status=404)
        return answer if isinstance(answer, Answer) else Answer(200, answer, 7)

    def put(self, path, params=None, data=None, idempotent=False):
        assert idempotent
        self.timeouts.append(self.timeout)
        self.puts.append((path, params, data))
        if isinstance(self.answers.get("PUT " + path), ConsulError):
            raise self.answers["PUT " + path]


def check(identity, owner="web", kind="ttl", status="passing", **more):
    found = {"CheckID": identity, "ServiceID": owner, "Type": kind, "Status": status, "Node": "app1"}
    return {**found, "Notes": "", "Output": "", **more}


def service(identity="web", **more):
    return {"ID": identity, "Service": identity, "Tags": [], "Meta": {}, **more}


def body_of(name="web", *ids, **options):
    checks = [{"ttl": "1h", "id": identity} for identity in ids]
    given = {**dict.fromkeys(service_spec({}, {})), "enable_tag_override": False, "name": name, "checks": checks}
    return registration({**given, **options}, "service")


def agent_with(services=(), checks=(), **answers):
    """An agent that has been read."""
    answers["agent__services"] = {one["ID"]: one for one in services}
    answers["agent__checks"] = {one["CheckID"]: one for one in checks}
    agent = Agent(Client(**answers))
    agent.load()
    return agent


def steps(agent):
    """What was written, in short."""
    prefix = "agent/"
    return [path[len(prefix) :] for path, _params, _data in agent.client.puts]


class TestWhatIsRead:
    def test_checks_are_kept_by_service_and_maintenance_apart(self):
        maintenance = check("_service_maintenance:web", kind="maintenance", Notes="disk")
        agent = agent_with([service()], [check("a"), check("b", owner=""), maintenance])
        assert agent.services == {"web": service()}
        assert agent.checks == {"web": {"a": check("a")}, "": {"b": check("b", owner="")}}
        assert agent.maintained == {"web": maintenance}

    def test_an_agent_without_any(self):
        agent = Agent(Client(agent__services={}, agent__checks={}))
        agent.load()
        assert (agent.services, agent.checks, agent.maintained) == ({}, {}, {})

    def test_what_the_agent_says_of_itself_is_asked_once(self):
        agent = Agent(Client(agent__self={"Config": {"Version": "1.8.7"}}))
        assert agent.agent_self() == agent.agent_self() == {"Config": {"Version": "1.8.7"}}
        assert len(agent.client.gets) == 1

    def test_a_token_that_may_not_read_the_agent(self):
        assert Agent(Client(agent__self=DENIED)).agent_self() == {}
        with pytest.raises(ConsulError, match="no leader"):
            Agent(Client(agent__self=ConsulError("no leader", status=500))).agent_self()

    def test_the_name_of_the_node(self):
        assert agent_with(checks=[check("a")]).node() == "app1"
        assert agent_with(agent__self={"Config": {"NodeName": "app2"}}).node() == "app2"
        assert agent_with(agent__self=DENIED).node() is None

    def test_a_service_is_described_in_full_or_as_in_the_list(self):
        full = service(ContentHash="x")
        assert agent_with([service()], agent__service__web=full).described("web") == full
        assert agent_with([service()]).described("web") == service()


class TestImpossible:
    @pytest.mark.parametrize(
        ("option", "own", "words"),
        [
            ({"udp": "x:1", "interval": "1m"}, {"Config": {"Version": "1.8.7"}}, "udp requires Consul 1.13.0"),
            ({"udp": "x:1", "interval": "1m"}, {"Config": {"Version": "1.13.0"}}, None),
            ({"args": ["x"], "interval": "1m"}, {"DebugConfig": {"EnableRemoteScriptChecks": False}}, "no commands"),
            ({"args": ["x"], "interval": "1m"}, {"DebugConfig": {"EnableRemoteScriptChecks": True}}, None),
            # Nothing is known.
            ({"udp": "x:1", "interval": "1m"}, DENIED, None),
            ({"args": ["x"], "interval": "1m"}, {}, None),
        ],
    )
    def test_what_this_agent_would_refuse(self, option, own, words):
        agent = Agent(Client(agent__self=own))
        body = body_of("web", checks=[option])
        if words is None:
            agent.refuse_impossible(body)
        else:
            with pytest.raises(ConsulError, match=f"service web: check service:web: .*{words}"):
                agent.refuse_impossible(body)

    def test_an_agent_is_not_asked_about_what_every_agent_has(self):
        agent = Agent(Client())
        agent.refuse_impossible(body_of("web", "a"))
        assert agent.client.gets == []

    def test_an_alias_of_a_node_that_is_not_there(self):
        body = body_of("web", checks=[{"alias_node": "db1"}])
        Agent(Client(catalog__node__db1={"Node": {"Node": "db1"}})).refuse_impossible(body)
        for nothing in (Answer(200, None, 7), {"Node": None}):
            with pytest.raises(ConsulError, match="alias_node: the catalog has no node db1"):
                Agent(Client(catalog__node__db1=nothing)).refuse_impossible(body)

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            (body_of("melting \U0001fae0"), "the id"),
            (body_of("melting \U0001fae0", id="web"), "the name"),
            (body_of("web", "melting \U0001fae0"), "check .*: the id"),
        ],
    )
    def test_a_character_that_the_agent_does_not_know(self, body, what):
        client = Client(**{"agent__service__melting \U0001fae0": ConsulError("bad request", status=400)})
        with pytest.raises(ConsulError, match=f"{what} .*this version of Consul"):
            Agent(client).refuse_impossible(body)


class TestPresentTags:
    def entry(self, node, *tags, identity="web"):
        return {"ServiceID": identity, "Node": node, "ServiceTags": list(tags)}

    @pytest.mark.parametrize(
        ("entries", "tags"),
        [
            ([("app1", "theirs")], ["theirs"]),
            ([("app2", "other"), ("app1", "theirs")], ["theirs"]),
            ([("app1",)], []),
            ([], ["ours"]),
            (None, ["ours"]),
        ],
    )
    def test_the_catalog_comes_first(self, entries, tags):
        found = None if entries is None else [self.entry(*one) for one in entries]
        agent = agent_with([service(Tags=["ours"])], [check("a")], catalog__service__web=found)
        assert agent.present_tags({"ID": "web"}) == tags

    def test_another_instance_of_the_service_does_not_count(self):
        found = [self.entry("app1", "other", identity="web-2")]
        assert agent_with([service(Tags=None)], catalog__service__web=found).present_tags({"ID": "web"}) == []


class TestRegister:
    def test_a_new_service_takes_one_request(self):
        agent, body = agent_with(), body_of("web", "a")
        agent.register(body)
        assert agent.client.puts == [("agent/service/register", None, body)]

    def test_checks_that_are_left_over_are_deregistered_afterwards(self):
        agent = agent_with([service()], [check("a"), check("c"), check("b"), check("x", owner="")])
        agent.register(body_of("web", "a"))
        assert steps(agent) == ["service/register", "check/deregister/b", "check/deregister/c"]

    def test_a_check_of_another_type_is_replaced_in_three_steps(self):
        agent, body = agent_with([service()], [check("a", kind="http"), check("b")]), body_of("web", "a", "b")
        agent.register(body)
        assert steps(agent) == ["service/register", "check/deregister/a", "service/register"]
        (_path, _params, first), _removal, (_path, _params, last) = agent.client.puts
        assert first["Meta"][DIGEST] == "incomplete" and {**first, "Meta": body["Meta"]} == last == body

    def test_an_interrupted_replacement_starts_again(self):
        agent = agent_with([service(Meta={DIGEST: "incomplete"})], [check("a")])
        agent.register(body_of("web", "a"))
        assert steps(agent) == ["service/register", "check/deregister/a", "service/register"]

    def test_a_check_that_moved_is_not_deregistered_by_its_former_owner(self):
        agent = agent_with([service("a"), service("b")], [check("x", owner="a"), check("y", owner="a")])
        agent.register(body_of("b", "x"))
        assert steps(agent) == ["service/register", "check/deregister/x", "service/register"]
        agent.client.puts.clear()
        agent.register(body_of("a"))
        assert steps(agent) == ["service/register", "check/deregister/y"]

    def test_a_check_that_no_path_can_hold_goes_with_all_others_and_maintenance_comes_back(self):
        maintenance = check("_service_maintenance:web", kind="maintenance", Notes="disk")
        agent, body = agent_with([service()], [check("/c"), check("b"), maintenance]), body_of("web", "a")
        agent.register(body)
        enabled = {"enable": "true", "reason": "disk"}
        assert agent.client.puts == [
            ("agent/service/register", REPLACING, body),
            ("agent/service/maintenance/web", enabled, None),
        ]

    def test_there_is_no_maintenance_to_come_back(self):
        other = check("_service_maintenance:db", owner="db", kind="maintenance", Notes="disk")
        agent = agent_with([service()], [check("/c"), other])
        agent.register(body_of("web"))
        assert steps(agent) == ["service/register"]

    @pytest.mark.parametrize(("connect", "goes"), [(None, True), ({"sidecar_service": {}}, False)])
    def test_a_sidecar_goes_with_its_option(self, connect, goes):
        sidecar = service("web-sidecar-proxy", Kind="connect-proxy", Meta={DIGEST: "sidecar"})
        agent = agent_with([service(), sidecar])
        agent.register(body_of("web", connect=connect))
        assert ("service/deregister/web-sidecar-proxy" in steps(agent)) is goes

    def test_a_sidecar_that_stays_loses_the_checks_that_it_no_longer_has(self):
        """Consul does so with the checks of both, and ends the maintenance of both."""
        sidecar = service("web-sidecar-proxy", Kind="connect-proxy", Meta={DIGEST: "sidecar"})
        maintained = [
            check(f"_service_maintenance:{name}", owner=name, kind="maintenance", Notes=name)
            for name in ("web", "web-sidecar-proxy")
        ]
        agent = agent_with([service(), sidecar], [check("a"), check("x", owner="web-sidecar-proxy"), *maintained])
        body = body_of("web", "b", connect={"sidecar_service": {}})
        agent.register(body)
        assert agent.client.puts == [
            ("agent/service/register", REPLACING, body),
            ("agent/service/maintenance/web", {"enable": "true", "reason": "web"}, None),
            (
                "agent/service/maintenance/web-sidecar-proxy",
                {"enable": "true", "reason": "web-sidecar-proxy"},
                None,
            ),
        ]

    def test_an_alias_check_is_given_the_time_to_stop(self):
        agent = agent_with([service(), service("db")], [check("a", kind="alias")])
        agent.register(body_of("web", "a"))
        assert set(agent.client.timeouts) == {LONGEST_STOP}
        agent.client.timeouts.clear()
        agent.register(body_of("db"))
        assert agent.client.timeouts == [10] and agent.client.timeout == 10

    def test_an_error_names_the_service(self):
        refused = ConsulError("refused", 400, "PUT", "/v1/agent/service/register", "bad")
        agent = agent_with(**{"PUT agent__service__register": refused})
        with pytest.raises(ConsulError, match="^service web: refused$") as caught:
            agent.register(body_of("web"))
        error = caught.value
        assert (error.status, error.method, error.path, error.detail) == (400, "PUT", refused.path, "bad")


class TestRemove:
    def test_a_service_is_deregistered(self):
        agent = agent_with([service()], [check("a", kind="alias")])
        agent.remove("web")
        assert agent.client.puts == [("agent/service/deregister/web", None, None)]
        assert agent.client.timeouts == [LONGEST_STOP]

    def test_a_service_that_no_path_can_hold_expires(self):
        agent = agent_with([service("/lead")])
        agent.remove("/lead")
        ((path, params, body),) = agent.client.puts
        assert (path, params, body["ID"]) == ("agent/service/register", REPLACING, "/lead")
        assert body["Meta"] == {DIGEST: "expiring"} and body["Checks"][0]["TTL"] == "1s"

    @pytest.mark.parametrize(
        ("given", "ids", "asked"),
        [
            ({"id": "web", "name": None}, ["web"], None),
            ({"id": "web", "name": "other"}, ["web"], None),
            ({"id": None, "name": "web"}, ["web", "web-2"], None),
            ({"id": "db", "name": None}, [], "agent/service/db"),
            ({"id": None, "name": "db"}, [], "agent/health/service/name/db"),
            ({"id": "/db", "name": None}, [], "agent/service/dockyard-consul"),
        ],
    )
    def test_what_the_options_select(self, given, ids, asked):
        agent = agent_with([service(), {**service("web-2"), "Service": "web"}])
        agent.client.gets.clear()
        assert agent.ids_of(given) == ids
        assert [path for path, _params, _wait in agent.client.gets] == ([asked] if asked else [])

    def test_a_service_that_the_token_may_not_read_is_an_error(self):
        with pytest.raises(ConsulError, match="Permission denied"):
            agent_with(agent__service__db=DENIED).ids_of({"id": "db", "name": None})


def entry(*checks, node="app1", identity="web"):
    """An instance in the catalog."""
    return {"Node": {"Node": node}, "Service": {"ID": identity}, "Checks": list(checks)}


class TestWait:
    def waited(self, health, agent_checks=None, timeout=30.0, ids=("a",), **answers):
        """The agent, after it waited for one service."""
        checks = [check(identity) for identity in ids] if agent_checks is None else agent_checks
        agent = agent_with([service()], checks, health__service__web=health, **answers)
        agent.client.gets.clear()
        wait_until_in_dns(agent, [body_of("web", *ids)], timeout)
        return agent

    def queries(self, agent):
        """The index and the time of each blocking query."""
        return [(params["index"], wait) for path, params, wait in agent.client.gets if path.startswith("health/")]

    def problem(self, health, timeout=0, **options):
        with pytest.raises(ConsulError) as caught:
            self.waited(health, timeout=timeout, **options)
        return str(caught.value)

    def test_a_passing_service_is_asked_for_once(self):
        ((index, wait),) = self.queries(self.waited([entry(check("a"))]))
        assert index == 0 and 29 < wait <= 30

    def test_it_blocks_until_the_catalog_changes(self):
        health = InTurn([Answer(200, [], 5), Answer(200, [entry()], 6), Answer(200, [entry(check("a"))], 7)])
        assert [index for index, _wait in self.queries(self.waited(health))] == [0, 5, 6]

    def test_an_index_that_goes_backwards_starts_again(self):
        health = InTurn([Answer(200, [], 5), Answer(200, [], 3), Answer(200, [entry(check("a"))], 4)])
        assert [index for index, _wait in self.queries(self.waited(health))] == [0, 5, 0]

    def test_the_agent_must_agree(self):
        """The catalog still shows the state before this task."""
        states = InTurn({"a": check("a", status=status)} for status in ("critical", "critical", "passing"))
        agent = agent_with([service()], [check("a")], health__service__web=[entry(check("a"))])
        agent.client.answers["agent/checks"] = states
        wait_until_in_dns(agent, [body_of("web", "a")], 30)
        waits = [wait for _index, wait in self.queries(agent)]
        assert waits[0] > 29 and waits[1:] == [0.5, 0.5]

    def test_several_services_share_the_time(self):
        agent = agent_with([service("web"), service("db")], [check("x", owner="")], health__service__web=[entry()])
        agent.client.answers["health/service/db"] = [entry(identity="db")]
        wait_until_in_dns(agent, [body_of("web"), body_of("db")], 30)
        assert len(self.queries(agent)) == 2

    def test_the_instance_of_another_node_does_not_count(self):
        words = self.problem([entry(check("a"), node="app2")])
        assert words.startswith(
            "service web is not passing after 0 s: the catalog does not show it; a is not in the catalog"
        )

    def test_another_instance_of_this_node_does_not_count(self):
        assert "the catalog does not show it" in self.problem([entry(check("a"), identity="web-2")])

    def test_a_token_that_may_not_read_the_name_of_the_node(self):
        unknown = {"agent_checks": [], "ids": (), "agent__self": DENIED}
        self.waited([entry()], **unknown)
        assert "2 nodes have a service with this id" in self.problem([entry(), entry(node="app2")], **unknown)

    @pytest.mark.parametrize(
        ("in_catalog", "on_agent", "words"),
        [
            (
                check("a", status="critical"),
                check("a", Output="connection\n refused"),
                "a is critical: connection refused",
            ),
            (check("a", Notes="slow"), check("a", status="warning"), "a is warning: slow"),
            (check("a", status="critical"), check("a"), "a is critical: no output yet"),
            (check("a", status="critical"), check("a", Output="x" * 999), f"a is critical: {'x' * 300}"),
            (check("b"), check("a"), r"a is not in the catalog (may the token read this service and node?)"),
        ],
    )
    def test_a_failure_has_the_latest_output(self, in_catalog, on_agent, words):
        assert self.problem([entry(in_catalog)], agent_checks=[on_agent]) == (
            f"service web is not passing after 0 s: {words}"
        )

    def test_a_failure_names_maintenance_and_checks_of_the_node(self):
        of_node = check("disk", owner="", status="critical", Output="full")
        node = check("_node_maintenance", owner="", kind="maintenance", status="critical", Notes="new kernel")
        own = check("_service_maintenance:web", kind="maintenance", status="critical", Notes="disk")
        assert self.problem([entry(check("a"), of_node, node, own)]) == (
            "service web is not passing after 0 s: node app1 is in maintenance: new kernel; the service is in maintenance: "
            "disk; disk (check of node app1) is critical: full"
        )

    def test_the_time_ends(self):
        agent = agent_with([service()], [check("a")], health__service__web=[])
        started = time.monotonic()
        with pytest.raises(ConsulError, match=r"not passing after 0\.05 s"):
            Wait(agent, body_of("web", "a")).until(started + 0.05, 0.05)
        waits = [wait for _index, wait in self.queries(agent)]
        assert time.monotonic() - started < 5 and all(0 < wait <= 0.05 for wait in waits) and waits[-1] == 0.001
