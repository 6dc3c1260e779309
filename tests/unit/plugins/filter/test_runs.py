# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.runs import runs
from ansible_collections.dockyard.consul.plugins.filter.started_servers import started_servers
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id

LOOK = {
    "run": run_id(),
    "units": {"consul": {"active": "active"}, "docker": {"active": "inactive"}, "nginx": {"active": "activating"}},
    "changed": ["unit:redis-server", "/etc/redis/site.conf"],
}


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (["consul"], True),
        (["docker"], False),
        (["nginx"], False),
        (["unknown"], False),
        (["redis-server"], True),  # this run has started it
        (["consul", "redis-server"], True),
        (["consul", "docker"], False),
        ([], True),
    ],
)
def test_units(units, expected):
    assert runs(LOOK, units) is expected


@pytest.mark.parametrize(
    "look", [{}, {"run": run_id(), "units": None, "changed": None}, {**LOOK, "run": "another run"}]
)
def test_a_host_of_which_nothing_is_known(look):
    assert runs(look, ["consul"]) is False


def host(active=None, **look):
    units = {"consul": {"active": active}} if active else {}
    return {"ansible_facts": {"dockyard_host": {"run": run_id(), "units": units, **look}}}


HOSTVARS = {
    "running": host("active"),
    "stopped": host("inactive"),
    "failed": host("failed"),
    "without consul": host(),
    "started by this run": host("inactive", changed=["unit:consul"]),
    "nobody has looked": {},
    "facts alone": {"ansible_facts": {"interfaces": ["lo"]}},
    "a look of another run": host("inactive", run="another"),
}
CERTAIN = ["running", "started by this run"]
UNKNOWN = ["nobody has looked", "facts alone", "a look of another run"]


@pytest.mark.parametrize(
    ("play_hosts", "expected"),
    [([], CERTAIN + UNKNOWN), (list(HOSTVARS), CERTAIN), (UNKNOWN[:2], CERTAIN + UNKNOWN[2:])],
    ids=["outside the play", "in the play", "some in the play"],
)
def test_servers_that_run(play_hosts, expected):
    assert [name for name in HOSTVARS if started_servers([name], HOSTVARS, play_hosts)] == expected
    assert started_servers(list(HOSTVARS), HOSTVARS, play_hosts) == len(expected)
    assert started_servers([], HOSTVARS, play_hosts) == 0


@pytest.mark.parametrize("keywords", [{"serial": 1}, {"strategy": "ansible.builtin.free"}, {}])
def test_the_hosts_of_a_play_are_those_of_all_its_batches(local_playbook, keywords):
    """A server in a later batch is not taken for one that may run: the first one would wait for a leader."""
    count = "{{ groups.all | dockyard.consul.started_servers(hostvars, ansible_play_hosts_all) }}"
    show = {"ansible.builtin.debug": {"msg": f"started {count}"}}
    done = local_playbook({"tasks": [show], **keywords}, hosts=["c1", "c2", "c3"], options=["--limit", "c1,c2"])
    assert done.output.count("started 1") == 2, "c3, which is outside the play"


def test_a_cluster_that_has_a_leader_has_enough_servers():
    """One that is down is not counted otherwise, and nobody would make tokens."""
    looked = {"run": run_id(), "units": {"consul": {"active": "active"}}, "consul": {"leader": "192.0.2.1:8300"}}
    hostvars = {"s1": {"ansible_facts": {FACT: looked}}, "s2": {}, "s3": {}}
    assert started_servers(list(hostvars), hostvars, list(hostvars)) == 3
    looked["consul"]["leader"] = ""
    assert started_servers(list(hostvars), hostvars, list(hostvars)) == 1
