# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to install Consul and each manager of resolv.conf, looked at from outside. The files bear the numbers in
which they run: the last one changes what is installed, and puts it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.testing import ROOT, Lab

SCENARIO = Path(__file__).resolve().parents[1]


class InstallLab(Lab):
    """The lab, and what is asked of an agent here more than once."""

    def __init__(self) -> None:
        super().__init__(SCENARIO, [ROOT / "lab" / "hosts.yml", SCENARIO / "hosts.yml"])

    def client_playbook(self, *arguments: str):
        return self.playbook("playbooks/consul_client.yml", *arguments)

    def resolves(self, host: str, name: str) -> bool:
        """Whether the host's own resolver finds the name, as any program on it would."""
        return bool(self.exec(host, ["getent", "ahostsv4", name]))

    def binary(self, host: str) -> str:
        """The binary that the agent runs. "(deleted)" follows where it was replaced since."""
        return self.exec(host, "readlink /proc/$(systemctl show --property MainPID --value consul)/exe")

    def capability(self, host: str) -> str:
        return self.exec(host, f"getcap {self.binary(host)}")

    def version(self, host: str) -> str:
        """The version that runs, by the agent's own word."""
        return self.consul("agent/self", host=host)["Config"]["Version"]

    def pid(self, host: str) -> str:
        return self.exec(host, "systemctl show --property MainPID --value consul")

    def until_it_answers(self, host: str) -> None:
        self.wait_for(lambda: self.dns("consul.service.consul", host), 60, f"the agent on {host} answers on port 53")


@pytest.fixture(scope="session")
def lab() -> InstallLab:
    return InstallLab()
