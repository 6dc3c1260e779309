# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who watches finds the site's targets through Consul and scrapes them, with the configuration that the docs have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab.testing import ROOT, ask

HOST = "registry1"
FOLDER = "/root/watcher"


class Watcher(NamedTuple):
    """A program of Debian's, and the example that it reads: Debian's Prometheus is built without consul_sd_configs, and
    VictoriaMetrics reads the same configuration with it."""

    package: str
    example: str
    check: str
    run: str
    api: str


PROMETHEUS = Watcher(
    "prometheus",
    "prometheus-dns.yml",
    "usr/bin/promtool check config prometheus-dns.yml",
    "usr/bin/prometheus --config.file=prometheus-dns.yml --web.listen-address=127.0.0.1:9090",
    "http://127.0.0.1:9090",
)
VICTORIA = Watcher(
    "victoria-metrics",
    "prometheus.yml",
    "usr/bin/victoria-metrics -promscrape.config=prometheus.yml -promscrape.config.dryRun",
    "usr/bin/victoria-metrics -promscrape.config=prometheus.yml -httpListenAddr=127.0.0.1:8428 -search.latencyOffset=1s",
    "http://127.0.0.1:8428",
)
WATCHERS = [PROMETHEUS, VICTORIA]


@pytest.fixture(scope="module")
def watching(lab) -> Iterator[None]:
    """Both run on a host of the site for the time of these tests."""

    def run(*lines: str, stdin: str | None = None) -> None:
        lab.exec(HOST, "\n".join(["set -e", f"cd {FOLDER}", *lines]), stdin, timeout=180)

    files = {
        "demo.pem": (lab.secrets.parent / "demo.pem").read_text(),
        "site-ca.pem": (lab.secrets / "ca.pem").read_text(),
        "site.pem": (lab.secrets / "node/consul1/server.pem").read_text(),
        "site.key": (lab.secrets / "node/consul1/server.key").read_text(),
        "monitoring.token": lab.secret("operator/monitoring.token"),
    }
    files |= {watcher.example: as_the_lab_has_it(lab, watcher.example) for watcher in WATCHERS}
    try:
        lab.exec(HOST, f"install -d -m 700 {FOLDER}")
        for name, content in files.items():
            run(f"cat >{name}", stdin=content)
        # Taken out of their packages, not installed: nothing of them stays on the host.
        packages = " ".join(watcher.package for watcher in WATCHERS)
        run(f"apt-get download {packages}", "for package in *.deb; do dpkg --extract $package .; done")
        for watcher in WATCHERS:
            run(
                watcher.check,
                f"systemd-run --collect --unit watcher-{watcher.package} --working-directory {FOLDER} {FOLDER}/{watcher.run}",
            )
        yield
    finally:
        units = " ".join(f"watcher-{watcher.package}" for watcher in WATCHERS)
        lab.exec(HOST, f"systemctl stop {units}; rm -rf {FOLDER}")


def as_the_lab_has_it(lab, example: str) -> str:
    """The example, with the lab's names and files."""
    text = (ROOT / "docs" / "examples" / example).read_text()
    for host in lab.hosts():
        text = text.replace(f"{host}.example.com:", f"{lab.address(host)}:")
    by_name = "server_name: demo.example.com"
    return text.replace(by_name, f"{by_name}\n      ca_file: {FOLDER}/demo.pem").replace(
        "/etc/prometheus/", f"{FOLDER}/"
    )


@pytest.mark.parametrize("watcher", WATCHERS, ids=lambda watcher: watcher.example)
def test_every_target_is_found_and_up(lab, watching, watcher):
    servers = [(f"{lab.address(host)}:8501", host) for host in lab.hosts("consul_server")]
    balancers = [(f"{lab.address(host)}:8082", "") for host in lab.hosts("nginx_lb")]
    if watcher == PROMETHEUS:
        servers = [(address, "") for address, _node in servers]  # DNS does not tell it
    query = [f"{FOLDER}/usr/bin/promtool", "query", "instant", "--format", "json", watcher.api, "up"]

    def up() -> list[tuple[str, str, str]]:
        found = json.loads(lab.exec(HOST, query))
        return sorted((one["metric"]["instance"], one["metric"].get("node", ""), one["value"][1]) for one in found)

    wanted = sorted((address, node, "1") for address, node in servers + balancers)
    lab.wait_for(lambda: up() == wanted, 90, "every target is up")


def test_what_is_scraped_is_for_who_has_the_token(lab):
    tls = lab.as_operator()
    metrics = "agent/metrics?format=prometheus"
    assert lab.https("consul1", metrics).status == 403
    assert "consul_raft_" in lab.https("consul1", metrics, lab.secret("operator/monitoring.token"), tls).text
    for host in lab.hosts("nginx_lb"):
        for path in ("/nginx_status", "/consul/metrics"):
            assert balancer(lab, host, path).status in (401, 403), (host, path)
            assert balancer(lab, host, path, lab.secret("operator/dns.token")).status in (401, 403), (host, path)
        assert (
            "Active connections" in balancer(lab, host, "/nginx_status", lab.secret("operator/monitoring.token")).text
        )
        assert "consul_" in balancer(lab, host, "/consul/metrics", lab.secret("operator/monitoring.token")).text


def balancer(lab, host: str, path: str, token: str = ""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ask(f"https://{lab.address(host)}:8082{path}", headers=headers, tls=lab.trusting_the_site())
