# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any definition is refused before anything is sent, or converges in one run and is removable."""

from __future__ import annotations

import collections
from datetime import timedelta

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_checks import RENAMED
from ansible_collections.dockyard.consul.plugins.modules import consul_check, consul_service
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as some
from in_process import Module

# A run of an example takes some 50 ms on a machine that is not busy.
BOUNDED = settings(
    max_examples=60,
    deadline=timedelta(seconds=20),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def mostly(sound, odd):
    """One in ten is odd. With more of them, hardly a definition would be accepted as a whole."""
    return some.integers(0, 9).flatmap(lambda number: odd if number == 9 else sound)


texts = some.text(max_size=20)
names = mostly(
    some.from_regex(r"[a-z]([a-z0-9._ -]{0,8}[a-z0-9])?", fullmatch=True),
    some.one_of(
        some.from_regex(r"[a-z]([a-z0-9/._ -]{0,8}[a-z0-9])?", fullmatch=True),
        some.text(
            some.characters(codec="utf-8", categories=["L", "N", "P", "S"], max_codepoint=0x2FFF),
            min_size=1,
            max_size=8,
        ),
        texts,
    ),
)
durations = mostly(
    some.one_of(
        some.sampled_from(["1h", "90m", "1h30m", "3600s", "1500ms", "1.5h", "2h0.5s"]),
        some.integers(1, 10**6).map(lambda number: f"{number}s"),
    ),
    some.from_regex(r"[0-9.]{0,4}(h|m|s|ms|us|ns)", fullmatch=True),
)
scalars = some.one_of(texts, some.integers(), some.booleans(), some.none(), some.floats())
counts = mostly(some.integers(0, 9), some.integers())
ports = mostly(some.integers(0, 65535), some.sampled_from([-1, 65536]))
structures = some.dictionaries(texts, scalars, max_size=3)

kinds = mostly(
    some.one_of(
        some.fixed_dictionaries({"ttl": durations}),
        *[some.fixed_dictionaries({kind: texts, "interval": durations}) for kind in ("http", "tcp", "grpc")],
        some.fixed_dictionaries(
            {"args": some.lists(scalars, min_size=1, max_size=3), "interval": durations},
            optional={"docker_container_id": some.just("no-such-container"), "shell": texts},
        ),
        some.fixed_dictionaries({"alias_service": names}),
    ),
    some.one_of(
        # This version of Consul does not have them.
        *[some.fixed_dictionaries({kind: texts, "interval": durations}) for kind in ("udp", "h2ping", "os_service")],
        # Of an unknown node. An agent takes a minute to remove the check of a known one.
        some.fixed_dictionaries({"alias_node": names}),
    ),
)
common = some.fixed_dictionaries(
    {},
    optional={
        "id": names,
        "name": texts,
        "timeout": durations,
        "notes": texts,
        "status": some.sampled_from(["passing", "warning", "critical"]),
        "method": texts,
        "header": some.dictionaries(texts, some.one_of(scalars, some.lists(scalars, max_size=2)), max_size=2),
        "body": some.one_of(scalars, structures),
        "success_before_passing": counts,
        "failures_before_critical": counts,
        "output_max_size": counts,
        "deregister_critical_service_after": durations,
        "tls_skip_verify": some.booleans(),
    },
)
checks = some.builds(lambda kind, others: {**others, **kind}, kinds, common)
# As Consul's tokens are. Ansible hides each occurrence of them, so they are no short texts.
tokens = some.uuids().map(str)
# Passed on to Consul, hence sound.
sidecar_checks = some.sampled_from(
    [
        {"TTL": "1h"},
        {"name": "up", "tcp": "127.0.0.1:9", "interval": "1m", "status": "passing"},
        {"Http": "http://127.0.0.1:9", "Interval": "1m", "header": {"Authorization": ["secret"]}},
    ]
)
upstreams = some.builds(
    lambda name, port: {"destination_name": name, "local_bind_port": port},
    some.sampled_from(["db", "cache"]),
    some.integers(1, 65535),
)
proxies = some.fixed_dictionaries(
    {},
    optional={
        "upstreams": some.lists(upstreams, max_size=1),
        "config": some.dictionaries(some.sampled_from(["protocol", "x"]), some.sampled_from(["http", "tcp"])),
        "local_service_port": some.integers(1, 65535),
    },
)
addresses = mostly(
    some.one_of(some.ip_addresses().map(str), some.sampled_from(["", "db.example"])),
    some.one_of(some.sampled_from(["0.0.0.0", "::"]), texts),
)
sidecars = some.fixed_dictionaries(
    {},
    optional={
        "port": ports,
        "meta": mostly(some.just({"a": "b"}), structures),
        "tags": some.lists(texts, max_size=2),
        "token": tokens,
        "checks": some.lists(sidecar_checks, max_size=2),
        "proxy": proxies,
    },
)
definitions = some.fixed_dictionaries(
    {"name": names},
    optional={
        "id": names,
        "address": addresses,
        "tagged_addresses": some.dictionaries(
            some.one_of(some.sampled_from(["lan", "wan", "lan_ipv4", "wan_ipv6"]), texts),
            some.fixed_dictionaries({"address": addresses}, optional={"port": ports}),
            max_size=2,
        ),
        "service_port": ports,
        "tags": some.lists(scalars, max_size=3),
        "meta": some.dictionaries(
            some.one_of(some.from_regex(r"[a-zA-Z0-9_-]{1,9}", fullmatch=True), texts), scalars, max_size=3
        ),
        "weights": some.fixed_dictionaries({}, optional={"passing": counts, "warning": counts}),
        "enable_tag_override": some.booleans(),
        "service_token": tokens,
        "connect": some.one_of(
            some.just({}),
            some.just({"native": True}),
            some.fixed_dictionaries({"sidecar_service": sidecars}),
        ),
        "checks": some.lists(checks, max_size=3),
    },
)


@pytest.fixture(scope="module")
def module(open_agent):
    return Module(consul_service, open_agent)


def left_on(agent):
    """Ids of services and of checks."""
    return sorted(agent.api("GET", "/v1/agent/services")), sorted(agent.api("GET", "/v1/agent/checks"))


@pytest.fixture
def outcomes():
    """How many definitions of a test were accepted. If most were refused, the test would show little."""
    found = collections.Counter()
    yield found
    assert found["accepted"] >= found.total() / 3, found


def converges_or_is_refused(module, outcomes, first, second):
    """First from nothing, and then over the other definition, if that has been accepted."""
    for definition in (first, second):
        note(definition)
        predicted, done = module(check_mode=True, **definition), module(**definition)
        note(done)
        assert predicted.get("failed") == done.get("failed"), predicted
        if done.get("failed"):
            outcomes["refused"] += 1
            assert predicted["msg"] == done["msg"] and " PUT " not in done["msg"], (
                "Consul refused it, and not the module"
            )
            assert "\n" not in done["msg"]
        else:
            outcomes["accepted"] += 1
            assert predicted["diff"] == done["diff"]
            assert not module(**definition)["changed"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
class TestAnyDefinition:
    @BOUNDED
    @given(first=definitions, second=definitions)
    def test_it_converges_or_is_refused(self, module, agent, outcomes, first, second):
        identity = {key: first[key] for key in ("name", "id") if key in first}
        converges_or_is_refused(module, outcomes, first, {**second, **identity})
        for identity in left_on(agent)[0]:
            if not identity.endswith("-sidecar-proxy"):
                assert module(id=identity, state="absent")["changed"]
        assert left_on(agent) == ([], [])

    @BOUNDED
    @given(first=sidecars, second=sidecars)
    def test_sidecars_take_the_place_of_others(self, module, agent, outcomes, first, second):
        tasks = [{"name": "web", "connect": {"sidecar_service": each}} for each in (first, second)]
        converges_or_is_refused(module, outcomes, *tasks)
        changed = left_on(agent)
        module(name="web", state="absent")
        assert left_on(agent) == ([], [])
        if not module(**tasks[1]).get("failed"):
            assert left_on(agent) == changed, "something of the first is left"
        module(name="web", state="absent")

    @BOUNDED
    @given(first=some.lists(checks, max_size=3), second=some.lists(checks, max_size=3))
    def test_checks_take_the_place_of_others(self, module, agent, outcomes, first, second):
        converges_or_is_refused(module, outcomes, *[{"name": "web", "checks": list(each)} for each in (first, second)])
        module(name="web", state="absent")
        assert left_on(agent) == ([], [])

    @BOUNDED
    @given(first=checks, second=checks)
    def test_checks_of_the_node(self, open_agent, agent, outcomes, first, second):
        node = Module(consul_check, open_agent)
        tasks = [{"name": "disk", **each, "id": "disk"} for each in (first, second)]
        for task in tasks:
            task.pop("deregister_critical_service_after", None)
            for name, renamed in RENAMED.items():
                task[renamed] = task.pop(name, None)
        converges_or_is_refused(node, outcomes, *tasks)
        node(id="disk", state="absent")
        assert left_on(agent) == ([], [])
