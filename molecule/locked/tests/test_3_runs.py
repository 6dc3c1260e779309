# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over a site that lives. Each finds what the one before it left; the last one changes nothing.

That no run shows a secret is seen to by the fixtures: conftest.py."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.load import Watched
from lab.testing import ROOT, PlaybookRun

SERVER, CLIENT = "playbooks/consul_server.yml", "playbooks/consul_client.yml"


def configuration(lab, host: str) -> str:
    return lab.exec(host, "cd /etc/consul.d && sha256sum *")


@pytest.mark.parametrize(
    ("extra", "culprit"),
    [
        pytest.param({"prots": 1}, "prots", id="an unknown setting"),
        pytest.param({"services": [{"name": "probe", "prot": 1}]}, "prot", id="among what a reload takes"),
        pytest.param({"services": [{"name": "probe", "token": "x", "prot": 1}]}, "prot", id="beside a secret"),
        pytest.param({"check_update_interval": "soon"}, "invalid duration", id="a wrong value"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_configuration_is_touched(lab, run, extra, culprit):
    before, pid = configuration(lab, "client1"), lab.pid("client1")
    done = run(CLIENT, consul_agent_config_extra=extra)
    assert not done.ok
    assert culprit in done.output.rpartition("fatal:")[2], done.output
    assert configuration(lab, "client1") == before
    assert lab.pid("client1") == pid


def test_what_a_reload_takes_is_reloaded(lab, converge):
    pid, reloads = lab.pid("client1"), reloads_of(lab, "client1")
    converge(CLIENT, consul_agent_config_extra={"log_level": "DEBUG"})
    assert lab.pid("client1") == pid
    assert reloads_of(lab, "client1") == reloads + 1
    lab.wait_for(lambda: "[DEBUG]" in lab.journal("client1", "consul"), 30, "the agent talks as it was told")


def reloads_of(lab, host: str) -> int:
    """How often its agent was reloaded, by its own word."""
    return int(lab.exec(host, "journalctl --unit consul --output cat | grep --count 'Caught: signal=hangup' || true"))


@pytest.fixture
def service(lab) -> Iterator[None]:
    """A service on the client."""
    lab.consul("agent/service/register", "client1", "PUT", {"Name": "probe", "Port": 80})
    lab.wait_for(lambda: lab.dns("probe.service.consul", "client1"), 30, "the service is in DNS")
    yield
    lab.consul("agent/service/deregister/probe", "client1", "PUT")


def test_a_client_that_restarts_does_not_leave(lab, converge, service):
    pid = lab.pid("client1")

    def look():
        instances = {instance["Node"]["Node"] for instance in lab.consul("health/service/probe?passing")}
        return lab.members()["client1"], instances

    reloads = reloads_of(lab, "client1")
    with Watched(look, pause=0.05) as watched:
        # What a reload takes goes back to what it was in the same run: one restart does for both.
        done = converge(CLIENT, consul_agent_config_extra={"check_update_interval": "1m"})
    assert lab.pid("client1") != pid
    assert reloads_of(lab, "client1") == reloads, done.changes
    assert {status for status, _instances in watched.seen} == {1}, "always alive"
    assert {frozenset(instances) for _status, instances in watched.seen} == {frozenset({"client1"})}, (
        "always among the healthy"
    )
    assert lab.dns("probe.service.consul", "client1") == {lab.address("client1")}
    assert lab.consul("agent/self", "client1")["DebugConfig"]["CheckUpdateInterval"] == "1m0s"


def test_a_run_that_was_cut_short_is_made_good_by_the_next(lab, converge):
    before, pid = configuration(lab, "client1"), lab.pid("client1")
    # Killed with the configuration placed and the agent not yet restarted.
    lab.interrupted_playbook("Ensure that Consul runs with this configuration", CLIENT)
    placed = configuration(lab, "client1")
    assert placed != before
    assert lab.pid("client1") == pid

    converge(CLIENT)
    assert configuration(lab, "client1") == placed
    assert lab.pid("client1") != pid
    assert lab.consul("agent/self", "client1")["DebugConfig"]["CheckUpdateInterval"] == "5m0s"


def test_a_stopped_agent_is_started(lab, converge):
    lab.exec("client1", "systemctl stop consul")
    # A run whose check mode says so and changes nothing.
    dry = converge(CLIENT, "--check")
    assert dry.changed == {"client1": 1}, dry.changes
    assert lab.exec("client1", "systemctl is-active consul || true") != "active"

    done = converge(CLIENT)
    assert done.changed == {"client1": 1}, done.changes
    lab.wait_for(lambda: lab.members()["client1"] == 1, 30, "the client is alive")


def test_a_certificate_near_its_end_is_renewed(lab, converge):
    before, pid = lab.served_certificate(), lab.pid("consul1")
    # Certificates are made for 365 days: with this one, all are near their end.
    done = converge(SERVER, site_tls_renew_days=400)
    lab.wait_for(
        lambda: lab.served_certificate()["serialNumber"] != before["serialNumber"], 10, "the server shows the new one"
    )
    assert lab.pid("consul1") == pid, done.changes
    lab.wait_for(lambda: lab.consul("catalog/nodes?consistent", "client1"), 10, "the client still gets through")


@pytest.fixture
def given(lab, tmp_path) -> dict:
    """What an operator says who brings the secrets of a site along, from a vault say, and no folder of ours."""
    return {
        "site_secrets_dir": str(tmp_path / "secrets"),
        "consul_agent_gossip_key": lab.secret("operator/gossip.key"),
        "consul_agent_acl_management_token": lab.secret("operator/management.token"),
        "consul_agent_acl_dns_token": lab.secret("operator/dns.token"),
        "consul_server_monitoring_token": lab.secret("operator/monitoring.token"),
        # Each host's own.
        "__tokens": {host: lab.secret(f"node/{host}/agent.token") for host in lab.hosts()},
        "consul_agent_acl_agent_token": "{{ __tokens[inventory_hostname] }}",
        "consul_agent_tls_ca_file": str(lab.secrets / "ca.pem"),
    }


def converge_given(converge, tmp_path: Path, variables: dict):
    """By a file, so that no command line shows them."""
    file = tmp_path / "given.json"
    file.write_text(json.dumps(variables))
    return converge("site.yml", "--extra-vars", f"@{file}")


def test_an_existing_site_is_taken_over_with_its_keys_and_certificates(lab, converge, given, tmp_path):
    given |= {
        "consul_agent_tls_certificate_file": str(lab.secrets / "node/consul1/server.pem"),
        "consul_agent_tls_key_file": str(lab.secrets / "node/consul1/server.key"),
    }
    done = converge_given(converge, tmp_path, given)
    assert not done.changed, done.changes
    assert not (tmp_path / "secrets").exists(), "nothing was made that was given"


def test_a_certificate_is_signed_by_the_ca_that_was_given(lab, converge, given, tmp_path):
    before = lab.served_certificate()
    given |= {
        "site_tls_ca_certificate": (lab.secrets / "ca.pem").read_text(),
        "site_tls_ca_private_key": (lab.secrets / "ca.key").read_text(),
    }
    done = converge_given(converge, tmp_path, given)
    assert set(done.changed) == {"consul1"}, done.changes
    made = {str(path.relative_to(tmp_path / "secrets")) for path in (tmp_path / "secrets").rglob("*.*")}
    assert made == {"ca.pem", "node/consul1/server.key", "node/consul1/server.pem"}, "the CA's key is kept nowhere"
    # The look itself verifies it by the site's CA.
    lab.wait_for(
        lambda: lab.served_certificate()["serialNumber"] != before["serialNumber"], 10, "the server shows the new one"
    )


def test_another_gossip_key_is_refused_before_anything_is_changed(lab, run):
    before = state(lab)
    other = base64.b64encode(bytes(32)).decode()
    done = run("site.yml", consul_agent_gossip_key=other)
    assert not done.ok and not done.changed, done.output
    assert other not in done.output
    for host in lab.hosts():
        assert f"Nothing was changed. 1 problem with the variables of {host}:" in done.output, done.output
    assert done.output.count("is not a gossip key of the agent that runs on this host") >= 2, done.output
    assert state(lab) == before


@pytest.mark.parametrize("other", ["another CA", "no secrets"])
def test_secrets_of_another_site_are_refused_before_anything_is_changed(lab, run, tmp_path, other):
    before, secrets = state(lab), tmp_path / "secrets"
    expected = ["is another CA than that of the agent that runs on this host"]
    if other == "another CA":
        shutil.copytree(lab.secrets, secrets)
        ca = [
            "-newkey",
            "ed25519",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=other",
            "-days",
            "30",
        ]
        lab.run("openssl", "req", "-x509", *ca, cwd=secrets)
    else:
        expected = ["operator/gossip.key does not exist", "ca.pem does not exist"]
    done = run("site.yml", site_secrets_dir=str(secrets))
    assert not done.ok and not done.changed, done.output
    for text in expected:
        assert done.output.count(text) >= 2, done.output
    assert state(lab) == before
    assert other == "another CA" or not secrets.exists(), "nothing was made"


def state(lab) -> dict[str, tuple]:
    return {host: (configuration(lab, host), lab.pid(host)) for host in lab.hosts()}


ALONE = """
- hosts: {group}
  become: true
  gather_facts: false
  roles: [dockyard.consul.{role}]
"""


@pytest.fixture
def alone(converge, tmp_path) -> Callable[..., PlaybookRun]:
    """Runs roles, each in a play of a user's own, without a playbook of ours before it. Facts and look are up to the role."""

    def alone(*roles: str, **options: Any):
        play = tmp_path / "play.yml"
        play.write_text("".join(ALONE.format(group=role, role=role) for role in roles))
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(json.dumps(options.get("groups", {})))
        return converge(str(play), "--inventory", str(inventory), *options.get("flags", []))

    return alone


PROBE = "probe.service.consul"
REGISTRATIONS = "/var/lib/consul/services /var/lib/consul/checks"


@pytest.fixture
def program(lab) -> Iterator[None]:
    """A program on the client, registered with a check."""
    lab.exec("client1", "systemd-run --unit probe python3 -m http.server --bind 127.0.0.1 8099")
    check = {"TCP": "127.0.0.1:8099", "Interval": "1s", "Timeout": "1s"}
    lab.consul("agent/service/register", "client1", "PUT", {"Name": "probe", "Port": 8099, "Check": check})
    lab.wait_for(lambda: lab.dns(PROBE, "client1"), 30, "the service is in DNS")
    yield
    lab.exec("client1", "systemctl stop probe || true")
    for identity in lab.consul("agent/services", "client1"):
        lab.consul(f"agent/service/deregister/{identity}", "client1", "PUT")


@pytest.mark.parametrize("by", ["the site", "the role alone"])
def test_services_that_the_agent_has_lost_are_removed_from_the_catalog(
    lab, run, converge, alone, program, tmp_path, by
):
    """consul#5209: under deny, an agent may not remove what it does not know. Redis still runs, the probe does not."""
    groups = {"redis": {"hosts": {"client1": {}}}}
    inventory = tmp_path / "groups.yml"
    inventory.write_text(json.dumps(groups))

    def repair(*flags):
        if by == "the site":
            return converge("site.yml", "--inventory", str(inventory), *flags)
        return alone("consul_client", "redis", groups=groups, flags=flags)

    converge(SERVER)  # a test before this one may have left other settings
    alone("redis", groups=groups)
    lab.wait_for(lambda: lab.dns("redis.service.consul", "client1"), 30, "Redis is in DNS")
    address = {lab.address("client1")}

    lab.exec(
        "client1", f"systemctl stop consul && rm -r {REGISTRATIONS} && systemctl stop probe && systemctl start consul"
    )
    blocked = "journalctl --unit consul --output cat _PID=$(systemctl show --property MainPID --value consul)"
    lab.wait_for(
        lambda: lab.exec("client1", blocked).count("Service deregistration blocked by ACLs") >= 2,
        60,
        "the agent may not remove them",
    )
    assert lab.consul("agent/services", "client1") == {}
    assert lab.dns(PROBE, "client1") == lab.dns("redis.service.consul", "client1") == address, "both are passing"
    status = run("playbooks/status.yml", "--inventory", str(inventory))
    assert not status.ok and "Run the site again, which removes it from the catalog" in " ".join(status.output.split())

    foretold = repair("--check")
    assert "item=client1: probe" in foretold.output and foretold.changed == {"client1": 2}, foretold.changes
    assert lab.dns(PROBE, "client1") == address, "check mode removed it"

    done = repair()
    for item in ("probe", "redis"):
        assert re.search(rf"^changed: \[client1 -> consul1.*\(item=client1: {item}", done.output, re.MULTILINE), (
            done.output
        )
    assert done.changed == {"client1": 2}, done.changes
    lab.wait_for(lambda: lab.dns("redis.service.consul", "client1") == address, 30, "Redis is in DNS again")
    assert lab.dns(PROBE, "client1") == set()
    assert {one["CheckID"] for one in lab.consul("health/node/client1")} == {
        "serfHealth",
        *lab.consul("agent/checks", "client1"),
    }

    again = repair()
    assert not again.changed and "item=client1" not in again.output, again.changes


def test_status_names_a_service_that_acls_keep_out_of_the_catalog(lab, run):
    """From a file, without a token: the agent has it, and DNS does not serve it."""
    lab.exec("client1", "echo 'service { name = \"shop\" }' >/etc/consul.d/shop.hcl && systemctl reload consul")
    try:
        lab.wait_for(lambda: "shop" in lab.consul("agent/services", "client1"), 10, "the agent has the service")
        assert lab.dns("shop.service.consul", "client1") == set()
        status = run("playbooks/status.yml")
        said = " ".join(status.output.split())
        assert not status.ok and "client1: the agent of the node has the service shop, and the catalog does not" in said
    finally:
        lab.exec("client1", "rm /etc/consul.d/shop.hcl && systemctl reload consul")
    lab.wait_for(lambda: "shop" not in lab.consul("agent/services", "client1"), 10, "the agent has forgotten it")


@pytest.mark.parametrize("by", ["the site", "the role alone"])
def test_a_rebuilt_host_comes_back_under_its_name(lab, converge, tmp_path, by):
    container = lab.container("client1")
    node = lab.consul("agent/self", "client1")["Config"]["NodeID"]
    lab.run("docker", "rm", "--force", "--volumes", container)
    # A new host knows no nameserver but those that it was given.
    resolv_conf = ROOT / ".cache" / "lab" / lab.name / "client1" / "resolv.conf"
    resolv_conf.write_bytes(lab.former_resolv_conf.read_bytes())
    converge("lab/create.yml")
    assert lab.fails("client1", "ls /usr/bin/consul /etc/consul.d /var/lib/consul")

    with Watched(command_lines, pause=0.05) as watched:
        if by == "the site":
            converge("site.yml")
        else:
            play = tmp_path / "play.yml"
            play.write_text(ALONE.format(group="consul_client", role="consul_client"))
            converge(str(play))
    assert not {name for text in watched.seen for name in lab.secrets_in(text)}, "a process was started with a secret"
    lab.wait_for(lambda: lab.members() == {"consul1": 1, "client1": 1}, 30, "both are alive")
    assert lab.consul("agent/self", "client1")["Config"]["NodeID"] == node
    assert lab.dns("client1.node.consul", "client1") == {lab.address("client1")}


def command_lines() -> str:
    """Of every process on this machine, those of the hosts and of Ansible among them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return b"\n".join(found).replace(b"\0", b" ").decode(errors="replace")


def test_after_all_this_a_run_changes_nothing(converge, lab):
    done = converge("site.yml")
    assert done.recap.keys() >= set(lab.hosts())
    assert not done.changed, done.changes
