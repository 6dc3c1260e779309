# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus finds the site's targets through Consul and scrapes them, with the configuration that the docs have."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.testing import ROOT, ask

WATCHER = "registry1"
FOLDER = "/root/watcher"


@pytest.fixture(scope="module")
def prometheus(lab) -> Iterator[str]:
    """Debian's program, running on a host of the site for the time of these tests; gives the address of its API."""
    text = (ROOT / "docs" / "examples" / "prometheus.yml").read_text()
    for host in lab.hosts():
        text = text.replace(f"{host}.example.com:", f"{lab.address(host)}:")
    text = text.replace(
        "server_name: demo.example.com", f"server_name: demo.example.com\n      ca_file: {FOLDER}/demo.pem"
    )
    files = {
        "prometheus.yml": text.replace("/etc/prometheus/", f"{FOLDER}/"),
        "demo.pem": (lab.secrets.parent / "demo.pem").read_text(),
        "site-ca.pem": (lab.secrets / "ca.pem").read_text(),
        "site.pem": (lab.secrets / "consul1.pem").read_text(),
        "site.key": (lab.secrets / "consul1.key").read_text(),
        "monitoring.token": lab.secret("tokens/monitoring"),
    }
    # Taken out of its package, not installed: nothing of it stays on the host.
    program = "apt-get download prometheus && dpkg --extract prometheus_*.deb . && rm prometheus_*.deb"
    lab.exec(WATCHER, f"install -d -m 700 {FOLDER} && cd {FOLDER} && {program}", timeout=180)
    for name, content in files.items():
        lab.exec(WATCHER, f"cat >{FOLDER}/{name}", content)
    lab.exec(WATCHER, f"{FOLDER}/usr/bin/promtool check config {FOLDER}/prometheus.yml")
    lab.exec(
        WATCHER,
        f"systemd-run --unit watcher {FOLDER}/usr/bin/prometheus --config.file={FOLDER}/prometheus.yml"
        f" --storage.tsdb.path={FOLDER}/data --web.listen-address=127.0.0.1:9090",
    )
    yield "http://127.0.0.1:9090"
    lab.exec(WATCHER, f"systemctl stop watcher; rm -rf {FOLDER}")


def test_every_target_is_found_and_up(lab, prometheus):
    wanted = {f"{lab.address(host)}:8501" for host in lab.hosts("consul_server")}
    wanted |= {f"{lab.address(host)}:8082" for host in lab.hosts("nginx_lb")}
    query = [f"{FOLDER}/usr/bin/promtool", "query", "instant", "--format", "json", prometheus, "up"]

    def up() -> dict[str, str]:
        found = json.loads(lab.exec(WATCHER, query))
        return {one["metric"]["instance"]: one["value"][1] for one in found}

    lab.wait_for(lambda: up() == dict.fromkeys(wanted, "1"), 90, "every target is up")


def test_what_is_scraped_is_for_who_has_the_token(lab):
    tls = lab.as_operator()
    metrics = "agent/metrics?format=prometheus"
    assert lab.https("consul1", metrics).status == 403
    assert "consul_raft_" in lab.https("consul1", metrics, lab.secret("tokens/monitoring"), tls).text
    for host in lab.hosts("nginx_lb"):
        for path in ("/nginx_status", "/consul/metrics"):
            assert balancer(lab, host, path).status in (401, 403), (host, path)
            assert balancer(lab, host, path, lab.secret("tokens/dns")).status in (401, 403), (host, path)
        assert "Active connections" in balancer(lab, host, "/nginx_status", lab.secret("tokens/monitoring")).text
        assert "consul_" in balancer(lab, host, "/consul/metrics", lab.secret("tokens/monitoring")).text


def balancer(lab, host: str, path: str, token: str = ""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ask(f"https://{lab.address(host)}:8082{path}", headers=headers, tls=lab.trusting_the_site())
