# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is taken out of the site, alive and lost, and a new one takes its name."""

from __future__ import annotations

import pytest

PLAYBOOK = "playbooks/retire_host.yml"
SERVICES = [("consul1", "consul"), ("client2", "consul")]


def register(lab, host: str) -> None:
    lab.consul("agent/service/register", host, "PUT", {"Name": "twin", "Port": 9000})


def nodes(lab) -> set[str]:
    return {one["Node"] for one in lab.consul("catalog/nodes")}


def tokens(lab) -> set[str]:
    return {one["Description"] for one in lab.consul("acl/tokens")}


def traces(lab, host: str) -> set[str]:
    """Where the site still has the host."""
    found = {
        "members": host in lab.members(),
        "catalog": host in nodes(lab),
        "token": f"Agent of {host}" in tokens(lab),
        "secrets": (lab.secrets / "node" / host).exists(),
    }
    return {name for name, there in found.items() if there}


def assert_refused(lab, done, *words: str) -> None:
    assert not done.ok and not done.changed, done.output
    output = " ".join(done.output.split())
    assert all(word in output for word in ("Nothing was changed.", *words)), done.output


def test_a_host_must_be_named(lab, run):
    assert_refused(lab, run(PLAYBOOK), "Name the host, as in --limit consul1")


def test_the_only_host_of_a_service_stays(lab, run):
    done = run(PLAYBOOK, "--limit", "client1")
    assert_refused(lab, done, "mydemo, redis, registry would have no passing instance left")


def test_one_of_three_servers_stays(lab, run):
    done = run(PLAYBOOK, "--limit", "consul3")
    assert_refused(lab, done, "2 of 3 servers would remain, fewer than retire_min_servers (3)")
    assert len(lab.voters()) == 3


@pytest.fixture
def twins(lab):
    """A service on both clients."""
    for host in ("client1", "client2"):
        register(lab, host)
    yield
    lab.consul("agent/service/deregister/twin", "client1", "PUT")


def test_a_host_that_runs(lab, run, twins):
    twins_at = [lab.address("client1"), lab.address("client2")]
    lab.wait_for(lambda: lab.dns("twin.service.consul", "client1") == set(twins_at), 15, "both are in DNS")
    rehearsed = run(PLAYBOOK, "--check", "--limit", "client2")
    assert rehearsed.ok and rehearsed.changed, rehearsed.output
    assert traces(lab, "client2") == {"members", "catalog", "token", "secrets"}

    done = run(PLAYBOOK, "--limit", "client2", retire_request_seconds=1)
    assert done.ok, done.output
    assert traces(lab, "client2") == set()
    assert lab.dns("twin.service.consul", "client1") == set(twins_at[:1])
    assert lab.exec("client2", "systemctl is-enabled consul || true") == "disabled"
    assert lab.exec("client2", "systemctl is-active consul || true") == "inactive"
    again = run(PLAYBOOK, "--limit", "client2")
    assert again.ok and not again.changed, again.output


def test_the_next_run_of_the_site_brings_it_back(lab, run, play):
    done = run(play("consul_client"), "--limit", "client2")
    assert done.ok, done.output
    lab.wait_for(lambda: traces(lab, "client2") == {"members", "catalog", "token", "secrets"}, 20, "the host is back")
    assert lab.exec("client2", "systemctl is-enabled consul") == "enabled"
    # It is in no maintenance. Its agent has kept the service.
    lab.wait_for(lambda: lab.dns("twin.service.consul", "client1") == {lab.address("client2")}, 20, "it serves again")
    lab.consul("agent/service/deregister/twin", "client2", "PUT")


def test_a_host_that_is_lost_and_a_new_one_of_its_name(lab, run, play):
    lab.run("docker", "kill", lab.container("client2"))
    try:
        done = run(PLAYBOOK, "--limit", "client2")
        assert done.ok, done.output
        assert traces(lab, "client2") == set()
        assert "It could not be reached" in done.output
    finally:
        lab.run("docker", "start", lab.container("client2"))
    # As on a new machine.
    lab.wait_for(lambda: lab.exec("client2", "systemctl is-system-running --wait || true"), 60, "the host has started")
    lab.exec("client2", "systemctl stop consul && rm -r /var/lib/consul")
    done = run(play("consul_client"), "--limit", "client2")
    assert done.ok, done.output
    lab.wait_for(lambda: traces(lab, "client2") == {"members", "catalog", "token", "secrets"}, 20, "the host is back")
