# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole site on one host: one run from a fresh host to a served request."""

from __future__ import annotations

import json
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


def test_no_request_without_a_token_reads_a_key(lab):
    assert lab.api(HOST, "kv/redis").status == 403


def test_the_app_runs_on_the_hosts_network(lab):
    state = lab.exec(HOST, "docker inspect --format '{{.State.Status}} {{.HostConfig.NetworkMode}}' mydemo")
    assert state == "running host"
    listeners = lab.exec(HOST, "ss --listening --numeric --tcp --no-header --processes")
    for place, program in ((":5000", "docker-registry"), (":5001", "gunicorn"), (":53", "consul")):
        lines = [line for line in listeners.splitlines() if f"{lab.address(HOST)}{place} " in line]
        assert len(lines) == 1 and program in lines[0], listeners


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


@pytest.fixture(scope="module")
def in_both_groups(tmp_path_factory) -> list[str]:
    file = tmp_path_factory.mktemp("inventory") / "hosts.json"
    file.write_text(json.dumps({"consul_client": {"hosts": {HOST: {}}}}))
    return ["--inventory", str(file)]


def test_another_run_changes_nothing(lab):
    run = lab.playbook("site.yml")
    assert run.ok, run.output
    assert not run.changed, run.changes


def test_a_host_in_both_groups_is_a_server(lab, in_both_groups):
    run = lab.playbook("site.yml", "--check", *in_both_groups)
    assert run.ok, run.output
    assert not run.changed, run.changes


def test_a_port_that_two_roles_use_is_refused(lab):
    run = lab.playbook("site.yml", mydemo_ports=[5000])
    said = (
        "the registry (registry_port) and the app (mydemo_ports) would both listen on port 5000 of this host. To another port,"
        " set mydemo_ports"
    )
    assert not run.ok and said in " ".join(run.output.split()), run.output
    assert not run.changed, run.changes


def test_what_others_change_in_the_resolver_is_named_and_repaired(lab):
    before = lab.exec(HOST, "cat /etc/resolv.conf")
    lab.exec(HOST, "printf '# Mine\\noptions rotate\\n' >>/etc/resolv.conf")
    run = lab.playbook("site.yml", "--tags", "consul_resolver")
    assert run.ok and "/etc/resolv.conf has the option rotate." in run.output, run.output
    assert lab.exec(HOST, "cat /etc/resolv.conf") == f"{before}\n# Mine"
    backup = lab.exec(HOST, "ls -t /var/backups/dockyard/etc/resolv.conf.* | head -n 1")
    assert lab.exec(HOST, ["cat", backup]) == f"{before}\n# Mine\noptions rotate"

    # As dhcpcd or openresolv write it at the next lease.
    former = lab.former_resolv_conf.read_text().strip()
    lab.exec(HOST, "cat >/etc/resolv.conf", stdin=f"{former}\n")
    run = lab.playbook("playbooks/status.yml")
    said = "and not the Consul agent. Names in Consul do not always resolve there."
    assert not run.ok and said in " ".join(run.output.split()), run.output
    assert lab.playbook("site.yml", "--tags", "consul_resolver").ok
    assert lab.exec(HOST, "cat /etc/resolv.conf") == before
    assert lab.exec(HOST, "getent hosts redis.service.consul")


def test_the_status_is_healthy(lab):
    run = lab.playbook("playbooks/status.yml")
    assert run.ok, run.output


def test_everything_is_back_after_a_restart_of_the_host(lab):
    lab.restart(HOST)
    lab.wait_for(lambda: lab.http(HOST).status == 200, 120, "the load balancer has an instance again")


def test_under_the_policy_allow(lab):
    run = lab.playbook("site.yml", consul_agent_acl_default_policy="allow")
    assert run.ok, run.output
    assert lab.api(HOST, "kv/redis").status == 200
    lab.wait_for(lambda: lab.http(HOST).status == 200, 30, "requests get through the load balancer")
    assert lab.exec(HOST, "getent hosts mydemo.service.consul").split()[0] == lab.address(HOST)
