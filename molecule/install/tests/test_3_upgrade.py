# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be installed is not, and leaves the old one running; what may be replaces it."""

from __future__ import annotations

import pytest

CLIENTS = ["repository1", "archive1", "local1"]


@pytest.mark.parametrize(
    ("host", "variables", "says"),
    [
        # 1.8.9's zip is not the one that its SHA256SUMS speaks of, 1.9.0's SHA256SUMS is signed by a stranger.
        ("archive1", "consul_agent_version=1.8.9", ["did not match", "copy the three files again"]),
        ("archive1", "consul_agent_version=1.9.0", ["is not a signature of", "copy the three files again"]),
        ("archive1", "consul_agent_version=1.9.9", ["404", "consul_agent_archive_url"]),
        ("local1", f"consul_agent_local_checksum={'0' * 64}", ["consul_agent_local_checksum is 000"]),
        ("local1", "consul_agent_local_file=/etc/hostname", ["must be a Consul binary"]),
        ("local1", "consul_agent_local_file=/no/such.zip", ["Nothing was changed", "not a file on the controller"]),
    ],
)
def test_refused(lab, host, variables, says):
    binary = f"sha256sum {lab.binary(host)}"
    before, pid = lab.exec(host, binary), lab.pid(host)

    run = lab.client_playbook("--limit", host, "--extra-vars", variables)

    assert not run.ok, run.output
    output = " ".join(run.output.split())
    for words in says:
        assert words in output
    assert lab.exec(host, binary) == before
    assert lab.fails(host, "ls /usr/local/bin/consul.new")
    assert lab.pid(host) == pid
    assert lab.dns("consul.service.consul", host)


def test_upgrade_and_back(lab):
    """The next version by each method, archive1 with the capability on the file now; then what was before."""
    pids = {host: lab.pid(host) for host in CLIENTS}

    upgrade = lab.client_playbook("--inventory", str(lab.scenario / "upgrade" / "hosts.yml"))
    assert upgrade.ok, upgrade.output
    for host in CLIENTS:
        lab.until_it_answers(host)
        assert lab.version(host) == "1.8.8"
        assert lab.pid(host) != pids[host]
        assert lab.capability(host).endswith("cap_net_bind_service=ep")
    assert lab.exec("archive1", "systemctl show --property NoNewPrivileges --value consul") == "no"

    downgrade = lab.client_playbook()
    assert downgrade.ok, downgrade.output
    for host in CLIENTS:
        lab.until_it_answers(host)
        assert lab.version(host) == "1.8.7"
    assert lab.capability("archive1") == ""
    assert lab.exec("archive1", "systemctl show --property NoNewPrivileges --value consul") == "yes"


def test_nothing_is_fetched_that_is_installed(lab):
    """The site that it came from may be gone."""
    lab.exec("repo1", "systemctl stop published")
    try:
        run = lab.client_playbook()
    finally:
        lab.exec("repo1", "systemctl start published")
    assert run.ok, run.output
    assert not run.changed, run.changes
