# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks over a site that lives: what is wrong stops them early, what is right changes nothing, and
what was lost comes back."""

from __future__ import annotations

import pytest

SERVICES = [("app2", "consul"), ("app2", "docker"), ("consul1", "consul")]


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"redis_port": "abc"}, id="a port that is none"),
        pytest.param({"consul_agent_gossip_key": "c2hvcnQ="}, id="a gossip key that is too short"),
        pytest.param({"consul_agent_servers_group": "nobody"}, id="no server"),
        pytest.param({"consul_agent_tls_ca_file": "/nowhere/ca.pem"}, id="a certificate that is not there"),
    ],
)
def test_what_is_wrong_stops_the_run_before_anything_changes(lab, variables):
    (name,) = variables
    see_that_it_stops(lab, name, **variables)


def test_two_addresses_to_choose_from_stop_the_run(lab):
    lab.exec("app1", "ip link add second type veth peer name its-other-end")
    lab.exec("app1", "ip address add 192.168.77.1/24 dev second && ip link set second up")
    try:
        see_that_it_stops(lab, "consul_agent_bind_")
    finally:
        lab.exec("app1", "ip link delete second")


def see_that_it_stops(lab, name: str, **variables: object) -> None:
    run = lab.playbook("site.yml", **variables)
    assert not run.ok, run.output
    # A long message is folded, by Ansible and by its callback.
    assert name in run.output.replace("\n", " "), run.output
    assert not run.changed, run.changes
    assert "PLAY [Consul servers]" not in run.output, "the first layer began"


def test_a_secret_that_changes_is_not_shown(lab):
    old, new = lab.secret("redis.password"), "a-password-for-this-test-only"
    for playbook in ("playbooks/redis.yml", "playbooks/kv.yml"):
        run = lab.playbook(playbook, "--check", "--diff", "-vv", redis_password=new, mydemo_redis_password=new)
        assert run.ok and run.changed, run.output
        assert old not in run.output and new not in run.output


def test_a_rebuilt_host_comes_back_under_its_name_even_after_an_interrupted_run(lab):
    container = lab.container("app2")
    node = lab.consul("agent/self", "app2")["Member"]["Tags"]["id"]
    lab.run("docker", "rm", "--force", "--volumes", container)
    assert lab.playbook("lab/create.yml").changed.keys() == {"app2"}
    assert lab.fails("app2", "ls /usr/bin/consul /etc/consul.d /var/lib/consul")

    # The first run is killed with the agent half configured. What is then there must be no hindrance to the second.
    lab.interrupted_playbook("Place what a reload takes", "site.yml", "--limit", "app2")
    run = lab.playbook("site.yml", "--limit", "app2")
    assert run.ok, run.output
    assert set(run.recap) <= {"app2", "consul1"}

    members = [(one["Name"], one["Status"]) for one in lab.consul("agent/members") if one["Name"].startswith("app2")]
    assert members == [("app2", 1)]
    assert lab.consul("agent/self", "app2")["Member"]["Tags"]["id"] == node
    addresses = {lab.address(host) for host in lab.hosts("mydemo")}
    lab.wait_for(lambda: lab.dns("mydemo.service.consul") == addresses, 30, "both instances are in DNS")


def test_check_mode_finds_nothing_to_change(lab):
    run = lab.playbook("site.yml", "--check")
    assert run.ok, run.output
    assert not run.changed, run.changes


def test_after_all_this_a_run_changes_nothing_on_any_host(lab):
    run = lab.playbook("site.yml")
    assert run.ok, run.output
    assert run.recap.keys() >= set(lab.hosts())
    assert not run.changed, run.changes
