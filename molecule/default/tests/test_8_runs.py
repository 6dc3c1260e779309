# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks over a site that lives: what is wrong stops them early, what is right changes nothing, and
what was lost comes back."""

from __future__ import annotations

import pytest

from lab.testing import ROOT

SERVICES = [("app2", "consul"), ("app2", "docker"), ("consul1", "consul")]
# 21 today: facts and a look for each of the seven hosts, and seven more for the whole site. A task that is not decided from the
# look adds one for each host that runs it.
MODULE_CALLS = 24


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            {"redis_port": "abc"}, "redis_port is 'abc'. It must be a whole number.", id="a port that is none"
        ),
        pytest.param(
            {"consul_agent_gossip_key": "c2hvcnQ="}, "consul_agent_gossip_key has 8 characters", id="a short gossip key"
        ),
        pytest.param({"consul_agent_servers_group": "nobody"}, "The inventory's group 'nobody'", id="no server"),
        pytest.param({"consul_agent_node_name": "twin"}, "is 'twin' for more than one host", id="two of a name"),
        pytest.param(
            {"consul_agent_tls_ca_file": "/nowhere/ca.pem"},
            "'/nowhere/ca.pem' is not a file",
            id="no certificate there",
        ),
        # The role would close these folders to others, and mount them into the containers.
        pytest.param({"mydemo_token_file": "/etc/mydemo.token"}, "'/etc/mydemo.token'. Its folder", id="all of /etc"),
        pytest.param({"mydemo_token_file": "/var/lib/x"}, "'/var/lib/x'. Its folder", id="a folder of the system"),
        pytest.param({"mydemo_kv_key": ""}, "mydemo_kv_key is '. It must be a key", id="a key without a name"),
    ],
)
def test_what_is_wrong_stops_the_run_before_anything_changes(lab, variables, sentence):
    see_that_it_stops(lab, sentence, **variables)


def test_two_addresses_to_choose_from_stop_the_run(lab):
    lab.exec("app1", "ip link add second type veth peer name its-other-end")
    lab.exec("app1", "ip address add 192.168.77.1/24 dev second && ip link set second up")
    try:
        see_that_it_stops(lab, "Set consul_agent_bind_")
    finally:
        lab.exec("app1", "ip link delete second")


def see_that_it_stops(lab, sentence: str, **variables: object) -> None:
    run = lab.playbook("site.yml", **variables)
    assert not run.ok, run.output
    # A long message is folded, by Ansible and by its callback.
    assert sentence in " ".join(run.output.split()).replace("''", "'"), run.output
    assert not run.changed, run.changes
    assert "PLAY [Consul servers]" not in run.output, "the first layer began"


def test_a_secret_that_changes_is_not_shown(lab):
    old, new = lab.secret("operator/redis.password"), "a-password-for-this-test-only"
    for playbook in ("playbooks/redis.yml", "playbooks/kv.yml"):
        run = lab.playbook(playbook, "--check", "--diff", "-vv", redis_password=new, mydemo_redis_password=new)
        assert run.ok and run.changed, run.output
        assert old not in run.output and new not in run.output


@pytest.mark.parametrize(
    ("playbook", "host", "settings", "unit"),
    [
        ("redis", "redis1", "/etc/redis/site.conf", "redis-server"),
        ("registry", "registry1", "/etc/docker/registry/registry.key", "docker-registry"),
        ("docker_host", "app1", "/etc/docker/daemon.json", "docker"),
    ],
)
def test_what_was_placed_and_never_read_is_read_by_the_next_run(lab, playbook, host, settings, unit):
    """As a run leaves it that is cut short between the two. That nothing restarts once more, the runs below see."""
    pid = f"systemctl show --property MainPID --value {unit}"
    before = lab.exec(host, f"touch {settings} && {pid}")
    run = lab.playbook(f"playbooks/{playbook}.yml", "--limit", host)
    assert run.ok, run.output
    assert lab.exec(host, pid) != before


@pytest.mark.parametrize(
    "way",
    [
        # What is appended comes after the lab's own way, so that the lab goes on.
        pytest.param("{}.0/24", id="the same"),
        pytest.param("{}.0/24 metric 100", id="a less preferred one"),
        pytest.param("{}.240/28", id="to a part of it, where no host is"),
    ],
)
def test_another_way_to_the_lab_is_told_of_before_a_host_is_made(lab, way):
    network = lab.address("app1").rpartition(".")[0]
    destination, *metric = way.format(network).split()
    other_way = [destination, "dev", "lo", *metric]
    machine = ["docker", "run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", "dockyard-lab:bookworm"]
    try:
        lab.run(*machine, "ip", "route", "append", *other_way)
        run = lab.playbook("lab/create.yml")
    finally:
        lab.run(*machine, "ip", "route", "delete", *other_way, check=False)
    assert not run.ok
    assert f"lo of this machine leads to {network}.0/24, where" in " ".join(run.output.split()), run.output
    assert "TASK [Create the network]" not in run.output
    assert "PLAY [Start the test hosts]" not in run.output


@pytest.fixture(scope="module")
def late(lab) -> list[str]:
    """The inventory with a third app host, whose container is made here. From here on, the site has that host."""
    inventory = ["--inventory", str(lab.scenario / "late" / "hosts.yml")]
    run = lab.playbook("lab/create.yml", *inventory)
    assert run.ok and run.changed.keys() == {"app3"}, run.output
    return inventory


@pytest.mark.parametrize(
    ("tag", "missing"),
    [
        ("consul_config", "the user consul does not exist on the host"),
        ("docker_host_service", "There is no unit docker.service on this host. Install what brings it"),
        ("mydemo_kv", "at http://127.0.0.1:8500: connection refused: no agent listens there"),
        ("mydemo_build", "The image was not built. No Docker engine runs on app3. Run the layer docker_host"),
    ],
)
def test_a_stage_alone_on_a_new_host_names_what_is_missing(lab, late, tag, missing):
    run = lab.playbook("site.yml", *late, "--limit", "app3", "--tags", tag)
    assert not run.ok
    assert missing in " ".join(run.output.split()), run.output
    # On the controller, the first of these runs makes the secrets of the host.
    assert set(run.changes) <= {"Make the secrets that are missing: changed: [app3]"}


def test_a_late_host_joins_even_after_an_interrupted_run(lab, late):
    # The first run is killed with the agent half configured. What is then there must be no hindrance to the second.
    lab.interrupted_playbook("Ensure that Consul runs with this configuration", "site.yml", *late, "--limit", "app3")
    run = lab.playbook("site.yml", *late, "--limit", "app3")
    assert run.ok, run.output
    assert set(run.recap) <= {"app3", "consul1"}

    agents = {one["Name"]: one["Status"] for one in lab.consul("agent/members")}
    assert agents == dict.fromkeys([*lab.hosts(), "app3"], 1)
    third = lab.address("app1").rpartition(".")[0] + ".33"
    addresses = {*(lab.address(host) for host in lab.hosts("mydemo")), third}
    lab.wait_for(lambda: lab.dns("mydemo.service.consul") == addresses, 30, "all three instances are in DNS")
    lab.wait_for(
        lambda: (
            {lab.http("lb1").headers["X-Served-By"] for _ in range(10)} == {f"mydemo-{one}-5000" for one in addresses}
        ),
        15,
        "the load balancer has taken in the third",
    )


def test_after_all_this_a_run_changes_nothing_on_any_host(lab, late, tmp_path, monkeypatch, figures):
    """Neither does the host that was added restart an agent of the others. And a run makes few module calls: each costs a
    third of a second on every host of every user."""
    calls = tmp_path / "calls"
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(ROOT / "tests" / "callback"))
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "module_calls")
    monkeypatch.setenv("MODULE_CALLS", str(calls))
    agents = {host: lab.pid(host) for host in lab.hosts()}
    run = lab.playbook("site.yml", *late)
    assert run.ok, run.output
    assert {host: lab.pid(host) for host in lab.hosts()} == agents
    assert run.recap.keys() >= {*lab.hosts(), "app3"}
    assert not run.changed, run.changes
    made = calls.read_text().splitlines()
    figures.append((f"module calls of a converged run of {len(lab.hosts()) + 1} hosts", str(len(made))))
    assert len(made) <= MODULE_CALLS, "\n".join(made)
