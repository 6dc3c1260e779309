# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that were set up by hand, and that the site takes over, looked at from outside."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.load import Repeated
from lab.testing import ROOT, CommandFailed, LockedLab, PlaybookRun

SCENARIO = Path(__file__).resolve().parent


class BrownfieldLab(LockedLab):
    def __init__(self, inventory: Path = SCENARIO / "hosts.yml") -> None:
        super().__init__(SCENARIO, [ROOT / "lab" / "hosts.yml", inventory])
        self.by_hand = self.secrets.parent / "by_hand"
        self.lines: dict[str, Any] = {}  # what a user has added to the inventory

    @property
    def management_token(self) -> str:
        """That of the time before. A cluster without ACLs has none until the site has made one."""
        file = self.by_hand / "bootstrap.json"
        if file.exists():
            return json.loads(file.read_text())["SecretID"]
        of_site = "operator/management.token"
        return self.secret(of_site) if (self.secrets / of_site).exists() else ""

    def secret_values(self) -> dict[str, str]:
        """What nobody may see: the secrets of the site, and those of the time before."""
        found = super().secret_values() if self.secrets.exists() else {}
        if self.management_token:
            found["the old management token"] = self.management_token
        found["the old gossip key"] = (self.by_hand / "gossip.key").read_text().strip()
        found["the old token of the agents"] = "11111111-1111-4111-8111-111111111111"
        found["the old token of the services"] = "22222222-2222-4222-8222-222222222222"
        return found

    def consul(self, path: str, host: str = "old1", method: str = "GET", data: Any = None) -> Any:
        reply = self.api(host, path, self.management_token, method, data)
        if reply.status != 200:
            raise CommandFailed(f"Consul on {host}, {method} {path}: {reply}")
        return reply.json() if reply.text else None

    def site(self, name: str, *options: str, **variables: Any) -> PlaybookRun:
        """Runs a playbook with the lines that the user has added. The output must not show a secret."""
        done = self.playbook(f"playbooks/{name}.yml", *options, **{**self.lines, **variables})
        assert self.secrets_in(done.output) == []
        return done

    def agent(self, host: str) -> tuple[str, str]:
        """The unit and the process of the agent of a host. There must be one."""
        (pid,) = self.exec(host, ["pgrep", "--exact", "consul"]).split()
        unit = self.exec(host, f"ps -o unit= -p {pid}").strip()
        return unit, pid

    def agents(self) -> dict[str, tuple[str, str]]:
        return {host: self.agent(host) for host in self.hosts()}

    def files(self, host: str) -> str:
        """What there is below the folders that the roles change, with times and sums."""
        folders = "/etc/consul.d /etc/systemd/system /etc/resolv.conf /etc/default /opt/consul/node-id"
        return self.exec(host, f"find {folders} -type f -printf '%p %m %u %t\\n' -exec md5sum {{}} + | sort")

    def started(self, host: str) -> float:
        """When the agent of a host started, in seconds since the machine did. The hosts of the lab share its clock."""
        pid = self.agent(host)[1]
        return int(self.exec(host, ["cut", "-d ", "-f22", f"/proc/{pid}/stat"])) / 100

    def leader(self) -> str:
        address = self.consul("status/leader").partition(":")[0]
        return next(host for host in self.hosts() if self.address(host) == address)

    def state(self) -> dict[str, Any]:
        """What must be the same before and after."""
        nodes = {node["Node"]: node["ID"] for node in self.consul("catalog/nodes")}
        services = {
            (node, identity, service["Port"])
            for node in nodes
            for identity, service in self.consul(f"catalog/node/{node}")["Services"].items()
            if identity != "consul"
        }
        peers = {
            (one["Node"], one["ID"], one["Voter"]) for one in self.consul("operator/raft/configuration")["Servers"]
        }
        return {
            "kv": {one["Key"]: b64decode(one["Value"]) for one in self.consul("kv/?recurse")},
            "nodes": nodes,
            "services": services,
            "tokens": {(token["AccessorID"], token["Description"]) for token in self._tokens()},
            "peers": peers,
        }

    def _tokens(self) -> list[dict[str, Any]]:
        """None without ACLs."""
        reply = self.api("old1", "acl/tokens", self.management_token)
        return [] if reply.status == 401 else reply.json()


@pytest.fixture(scope="session")
def lab_of() -> type[BrownfieldLab]:
    """For the tests in other folders: the lab of another inventory."""
    return BrownfieldLab


@pytest.fixture(scope="session")
def lab() -> BrownfieldLab:
    return BrownfieldLab()


class Watch(Repeated):
    """Asks for the services all the time, and notes each that is not in the catalog. One whose agent has just started is there,
    and critical until its check has passed."""

    def __init__(self, lab: BrownfieldLab, services: list[str]) -> None:
        super().__init__()
        self.lab, self.services = lab, services
        self.answers, self.missing = 0, []

    def once(self) -> None:
        for server in self.lab.hosts("consul_server"):
            try:
                found = {one: self.lab.consul(f"catalog/service/{one}?stale", server) for one in self.services}
            except (CommandFailed, ValueError):
                continue  # it is just restarted
            self.answers += 1
            self.missing += [(server, one) for one, instances in found.items() if not instances]
            break


@pytest.fixture
def watch(lab) -> Iterator[Watch]:
    with Watch(lab, ["web", "api"]) as watch:
        yield watch
