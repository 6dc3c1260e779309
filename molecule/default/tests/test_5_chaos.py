# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under steady load, what breaks one day is broken on purpose. No user may notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.load import Load, served
from lab.testing import Lab, seconds_until

SERVICES = [("lb1", "nginx"), ("lb1", "consul"), ("consul1", "consul"), ("app1", "consul"), ("app1", "docker")]
VICTIM = "app1"
MYDEMO = "mydemo.service.consul"


@pytest.fixture
def load(lab) -> Iterator[Load]:
    """Requests through the load balancer, while the test runs; both instances serve at its start."""
    with Load(f"http://{lab.address('lb1')}/") as load:
        lab.wait_for(lambda: len(served(load.go_on(1))) == 2, 30, "both instances serve")
        yield load


def in_dns(lab: Lab, host: str) -> Callable[[], bool]:
    return lambda: lab.address(host) in lab.dns(MYDEMO)


def out_of_dns(lab: Lab, host: str) -> Callable[[], bool]:
    def gone() -> bool:
        addresses = lab.dns(MYDEMO)
        return bool(addresses) and lab.address(host) not in addresses

    return gone


def docker(lab: Lab, command: str) -> str:
    return lab.exec(VICTIM, f"docker {command}")


def dns(left: float, back: float) -> str:
    return f"out of DNS after {left:.1f} s, back after {back:.1f} s"


def report(figures: list, what: str, load: Load, *more: str) -> None:
    answers = f"{len(load.requests)} requests, {len(load.failures)} failed, slowest {load.slowest:.2f} s"
    figures.append((what, "; ".join([answers, *more])))


def test_one_process_killed(lab, load, figures):
    """The engine starts the container again at once, perhaps before a check has seen that it was gone."""
    pid = docker(lab, "inspect --format '{{.State.Pid}}' mydemo")
    lab.exec(VICTIM, f"kill -9 {pid}")
    back = seconds_until(
        lambda: (
            docker(lab, "inspect --format '{{.State.Pid}}' mydemo") not in (pid, "0")
            and lab.http(VICTIM, 5000, "/health").status == 200
        ),
        15,
        "the container is up again by itself",
    )
    lab.wait_for(lambda: len(served(load.go_on(2))) == 2, 30, "both instances serve again")
    assert not load.failures
    report(figures, "app process killed (-9)", load, f"up again after {back:.1f} s")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_one_container_stopped_for_good(lab, load, figures, how):
    """Stopped, it takes leave of Consul and serves on until nobody holds its address; killed, a check finds it out."""
    docker(lab, f"{how} mydemo")
    left = seconds_until(out_of_dns(lab, VICTIM), 8, "the instance is out of DNS")
    assert len(served(load.go_on(4)[-50:])) == 1, "the other one serves all"

    docker(lab, "start mydemo")
    back = seconds_until(in_dns(lab, VICTIM), 15, "the instance is in DNS again")
    lab.wait_for(lambda: len(served(load.go_on(1))) == 2, 15, "both instances serve again")
    assert not load.failures
    report(figures, f"docker {how} of a container", load, dns(left, back))


def test_one_hosts_network_cut(lab, load, figures):
    with lab.cable_pulled(VICTIM):
        left = seconds_until(out_of_dns(lab, VICTIM), 15, "the instance is out of DNS")
        with pytest.raises(OSError):
            lab.http(VICTIM, 8500, "/v1/status/leader", timeout=1)
        assert len(served(load.go_on(4)[-50:])) == 1, "the other one serves all"
    # The others look for a lost node every 30 s.
    back = seconds_until(in_dns(lab, VICTIM), 75, "the instance is in DNS again")
    lab.wait_for(lambda: len(served(load.go_on(1))) == 2, 15, "both instances serve again")
    assert not load.failures
    report(figures, "network of a host cut", load, dns(left, back))


def test_the_only_consul_server_stopped_for_30_seconds(lab, load, figures):
    lab.exec("consul1", "systemctl stop consul")
    try:
        with pytest.raises(OSError):
            lab.consul("status/leader")
        assert served(load.go_on(30)) == served(load.requests), "both instances serve on"
        assert lab.dns(MYDEMO) == {lab.address(host) for host in lab.hosts("mydemo")}, "the LB's agent remembers"
    finally:
        lab.exec("consul1", "systemctl start consul")
    back = seconds_until(lambda: lab.consul("status/leader"), 30, "there is a leader again")
    lab.wait_for(lambda: len(served(load.go_on(5))) == 2, 30, "both instances serve")
    assert not load.failures
    report(figures, "the only server stopped, 30 s", load, f"a leader again after {back:.1f} s")


def test_dns_follows_again_after_the_outage(lab, figures):
    """An agent that finds no server pauses longer and longer before it asks again, at most two minutes (agent/cache)."""
    services = {"redis1": "redis", VICTIM: "mydemo"}

    def maintenance(enable: str) -> None:
        for host, service in services.items():
            (service_id,) = (key for key in lab.consul("agent/services", host) if key.startswith(service))
            lab.consul(f"agent/service/maintenance/{service_id}?enable={enable}", host, method="PUT")

    maintenance("true")
    try:
        left = seconds_until(
            lambda: not lab.dns("redis.service.consul") and out_of_dns(lab, VICTIM)(), 120, "both are out of DNS"
        )
    finally:
        maintenance("false")
    back = seconds_until(lambda: lab.dns("redis.service.consul") and in_dns(lab, VICTIM)(), 5, "both are in DNS again")
    figures.append(("a change just after that", dns(left, back)))


def test_all_is_as_before(lab):
    def alive() -> set[str]:
        return {member["Name"] for member in lab.consul("agent/members") if member["Status"] == 1}

    # A server that comes back learns of the others by and by.
    lab.wait_for(lambda: alive() == set(lab.hosts()), 30, "all nodes are alive")
    lab.wait_for(
        lambda: {check["Status"] for check in lab.consul("health/state/any")} == {"passing"}, 60, "every check passes"
    )
