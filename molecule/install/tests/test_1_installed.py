# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each host has the Consul that its method gives, and it works."""

from __future__ import annotations

import pytest

CLIENTS = ["repository1", "archive1", "local1"]
BINARIES = {
    "repo1": "/usr/bin/consul",
    "repository1": "/usr/bin/consul",
    "archive1": "/usr/local/bin/consul",
    "local1": "/usr/local/bin/consul",
}


def test_all_are_alive(lab):
    alive = {member["Name"] for member in lab.consul("agent/members", host="repo1") if member["Status"] == 1}
    assert alive == set(BINARIES)


@pytest.mark.parametrize("host", BINARIES)
def test_binary_and_user(lab, host):
    assert lab.binary(host) == BINARIES[host]
    assert lab.version(host) == "1.8.7"
    assert lab.exec(host, f"ps -o user= -p {lab.pid(host)}") == "consul"


@pytest.mark.parametrize("host", CLIENTS)
def test_answers_on_port_53(lab, host):
    assert lab.exec(host, "sysctl -n net.ipv4.ip_unprivileged_port_start") == "1024", "port 53 would prove nothing"
    assert lab.dns("consul.service.consul", host) == {lab.address("repo1")}


@pytest.mark.parametrize("host", ["repository1", "local1"])
def test_setcap(lab, host):
    assert lab.capability(host).endswith("cap_net_bind_service=ep")


def test_an_upgrade_by_somebody_else_does_not_take_port_53_away(lab):
    """unattended-upgrades, say: the package's new binary comes without the capability, and the agent restarts."""
    lab.exec("repository1", "setcap -r /usr/bin/consul && systemctl restart consul")
    lab.until_it_answers("repository1")
    assert lab.capability("repository1").endswith("cap_net_bind_service=ep")


def test_ambient(lab):
    """The process has the capability, the file has not."""
    assert lab.capability("archive1") == ""
    assert lab.exec("archive1", "systemctl show --property NoNewPrivileges --value consul") == "yes"


def test_repository(lab):
    """From the repository, with its key, and not with what the package would configure."""
    policy = lab.exec("repository1", "apt-cache policy consul")
    assert "Installed: 1.8.7-1" in policy
    assert f"{lab.address('repo1')}:8080/apt" in policy
    assert lab.exec("repository1", "cat /etc/consul.d/consul.hcl && ls /var/lib/consul/serf")
    assert lab.fails("repository1", "ls /opt/consul")


def test_repository_is_signed(lab):
    """apt believes no other key."""
    lab.exec("repository1", "cp -a /etc/apt/keyrings/hashicorp.asc /root/key")
    try:
        lab.exec("repository1", "cp /usr/share/keyrings/debian-archive-keyring.gpg /etc/apt/keyrings/hashicorp.asc")
        assert "NO_PUBKEY" in lab.exec(
            "repository1",
            "apt-get update -o Dir::Etc::SourceList=/dev/null -o APT::Update::Error-Mode=persistent 2>&1 || true",
        )
    finally:
        lab.exec("repository1", "cp -a /root/key /etc/apt/keyrings/hashicorp.asc && apt-get update")


def test_check_mode_changes_nothing(lab):
    run = lab.client_playbook("--check", "--diff")
    assert run.ok, run.output
    assert not run.changed, run.changes
