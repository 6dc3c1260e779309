# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each mode does, seen from outside; instances that come and go; ports from Consul."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.testing import seconds_until

TWINS = {"app1:7001", "app1:7002"}


def left_behind(lab, host: str) -> int:
    """How many connections to instances the host has closed within the last minute."""
    return len(lab.exec(host, "ss --no-header --numeric state time-wait '( dport = :7000 )'").splitlines())


def test_each_has_the_nginx_that_its_mode_wants(lab):
    versions = {host: lab.exec(host, "nginx -v 2>&1").rpartition("/")[2] for host in lab.balancers}
    assert tuple(map(int, versions["lb1"].split("."))) < (1, 27, 3) <= tuple(map(int, versions["lb2"].split(".")))


@pytest.mark.parametrize("host", ["lb1", "lb2"])
def test_both_instances_answer(lab, host):
    assert lab.served_by(host) == lab.hello


def test_connections_stay_open_in_resolve_mode_only(lab):
    closed = {}
    for host in lab.balancers:
        before = left_behind(lab, host)
        lab.served_by(host, 100)
        closed[host] = left_behind(lab, host) - before
    assert closed["lb1"] > 80 and closed["lb2"] < 20, closed


def test_two_instances_on_one_host(lab):
    assert lab.served_by("lb2", port=8080) == TWINS


@pytest.fixture
def four_more(lab) -> Iterator[set[str]]:
    """Four more twins: all six are more than a datagram takes. One of them has three times the weight."""
    ports = range(7003, 7007)
    for port in ports:
        lab.exec("app2", f"systemctl start instance@{port}")
        lab.register("app2", "twins", port, Weights={"Passing": 3 if port == 7006 else 1, "Warning": 1})
    yield {f"app2:{port}" for port in ports}
    for port in ports:
        if f"twins-{port}" in lab.consul("agent/services", "app2"):
            lab.deregister("app2", "twins", port)
        lab.exec("app2", f"systemctl stop instance@{port}")


def test_six_instances_at_ports_of_their_own_by_weight_and_without_a_reload(lab, four_more):
    cut = lab.exec("lb2", "dig +noedns +ignore @127.0.0.1 twins.service.consul SRV")
    assert " tc " in cut and "ANSWER: 3," in cut, f"all six were in one datagram, which proves nothing: {cut}"
    workers = lab.exec("lb2", ["pgrep", "--full", "nginx: worker"])
    lab.wait_for(lambda: lab.served_by("lb2", 30, 8080) == TWINS | four_more, 10, "all six answer")

    by = [answer.headers["X-Served-By"] for answer in lab.answers("lb2", 160, 8080)]
    share = by.count("app2:7006")
    # 3 of 8; each worker process has its own count.
    assert 50 <= share <= 70, {name: by.count(name) for name in by}

    for port in range(7003, 7007):
        lab.deregister("app2", "twins", port)
    lab.wait_for(lambda: lab.served_by("lb2", 30, 8080) == TWINS, 10, "the four are passed over")
    assert lab.exec("lb2", ["pgrep", "--full", "nginx: worker"]) == workers


@pytest.mark.parametrize("host", ["lb1", "lb2"])
def test_none_and_back(lab, host, figures):
    """Users get a plain page at once, and the service again soon after there is one."""
    apps = ("app1", "app2")
    for app in apps:
        lab.exec(app, "systemctl stop instance@7000")
    try:
        lab.wait_for(lambda: not lab.dns("hello.service.consul", host), 10, "no instance is in DNS")
        answer = lab.wait_for(lambda: (a := lab.http(host)).status == 503 and a, 5, "the page is shown")
        assert answer.headers["Retry-After"] == "5"
        assert answer.text == "hello is not available at the moment. Please try again.\n"
    finally:
        for app in apps:
            lab.exec(app, "systemctl start instance@7000")
    lab.wait_for(lambda: lab.dns("hello.service.consul", host), 10, "an instance is in DNS")
    back = seconds_until(lambda: lab.http(host).status == 200, 5, "the service answers")
    figures.append((f"{host}: answers again after the first instance is in DNS", f"{back:.1f} s"))
    lab.wait_for(lambda: lab.served_by(host) == lab.hello, 20, "both instances answer")


def dropped(lab) -> int:
    return sum(lab.http(app, 7000).json()["dropped"] for app in ("app1", "app2"))


@pytest.mark.parametrize("host", ["lb1", "lb2"])
def test_what_may_have_been_done_is_not_done_again(lab, host):
    """An instance breaks off in the midst of a request: a GET goes to the next one, a POST does not."""
    lab.wait_for(lambda: lab.served_by(host) == lab.hello, 20, "both instances answer")
    for method, times in (("POST", {1}), ("GET", {2, 3, 4})):
        before = dropped(lab)
        answer = lab.http(host, path="/drop", method=method)
        assert answer.status == 503 and answer.headers["Retry-After"] == "5"
        assert dropped(lab) - before in times, method
    lab.wait_for(lambda: lab.served_by(host) == lab.hello, 20, "both instances answer")
