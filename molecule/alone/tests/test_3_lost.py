# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs while a server is lost. The run goes on for the other hosts, names the one that is lost, and fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.testing import ROOT, PlaybookRun

SERVICES = [("consul1", "consul"), ("consul2", "consul"), ("consul3", "consul")]
# Over SSH, a host that is switched off is unreachable. The connection of the lab finds a failed module.
SWITCHED_OFF = {
    "ansible_connection": "ssh",
    "ansible_host": "{{ lab_address }}",
    "consul_agent_bind_addr": "{{ lab_address }}",
}


@pytest.fixture(scope="module")
def lost(lab) -> Iterator[str]:
    """A follower that is switched off."""
    led = lab.leader()
    server = next(server for server in lab.hosts("consul_server") if server != led)
    lab.run("docker", "kill", lab.container(server))
    yield server
    lab.run("docker", "start", lab.container(server))
    lab.wait_for(lab.is_healthy, 120, "the cluster can lose a server")


@pytest.fixture
def inventory(tmp_path) -> Callable[[dict], Path]:
    """Writes an inventory."""

    def inventory(content: dict) -> Path:
        file = tmp_path / "more.json"
        file.write_text(json.dumps({"all": content}))
        return file

    return inventory


def assert_only_one_is_lost(done: PlaybookRun, lost: str, others: set[str]) -> None:
    assert not done.ok
    assert done.recap.keys() == {lost, *others}, done.output
    assert done.recap[lost]["unreachable"] == 1, done.output
    for host in others:
        assert done.recap[host]["unreachable"] == done.recap[host]["failed"] == 0, done.output


def test_roles_go_on_without_a_lost_server(lab, lost, run, play, inventory):
    """The clients go back to the setting that they had before test_2_runs.py."""
    file = inventory({"hosts": {lost: SWITCHED_OFF}})
    done = run(play("consul_server", "consul_client"), "--inventory", str(file))
    assert_only_one_is_lost(done, lost, set(lab.hosts()) - {lost})
    assert done.changed.keys() == set(lab.hosts("consul_client")), done.changes
    for client in lab.hosts("consul_client"):
        assert lab.consul("agent/self", client)["DebugConfig"]["CheckUpdateInterval"] == "5m0s"


def test_the_site_goes_on_without_a_lost_server(lab, lost, run, inventory):
    file = inventory({"hosts": {lost: SWITCHED_OFF}})
    done = run("playbooks/site.yml", "--tags", "consul", "--inventory", str(file))
    assert_only_one_is_lost(done, lost, set(lab.hosts()) - {lost})
    assert not done.changed, done.changes
    assert "TASK [dockyard.consul.consul_agent : Ensure that Consul runs" in done.output


@pytest.fixture
def lonely(lab, inventory) -> Callable[[dict], list[str]]:
    """The options for a site with client2 and a single server, which is switched off."""

    def lonely(server: dict) -> list[str]:
        settings = {"lab_name": lab.name, "lab_network": lab.address("client2").rpartition(".")[0]}
        settings |= {"site_secrets_dir": str(lab.secrets), "consul_agent_install_method": "package"}
        groups = {
            "consul_server": {"hosts": {"consul9": {"lab_number": 99, **server}}},
            "consul_client": {"hosts": {"client2": {"lab_number": 22}}},
        }
        return [ROOT / "lab" / "hosts.yml", inventory({"vars": settings, "children": groups})]

    return lonely


def test_the_only_server_is_required(lab, lonely, play):
    before = lab.exec("client2", "sha256sum /etc/consul.d/*")

    site = type(lab)(lab.scenario, lonely(SWITCHED_OFF))
    done = site.playbook("playbooks/site.yml")
    assert not done.ok and not done.changed, done.output
    assert "This run has lost every server of the site (consul9), and a client requires one." in one_line(done.output)
    assert done.recap["consul9"]["unreachable"] == 1

    # A play of clients alone asks the server for its address.
    site = type(lab)(lab.scenario, lonely({**SWITCHED_OFF, "consul_agent_bind_addr": ""}))
    done = site.playbook(str(play("consul_client")))
    assert not done.ok and not done.changed, done.output
    assert "The LAN address of the server consul9 is not known" in one_line(done.output)

    assert lab.exec("client2", "sha256sum /etc/consul.d/*") == before


def one_line(output: str) -> str:
    """The output of a run as Ansible had it before it folded the lines."""
    return " ".join(output.split()).replace("''", "'")
