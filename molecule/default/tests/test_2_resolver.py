# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: on every host, in a bridge container, after a restart of the host, and with no server left."""

from __future__ import annotations

import pytest

SERVICES = [("app1", "consul"), ("app2", "consul")]
REDIS = "redis.service.consul"


@pytest.fixture(scope="module")
def outside(lab) -> str:
    return lab.outside_name("lb1")


def see_that_names_resolve(lab, host: str, outside: str) -> None:
    assert lab.exec(host, ["getent", "hosts", REDIS]).split()[0] == lab.address("redis1")
    assert lab.exec(host, ["getent", "hosts", outside]), f"{host} finds {outside}"


def see_that_consul_answers_without_root(lab, host: str) -> None:
    assert lab.exec(host, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "1024", "any user could bind port 53"
    assert set(lab.exec(host, "ps -C consul -o user= -o group=").split()) == {"consul"}
    for protocol in ("--udp", "--tcp"):
        listeners = lab.exec(host, f"ss --listening --numeric --processes --no-header {protocol} 'sport = 53'")
        assert '"consul"' in listeners, f"{host} {protocol}: {listeners}"
    assert lab.dns("consul.service.consul", host) == {lab.address(server) for server in lab.hosts("consul_server")}


def see_resolv_conf(lab, host: str) -> None:
    """The agent first; after it what the host had."""
    had = [line.split() for line in lab.former_resolv_conf.read_text().splitlines()]
    has = [line.split() for line in lab.exec(host, "cat /etc/resolv.conf").splitlines() if line and line[0] != "#"]
    nameservers = [words[1] for words in had if words[0] == "nameserver"]
    assert [words[1] for words in has if words[0] == "nameserver"] == ["127.0.0.1", *nameservers]
    for kind in ("search", "options"):
        assert [words for words in has if words[0] == kind] == [words for words in had if words[0] == kind] != []


def look_up_in_bridge_container(lab, host: str, name: str) -> str:
    """As a container of any image sees it, on Docker's bridge. The app's image is on the host already."""
    image = lab.exec(host, "docker inspect --format '{{.Image}}' mydemo")
    return lab.exec(host, ["docker", "run", "--rm", "--entrypoint", "getent", image, "hosts", name])


def test_consul_answers_on_port_53_as_user_consul(lab):
    for host in lab.hosts():
        see_that_consul_answers_without_root(lab, host)


def test_resolv_conf_asks_the_agent_first(lab):
    for host in lab.hosts():
        see_resolv_conf(lab, host)


def test_names_resolve_on_every_host(lab, outside):
    for host in lab.hosts():
        see_that_names_resolve(lab, host, outside)


def test_names_resolve_in_a_bridge_container(lab, outside):
    assert look_up_in_bridge_container(lab, "app1", REDIS).split()[0] == lab.address("redis1")
    assert look_up_in_bridge_container(lab, "app1", outside)


def test_outside_names_resolve_with_no_server_and_all_holds_after_a_restart(lab, outside, figures):
    """The client comes up without any server: its agent answers nothing then, and the host lives on what it had."""
    lab.exec("consul1", "systemctl stop consul")
    try:
        lab.restart("app2")
        lab.wait_for(lambda: lab.exec("app2", ["getent", "hosts", outside]), 30, "an outside name, with no server up")
        assert lab.fails("app2", ["getent", "hosts", REDIS])
    finally:
        lab.exec("consul1", "systemctl start consul")

    # For a second after its start the server knows no ACL token, the anonymous one included, and tells nothing.
    lab.wait_for(lambda: lab.exec("app2", ["getent", "hosts", REDIS]), 60, "app2's agent answers again")
    see_that_consul_answers_without_root(lab, "app2")
    see_resolv_conf(lab, "app2")
    see_that_names_resolve(lab, "app2", outside)
    assert look_up_in_bridge_container(lab, "app2", REDIS).split()[0] == lab.address("redis1")
    assert look_up_in_bridge_container(lab, "app2", outside)
    addresses = {lab.address(host) for host in lab.hosts("mydemo")}
    lab.wait_for(lambda: lab.dns("mydemo.service.consul") == addresses, 60, "both instances are in DNS again")
    # An agent that has just come up, and a server too, may know of no Redis for a moment; the app says 503 then.
    lab.wait_for(lambda: {lab.http("lb1").status for _ in range(10)} == {200}, 60, "the load balancer finds the app")
    lab.wait_for(lambda: {lab.http("app2", 5000).status for _ in range(10)} == {200}, 60, "app2's instance has Redis")
