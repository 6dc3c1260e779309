# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second service, of another kind, behind the same load balancer: released by variables alone, and registered by the
role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.testing import Lab, Load, PlaybookRun

pytestmark = pytest.mark.chaos
SERVICES = [("lb1", "nginx"), ("app1", "consul"), ("app1", "docker")]
REPOSITORY = "registry.service.consul:5000/shop"
# One on each host: nginx that knows a service by one port would go on asking a host for the one that is replaced.
PORTS = [7000]
# Python's own server of files: it knows nothing of Consul, and does not mind the signal to stop.
DOCKERFILE = """FROM registry.service.consul:5000/mydemo:1.0.0
USER 0
RUN echo "shop {version}" >index.html
USER 10001
CMD ["sh", "-c", "{command}"]
"""
SERVE = "exec python3 -m http.server $SHOP_PORT"
COMMANDS = {"1": SERVE, "2": SERVE, "3-broken": "echo out of stock; sleep 600"}


@pytest.fixture(scope="module")
def versions(lab, tmp_path_factory) -> None:
    for version, command in COMMANDS.items():
        source = tmp_path_factory.mktemp("shop")
        (source / "Dockerfile").write_text(DOCKERFILE.format(version=version, command=command))
        done = lab.playbook(
            "playbooks/build.yml",
            mydemo_version=version,
            mydemo_repository=REPOSITORY,
            mydemo_source_dir=str(source),
            mydemo_build_dir=f"/var/lib/mydemo/{source.name}",
            mydemo_base_image="",
            mydemo_base_image_archive="",
            mydemo_build_ca_file="",
        )
        assert done.ok, done.output


@pytest.fixture(scope="module")
def variables(tmp_path_factory) -> Path:
    """As the role's README has it."""
    file = tmp_path_factory.mktemp("variables") / "shop.json"
    shop = {
        "release_name": "shop",
        "release_group": "mydemo",
        "release_ports": PORTS,
        "release_port_variable": "SHOP_PORT",
        "release_check": {"http": "/index.html", "interval": "2s"},
        "release_request_seconds": 1,
        "release_stop_seconds": 1,
        "release_wait_seconds": 15,
    }
    file.write_text(json.dumps(shop))
    return file


@pytest.fixture(scope="module")
def release(lab, versions, variables) -> Iterator[Callable[[str], PlaybookRun]]:
    def release(version: str) -> PlaybookRun:
        return lab.playbook(
            "playbooks/deploy.yml", "--extra-vars", f"@{variables}", release_image=f"{REPOSITORY}:{version}"
        )

    yield release
    for host in lab.hosts("mydemo"):
        lab.exec(host, "docker rm --force shop")
        for port in PORTS:
            lab.consul(f"agent/service/deregister/shop-{lab.address(host)}-{port}", host, "PUT")
    lab.consul("kv/releases/shop", method="DELETE")


def instances(lab: Lab) -> dict[str, set[str]]:
    """The states of the checks of each instance."""
    return {
        entry["Service"]["ID"]: {check["Status"] for check in entry["Checks"]}
        for entry in lab.consul("health/service/shop")
    }


def see_that_all_pass(lab: Lab) -> None:
    ids = [f"shop-{lab.address(host)}-{port}" for host in lab.hosts("mydemo") for port in PORTS]
    assert instances(lab) == {one: {"passing"} for one in ids}


def see_that_all_run(lab: Lab, version: str) -> None:
    for host in lab.hosts("mydemo"):
        for port in PORTS:
            assert lab.http(host, port, "/index.html").text == f"shop {version}\n"


def test_a_service_of_ones_own_is_released_and_balanced(lab, release, nginx):
    done = release("1")
    assert done.ok, done.output
    see_that_all_run(lab, "1")
    see_that_all_pass(lab)
    shop = {"name": "shop", "port": PORTS[0], "listen": 8080}
    assert nginx(nginx_lb_services=[{"name": "mydemo", "port": 5000}, shop]).ok
    with Load(f"http://{lab.address('lb1')}:8080/index.html", rate=20) as load:
        load.go_on(1)
        done = release("2")
        load.go_on(1)
    assert done.ok, done.output
    assert not load.failures, load.failures[:5]
    assert {load.requests[0].text, load.requests[-1].text} == {"shop 1\n", "shop 2\n"}
    see_that_all_run(lab, "2")
    see_that_all_pass(lab)

    again = release("2")
    assert again.ok and not again.changed, again.changes
    assert lab.http("lb1").text.startswith("Hello from dockyard"), "the other service goes on"


def test_a_broken_one_is_taken_back(lab, release):
    done = release("3-broken")
    assert not done.ok and "out of stock" in done.output, done.output
    see_that_all_run(lab, "2")
    see_that_all_pass(lab)


def test_it_goes_back_without_a_name(lab, variables, release):
    image = f"{REPOSITORY}:2"
    done = lab.playbook("playbooks/rollback.yml", "--extra-vars", f"@{variables}", release_image=image)
    assert done.ok and "shop is back at 1" in " ".join(done.output.split()), done.output
    see_that_all_run(lab, "1")
    see_that_all_pass(lab)
