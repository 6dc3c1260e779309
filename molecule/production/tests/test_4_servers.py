# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agents: a server is lost, all are restarted, the management token is gone; and the clients are restarted in turn. No
user notices, no write is lost."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from typing import NamedTuple

import pytest

from lab.load import Watched
from lab.testing import seconds_until

SERVICES = [("consul1", "consul"), ("consul2", "consul"), ("consul3", "consul")]


def leader(lab, of: list[str] | None = None) -> str:
    """The server that leads, as the servers that are asked agree; LookupError while they do not."""
    known = {lab.https(server, "status/leader", timeout=1).json() for server in of or lab.hosts("consul_server")}
    (address,) = known if len(known) == 1 else [""]
    return {f"{lab.address(server)}:8300": server for server in lab.hosts("consul_server")}[address]


def all_are_back(lab) -> bool:
    state = lab.consul("operator/autopilot/health", host=leader(lab))
    return state["Healthy"] and state["FailureTolerance"] == 1


def test_the_leader_is_lost(lab, users, writer, nobody_notices):
    lost = leader(lab)
    others = [server for server in lab.hosts("consul_server") if server != lost]
    lab.wait_for(lambda: len(writer.acknowledged) > 20, 30, "writes go on")
    lab.run("docker", "kill", lab.container(lost))
    try:
        took = seconds_until(lambda: leader(lab, others) != lost, 10, "there is a new leader")
        acknowledged = len(writer.acknowledged)
        lab.wait_for(lambda: len(writer.acknowledged) > acknowledged + 50, 60, "writes go on, by the two that are left")
    finally:
        lab.run("docker", "start", lab.container(lost))
    back = seconds_until(lambda: all_are_back(lab), 90, "the lost server is one of three again")
    nobody_notices("leader server killed", f"a new leader after {took:.1f} s, three again {back:.0f} s after its start")


class Look(NamedTuple):
    at: float
    answering: int
    led: int


def stretches(looks: list[Look], poor: Callable[[Look], bool]) -> list[tuple[float, float]]:
    """From when to when looks were so. A single one is this machine's, which was busy."""
    found = [list(group) for so, group in groupby(looks, poor) if so]
    return [(group[0].at, group[-1].at) for group in found if len(group) > 1]


@pytest.fixture
def looks(lab):
    """How many servers answered, and how many knew a leader, asked over and over during a test."""

    def knows(server: str) -> bool | None:
        try:
            answer = lab.https(server, "status/leader", timeout=3)
        except (OSError, http.client.HTTPException):
            return None
        return answer.status == 200 and bool(answer.json())

    with ThreadPoolExecutor() as pool:

        def look() -> Look:
            known = list(pool.map(knows, lab.hosts("consul_server")))
            return Look(time.monotonic(), len(known) - known.count(None), known.count(True))

        with Watched(look) as watched:
            yield watched.seen


def started(lab, server: str) -> float:
    """When its agent was started, in seconds of this machine's clock, which all the lab's hosts share."""
    return int(lab.exec(server, "systemctl show --property ExecMainStartTimestampMonotonic --value consul")) / 1e6


def test_a_lost_management_token_is_replaced_by_servers_restarted_in_turn(lab, users, writer, looks, nobody_notices):
    """It is a setting of the servers as well, so this is also the change that restarts them all."""
    servers = lab.hosts("consul_server")
    old, led = lab.secret("operator/management.token"), leader(lab)
    before = {server: started(lab, server) for server in servers}
    (lab.secrets / "operator/management.token").unlink()

    run = lab.playbook("playbooks/consul_server.yml", "-vvv", "--diff")
    assert run.ok, run.output
    assert lab.secrets_in(run.output) == [] and old not in run.output

    after = {server: started(lab, server) for server in servers}
    assert all(after[server] > before[server] for server in servers), "each was restarted"
    assert max(after, key=after.__getitem__) == led, "the leader was the last"
    new = lab.secret("operator/management.token")
    assert new != old
    assert lab.api("consul1", "acl/tokens", new).status == 200
    # As docs/troubleshooting.md has it: who found the old one can do nothing with it.
    lost = lab.api("consul1", "acl/token/self", old).json()["AccessorID"]
    lab.consul(f"acl/token/{lost}", method="DELETE")
    assert lab.api("consul1", "acl/tokens", old).status == 403

    lab.wait_for(lambda: all_are_back(lab), 60, "three servers are well")
    assert looks[0].at < min(after.values()) and max(after.values()) < looks[-1].at
    assert max(then.at - look.at for look, then in pairwise(looks)) < 10, "it was looked all the time"
    assert stretches(looks, lambda look: look.answering < 2) == [], "two servers were away at once"
    # The leader's restart, which is the last, is due an election.
    elections, turns = stretches(looks, lambda look: look.led < 2), sorted(after.values())
    assert len(elections) <= 1, (elections, turns)
    assert all(begun > turns[-2] and ended - begun < 10 for begun, ended in elections), (elections, turns)
    nobody_notices("servers restarted, one after the other")


def test_two_more_servers_in_the_inventory_restart_no_running_agent(lab, tmp_path):
    """And none when they are taken out again: an agent reads the addresses of the servers, and how many there are to be, at
    its next start only. The two are in the inventory alone, as those that are still to be set up."""
    network = lab.address("consul1").rpartition(".")[0]
    more = {f"consul{number}.example.com": f"{network}.{number}" for number in (14, 15)}
    hosts = {host: {"consul_agent_bind_addr": address} for host, address in more.items()}
    inventory = tmp_path / "more.yml"
    inventory.write_text(json.dumps({"all": {"children": {"consul_server": {"hosts": hosts}}}}))
    without_them = ["--limit", ":!".join(["all", *more])]

    def known() -> dict[str, tuple[set[str], int]]:
        """What each host has for the next start of its agent: the servers to join, and how many there are to be."""
        files = {host: json.loads(lab.exec(host, "cat /etc/consul.d/start.json")) for host in lab.hosts()}
        return {host: (set(file["retry_join"]), file.get("bootstrap_expect", 0)) for host, file in files.items()}

    def wanted(servers: set[str]) -> dict[str, tuple[set[str], int]]:
        heads = {host: len(servers) for host in lab.hosts("consul_server")}
        return {host: (servers, heads.get(host, 0)) for host in lab.hosts()}

    servers = {lab.address(server) for server in lab.hosts("consul_server")}
    before = {host: lab.pid(host) for host in lab.hosts()}
    run = lab.playbook("site.yml", "--tags", "consul", "--inventory", str(inventory), *without_them)
    assert run.ok and run.changed.keys() == set(lab.hosts()), run.output
    assert known() == wanted(servers | set(more.values()))
    assert {host: lab.pid(host) for host in lab.hosts()} == before

    run = lab.playbook("site.yml", "--tags", "consul")
    assert run.ok, run.output
    assert known() == wanted(servers)
    assert {host: lab.pid(host) for host in lab.hosts()} == before


@pytest.mark.chaos
def test_a_server_is_not_restarted_at_the_cost_of_the_quorum(lab):
    led = leader(lab)
    victim, due = [server for server in lab.hosts("consul_server") if server != led]
    lab.exec(victim, "systemctl stop consul")
    try:
        pid = lab.pid(due)
        run = lab.playbook(
            *["playbooks/consul_server.yml", "--limit", f"{due}.example.com"], consul_agent_metrics_retention="90s"
        )
        assert not run.ok
        said = " ".join(run.output.split())
        assert f"(item={due}.example.com)" in said and "Consul is not restarted" in said, run.output
        # By the health of the servers, or once Consul has removed the one that is down, by their number.
        too_few = ("2 of the other 2 servers must be healthy for", "only 2 of the 3 servers of the site, too few for")
        assert any(f"{why} the cluster to go on without this one" in said for why in too_few), run.output
        assert lab.pid(due) == pid
        assert leader(lab, [led, due]) == led
    finally:
        lab.exec(victim, "systemctl start consul")
    lab.wait_for(lambda: all_are_back(lab), 60, "three servers are well")
    put_back = lab.playbook("playbooks/consul_server.yml")
    assert put_back.ok, put_back.output
    assert lab.pid(due) != pid, "what was placed before is taken up"


@pytest.fixture
def passing(lab) -> Iterator[list[int]]:
    """How many instances of mydemo a server found healthy, asked over and over during a test."""
    with Watched(lambda: len(lab.consul("health/service/mydemo?passing", "consul2")), pause=0.1) as watched:
        yield watched.seen


@pytest.mark.chaos
def test_a_change_that_restarts_the_clients_does_so_in_turn(lab, users, writer, passing, nobody_notices):
    """nginx asks a nameserver that was silent again after 5 s: so long may a user of its load balancer wait."""
    clients = lab.hosts("consul_client")
    before = {host: started(lab, host) for host in clients}
    run = lab.playbook("playbooks/consul_client.yml", consul_agent_metrics_retention="90s")
    assert run.ok, run.output
    nobody_notices("a change that restarts every client, one after the other")
    assert all(started(lab, host) > before[host] for host in clients), "each was restarted"
    # Consul takes every check for failed after a start until it has passed once.
    assert min(passing) == len(lab.hosts("mydemo")) - 1, min(passing)


@pytest.mark.chaos
def test_a_client_that_does_not_get_well_is_the_last_that_is_restarted(lab):
    """And the next run makes good the change before this one, which is still to be put back."""
    first, *others = lab.hosts("consul_client")
    check = {"Name": "once in a while", "ID": "seldom", "TCP": "127.0.0.1:8500", "Interval": "30m", "Status": "passing"}
    lab.consul("agent/check/register", first, "PUT", check)
    before = {host: lab.pid(host) for host in [first, *others]}
    try:
        run = lab.playbook("playbooks/consul_client.yml", consul_agent_restart_wait_seconds=3)
    finally:
        lab.consul("agent/check/deregister/seldom", first, "PUT")
    assert not run.ok
    said = " ".join(run.output.split())
    assert "these checks do not pass that passed before: seldom" in said, run.output
    assert lab.pid(first) != before[first]
    assert {host: lab.pid(host) for host in others} == {host: before[host] for host in others}

    run = lab.playbook("playbooks/consul_client.yml")
    assert run.ok, run.output
    assert all(lab.pid(host) != before[host] for host in others)
