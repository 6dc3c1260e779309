# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of bench/site, and the inventories that it makes."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "bench" / "site"


@pytest.fixture(scope="module")
def site():
    # Without a compiled copy of it in bench/.
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader = SourceFileLoader("bench_site", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_site", loader))
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def test_a_row_has_the_ratio_of_the_medians(site):
    assert site.row("demo", [9.0, 30.0, 10.0], "facts", [2.0, 2.5, 2.5], "at most 6") == (
        "| demo | 10.0 s (9.0 to 30.0) | 2.5 s (2.0 to 2.5) facts | 4.0 | at most 6 |"
    )
    assert site.row("demo", [9.0], "facts", [2.0]) == "| demo | 9.0 s | 2.0 s facts | 4.5 |  |"


def test_there_is_no_ratio_to_a_difference_that_is_no_time(site):
    assert "| - |" in site.row("demo", [9.0], "facts", [-0.1])


def test_what_each_further_host_adds(site):
    assert site.per_host({1: [10.0, 11.0, 90.0], 3: [50.0], 10: [29.0]}) == 2.0


def test_changed_tasks_are_counted_in_the_recap_only(site):
    output = """
TASK [Show] ***
ok: changed=9 ok
PLAY RECAP ****
app1                       : ok=3    changed=1    unreachable=0    failed=0
lb1                        : ok=2    changed=12   unreachable=0    failed=0
"""
    assert site.changed(output) == 13


def test_stops_and_starts_by_dockers_events(site):
    def event(second, container, action):
        return {"Actor": {"ID": container}, "Action": action, "timeNano": int(second * 1e9)}

    events = [
        event(99, "other", "exec_create: sh"),
        event(100, "old", "kill"),
        # A second signal is part of the same stop.
        event(102, "old", "kill"),
        event(103.5, "old", "die"),
        event(103.6, "old", "stop"),
        event(103.7, "old", "destroy"),
        event(104, "new", "create"),
        event(104.25, "new", "start"),
        # One that ends by itself was not stopped.
        event(110, "crashed", "die"),
    ]
    assert site.stop_and_start(events) == 3.75


def names(group):
    own = list(group.get("hosts") or {})
    return own + [host for child in group.get("children", {}).values() for host in names(child)]


@pytest.mark.parametrize("count", [1, 3, 10, 80])
def test_an_inventory_has_as_many_hosts_as_were_asked_for(site, count):
    hosts = names(site.many_hosts(count)["all"])
    assert len(hosts) == len(set(hosts)) == count


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_demo_with_more_app_hosts_gives_no_address_twice(site, count):
    children = site.demo_with(count)["all"]["children"]
    assert list(names(children["consul_client"]["children"]["docker_host"])) == [f"app{n + 1}" for n in range(count)]

    def numbers(group):
        own = [of["lab_number"] for of in (group.get("hosts") or {}).values()]
        return own + [n for child in group.get("children", {}).values() for n in numbers(child)]

    found = numbers({"children": children})
    assert len(found) == len(set(found)) == count + 4
