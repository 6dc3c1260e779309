# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other clusters that were made by hand. Each file of tests has hosts of its own, by the inventory of its name."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.load import Repeated
from lab.testing import CommandFailed, Lab, wait_for

FAILED = 4  # the status of a member, as in `consul members`
# The agents of the roles answer DNS on port 53, those from before on 8600. dig fails if nobody answers.
ASK = """for name in {names}; do
  echo "for $name"
  dig="dig +time=1 +tries=1 +noall +comments +answer @127.0.0.1 $name.service.consul"
  $dig -p 53 || $dig -p 8600
done; true"""


@pytest.fixture(scope="module")
def lab(lab_of, request) -> Iterator[Lab]:
    lab = lab_of(request.path.parent / Path(request.path.name.removeprefix("test_")).with_suffix(".yml"))
    for playbook in ("lab/destroy.yml", "lab/create.yml", "molecule/brownfield/consul.yml"):
        done = lab.playbook(playbook)
        assert done.ok, done.output
    yield lab
    if not request.session.testsfailed:  # otherwise they stay, to be looked at
        lab.playbook("lab/destroy.yml")


class Asked(Repeated):
    """Asks each of the hosts in every round, and notes when it has answered each of the questions."""

    def __init__(self, lab: Lab, hosts: list[str], questions: tuple[str, ...] = ("",)) -> None:
        super().__init__()
        self.lab, self.hosts, self.questions = lab, hosts, questions
        self.answers = Counter()
        self._last: dict[tuple[str, str], float] = {}
        self._longest = dict.fromkeys(hosts, 0.0)

    def ask(self, host: str) -> None:
        raise NotImplementedError

    def once(self) -> None:
        for host in self.hosts:
            try:
                self.ask(host)
            except (CommandFailed, ValueError):
                continue  # the agent restarts

    def answered(self, host: str, question: str = "") -> None:
        self._longest[host] = max(self._longest[host], self._without(host, question))
        self._last[host, question] = time.monotonic()
        self.answers[host] += 1

    def _without(self, host: str, question: str) -> float:
        """For how many seconds the host has not answered the question."""
        return time.monotonic() - self._last.get((host, question), self._since)

    @property
    def silence(self) -> dict[str, float]:
        """For how many seconds at most each host did not answer one of the questions, until now."""
        return {
            host: max(self._longest[host], *(self._without(host, question) for question in self.questions))
            for host in self.hosts
        }

    def go_on(self) -> None:
        """Returns when each host has answered each question again."""
        began = time.monotonic()
        asked = [(host, question) for host in self.hosts for question in self.questions]
        wait_for(
            lambda: self._error or all(self._last.get(one, 0) > began for one in asked), 60, "each host answers again"
        )

    def __str__(self) -> str:
        silence = ", ".join(f"{host} {seconds:.1f} s" for host, seconds in self.silence.items())
        return f"{self.answers.total()} answers; none for {silence} at most"


class Names(Asked):
    """Asks the agent of each host for the services, over DNS. An agent that restarts gives no answer, or SERVFAIL; that is
    not an answer without the service."""

    def __init__(self, lab: Lab, *services: str) -> None:
        super().__init__(lab, lab.hosts(), services)
        self.missing: list[tuple[str, str, str]] = []

    def ask(self, host: str) -> None:
        for said in self.lab.exec(host, ASK.format(names=" ".join(self.questions))).split("for ")[1:]:
            name = said.split()[0]
            if re.search(r"^[^;\n].*\sA\s", said, re.MULTILINE):
                self.answered(host, name)
            elif re.search(r"status: (NOERROR|NXDOMAIN)", said):
                self.missing.append((host, name, time.strftime("%X")))

    def __str__(self) -> str:
        return f"{super().__str__()}; {len(self.missing)} without the service"


class Members(Asked):
    """Asks each server who has failed."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, lab.hosts("consul_server"))
        self.failed: list[tuple[str, str, str]] = []

    def ask(self, host: str) -> None:
        members: list[dict[str, Any]] = self.lab.api(host, "agent/members").json()
        self.answered(host)
        self.failed += [(host, one["Name"], time.strftime("%X")) for one in members if one["Status"] == FAILED]


@pytest.fixture
def names(lab) -> Iterator[Names]:
    with Names(lab, "web", "api") as names:
        yield names


@pytest.fixture
def members(lab) -> Iterator[Members]:
    with Members(lab) as members:
        yield members


@pytest.fixture(scope="module")
def before(lab) -> dict[str, Any]:
    """The cluster before anybody has run anything."""
    lab.wait_for(lambda: len(lab.state()["services"]) == 2, 30, "all services are registered")
    return lab.state()
