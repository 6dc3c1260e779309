# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More runs of plays with roles alone: unchanged, and with a setting that requires a restart of the agents."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

SERVICES = [("consul1", "consul"), ("consul2", "consul"), ("consul3", "consul"), ("client1", "consul")]


def starts(lab) -> dict[str, str]:
    """When each process of the site started."""
    found = {f"consul on {host}": lab.started(host) for host in lab.hosts()}
    for unit in ("docker", "redis-server", "docker-registry", "nginx"):
        found[unit] = lab.started("client1", unit)
    found["mydemo"] = lab.exec("client1", "docker inspect --format '{{.State.StartedAt}}' mydemo")
    return found


def test_a_second_run_changes_nothing_and_restarts_nothing(lab, converge):
    before = starts(lab)
    done = converge(lab.scenario / "converge.yml")
    assert done.recap.keys() == set(lab.hosts())
    assert not done.changed, done.changes
    assert starts(lab) == before


class Restart(NamedTuple):
    stopped: float
    started: float
    back: float


def restart(lab, host: str, since: float) -> Restart:
    """The only restart of the agent of a host since then. The agent is back when it has joined the others again."""

    def only(text: str) -> float:
        (line,) = [line for line in lab.lines(host, text, "consul") if line.at > since]
        return line.at

    return Restart(only("Stopping consul.service"), only("Started consul.service"), only("Join cluster completed"))


def assert_one_at_a_time(restarts: dict[str, Restart]) -> None:
    turns = sorted(restarts.items(), key=lambda turn: turn[1].stopped)
    for (first, former), (then, latter) in pairwise(turns):
        assert former.stopped < former.started < former.back
        assert latter.stopped > former.back, f"{then} stopped before {first} was back: {turns}"


@pytest.fixture
def restarts(lab, converge, figures) -> Callable[..., dict[str, Restart]]:
    """Runs a playbook that restarts each server once, and returns the restarts in their order."""

    def restarts(playbook: Path, what: str, **variables: object) -> dict[str, Restart]:
        lab.wait_for(lab.is_healthy, 60, "the cluster can lose a server")
        since = time.time()
        converge(playbook, **variables)
        found = {server: restart(lab, server, since) for server in lab.hosts("consul_server")}
        found = dict(sorted(found.items(), key=lambda turn: turn[1].stopped))
        assert_one_at_a_time(found)
        first, *_between, last = found.values()
        figures.append((f"three servers restarted under {what}", f"{last.back - first.stopped:.1f} s"))
        lab.wait_for(lab.is_healthy, 60, "the cluster can lose a server")
        return found

    return restarts


def test_servers_restart_one_at_a_time_and_the_leader_last_under_strategy_free(lab, play, restarts):
    """Although the leader is far ahead: the others begin when it has its new configuration."""
    led = lab.leader()
    ahead = {
        "ansible.builtin.wait_for": {"path": "/etc/consul.d/consul.json", "search_regex": "check_update_interval"},
        "delegate_to": led,
        "when": f"inventory_hostname != '{led}'",
    }
    playbook = play("consul_server", strategy="free", pre_tasks=[ahead])
    found = restarts(playbook, "strategy free", consul_agent_config_extra={"check_update_interval": "1m"})
    assert list(found)[-1] == led, found


def test_servers_restart_one_at_a_time_under_serial_1(play, restarts):
    """Back to the setting before."""
    restarts(play("consul_server", serial=1), "serial 1")


def test_clients_restart_one_at_a_time_under_strategy_free(lab, converge, play):
    since = time.time()
    converge(play("consul_client", strategy="free"), consul_agent_config_extra={"check_update_interval": "1m"})
    clients = lab.hosts("consul_client")
    assert_one_at_a_time({client: restart(lab, client, since) for client in clients})
    lab.wait_for(lambda: lab.http("client1").status == 200, 60, "the app answers")
