# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_service_info import (
    MOST_TOLD,
    Instances,
    in_words,
    instance,
    not_reached,
    reached,
    validate,
)


def check(status, **fields):
    return {"CheckID": "c", "Name": "n", "Status": status, "Output": "", "Notes": "", "ServiceID": "web", **fields}


def entry(*statuses, **service):
    """An instance as Consul's API has it, with a check of each of these states."""
    return {
        "Node": {"Node": "app1", "Address": "192.0.2.1"},
        "Service": {"ID": "web", "Service": "web", "Address": "", "Port": 0, "Tags": None, "Meta": None, **service},
        "Checks": [check(status) for status in statuses],
    }


@pytest.mark.parametrize(
    "statuses, worst",
    [
        ([], "passing"),
        (["passing", "passing"], "passing"),
        (["warning", "passing"], "warning"),
        (["warning", "critical", "passing"], "critical"),
    ],
)
def test_the_worst_check_tells_the_state(statuses, worst):
    assert instance(entry(*statuses))["status"] == worst


def test_an_instance_that_says_little():
    assert instance(entry()) == {
        "id": "web",
        "service": "web",
        "node": "app1",
        "node_address": "192.0.2.1",
        "address": "192.0.2.1",
        "port": 0,
        "tags": [],
        "meta": {},
        "weights": {"passing": 1, "warning": 1},
        "status": "passing",
        "checks": [],
    }
    assert instance(entry(Address="192.0.2.9"))["address"] == "192.0.2.9"


@pytest.mark.parametrize(
    "statuses, state, count, expected",
    [
        (["passing", "critical"], "passing", 1, True),
        (["passing", "critical"], "passing", 2, False),
        (["warning"], "passing", 1, False),
        (["warning"], "critical", 1, False),
        (["critical", "critical"], "critical", 2, True),
        ([], "passing", 1, False),
        ([], "absent", 1, True),
        (["critical"], "absent", 1, False),
    ],
)
def test_when_a_wait_is_over(statuses, state, count, expected):
    assert reached([instance(entry(status)) for status in statuses], state, count) is expected


def options(**given):
    return {**dict.fromkeys(("name", "tags", "node", "filter", "near", "wait_for")), "passing": False, **given}


@pytest.mark.parametrize(
    "given, words",
    [
        ({"name": ""}, "name is empty"),
        ({"passing": True, "near": "_agent"}, "near, passing: name is needed"),
        ({"name": "web", "wait_for": {"count": 0}}, "count is 0"),
    ],
)
def test_what_cannot_be(given, words):
    with pytest.raises(ConsulError, match=words):
        validate(options(**given))


def test_a_failing_check_is_told_in_one_line():
    one = instance(entry("passing", "critical"))
    outputs = {("app1", "c"): "a\n b"}
    assert in_words(one, outputs) == "web on app1 is critical (c is critical: a b)"
    assert in_words(one, {}) == "web on app1 is critical (c is critical: no output yet)"
    assert in_words(instance(entry("passing")), {}) == "web on app1 is passing"


def test_a_large_service_does_not_flood_the_message():
    # Of another datacenter, whose checks the agent is not asked about.
    instances = Instances(ConsulClient(datacenter="other"), options(name="web"))
    instances.found = [instance(entry("critical", ID=f"web-{number}")) for number in range(MOST_TOLD + 5)]
    message = not_reached(instances, "passing", 1, 60)
    assert message.count(" is critical (") == MOST_TOLD and message.endswith("; and 5 more")
    assert "may the token read" not in message
