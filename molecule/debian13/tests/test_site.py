# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's site on Debian 13: that it stands, and that a request gets through all of it. What it does when something
breaks is the default scenario's business."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.testing import Lab

HOSTS = ["consul1", "redis1", "app1", "lb1", "registry1"]
CLIENTS = HOSTS[1:]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_is_debian_13_with_all_its_units_well(lab, host):
    assert lab.exec(host, ". /etc/os-release; echo $ID $VERSION_ID") == "debian 13"
    assert lab.exec(host, "systemctl list-units --failed --no-legend") == ""


def test_every_node_is_alive_and_every_check_passes(lab):
    alive = {member["Name"] for member in lab.consul("agent/members") if member["Status"] == 1}
    assert alive == set(HOSTS)
    lab.wait_for(
        lambda: {check["Status"] for check in lab.consul("health/state/any")} == {"passing"}, 30, "every check passes"
    )


@pytest.mark.parametrize("host", CLIENTS)
def test_names_resolve_by_port_53_without_root(lab, host):
    assert lab.exec(host, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "1024", "any user could bind port 53"
    assert set(lab.exec(host, "ps -C consul -o user=").split()) == {"consul"}
    assert lab.dns("redis.service.consul", host) == {lab.address("redis1")}
    assert lab.exec(host, "getent hosts redis.service.consul").split()[0] == lab.address("redis1")


def test_an_outside_name_resolves(lab):
    assert lab.exec("app1", ["getent", "hosts", lab.outside_name("app1")])


def test_names_resolve_in_a_bridge_container(lab):
    image = lab.exec("app1", "docker inspect --format '{{.Image}}' mydemo")
    look_up = ["docker", "run", "--rm", "--entrypoint", "getent", image, "hosts", "redis.service.consul"]
    assert lab.exec("app1", look_up).split()[0] == lab.address("redis1")


def test_requests_get_through_the_load_balancer_and_are_counted(lab):
    def count(answer) -> int:
        assert answer.status == 200, answer
        return int(re.fullmatch(r"Hello from dockyard! I have been seen (\d+) times\.\n?", answer.text)[1])

    answers = [lab.http("lb1") for _request in range(20)]
    first = count(answers[0])
    assert [count(answer) for answer in answers] == list(range(first, first + 20))


def test_check_mode_finds_nothing_to_change(lab):
    run = lab.playbook("site.yml", "--check", "--limit", ",".join(HOSTS))
    assert run.ok, run.output
    assert run.recap.keys() == set(HOSTS)
    assert not run.changed, run.changes


def test_the_app_is_back_after_a_restart_of_its_host(lab):
    lab.restart("app1")
    lab.wait_for(lambda: lab.http("lb1").status == 200, 120, "the load balancer has an instance again")
    assert lab.exec("app1", "awk '/^nameserver/ {print $2; exit}' /etc/resolv.conf") == "127.0.0.1"
