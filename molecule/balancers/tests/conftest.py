# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load balancer's two modes side by side. The files run in the order of their numbers: first those that look, then
those that break something under load, last those that run playbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.load import Load, served
from lab.testing import ROOT, Answer, Lab, PlaybookRun

SCENARIO = Path(__file__).resolve().parents[1]


class BalancersLab(Lab):
    """The lab, and what is asked of its load balancers more than once."""

    balancers = ("lb1", "lb2")
    hello = frozenset({"app1:7000", "app2:7000"})

    def __init__(self) -> None:
        super().__init__(SCENARIO, [ROOT / "lab" / "hosts.yml", SCENARIO / "hosts.yml"])

    def answers(self, host: str, count: int, port: int = 80) -> list[Answer]:
        return [self.http(host, port) for _ in range(count)]

    def served_by(self, host: str, count: int = 12, port: int = 80) -> set[str]:
        """Who answers that many requests; a failed one is a failure."""
        answers = self.answers(host, count, port)
        assert {answer.status for answer in answers} == {200}, answers
        return {answer.headers["X-Served-By"] for answer in answers}

    def register(self, host: str, name: str, port: int, **more: Any) -> None:
        service = {"Name": name, "ID": f"{name}-{port}", "Port": port, **more}
        self.consul("agent/service/register", host, "PUT", service)

    def deregister(self, host: str, name: str, port: int) -> None:
        self.consul(f"agent/service/deregister/{name}-{port}", host, "PUT")

    talkative = (("lb1", "nginx"), ("lb2", "nginx"))

    def journal(self, host: str, unit: str, lines: int = 25) -> str:
        """nginx keeps its own."""
        if unit == "nginx":
            tail = ["tail", f"--lines={lines}", "/var/log/nginx/error.log"]
            return self.run("docker", "exec", self.container(host), *tail, check=False).stdout
        return super().journal(host, unit, lines)

    def pid(self, host: str) -> str:
        """nginx's master process: the same one after a reload."""
        return self.exec(host, "systemctl show --property MainPID --value nginx")


@pytest.fixture(scope="session")
def lab() -> BalancersLab:
    return BalancersLab()


@pytest.fixture
def loads(lab) -> Iterator[dict[str, Load]]:
    """Requests through each load balancer, while the test runs; both instances serve at its start."""
    with ExitStack() as stack:
        loads = {host: stack.enter_context(Load(f"http://{lab.address(host)}/", rate=50)) for host in lab.balancers}
        for load in loads.values():
            lab.wait_for(lambda load=load: served(load.go_on(1)) == lab.hello, 30, "both instances serve")
        yield loads


@pytest.fixture(scope="module")
def configure(lab) -> Iterator[Callable[..., PlaybookRun]]:
    """Configures the load balancers by their playbook, with other variables; afterwards they are as they were."""

    def configure(*options: str, **variables: object) -> PlaybookRun:
        return lab.playbook("playbooks/nginx_lb.yml", *options, **variables)

    yield configure
    put_back = configure()
    assert put_back.ok, put_back.output
