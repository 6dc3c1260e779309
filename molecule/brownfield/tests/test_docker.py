# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that was set up by hand (by_hand/docker.yml), after the site has taken its host over."""

from __future__ import annotations

import json

import pytest

HOST = "app1"
CONTAINERS = ["by-hand-1", "by-hand-2"]
PLAYBOOK = "playbooks/docker_host.yml"
DAEMON_JSON = "/etc/docker/daemon.json"
BY_HAND = {
    "data-root": "/var/lib/docker/by-hand",
    "bip": "172.31.7.1/24",
    "insecure-registries": ["registry.by-hand.example:5000"],
}


def inspected(lab, template: str, *names: str) -> str:
    return lab.exec(HOST, ["docker", "inspect", "--format", template, *names])


def daemon_json(lab) -> dict:
    return json.loads(lab.exec(HOST, ["cat", DAEMON_JSON]))


@pytest.fixture
def changed_file(lab):
    """Changes the file on the host, which is as it was after the test."""
    before = lab.exec(HOST, f"cp --preserve {DAEMON_JSON} /root/daemon.json && cat {DAEMON_JSON}")

    def change(**settings):
        text = json.dumps({**json.loads(before), **settings})
        lab.exec(HOST, ["cp", "/dev/stdin", DAEMON_JSON], stdin=text)

    yield change
    lab.exec(HOST, f"mv /root/daemon.json {DAEMON_JSON}")


def test_the_containers_kept_running(lab):
    before = lab.exec(HOST, "cat /root/by-hand-containers")
    assert inspected(lab, "{{.Name}} {{.State.Pid}} {{.State.StartedAt}}", *CONTAINERS) == before


def test_images_and_volumes_are_there(lab):
    assert lab.exec(HOST, "docker image ls --quiet by-hand/sleep:1")
    for name in CONTAINERS:
        folder = inspected(lab, "{{.Mountpoint}}", f"{name}-data")
        assert lab.exec(HOST, ["cat", f"{folder}/file"]) == f"data of {name}"


def test_what_the_user_has_set_is_in_force(lab):
    assert lab.exec(HOST, "docker info --format '{{.DockerRootDir}}'") == BY_HAND["data-root"]
    assert "172.31.7.1/24" in lab.exec(HOST, "ip -oneline address show docker0")
    assert inspected(lab, "{{(index .IPAM.Config 0).Subnet}}", "bridge") == "172.31.7.0/24"
    assert "registry.by-hand.example:5000" in lab.exec(HOST, "docker info --format '{{json .RegistryConfig}}'")


def test_what_the_collection_adds_is_in_force(lab):
    assert lab.exec(HOST, "docker info --format '{{.LiveRestoreEnabled}}'") == "true"
    nameservers = lab.exec(HOST, "docker run --rm --detach --name by-hand-new by-hand/sleep:1 /usr/bin/sleep 60")
    try:
        nameservers = lab.exec(HOST, ["cat", inspected(lab, "{{.ResolvConfPath}}", "by-hand-new")])
        assert f"nameserver {lab.address(HOST)}" in nameservers
        assert inspected(lab, "{{json .HostConfig.LogConfig}}", "by-hand-new") == (
            '{"Type":"json-file","Config":{"max-file":"3","max-size":"50m"}}'
        )
    finally:
        lab.exec(HOST, "docker rm --force by-hand-new")


def test_the_file_has_the_settings_of_both(lab):
    found = daemon_json(lab)
    assert found == {
        **BY_HAND,
        "live-restore": True,
        "dns": [lab.address(HOST)],
        "log-driver": "json-file",
        "log-opts": {"max-size": "50m", "max-file": "3"},
    }
    assert list(found)[:3] == list(BY_HAND)
    assert lab.exec(HOST, ["stat", "--format", "%a", DAEMON_JSON]) == "600"


def test_the_former_file_is_in_the_backups(lab):
    former = json.loads(lab.exec(HOST, f"cat /var/backups/dockyard{DAEMON_JSON}.*"))
    assert former == {**BY_HAND, "log-opts": {"max-size": "50m"}}


def test_a_second_run_changes_nothing(lab):
    run = lab.playbook(PLAYBOOK, "--limit", HOST)
    assert run.ok and not run.changed, run.output


def test_check_mode_shows_what_would_be_merged(lab, changed_file):
    changed_file(
        **{"dns": [lab.address(HOST)], "log-opts": {"max-size": "60m"}, "http-proxy": "http://user:a-password@proxy"}
    )
    text = lab.exec(HOST, ["cat", DAEMON_JSON])
    run = lab.playbook(PLAYBOOK, "--limit", HOST, "--check", "--diff", docker_host_log_max_size="70m")
    assert run.ok and run.changed, run.output
    assert '-/log-opts/max-size: (hidden)\n+/log-opts/max-size: "70m"' in squeezed(run.output), run.output
    assert '+/log-opts/max-file: "3"' in run.output
    assert "a-password" not in run.output and "60m" not in run.output
    assert lab.exec(HOST, ["cat", DAEMON_JSON]) == text


def squeezed(output: str) -> str:
    """Without the lines between that stay."""
    return "\n".join(
        line for line in output.splitlines() if line.startswith(("-/log-opts/max-size", "+/log-opts/max-size"))
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dns": ["192.0.2.53"]}, "other nameservers (dns) than docker_host_dns"),
        ({"live-restore": False}, "a live-restore other than true"),
    ],
)
def test_a_conflict_is_named_before_anything_changes(lab, changed_file, settings, sentence):
    changed_file(**settings)
    run = lab.playbook(PLAYBOOK, "--limit", HOST)
    assert not run.ok and not run.changed
    assert sentence in " ".join(run.output.split()), run.output
    assert daemon_json(lab).items() >= settings.items()


def test_the_user_decides_a_conflict(lab, changed_file):
    changed_file(dns=["192.0.2.53"])
    run = lab.playbook(PLAYBOOK, "--limit", HOST, "--check", docker_host_dns=["192.0.2.53"])
    assert run.ok, run.output
    assert not [change for change in run.changes if "Place the configuration" in change]


def test_only_a_reload_for_settings_that_a_reload_applies(lab):
    pid = lab.exec(HOST, "systemctl show --property MainPID --value docker")
    extra = {"labels": ["by=us"]}
    run = lab.playbook(PLAYBOOK, "--limit", HOST, docker_host_daemon_extra=extra)
    assert run.ok and run.changed, run.output
    assert lab.exec(HOST, "docker info --format '{{.Labels}}'") == "[by=us]"
    assert lab.exec(HOST, "systemctl show --property MainPID --value docker") == pid
    run = lab.playbook(PLAYBOOK, "--limit", HOST, docker_host_daemon_extra=extra)
    assert run.ok and not run.changed, run.output


def test_a_setting_that_is_taken_back_is_removed_by_a_restart(lab):
    run = lab.playbook(PLAYBOOK, "--limit", HOST)
    assert run.ok and run.changed, run.output
    assert "labels" not in daemon_json(lab)
    assert lab.exec(HOST, "docker info --format '{{.Labels}}'") == "[]"
    test_the_containers_kept_running(lab)
    test_a_second_run_changes_nothing(lab)


def test_broken_json_is_named_with_its_line(lab, changed_file):
    changed_file()
    lab.exec(HOST, ["cp", "/dev/stdin", DAEMON_JSON], stdin='{\n  "bip": "172.31.7.1/24",\n}\n')
    run = lab.playbook(PLAYBOOK, "--limit", HOST)
    assert not run.ok and not run.changed
    assert "daemon.json is not JSON (line " in " ".join(run.output.split()), run.output
