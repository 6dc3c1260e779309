# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that a user's own playbook has set up. The files run in the order of their numbers: first those that only read, then
those that run plays, last those that take hosts away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.testing import ROOT, LockedLab, PlaybookRun


class Line(NamedTuple):
    at: float  # seconds of this machine's clock, which all hosts of the lab share
    text: str


class AloneLab(LockedLab):
    def lines(self, host: str, text: str, unit: str = "") -> list[Line]:
        """The lines with this text in the journal of a host, oldest first."""
        of_unit = ["--unit", unit] if unit else []
        journal = self.exec(host, ["journalctl", *of_unit, "--output", "short-unix", "--no-pager"])
        return [Line(float(line.split()[0]), line) for line in journal.splitlines() if text in line]

    def started(self, host: str, unit: str = "consul") -> str:
        """When the process of a unit started. The value differs after a restart."""
        return self.exec(host, ["systemctl", "show", "--property", "ExecMainStartTimestampMonotonic", "--value", unit])

    def voters(self) -> set[str]:
        """The servers that vote, by their name."""
        servers = self.consul("operator/raft/configuration")["Servers"]
        return {server["Node"] for server in servers if server["Voter"]}

    def leader(self, of: list[str] | None = None) -> str:
        """The server that leads. LookupError if the servers do not agree."""
        known = {self.api(server, "status/leader").json() for server in of or self.hosts("consul_server")}
        (address,) = known if len(known) == 1 else [""]
        return {f"{self.address(server)}:8300": server for server in self.hosts("consul_server")}[address]

    def is_healthy(self) -> bool:
        """Whether the cluster has all its servers and can lose one."""
        health = self.consul("operator/autopilot/health", self.leader())
        return health["Healthy"] and health["FailureTolerance"] == 1


@pytest.fixture(scope="session")
def lab() -> AloneLab:
    scenario = Path(__file__).resolve().parents[1]
    return AloneLab(scenario, [ROOT / "lab" / "hosts.yml", scenario / "hosts.yml"])


@pytest.fixture
def run(lab, monkeypatch) -> Callable[..., PlaybookRun]:
    """Runs a playbook with Ansible's default for facts. The output is verbose, and must not show a secret."""
    monkeypatch.setenv("ANSIBLE_GATHERING", "implicit")

    def run(playbook: str | Path, *options: str, **variables: object) -> PlaybookRun:
        done = lab.playbook(str(playbook), "-vvv", "--diff", *options, **variables)
        assert lab.secrets_in(done.output) == []
        return done

    return run


@pytest.fixture
def converge(run) -> Callable[..., PlaybookRun]:
    """Runs a playbook that has to succeed."""

    def converge(playbook: str | Path, *options: str, **variables: object) -> PlaybookRun:
        done = run(playbook, *options, **variables)
        assert done.ok, done.output
        return done

    return converge


@pytest.fixture
def play(tmp_path) -> Callable[..., Path]:
    """Writes a playbook. Each play has one role, on the group of its name unless it names other hosts."""

    def play(*roles: str, **keywords: object) -> Path:
        plays = [{"hosts": role, "become": True, "roles": [f"dockyard.consul.{role}"], **keywords} for role in roles]
        file = tmp_path / "play.yml"
        file.write_text(json.dumps(plays))
        return file

    return play
