# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user's own playbook has set up. These tests only read."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

# A wait for a leader ends after 60 s. A busy machine takes some seconds from one batch to the next.
NO_WAIT_SECONDS = 30


def test_the_three_servers_are_one_cluster(lab):
    servers = lab.hosts("consul_server")
    assert lab.voters() == set(servers)
    assert lab.leader() in servers
    assert lab.members() == dict.fromkeys(lab.hosts(), 1)
    lab.wait_for(lab.is_healthy, 60, "the cluster can lose a server")


def test_only_the_last_batch_waited_for_a_leader(lab, figures):
    """The play has serial: 1, and each host's journal has the starts of its agent and of Ansible's modules."""
    servers = lab.hosts("consul_server")
    starts = [lab.lines(server, "Started consul.service")[0].at for server in servers]
    assert starts == sorted(starts)

    waits = []
    for (_server, started), (then, _start) in pairwise(zip(servers, starts, strict=True)):
        modules = [line.at for line in lab.lines(then, "Invoked with")]
        waits.append(min(at for at in modules if at > started) - started)
    figures.append(("from the start of a server to the next batch", ", ".join(f"{wait:.1f} s" for wait in waits)))
    assert max(waits) < NO_WAIT_SECONDS

    elections = [line.at for server in servers for line in lab.lines(server, "cluster leadership acquired")]
    assert min(elections) > starts[-1]


@pytest.mark.parametrize("host", ["client1", "client2"])
@pytest.mark.parametrize("service", ["redis", "registry", "mydemo"])
def test_every_service_is_in_dns(lab, service, host):
    name = f"{service}.service.consul"
    assert lab.dns(name, host) == {lab.address("client1")}
    assert lab.exec(host, ["getent", "hosts", name]).split()[0] == lab.address("client1")


def test_every_service_passes_its_checks(lab):
    lab.wait_for(
        lambda: {check["Status"] for check in lab.consul("health/state/any")} == {"passing"}, 30, "every check passes"
    )


def test_the_services_use_the_secrets_of_the_site(lab):
    assert "NOAUTH" in lab.exec("client1", f"redis-cli -h {lab.address('client1')} ping 2>&1")
    ask_registry = ["curl", "--silent", "--show-error", "--cacert", "/etc/consul.d/ca.pem"]
    url = "https://registry.service.consul:5000/v2/mydemo/tags/list"
    assert '"1.0.0"' in lab.exec("client2", [*ask_registry, url])
    assert lab.exec("client1", "docker info --format '{{.LiveRestoreEnabled}}'") == "true"


def test_the_app_answers_through_nginx(lab):
    def count(answer) -> int:
        assert answer.status == 200, answer
        return int(re.fullmatch(r"Hello from dockyard! I have been seen (\d+) times\.\n?", answer.text)[1])

    answers = [lab.http("client1") for _request in range(5)]
    first = count(answers[0])
    assert [count(answer) for answer in answers] == list(range(first, first + 5))
    assert answers[0].headers["X-Served-By"] == f"mydemo-{lab.address('client1')}-7000"
