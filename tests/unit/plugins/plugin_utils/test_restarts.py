# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.restart_order import ordered
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import run_id
from ansible_collections.dockyard.consul.plugins.plugin_utils.restarts import batch_size, restart_order


def test_the_leader_comes_last_and_who_is_not_due_not_at_all():
    hosts = ["a", "b", "c", "d"]
    due = {"a": True, "b": True, "c": False, "d": True}
    assert restart_order(hosts, due, {"a": True}) == ["b", "d", "a"]
    assert restart_order(hosts, due, {"c": True}) == ["a", "b", "d"]
    assert restart_order(hosts, due, {}) == ["a", "b", "d"]
    assert restart_order(hosts, {}, {}) == []


def test_the_leader_waits_until_every_other_host_has_its_result():
    hosts, due, leads = ["a", "b", "c"], {"a": True, "b": True}, {"a": True}
    assert restart_order(hosts, due, leads, ["c"]) == ["b"]
    assert restart_order(hosts, due, leads, []) == ["b", "a"]


def test_who_leads_is_what_the_look_found():
    def host(number, **more):
        # What this run has done to the agents since does not change who led.
        looked = {"run": run_id(), "changed": ["consul"], "consul": {"leader": "192.0.2.2:8300"}}
        return {"ansible_facts": {"dockyard_host": looked}, "consul_agent_bind_addr": f"192.0.2.{number}", **more}

    hostvars = {
        "a": host(1, service={"due": "restart"}),
        "b": host(2, service={"due": "restart"}),
        "c": host(3, service={"due": "nothing"}),
        "d": {"consul_agent_bind_addr": "192.0.2.4", "service": {"due": "restart"}},
        "e": host(5, service={"skipped": True}),
    }
    nothing = {"replaces": [], "moved_from": []}
    followers = [{"host": "a", "address": "192.0.2.1", **nothing}, {"host": "d", "address": "192.0.2.4", **nothing}]
    leader = {"host": "b", "address": "192.0.2.2", **nothing}
    assert ordered(list(hostvars), hostvars, "service") == [*followers, leader]

    hostvars["e"] = host(5)
    assert ordered(list(hostvars), hostvars, "service") == followers, "e has no result yet"

    hostvars["e"] = host(5, service={"skipped": True})
    hostvars["b"]["ansible_facts"]["dockyard_host"]["run"] = "of a fact cache"
    order = ordered(list(hostvars), hostvars, "service")
    assert [one["host"] for one in order] == ["a", "b", "d"], "who led in another run tells nothing"


@pytest.mark.parametrize(
    ("wanted", "hosts", "size"),
    [
        (1, 10, 1),
        ("3", 10, 3),
        ("25%", 10, 2),
        ("1%", 10, 1),
        ("100%", 10, 10),
        (" 50% ", 3, 1),
        (5, 2, 5),
        ("10%", 0, 1),
    ],
)
def test_a_batch_is_a_number_or_a_percentage(wanted, hosts, size):
    assert batch_size(wanted, hosts) == size


@pytest.mark.parametrize("wanted", [0, "0%", -1, "", "all", "1.5", "%", None, "5%%"])
def test_what_is_no_batch(wanted):
    with pytest.raises(ValueError, match="neither a number of hosts, 1 or more, nor a percentage"):
        batch_size(wanted, 10)
