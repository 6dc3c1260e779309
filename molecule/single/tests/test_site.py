# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole site on one host: one run from a fresh host to a served request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.testing import ROOT, LockedLab

HOST = "box1"


@pytest.fixture(scope="module")
def lab() -> LockedLab:
    scenario = Path(__file__).resolve().parents[1]
    return LockedLab(scenario, [ROOT / "lab/hosts.yml", ROOT / "inventories/single", scenario / "hosts.yml"])


def test_every_check_passes(lab):
    def states() -> set[str]:
        return {check["Status"] for check in lab.consul("health/state/any", HOST)}

    lab.wait_for(lambda: states() == {"passing"}, 30, "every check passes")
    assert lab.exec(HOST, "systemctl list-units --failed --no-legend") == ""


def test_no_request_without_a_token_reads_anything(lab):
    assert lab.api(HOST, "kv/?keys").status == 403
    assert lab.api(HOST, "catalog/nodes").json() != []


@pytest.mark.parametrize("service", ["consul", "mydemo", "redis", "registry"])
def test_names_resolve_on_port_53(lab, service):
    assert lab.dns(f"{service}.service.consul", HOST) == {lab.address(HOST)}
    assert lab.exec(HOST, f"getent hosts {service}.service.consul").split()[0] == lab.address(HOST)


def test_an_outside_name_resolves(lab):
    assert lab.exec(HOST, ["getent", "hosts", lab.outside_name(HOST)])


def test_names_resolve_in_a_bridge_container(lab):
    image = lab.exec(HOST, "docker inspect --format '{{.Image}}' mydemo")
    look_up = ["docker", "run", "--rm", "--entrypoint", "getent", image, "hosts", "redis.service.consul"]
    assert lab.exec(HOST, look_up).split()[0] == lab.address(HOST)


def test_requests_get_through_the_load_balancer(lab):
    answer = lab.http(HOST)
    assert answer.status == 200, answer
    assert re.fullmatch(r"Hello from dockyard! I have been seen \d+ times\.\n?", answer.text)


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_another_run_changes_nothing(lab, options):
    run = lab.playbook("site.yml", *options)
    assert run.ok, run.output
    assert not run.changed, run.changes


def test_the_status_is_healthy(lab):
    run = lab.playbook("playbooks/status.yml")
    assert run.ok, run.output


def test_everything_is_back_after_a_restart_of_the_host(lab):
    lab.restart(HOST)
    lab.wait_for(lambda: lab.http(HOST).status == 200, 120, "the load balancer has an instance again")
