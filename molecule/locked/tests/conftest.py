# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site under deny, looked at from outside. The files run in the order of their numbers: first those that only look,
then the strangers, last those that run playbooks."""

from __future__ import annotations

import json
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from lab.testing import ROOT, Lab, PlaybookRun

RPC_OVER_TLS = b"\x03"  # the first byte on Consul's RPC port says what follows; see agent/pool/conn.go in its source


class Reply(NamedTuple):
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class LockedLab(Lab):
    """The API answers on each host's loopback only, and says little without a token."""

    def api(self, host: str, path: str, token: str = "", method: str = "GET", data: Any = None) -> Reply:
        body = [] if data is None else ["--data", json.dumps(data)]
        output = self.exec(
            host,
            # The token comes from stdin: a command line is there for everybody to read.
            ["curl", "--silent", "--show-error", "--max-time", "10", "--header", "@-", "--request", method, *body]
            + ["--write-out", "\\n%{http_code}", f"http://127.0.0.1:8500/v1/{path}"],
            stdin=f"X-Consul-Token: {token}\n" if token else "",
        )
        text, _newline, status = output.rpartition("\n")
        return Reply(int(status), text)

    def consul(self, path: str, host: str = "consul1", method: str = "GET", data: Any = None) -> Any:
        """What an operator is told, who has the management token."""
        reply = self.api(host, path, self.secret("management.token"), method, data)
        assert reply.status == 200, reply
        return reply.json() if reply.text else None

    def members(self) -> dict[str, int]:
        """Every member of the cluster with its status: 1 is alive, 3 is left."""
        return {member["Name"]: member["Status"] for member in self.consul("agent/members")}

    def pid(self, host: str) -> str:
        """The agent's process: another one after a restart, the same after a reload."""
        return self.exec(host, "systemctl show --property MainPID --value consul")

    def served_certificate(self, server: str = "consul1") -> dict[str, Any]:
        """The certificate that a server shows on its RPC port, to somebody who has one of the site's as well."""
        context = ssl.create_default_context(cafile=self.secrets / "ca.pem")
        context.load_cert_chain(self.secrets / f"{server}.pem", self.secrets / f"{server}.key")
        with socket.create_connection((self.address(server), 8300), timeout=10) as connection:
            connection.sendall(RPC_OVER_TLS)
            with context.wrap_socket(connection, server_hostname="server.dc1.consul") as rpc:
                return rpc.getpeercert()

    def secret_values(self) -> dict[str, str]:
        """What nobody may see. Of a private key one line, since output may fold or escape the line ends."""
        files = [path for path in self.secrets.rglob("*") if path.is_file() and path.suffix not in (".pem", ".csr")]
        values = {str(path.relative_to(self.secrets)): path.read_text().splitlines() for path in files}
        return {name: lines[0] if len(lines) == 1 else lines[1] for name, lines in values.items()}

    def secrets_in(self, text: str) -> list[str]:
        """The names of the secrets that a text gives away."""
        return [name for name, value in self.secret_values().items() if value in text]


@pytest.fixture(scope="session")
def lab() -> LockedLab:
    scenario = Path(__file__).resolve().parents[1]
    return LockedLab(scenario, [ROOT / "lab" / "hosts.yml", scenario / "hosts.yml"])


@pytest.fixture(scope="session")
def run(lab) -> Callable[..., PlaybookRun]:
    """Runs a playbook, as talkative as can be: whatever a test runs it for, no secret may show."""

    def run(playbook: str, *options: str, **variables: object) -> PlaybookRun:
        done = lab.playbook(playbook, "-vvv", "--diff", *options, **variables)
        assert lab.secrets_in(done.output) == []
        return done

    return run


@pytest.fixture(scope="session")
def converge(run) -> Callable[..., PlaybookRun]:
    """Runs a playbook that has to succeed."""

    def converge(playbook: str, *options: str, **variables: object) -> PlaybookRun:
        done = run(playbook, *options, **variables)
        assert done.ok, done.output
        return done

    return converge


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the agents have said."""
    report = yield
    if report.failed and "lab" in getattr(item, "funcargs", {}):
        lab = item.funcargs["lab"]
        for host in lab.hosts():
            report.sections.append((f"journal of consul on {host}", lab.journal(host, "consul")))
    return report
