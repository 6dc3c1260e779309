# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that says how the site is: what is wrong first, in words, while it is wrong."""

from __future__ import annotations

import json
import re
import time

import pytest


class Status:
    """What one run says."""

    def __init__(self, lab, *options, **variables):
        start = time.monotonic()
        self.run = lab.playbook("playbooks/status.yml", *options, **variables)
        self.seconds = time.monotonic() - start
        # By their short names, as everywhere in these tests.
        self.output = self.run.output.replace(".example.com", "")
        shown = re.search(
            r"^TASK \[.*Show the report\] \**\n.*?msg: \|-\n(.*?)(?=^\S)", self.output, re.MULTILINE | re.DOTALL
        )
        assert shown, self.output
        # What is long is folded.
        unfolded = re.sub(r"\n {8} {7}", " ", shown.group(1).rstrip())
        self.lines = [line.strip() for line in unfolded.splitlines()]
        self.wrong = [line.removeprefix("WRONG  ") for line in self.lines if line.startswith("WRONG  ")]

    def says(self, *patterns):
        """Whether there is a line that matches, for each pattern."""
        missing = [one for one in patterns if not any(re.search(one, line) for line in self.lines)]
        assert not missing, f"{missing} is not in:\n{self.output}"

    def is_sick(self, *patterns):
        """That it fails, names all of this, and what is wrong before all else."""
        assert not self.run.ok and not self.run.changed, self.output
        assert self.lines[: len(self.wrong)] == [f"WRONG  {one}" for one in self.wrong]
        missing = [one for one in patterns if not any(re.search(one, sentence) for sentence in self.wrong)]
        assert not missing, f"{missing} is not in:\n{self.output}"


def node(host):
    """The name of its node, where the inventory has whole names of hosts."""
    return host.partition(".")[0]


@pytest.fixture(scope="module")
def app(lab):
    return lab.hosts("mydemo")[0]


@pytest.fixture(scope="module")
def balancer(lab):
    return lab.hosts("nginx_lb")[0]


@pytest.fixture(scope="module")
def status(lab):
    return lambda *options, **variables: Status(lab, *options, **variables)


@pytest.fixture(autouse=True)
def healthy_again(lab):
    """After each test the site is as it was."""
    yield
    lab.wait_for(
        lambda: all(one["Status"] == "passing" for one in lab.consul("health/state/any")), 90, "every check passes"
    )
    # For a second after its start an agent knows no token, not even that of who has none.
    lab.wait_for(lambda: all(lab.consul("agent/self", host) for host in lab.hosts()), 30, "every agent answers")
    # The app registers itself anew with an agent that was away, and until then no check fails.
    lab.wait_for(
        lambda: all(lab.consul("agent/health/service/name/mydemo", host) for host in lab.hosts("mydemo")),
        30,
        "every instance passes",
    )


def test_a_healthy_site(lab, status, tmp_path):
    file = tmp_path / "status.json"
    seen = status(status_json=str(file))
    assert seen.run.ok and not seen.wrong, seen.output
    assert seen.lines[0].startswith("HEALTHY  ")
    servers = [node(host) for host in lab.hosts("consul_server")]
    seen.says(rf"^Leader ({'|'.join(servers)}), Raft peers {', '.join(sorted(servers))} ")
    for host in lab.hosts():
        version = re.search(r"v([\d.]+)", lab.exec(host, "consul version")).group(1)
        kind = "server" if node(host) in servers else "client"
        seen.says(rf"^{node(host)} +{lab.address(host)} +{kind} +alive +{re.escape(version)}\S* .*Debian ")
    for host in lab.hosts("mydemo"):
        digest = lab.exec(host, "docker inspect --format '{{.Config.Image}}' mydemo").partition("@")[2]
        engine = lab.exec(host, "docker version --format '{{.Server.Version}}'")
        seen.says(
            rf"^{node(host)} .* {re.escape(engine)} ",
            rf"^mydemo +{node(host)} +{lab.address(host)}:5000 +passing +Service 'mydemo' check +passing$",
            rf"^mydemo +{host} +running +{digest[:19]} +\S+/mydemo$",
        )
    for host in lab.hosts("nginx_lb"):
        addresses = ", ".join(sorted(lab.dns("mydemo.service.consul", host)))
        version = re.search(r"nginx/([\d.]+)", lab.exec(host, "nginx -v 2>&1")).group(1)
        seen.says(rf"^{host} +mydemo.service.consul +{addresses}$", rf"^{node(host)} .* {re.escape(version)} +Debian ")
    for server in lab.hosts("consul_server"):
        seen.says(rf"^36\d +\d{{4}}-\d\d-\d\d +{server} +/etc/consul.d/agent.pem$")
    seen.says(r"^36\d\d +\d{4}-\d\d-\d\d +\d+ hosts, controller +/etc/consul.d/ca.pem$", r"^0 +operator/gossip.key$")
    assert all(len(line) <= 92 for line in seen.lines)

    data = json.loads(file.read_text().replace(".example.com", ""))
    assert data["healthy"] and file.stat().st_mode & 0o777 == 0o600
    assert {one["name"] for one in data["nodes"]} == {node(host) for host in lab.hosts()}
    assert {one["host"] for one in data["containers"]} == set(lab.hosts("mydemo"))
    assert {"/ca.key", "/operator/gossip.key"} <= {one["path"].partition("/secrets")[2] for one in data["secrets"]}


def test_it_changes_nothing_and_gives_no_secret_away(lab, status):
    seen = status("-vvv", "--diff")
    assert seen.run.ok and not seen.run.changed, seen.run.changes
    secrets = [path for path in lab.secrets.rglob("*") if path.is_file() and path.suffix not in (".pem", ".csr")]
    values = {path: path.read_text().splitlines() for path in secrets}
    # Of a private key the second line: the first is the same in all.
    assert [name for name, value in values.items() if value[len(value) > 1] in seen.output] == []


def test_a_container_that_is_stopped_and_a_certificate_near_its_end(lab, status, app, tmp_path):
    lab.exec(app, "docker stop mydemo")
    file = tmp_path / "status.json"
    try:
        seen = status(status_certificate_days=400, status_json=str(file))
    finally:
        lab.exec(app, "docker start mydemo")
    assert not seen.run.ok
    assert seen.wrong[0].startswith(f"{app}: the container mydemo does not run: Exited (0) "), seen.output
    hosts = len(lab.hosts("mydemo"))
    assert f"mydemo: {hosts - 1} passing instance(s) for {hosts} host(s); none on {app}" in seen.wrong, seen.output
    for server in lab.hosts("consul_server"):
        assert any(one.startswith(f"{server}: /etc/consul.d/agent.pem: the certificate ends in ") for one in seen.wrong)
    data = json.loads(file.read_text().replace(".example.com", ""))
    assert not data["healthy"] and [one["say"] for one in data["problems"]] == seen.wrong


def test_an_agent_that_is_stopped(lab, status, app):
    def state():
        return {one["Name"]: one["Status"] for one in lab.consul("agent/members")}[node(app)]

    lab.exec(app, "systemctl stop consul")
    try:
        lab.wait_for(lambda: state() == 4, 30, "the others see that it has failed")
        seen = status()
    finally:
        lab.exec(app, "systemctl start consul")
        lab.wait_for(lambda: state() == 1, 60, "its node is back")
    seen.is_sick(
        rf"^{app}: its Consul agent cannot be asked: .*connection refused",
        rf"^{node(app)}: the node has failed",
        rf"^mydemo: \d passing instance\(s\) for \d host\(s\); none on {app}",
    )
    seen.says(rf"^{node(app)} +\S+ +client +failed ")


def test_a_service_and_a_node_in_maintenance(lab, status, app, balancer):
    service = f"mydemo-{lab.address(app)}-5000"
    path = f"agent/service/maintenance/{service}"
    lab.consul(f"{path}?enable=true&reason=release%201.1", app, method="PUT")
    lab.consul("agent/maintenance?enable=true&reason=new%20disk", balancer, method="PUT")
    try:
        lab.wait_for(lambda: lab.address(app) not in lab.dns("mydemo.service.consul", balancer), 10, "it is out of DNS")
        seen = status()
    finally:
        lab.consul(f"{path}?enable=false", app, method="PUT")
        lab.consul("agent/maintenance?enable=false", balancer, method="PUT")
    seen.is_sick(
        rf"^{node(app)}: {service} is in maintenance: release 1.1$",
        rf"^{node(balancer)}: the node is in maintenance: new disk$",
    )
    seen.says(rf"^mydemo +{node(app)} +\S+ +maintenance ", rf"^{node(balancer)} +\S+ +client +maintenance ")
    assert not any("is critical" in one for one in seen.wrong), seen.wrong


def test_docker_and_nginx_that_are_down(lab, status, app, balancer):
    """That the question does not start the engine, for which systemd listens on the socket, is part of it."""
    lab.exec(app, "systemctl stop docker")
    lab.exec(balancer, "systemctl stop nginx")
    try:
        seen = status()
        lab.fails(app, "systemctl is-active --quiet docker")
    finally:
        lab.exec(app, "systemctl start docker")
        lab.exec(balancer, "systemctl start nginx")
    seen.is_sick(
        rf"^{app}: Docker cannot be asked: the engine does not run",
        rf"^{balancer}: nginx does not answer: .*connection refused",
    )


def test_a_host_that_ansible_cannot_reach(lab, status):
    host = lab.hosts("redis")[0]
    lab.run("docker", "pause", lab.container(host))
    try:
        seen = status()
    finally:
        lab.run("docker", "unpause", lab.container(host))
    seen.is_sick(rf"^{host}: Ansible cannot reach it: .+")
    assert seen.seconds < 60
    seen.says(*(rf"^{node(app)} +\S+ +client +alive " for app in lab.hosts("mydemo")))


def test_a_lost_leader(lab, status):
    """Half the servers and more are stopped: those that are left, and the clients, still say what they know."""
    servers = lab.hosts("consul_server")
    stopped = servers[: len(servers) // 2 + 1]
    for server in stopped:
        lab.exec(server, "systemctl stop consul")
    try:
        seen = status()
    finally:
        for server in stopped:
            lab.exec(server, "systemctl start consul")
        lab.wait_for(lambda: lab.consul("status/leader", servers[-1]), 60, "there is a leader again")
    assert seen.seconds < 90
    seen.is_sick(*(rf"^{server}: its Consul agent cannot be asked: .*connection refused" for server in stopped))
    assert re.match("no agent could be asked how the cluster is|the servers have no leader", seen.wrong[0]), seen.output


def test_a_part_of_the_site(lab, status, app):
    seen = status("--limit", f"{app}*")
    assert seen.run.ok, seen.output
    assert seen.run.recap.keys() <= {app, "localhost"}
    seen.says(*(rf"^{node(server)} +\S+ +server +alive " for server in lab.hosts("consul_server")))


def test_a_folder_that_is_not_there_stops_it(lab):
    run = lab.playbook("playbooks/status.yml", status_json="/nowhere/status.json")
    assert not run.ok and "there is no such folder on the controller" in " ".join(run.output.split()), run.output
    assert "Look at each host" not in run.output
