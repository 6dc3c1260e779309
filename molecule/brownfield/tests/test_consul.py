# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that was made by hand: three servers and two clients under deny. The tests run in their order."""

from __future__ import annotations

import base64
import shutil
from itertools import pairwise

import pytest

SERVERS = ["old1", "old2", "old3"]
SERVICES = [(host, unit) for host in SERVERS for unit in ("consul", "consul-server")]


@pytest.fixture(scope="module")
def before(lab):
    """The cluster before anybody has run anything."""
    lab.wait_for(lambda: len(lab.state()["services"]) == 3, 30, "all services are registered")
    return lab.state()


@pytest.fixture
def nothing_changes(lab, before):
    agents, files = lab.agents(), {host: lab.files(host) for host in lab.hosts()}
    yield
    assert lab.agents() == agents
    assert {host: lab.files(host) for host in lab.hosts()} == files
    assert lab.state() == before


def said(run) -> str:
    return " ".join(run.output.split())


def test_a_run_that_knows_nothing_of_it_stops_and_names_what_is_in_the_way(lab, nothing_changes):
    run = lab.site("site")
    assert not run.ok and not run.changed
    text = said(run)
    for host in lab.hosts():
        assert f"with the variables of {host}:" in text
    for part in (
        "consul_agent_data_dir is '/var/lib/consul', and the agent of this host has its data in /opt/consul",
        f"The agent of this host has a gossip key, and {lab.secrets}/operator/gossip.key does not exist",
        f"has a CA (/etc/consul.d/consul-agent-ca.pem), and {lab.secrets}/ca.pem does not exist",
        f"{lab.secrets}/operator/management.token does not exist",
        "/etc/consul.d/server.hcl",
        "/etc/systemd/system/consul.service.d/override.conf",
        "the unit consul-server",
        "With consul_agent_adopt: true, it is stopped",
    ):
        assert part in text, part
    assert not lab.secrets.exists()


def test_adopt_looks_and_prints_what_to_do(lab, nothing_changes):
    run = lab.site("adopt")
    assert run.ok and not run.changed, run.output
    for line in ("consul_agent_data_dir: /opt/consul", "consul_agent_adopt: true"):
        assert line in run.output, line
    assert not lab.secrets.exists()


def test_adopt_fetches_the_secrets(lab, nothing_changes):
    run = lab.site("adopt", adopt_secrets=True)
    assert run.ok, run.output
    assert lab.secret("operator/gossip.key") == (lab.by_hand / "gossip.key").read_text().strip()
    for ours, theirs in {"ca.pem": "consul-agent-ca.pem"}.items():
        assert lab.secret(ours) == (lab.by_hand / theirs).read_text().strip()
    assert {path.stat().st_mode & 0o77 for path in lab.secrets.rglob("*")} == {0}


def test_the_user_brings_what_no_host_has(lab, before):
    """The management token and the key of the CA, which are in the administrator's own folder."""
    token = lab.secrets / "operator" / "management.token"
    token.write_text(lab.management_token + "\n")
    token.chmod(0o600)
    key = lab.secrets / "ca.key"
    key.unlink(missing_ok=True)
    shutil.copyfile(lab.by_hand / "consul-agent-ca-key.pem", key)
    key.chmod(0o600)
    lab.lines.update(consul_agent_adopt=True, consul_agent_data_dir="/opt/consul")
    # Of the Redis of app1, which test_redis.py is about.
    lab.lines.update(redis_password="by-hand-4711", redis_bind=["127.0.0.1", lab.address("app1")])


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"consul_agent_data_dir": "/var/lib/consul"}, "the agent of this host has its data in /opt/consul"),
        ({"consul_agent_gossip_key": base64.b64encode(bytes(32)).decode()}, "is not a gossip key of the agent"),
        ({"consul_agent_acl_management_token": "0" * 8 + "-0000-4000-8000-" + "0" * 12}, "does not know"),
        ({"consul_agent_node_id": "55555555-5555-4555-8555-555555555555"}, "Set consul_agent_node_id to "),
        ({"consul_agent_datacenter": "dc2"}, "Set consul_agent_datacenter to dc1"),
    ],
)
def test_what_is_wrong_stops_before_anything_changes(lab, nothing_changes, wrong, message):
    """The role alone on one server: what stops it stops the site, too."""
    run = lab.site("consul_server", "--limit", "old2", **wrong)
    assert not run.ok and not run.changed, run.output
    assert message in said(run)


def test_clients_do_not_come_before_the_servers(lab, nothing_changes):
    run = lab.site("consul_client")
    assert not run.ok and not run.changed, run.output
    assert "Take over the servers first" in said(run)


def test_check_mode_shows_the_takeover(lab, nothing_changes):
    run = lab.site("consul_server", "--check", "--diff")
    assert run.ok, run.output
    assert run.output.count("/etc/consul.d/server.hcl") >= 3


def test_a_takeover_that_is_killed_leaves_the_agents_running(lab, before):
    """The configuration is placed, and no agent has read it. The next run completes the takeover, as if it were the first."""
    agents = lab.agents()
    restart = "TASK [dockyard.consul.consul_agent : Restart the servers that are due, one at a time]"
    lab.interrupted_playbook(restart, "playbooks/consul_server.yml", **lab.lines)
    assert "consul.json" in lab.exec("old1", "ls /etc/consul.d")
    assert lab.agents() == agents
    # The tokens that the agents are to use are made before they restart.
    now = lab.state()
    assert now.pop("tokens") > before["tokens"]
    assert now.items() <= before.items()


def test_the_site_takes_the_cluster_over(lab, before, watch, figures):
    leader, node_ids = lab.leader(), {host: lab.exec(host, "cat /opt/consul/node-id") for host in lab.hosts()}
    run = lab.site("site")
    assert run.ok, run.output
    assert watch.answers > 20 and watch.missing == []
    figures.append(("asked for the services during the takeover", f"{watch.answers} times, never missing"))

    after = lab.state()
    for what in ("kv", "nodes", "peers"):
        assert after[what] == before[what], what
    assert after["services"] >= before["services"]
    assert after["tokens"] >= before["tokens"]
    assert {host: lab.exec(host, "cat /opt/consul/node-id") for host in lab.hosts()} == node_ids

    starts = {server: lab.started(server) for server in SERVERS}
    figures.append(
        ("between the starts of the servers", ", ".join(f"{b - a:.1f} s" for a, b in pairwise(sorted(starts.values()))))
    )
    assert max(starts, key=starts.get) == leader
    assert all(then - first > 1 for first, then in pairwise(sorted(starts.values()))), starts
    assert {unit for unit, _pid in lab.agents().values()} == {"consul.service"}


def test_the_agents_run_with_the_configuration_of_the_site(lab):
    for host in lab.hosts():
        self = lab.consul("agent/self", host)["DebugConfig"]
        assert self["DataDir"] == "/opt/consul" and self["ACLDefaultPolicy"] == "deny"
        assert self["ClientAddrs"] == ["127.0.0.1"], "server.hcl is out of force"
        assert lab.exec(host, "systemctl show --property DropInPaths --value consul") == ""
    assert lab.fails("old3", "systemctl is-enabled --quiet consul-server || exit 1")


def test_what_was_there_is_in_the_backups(lab):
    backups = "/var/backups/dockyard"
    assert "bootstrap_expect = 3" in lab.exec("old1", f"cat {backups}/etc/consul.d/server.hcl.*")
    assert "-log-level=debug" in lab.exec("old1", f"cat {backups}/etc/systemd/system/consul.service.d/override.conf.*")
    assert "HashiCorp" in lab.exec("app1", f"cat {backups}/etc/systemd/system/consul.service.*")
    assert "web-1" in lab.exec("web1", "cat /etc/consul.d/web.hcl"), "a service in a file stays"


def test_the_second_run_changes_nothing(lab):
    agents = lab.agents()
    run = lab.site("site")
    assert run.ok and not run.changed, run.changes
    assert lab.agents() == agents


def test_a_file_that_comes_later_is_named(lab):
    """The word of the user to the takeover was not for this one."""
    lab.exec("old2", "echo 'client_addr = \"0.0.0.0\"' >/etc/consul.d/server.hcl")
    run = lab.site("consul_server", "--limit", "old2")
    lab.exec("old2", "rm /etc/consul.d/server.hcl")
    assert not run.ok and not run.changed
    assert "/etc/consul.d/server.hcl was not placed by this collection, and it sets client_addr." in said(run)


def test_a_client_with_a_wrong_gossip_key_joins(lab):
    """Only the agents that need it restart."""
    wrong = base64.b64encode(bytes(32)).decode()
    keyring = "/opt/consul/serf/local.keyring"
    lab.exec("web1", f"systemctl stop consul; cat >{keyring}; systemctl start consul", f'["{wrong}"]')
    lab.wait_for(lambda: lab.members()["web1"] != 1, 60, "web1 has failed")
    others = {host: lab.agent(host) for host in ("old1", "old2", "old3", "app1")}

    run = lab.site("site", "--tags", "consul")
    assert run.ok and wrong not in run.output, run.output
    lab.wait_for(lambda: set(lab.members().values()) == {1}, 30, "all are alive")
    assert {host: lab.agent(host) for host in others} == others
    assert wrong in lab.exec("web1", f"cat /var/backups/dockyard{keyring}.*")
