# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` has no time for. Under load, as all of it; the table at the end is that of docs/production.md."""

from __future__ import annotations

import json
import time

import pytest

from lab.testing import Lab, seconds_until

pytestmark = pytest.mark.chaos
SERVICES = [("lb1", "nginx"), ("lb2", "nginx"), ("lb1", "consul"), ("consul1", "consul"), ("app1", "consul")]
VICTIM = "app1"
MYDEMO = "mydemo.service.consul"


def everybody(lab: Lab) -> set[str]:
    return {lab.address(host) for host in lab.hosts("mydemo")}


def all_in_dns(lab: Lab) -> bool:
    return all(lab.dns(MYDEMO, host) == everybody(lab) for host in lab.hosts("nginx_lb"))


def victim_out_of_dns(lab: Lab) -> bool:
    left = everybody(lab) - {lab.address(VICTIM)}
    return all(lab.dns(MYDEMO, host) == left for host in lab.hosts("nginx_lb"))


def test_an_app_process_is_killed(lab, users, writer, nobody_notices):
    lab.wait_for(lambda: len(writer.acknowledged) > 20, 30, "the load is on")
    for _time in range(3):
        pid = lab.exec(VICTIM, "docker inspect --format '{{.State.Pid}}' mydemo")
        lab.exec(VICTIM, f"kill -9 {pid}")
        lab.wait_for(
            lambda pid=pid: lab.exec(VICTIM, "docker inspect --format '{{.State.Pid}}' mydemo") not in (pid, "0"),
            15,
            "the container is up again by itself",
        )
        lab.wait_for(lambda: lab.http(VICTIM, 5000, "/health").status == 200, 15, "the app answers again")
        lab.wait_for(lambda: all_in_dns(lab), 30, "all instances are in DNS")
    nobody_notices("app process killed (-9), three times")


def test_an_app_host_is_cut_from_the_network(lab, users, writer, nobody_notices):
    lab.wait_for(lambda: len(writer.acknowledged) > 20, 30, "the load is on")
    with lab.cable_pulled(VICTIM):
        left = seconds_until(lambda: victim_out_of_dns(lab), 10, "the instance is out of both load balancers' DNS")
        time.sleep(10)
    back = seconds_until(lambda: all_in_dns(lab), 90, "the instance is in DNS again")
    for host in lab.hosts("nginx_lb"):
        lab.wait_for(
            lambda host=host: lab.address(VICTIM) in lab.site(host).headers.get("X-Served-By", ""),
            30,
            f"{host} asks it again",
        )
    time.sleep(5)
    nobody_notices("app host cut from the network", f"out of DNS after {left:.1f} s, back after {back:.0f} s")
    # A new connection waits for the connect time-out, 1 s; what had been sent already waits for mydemo's read_timeout, to
    # which the inventory gives the same. And what a busy machine adds.
    assert users.slowest < 1.5


def test_all_servers_are_stopped(lab, users, figures):
    servers = lab.hosts("consul_server")
    for server in servers:
        lab.exec(server, "systemctl stop consul")
    held = 60
    try:
        time.sleep(held)
        for host in lab.hosts("nginx_lb"):
            assert lab.site(host).status == 200
        # How much longer? Until a user is turned away, and no longer than it is worth the waiting.
        end = time.monotonic() + 240
        while time.monotonic() < end and all(lab.site(host).status == 200 for host in lab.hosts("nginx_lb")):
            time.sleep(1)
            held += 1
    finally:
        for server in servers:
            lab.exec(server, "systemctl start consul")
    back = seconds_until(lambda: lab.consul("status/leader"), 60, "there is a leader again")
    lab.wait_for(lambda: all_in_dns(lab), 60, "all instances are in DNS")
    users.stop()
    figures.append((f"all servers stopped for {held} s", f"{users}; a leader {back:.1f} s after their start"))
    assert users.enough and users.failed == 0, users


def test_a_server_that_is_down_for_long_is_left_out(lab, tmp_path):
    """With its address in the inventory, the site is run without it, the first of the servers though it is."""
    down, *others = lab.inventory_names("consul_server")
    short = down.partition(".")[0]
    known = tmp_path / "known.yml"
    known.write_text(json.dumps({"all": {"hosts": {down: {"consul_agent_bind_addr": lab.address(short)}}}}))
    lab.run("docker", "stop", lab.container(short))
    try:
        through_another = {"consul_agent_acl_server": others[0]}
        done = lab.playbook("playbooks/deploy.yml", **through_another)
        assert done.ok and not done.changed, done.output
        done = lab.playbook("site.yml", "--inventory", str(known), "--limit", f"all:!{down}", **through_another)
        assert done.ok and not done.changed, done.output
    finally:
        lab.run("docker", "start", lab.container(short))
        # By another one's word: its own is what it remembers.
        other = others[0].partition(".")[0]
        lab.wait_for(
            lambda: (
                {one["Name"] for one in lab.consul("agent/members", other) if one["Status"] == 1} == set(lab.hosts())
            ),
            90,
            "it is a member again",
        )
        lab.wait_for(lambda: lab.consul("status/leader"), 60, "it knows the leader")
