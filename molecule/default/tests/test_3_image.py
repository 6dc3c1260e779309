# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's image: built once, run everywhere by digest, with nothing of its build left inside; its containers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
import yaml

from lab.testing import ROOT, Lab, ask

SERVICES = [("app1", "docker"), ("registry1", "docker-registry")]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def inspect(lab: Lab, host: str, of: str, name: str = "mydemo") -> str:
    return lab.exec(host, ["docker", "inspect", "--format", of, name])


@pytest.fixture(scope="module")
def image(lab) -> str:
    """The image that app1's container was started from."""
    return inspect(lab, "app1", "{{.Config.Image}}")


def test_every_host_runs_the_digest_that_the_registry_has_under_the_version(lab, image):
    site = yaml.safe_load((ROOT / "inventories" / "demo" / "group_vars" / "all.yml").read_text())
    manifest = f"https://registry.service.consul:5000/v2/mydemo/manifests/{site['mydemo_version']}"
    curl = [
        "curl",
        "--fail",
        "--silent",
        "--head",
        "--cacert",
        "/etc/consul.d/ca.pem",
        "--header",
        f"Accept: {MANIFEST}",
    ]
    headers = dict(line.split(": ", 1) for line in lab.exec("app1", [*curl, manifest]).splitlines() if ": " in line)
    digest = {name.lower(): value for name, value in headers.items()}["docker-content-digest"]

    for host in lab.hosts("mydemo"):
        assert inspect(lab, host, "{{.Config.Image}}") == f"registry.service.consul:5000/mydemo@{digest}"


def test_the_app_is_not_root(lab, image):
    assert inspect(lab, "app1", "{{.Config.User}}", image) == "10001:10001"
    processes = lab.exec("app1", ["docker", "top", "mydemo", "-o", "pid,uid"]).split()[3::2]
    assert set(processes) == {"10001"}


def inside(lab: Lab, image: str, command: str) -> list[str]:
    """What a command says in a container of an image, line by line."""
    run = ["docker", "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", image, "-c", command]
    return lab.exec("app1", run).splitlines()


def files(lab: Lab, image: str) -> set[str]:
    return set(inside(lab, image, "find / -xdev -type f"))


def test_nothing_of_the_build_is_left_in_the_image(lab, image):
    """Beyond its base it has the app and its packages; the CA that the build was given is in neither."""
    environment = json.loads(inspect(lab, "app1", "{{json .Config.Env}}", image))
    assert {variable.split("=")[0] for variable in environment} <= {
        *("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "RES_OPTIONS")
    }
    assert "proxy" not in lab.exec("app1", ["docker", "history", "--no-trunc", image]).lower()

    added = files(lab, image) - files(lab, lab.exec("app1", "docker images --quiet dockyard-lab-python"))
    # Docker gives these to each container.
    added -= {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.dockerenv"}
    assert {path for path in added if not path.startswith(("/opt/venv/", "/app/"))} == set()
    assert {path for path in added if "/.cache/" in path or "/pip/" in path or path.endswith((".crt", ".whl"))} == set()
    # The list of public CAs that requests brings is as its package's RECORD has it.
    pems = inside(lab, image, "find /opt/venv -name '*.pem' -exec sha256sum {} +")
    records = "".join(inside(lab, image, "grep --recursive --no-filename '[.]pem,' --include=RECORD /opt/venv"))
    assert [pem for pem in pems if in_record(pem.split()[0]) not in records] == []


def in_record(sha256: str) -> str:
    """A digest as wheels write it: https://packaging.python.org/en/latest/specifications/recording-installed-packages"""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


def test_logs_are_limited(lab):
    """Those of the app's container, and of any that says nothing of it."""
    assert json.loads(inspect(lab, "app1", "{{json .HostConfig.LogConfig}}")) == {
        "Type": "json-file",
        "Config": {"max-size": "10m", "max-file": "3"},
    }
    container = lab.exec("app1", "docker create $(docker inspect --format '{{.Image}}' mydemo)")
    try:
        config = json.loads(inspect(lab, "app1", "{{json .HostConfig.LogConfig}}", container))
        assert config["Config"].keys() >= {"max-size", "max-file"}
    finally:
        lab.exec("app1", ["docker", "rm", container])
    assert inspect(lab, "app1", "{{.HostConfig.RestartPolicy.Name}}") == "unless-stopped"


@pytest.fixture
def second_consul(lab) -> Iterator[str]:
    """Another environment's Consul, on app1 at ports of its own, with settings of its own. Gives its address."""
    address = lab.address("app1")
    ports = {"http": 18500, "server": 18300, "serf_lan": 18301, "serf_wan": 18302, "dns": -1, "grpc": -1}
    config = json.dumps({"node_name": "second", "client_addr": address, "bind_addr": address, "ports": ports})
    agent = ["consul", "agent", "-dev", "-hcl", config]
    lab.exec("app1", ["systemd-run", "--unit=second-consul", "--collect", "--uid=consul", *agent])
    try:
        lab.wait_for(
            lambda: ask(f"http://{address}:18500/v1/status/leader").json(), 30, "the second Consul has a leader"
        )
        settings = lab.consul("kv/redis?raw")
        settings["show_message"] = "Hello from staging"
        settings["redis_config"]["redis_db"] = 1
        ask(f"http://{address}:18500/v1/kv/redis", "PUT", settings)
        yield f"{address}:18500"
    finally:
        lab.exec("app1", ["systemctl", "stop", "second-consul"])


def test_the_same_digest_serves_another_environment(lab, image, second_consul):
    """It differs in nothing but what its Consul holds."""
    instance = "172.30.0.2"
    lab.exec("app1", "docker network create --subnet 172.30.0.0/24 second")
    try:
        lab.exec(
            "app1",
            ["docker", "run", "--detach", "--name", "second", "--network", "second", "--ip", instance]
            + ["--env", f"LAN_IP={instance}", "--env", f"CONSUL_HTTP_ADDR={second_consul}", image],
        )
        said = lab.wait_for(
            lambda: lab.exec("app1", f"curl --fail --silent http://{instance}:5000/"), 30, "the second instance answers"
        )
        assert said.startswith("Hello from staging! I have been seen "), said
        health = f"http://{second_consul}/v1/health/service/mydemo?passing"
        (entry,) = lab.wait_for(lambda: ask(health).json(), 15, "the second Consul finds it healthy")
        assert (entry["Service"]["Address"], entry["Service"]["Port"]) == (instance, 5000)
        # The first environment has seen nothing of it.
        assert lab.dns("mydemo.service.consul") == {lab.address(host) for host in lab.hosts("mydemo")}
        assert lab.http("lb1").text.startswith("Hello from dockyard!")
    finally:
        lab.exec("app1", "docker rm --force second; docker network rm second")
