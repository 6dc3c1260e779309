# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site that users start from, looked at from outside. The files run in the order of their numbers: first those that
only look and try to get in, then releases, last those that break and rebuild."""

from __future__ import annotations

import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.load import Users, Writer
from lab.testing import ROOT, Answer, LockedLab, ask


class ProductionLab(LockedLab):
    def secret_values(self) -> dict[str, str]:
        """And that of the user's own making: the key of the site's certificate."""
        key = self.secrets.parent / "demo.key"
        return super().secret_values() | {key.name: key.read_text().splitlines()[1]}

    def trusting_the_site(self) -> ssl.SSLContext:
        trust = ssl.create_default_context(cafile=self.secrets.parent / "demo.pem")
        trust.check_hostname = False  # asked by its address; the test of TLS looks at the name
        return trust

    def site(self, host: str, path: str = "/", **options: Any) -> Answer:
        """Ask a load balancer, as a user who has the address of that one."""
        headers = {"Host": "demo.example.com"}
        return ask(f"https://{self.address(host)}{path}", headers=headers, tls=self.trusting_the_site(), **options)

    def as_operator(self, certificate: str | None = "consul1") -> ssl.SSLContext:
        """Trusts the site's CA, and shows a certificate of it."""
        tls = ssl.create_default_context(cafile=self.secrets / "ca.pem")
        if certificate:
            tls.load_cert_chain(
                self.secrets / f"node/{certificate}/server.pem", self.secrets / f"node/{certificate}/server.key"
            )
        return tls

    def https(
        self, server: str, path: str, token: str = "", tls: ssl.SSLContext | None = None, **options: Any
    ) -> Answer:
        """Ask a server's API from another host."""
        url, headers = f"https://{self.address(server)}:8501/v1/{path}", {"X-Consul-Token": token} if token else {}
        return ask(url, headers=headers, tls=tls or self.as_operator(), **options)


@pytest.fixture(scope="session")
def lab() -> ProductionLab:
    scenario = Path(__file__).resolve().parent
    production = [ROOT / "lab" / "hosts.yml", ROOT / "inventories" / "production", scenario / "hosts.yml"]
    return ProductionLab(scenario, production)


@pytest.fixture
def users(lab) -> Iterator[Users]:
    """200 requests a second, through both load balancers, from the first line of a test to its last."""
    urls = [f"https://{lab.address(host)}/" for host in lab.hosts("nginx_lb")]
    with Users(urls, host="demo.example.com") as users:
        yield users


@pytest.fixture
def writer(lab) -> Iterator[Writer]:
    """Ten numbered keys a second, each by whichever server takes it."""
    tls, token, servers = lab.as_operator(), lab.secret("operator/management.token"), lab.hosts("consul_server")

    def put(number: int) -> bool:
        server = servers[number % len(servers)]
        return (
            lab.https(server, f"kv/written/{number}", token, tls, method="PUT", data=number, timeout=5).text == "true"
        )

    with Writer(put) as writer:
        yield writer
    lab.consul("kv/written/?recurse", method="DELETE")


@pytest.fixture
def nobody_notices(lab, users, writer, figures) -> Callable[..., None]:
    """Ends the load and asserts that nothing was lost: no request, and no write that was acknowledged."""

    def see(what: str, *more: str) -> None:
        users.stop(), writer.stop()
        figures.append((what, "; ".join([str(users), str(writer), *more])))
        # By a leader that is sure to be it, and has read its log: a new one answers before that.
        entries = lab.consul("kv/written/?recurse&consistent")
        values = {int(entry["Key"].rpartition("/")[2]): b64decode(entry["Value"]).decode() for entry in entries}
        assert users.enough and users.failed == 0, users
        assert writer.acknowledged
        assert writer.lost(values) == set()

    return see
