# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.consul_acl import Ensured, digests_of, is_stopped
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look, run_id

ACCESSOR, SECRET, OTHER = (f"{digit * 8}-0000-0000-0000-000000000000" for digit in "123")
TASK = {
    "policies": [{"name": "dns", "rules": 'node_prefix "" { policy = "read" }'}],
    "tokens": [{"accessor_id": ACCESSOR, "policies": ["dns"]}],
    "secrets": {ACCESSOR: SECRET},
    "token": "MANAGEMENT",
}


@pytest.fixture
def ensured(tmp_path, monkeypatch):
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(tmp_path))
    return Ensured()


def is_ensured(ensured, **other):
    return digests_of("consul1", {**TASK, **other}).items() <= ensured.read().items()


def test_what_was_ensured_is_known(ensured):
    assert not is_ensured(ensured)
    ensured.add(digests_of("consul1", TASK))
    assert is_ensured(ensured) and is_ensured(ensured, policies=[]) and is_ensured(ensured, token="ANOTHER")


@pytest.mark.parametrize(
    "other",
    [
        {"secrets": {ACCESSOR: OTHER}},
        {"tokens": [{"accessor_id": ACCESSOR, "policies": []}]},
        {"policies": [{"name": "dns", "rules": ""}]},
        {"policies": [{"name": "other"}]},
        {"datacenter": "dc2"},
    ],
)
def test_what_differs_is_not(ensured, other):
    ensured.add(digests_of("consul1", TASK))
    assert not is_ensured(ensured, **other)
    assert not digests_of("consul2", TASK).items() <= ensured.read().items(), "another server may be another site"


def test_the_last_state_of_an_object_counts(ensured):
    first, second = digests_of("consul1", TASK), digests_of("consul1", {**TASK, "secrets": {ACCESSOR: OTHER}})
    ensured.add(first)
    ensured.add(second)
    assert not first.items() <= ensured.read().items() and second.items() <= ensured.read().items()


def test_the_note_tells_no_secret(ensured, tmp_path):
    ensured.add(digests_of("consul1", TASK))
    text = (tmp_path / "dockyard.acls").read_text()
    assert not any(word in text for word in (ACCESSOR, SECRET, "MANAGEMENT", "dns"))


def test_a_server_that_this_run_has_seen_stopped(ensured):
    def host(active):
        return {"ansible_facts": {FACT: {"run": run_id(), "units": {"consul": {"active": active}}}}}

    hostvars = {"consul1": host("inactive"), "consul2": host("active"), "consul3": {}}
    stopped = {name: is_stopped(Look.of_target(name, {"hostvars": hostvars})) for name in [*hostvars, "unknown"]}
    assert stopped == {"consul1": True, "consul2": False, "consul3": False, "unknown": False}
