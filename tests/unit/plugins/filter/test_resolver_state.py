# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.resolver_state import resolver_state
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import run_id


def facts(**resolver):
    return {"dockyard_host": {"run": run_id(), "resolver": resolver}, "dns": {"nameservers": ["198.51.100.1"]}}


@pytest.mark.parametrize(
    ("found", "manager"),
    [
        ([], "none"),
        (None, "none"),
        (["resolvconf"], "none"),
        (["dhclient"], "dhclient"),
        (["NetworkManager"], "NetworkManager"),
        (["systemd-resolved", "NetworkManager"], "systemd-resolved"),
        (["resolvconf", "dhclient"], "dhclient"),
    ],
)
def test_the_manager(found, manager):
    assert resolver_state(facts(managers=found))["manager"] == manager
    assert resolver_state(facts(managers=found), "dhclient")["manager"] == "dhclient", "what the user says comes first"


@pytest.mark.parametrize("manager", ["none", "dhclient", "NetworkManager"])
def test_resolv_conf_names_the_nameservers(manager):
    state = resolver_state(facts(managers=[manager], nameservers=["127.0.0.1", "192.0.2.1", "::1", "192.0.2.2"]))
    assert state["nameservers"] == ["127.0.0.1", "192.0.2.1", "::1", "192.0.2.2"]
    assert state["former_nameservers"] == ["192.0.2.1", "192.0.2.2"]
    assert state["asks_agent"] is True
    state = resolver_state(facts(managers=[manager], nameservers=["192.0.2.1", "127.0.0.1"]))
    assert state["asks_agent"] is False, "the agent has to be the first"


def test_systemd_resolved_has_nameservers_behind_it():
    looked = {
        "managers": ["systemd-resolved"],
        "nameservers": ["127.0.0.53"],
        "upstream_nameservers": ["127.0.0.1", "192.0.2.1"],
    }
    state = resolver_state(facts(**looked, global_nameservers=["127.0.0.1"]))
    assert state == {
        "manager": "systemd-resolved",
        "nameservers": ["127.0.0.53"],
        "former_nameservers": ["192.0.2.1"],
        "asks_agent": True,
        "rotates": False,
        "lines": [],
    }
    assert not resolver_state(facts(**looked, global_nameservers=[]))["asks_agent"]
    assert not resolver_state(facts(**looked))["asks_agent"]
    # Where the user names another manager, resolv.conf counts.
    assert resolver_state(facts(**looked), "none")["former_nameservers"] == []


def test_a_look_of_another_run_does_not_count():
    old = facts(nameservers=["192.0.2.1"])
    old["dockyard_host"]["run"] = "of a fact cache"
    assert resolver_state(old)["nameservers"] == ["198.51.100.1"]


def test_without_a_look_the_facts_count():
    state = resolver_state({"dns": {"nameservers": ["192.0.2.1", "127.0.0.1"]}})
    assert state == {
        "manager": "none",
        "nameservers": ["192.0.2.1", "127.0.0.1"],
        "former_nameservers": ["192.0.2.1"],
        "asks_agent": False,
        "rotates": False,
        "lines": ["nameserver 127.0.0.1", "nameserver 192.0.2.1"],
    }
    assert resolver_state({})["nameservers"] == []
    assert resolver_state(facts(nameservers=[]))["nameservers"] == ["198.51.100.1"]
