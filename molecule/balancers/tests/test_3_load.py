# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under steady load, through both modes at once, what breaks one day is broken on purpose. No user may notice."""

from __future__ import annotations

from lab.load import Load, served
from lab.testing import seconds_until

VICTIM = "app1"
NAME = "hello.service.consul"


def both_serve_again(lab, loads: dict[str, Load]) -> None:
    for host, load in loads.items():
        lab.wait_for(lambda load=load: served(load.go_on(1)) == lab.hello, 30, f"both instances serve through {host}")


def report(figures: list, what: str, loads: dict[str, Load]) -> None:
    for host, load in loads.items():
        slow = sum(request.seconds > 0.9 for request in load.requests)
        answers = (
            f"{len(load.requests)} requests, {len(load.failures)} failed, slowest {load.slowest:.2f} s, {slow} slow"
        )
        figures.append((f"{host}: {what}", answers))


def nothing_failed(loads: dict[str, Load]) -> None:
    for host, load in loads.items():
        assert not load.failures, (host, len(load.requests), load.failures[:3])


def out_of_dns(lab, host: str) -> bool:
    left = lab.dns(NAME, host)
    return bool(left) and lab.address(VICTIM) not in left


def test_an_instance_killed(lab, loads, figures):
    lab.exec(VICTIM, "systemctl kill --signal KILL instance@7000")
    for host in loads:
        lab.wait_for(lambda host=host: out_of_dns(lab, host), 10, "the instance is out of DNS")
    for load in loads.values():
        assert served(load.go_on(2)[-50:]) == {"app2:7000"}, "the other one serves all"
    lab.exec(VICTIM, "systemctl start instance@7000")
    both_serve_again(lab, loads)
    report(figures, "instance killed (-9)", loads)
    nothing_failed(loads)


def test_a_hosts_network_cut(lab, loads, figures):
    with lab.cable_pulled(VICTIM):
        left = max(
            seconds_until(lambda host=host: out_of_dns(lab, host), 15, "the instance is out of DNS") for host in loads
        )
        for load in loads.values():
            assert served(load.go_on(3)[-50:]) == {"app2:7000"}, "the other one serves all"
    # The others look for a lost node every 30 s.
    lab.wait_for(lambda: not any(out_of_dns(lab, host) for host in loads), 75, "the instance is in DNS again")
    both_serve_again(lab, loads)
    report(figures, f"network of a host cut (out of DNS after {left:.1f} s)", loads)
    nothing_failed(loads)
    # The connect time-out, 1 s, and hello's read_timeout, which is as short: for what had been sent already, or was sent
    # over a connection that stood open. And what a busy machine adds.
    waited = {host: load.slowest for host, load in loads.items()}
    assert max(waited.values()) < 1.5, waited
    slow = {host: sum(request.seconds > 0.9 for request in load.requests) for host, load in loads.items()}
    assert slow["lb2"] < slow["lb1"], f"what has failed once is passed over, in resolve mode: {slow}"


def test_every_consul_server_stopped_for_60_seconds(lab, loads, figures):
    lab.exec("consul1", "systemctl stop consul")
    try:
        for load in loads.values():
            load.go_on(30)
        assert [served(load.go_on(30)) for load in loads.values()] == [lab.hello, lab.hello]
        nothing_failed(loads)
    finally:
        lab.exec("consul1", "systemctl start consul")
    lab.wait_for(lambda: lab.consul("status/leader"), 30, "there is a leader again")
    both_serve_again(lab, loads)
    report(figures, "the Consul server stopped for 60 s", loads)
    nothing_failed(loads)
