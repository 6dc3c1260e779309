# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site goes again. What was there before it is there after it, and has never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from test_docker import BY_HAND, DAEMON_JSON
from test_docker import test_the_containers_kept_running as assert_the_containers_kept_running
from test_nginx import SITE, assert_sites_are_as_before
from test_redis import ASK

from lab.testing import ROOT, PlaybookRun

SERVICES = [("web1", "nginx"), ("app1", "redis-server"), ("app1", "docker")]


@pytest.fixture
def without_balancer(lab, tmp_path) -> Path:
    """The inventory of the scenario, in which web1 has left the group of the load balancers."""
    inventory = yaml.safe_load((lab.scenario / "hosts.yml").read_text())
    del inventory["all"]["children"]["nginx_lb"]
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump(inventory))
    return file


def site_of(lab, inventory: Path, **variables: object) -> PlaybookRun:
    other = type(lab)()
    other.lines = lab.lines
    other.inventory = ["--inventory", ROOT / "lab" / "hosts.yml", "--inventory", inventory]
    return other.site("site", "--limit", "web1", lab_dir=str(lab.secrets.parents[1]), **variables)


def one_line(run: PlaybookRun) -> str:
    return " ".join(run.output.split())


def test_a_role_of_a_former_group_is_named(lab, without_balancer):
    run = site_of(lab, without_balancer)
    assert run.ok and not run.changed, run.output
    assert "web1 has nginx_lb, and is not in a group for that any more" in one_line(run), run.output
    assert lab.exec("web1", f"test -e {SITE} && echo there") == "there"


def test_it_is_taken_off_on_request(lab, without_balancer):
    pid = lab.exec("web1", "systemctl show --property MainPID --value nginx")
    run = site_of(lab, without_balancer, remove="nginx_lb")
    assert run.ok, run.output
    assert "No such file" in lab.fails("web1", f"ls {SITE}")
    assert_sites_are_as_before(lab)
    assert lab.exec("web1", "systemctl show --property MainPID --value nginx") == pid
    again = site_of(lab, without_balancer)
    assert again.ok and not again.changed, again.changes
    assert "has nginx_lb" not in one_line(again)


def test_a_host_is_taken_out_of_the_site(lab):
    run = lab.site("retire_host", "--limit", "app1", retire_allow_outage=True, retire_request_seconds=1)
    assert run.ok, run.output
    assert "app1" not in {node["Node"] for node in lab.consul("catalog/nodes")}
    assert "app1" not in lab.members()
    assert not (lab.secrets / "node" / "app1").exists()


def test_uninstall_asks_first(lab):
    run = lab.site("uninstall", "--limit", "app1")
    assert not run.ok and not run.changed
    assert "This would take docker_host, redis, consul_agent off app1" in one_line(run), run.output


def test_after_uninstall_the_host_is_as_it_was(lab):
    run = lab.site("uninstall", "--limit", "app1", uninstall_confirm=True)
    assert run.ok, run.output

    assert_the_containers_kept_running(lab)
    assert json.loads(lab.exec("app1", ["cat", DAEMON_JSON])) == {**BY_HAND, "log-opts": {"max-size": "50m"}}

    assert lab.exec("app1", ASK) == "kept"
    listening = lab.exec("app1", "ss --listening --tcp --numeric --no-header 'sport = :6379'")
    assert "127.0.0.1:6379" in listening and lab.address("app1") not in listening

    assert "nameserver 127.0.0.1" not in lab.exec("app1", "cat /etc/resolv.conf")
    assert "client-consul-0" in lab.exec("app1", "cat /etc/consul.d/*.hcl"), "the configuration of the time before"
    for path in ("/etc/consul.d/consul.json", "/etc/redis/site.conf"):
        assert "No such file" in lab.fails("app1", f"ls {path}")
    assert lab.exec("app1", "systemctl is-enabled consul || true") == "disabled"

    again = lab.site("uninstall", "--limit", "app1", uninstall_confirm=True)
    assert again.ok and not again.changed, again.changes
