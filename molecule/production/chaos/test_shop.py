# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second service, of another kind, behind the same load balancers of the locked site: released by variables alone, and
registered by the role. It knows nothing of Consul."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from lab.load import Users
from lab.testing import Lab, PlaybookRun, ask

pytestmark = pytest.mark.chaos
SERVICES = [("lb1", "nginx"), ("app1", "consul"), ("app1", "docker")]
REPOSITORY = "registry.service.consul:5000/shop"
PORT = 7000
SHOP = """def shop(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop {version}"]
"""
# Of mydemo's image, for its Python and gunicorn, whose settings lie in the folder that is left.
DOCKERFILE = """FROM registry.service.consul:5000/mydemo:1.0.0
WORKDIR /shop
COPY shop.py .
CMD {command}
"""
SERVE = ["sh", "-c", "exec gunicorn --bind 0.0.0.0:$SHOP_PORT --workers 2 shop:shop"]
BROKEN = ["sh", "-c", "echo out of stock; exec sleep 600"]


@pytest.fixture(scope="module")
def versions(lab, tmp_path_factory) -> None:
    for version, command in {"1": SERVE, "2": SERVE, "3-broken": BROKEN}.items():
        source = tmp_path_factory.mktemp("shop")
        (source / "shop.py").write_text(SHOP.format(version=version))
        (source / "Dockerfile").write_text(DOCKERFILE.format(command=json.dumps(command)))
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
def variables(tmp_path_factory) -> str:
    """As the role's README has it."""
    file = tmp_path_factory.mktemp("variables") / "shop.json"
    shop = {
        "release_name": "shop",
        "release_group": "mydemo",
        "release_ports": [PORT],
        "release_port_variable": "SHOP_PORT",
        "release_check": {"http": "/", "interval": "2s"},
        "release_request_seconds": 1,
        "release_stop_seconds": 5,
        "release_wait_seconds": 15,
    }
    file.write_text(json.dumps(shop))
    return f"@{file}"


@pytest.fixture(scope="module")
def release(lab, versions, variables) -> Iterator[Callable[..., PlaybookRun]]:
    def release(version: str, *options: str, **more: object) -> PlaybookRun:
        image = f"{REPOSITORY}:{version}"
        return lab.playbook("playbooks/deploy.yml", "--extra-vars", variables, *options, release_image=image, **more)

    yield release
    for host in lab.hosts("mydemo"):
        take_away(lab, host, PORT)
    lab.consul("kv/releases/shop", method="DELETE")


def take_away(lab: Lab, host: str, port: int) -> None:
    of = f"--filter label=dockyard_service=shop --filter label=dockyard_port={port}"
    lab.exec(host, f"docker ps --all --quiet {of} | xargs --no-run-if-empty docker rm --force")
    lab.consul(f"agent/service/deregister/shop-{lab.address(host)}-{port}", host, "PUT")


@pytest.fixture(scope="module")
def balanced(lab) -> Iterator[None]:
    both = [
        {"name": "mydemo", "port": 5000, "server_name": "demo.example.com", "read_timeout": "1s"},
        {"name": "shop", "port": PORT, "server_name": "shop.example.com"},
    ]
    done = lab.playbook("playbooks/nginx_lb.yml", nginx_lb_services=both)
    assert done.ok, done.output
    yield
    done = lab.playbook("playbooks/nginx_lb.yml")
    assert done.ok, done.output


def through(lab: Lab, balancer: str) -> str:
    url = f"https://{lab.address(balancer)}/"
    return ask(url, headers={"Host": "shop.example.com"}, tls=lab.trusting_the_site()).text


def see_that_all_serve(lab: Lab, version: str) -> None:
    ids = {f"shop-{lab.address(host)}-{PORT}" for host in lab.hosts("mydemo")}
    entries = lab.consul("health/service/shop")
    states = {entry["Service"]["ID"]: {check["Status"] for check in entry["Checks"]} for entry in entries}
    assert states == {one: {"passing"} for one in ids}
    for host in lab.hosts("mydemo"):
        assert lab.http(host, PORT).text == f"shop {version}"


def test_a_service_of_ones_own_is_released_and_balanced(lab, release, balanced, figures):
    done = release("1", "--check")
    assert done.ok and done.changed.keys() >= set(lab.hosts("mydemo")), done.output
    done = release("1", "-vvv", "--diff")  # makes its token, too
    assert done.ok, done.output
    assert lab.secret("operator/release-shop.token") and lab.secrets_in(done.output) == []
    see_that_all_serve(lab, "1")
    for balancer in lab.hosts("nginx_lb"):
        lab.wait_for(lambda of=balancer: through(lab, of) == "shop 1", 10, f"{balancer} knows it")
    urls = [f"https://{lab.address(host)}/" for host in lab.hosts("nginx_lb")]
    with Users(urls, host="shop.example.com") as users:
        done = release("2")
    assert done.ok, done.output
    figures.append(("a second service is released", str(users)))
    assert users.enough and users.failed == 0, users
    see_that_all_serve(lab, "2")

    again = release("2")
    assert again.ok and not again.changed, again.changes
    for balancer in lab.hosts("nginx_lb"):
        assert through(lab, balancer) == "shop 2"
        assert lab.site(balancer).text.startswith("Hello from"), "the other service goes on"


def test_its_token_releases_it_and_nothing_else(lab, release):
    token = lab.secret("operator/release-shop.token")
    assert [one["version"] for one in lab.api("app1", "kv/releases/shop?raw", token).json()] == ["2", "1"]
    for path in ("kv/releases/mydemo", "kv/redis"):
        assert lab.api("app1", path, token).status == 403
        assert lab.api("app1", path, token, "PUT", "mine now").status == 403
    reply = lab.api("app1", "agent/service/register", token, "PUT", {"Name": "mydemo", "Port": 1})
    assert reply.status == 403, reply


def test_a_broken_one_is_taken_back(lab, release):
    done = release("3-broken")
    assert not done.ok and "out of stock" in done.output, done.output
    see_that_all_serve(lab, "2")


def test_a_port_more_leaves_the_others_alone(lab, release):
    """Wherever in the list it stands; and one that is no more in it is a matter for the operator."""
    since = "docker inspect --format '{{.State.StartedAt}}' shop"
    before = {host: lab.exec(host, since) for host in lab.hosts("mydemo")}
    more = PORT + 1
    done = release("2", release_ports=[more, PORT])
    assert done.ok, done.output
    for host in lab.hosts("mydemo"):
        assert lab.http(host, more).text == "shop 2"
    again = release("2", release_ports=[PORT, more])
    assert again.ok and not again.changed, again.changes
    done = release("2")
    said = " ".join(done.output.split())
    assert not done.ok and not done.changed, done.output
    assert (
        f"an instance of shop at port {more}, and release_ports is {PORT}" in said and f"container shop-{more}" in said
    ), done.output
    for host in lab.hosts("mydemo"):
        take_away(lab, host, more)
    assert {host: lab.exec(host, since) for host in lab.hosts("mydemo")} == before
    see_that_all_serve(lab, "2")


def test_a_command_that_is_no_longer_given_goes(lab, release):
    """What a release is given counts, and what it is not given as well."""
    command = ["sh", "-c", "exec gunicorn --bind 0.0.0.0:$SHOP_PORT shop:shop"]
    done = release("2", release_command=command)
    assert done.ok and done.changed.keys() >= set(lab.hosts("mydemo")), done.output
    done = release("2")
    assert done.ok and done.changed.keys() >= set(lab.hosts("mydemo")), done.output
    for host in lab.hosts("mydemo"):
        assert "--workers 2" in lab.exec(host, "docker inspect --format '{{.Config.Cmd}}' shop")
    see_that_all_serve(lab, "2")


def test_it_goes_back_without_a_name(lab, variables, release):
    image = f"{REPOSITORY}:2"
    done = lab.playbook("playbooks/rollback.yml", "--extra-vars", variables, release_image=image)
    assert done.ok and "shop is back at 1" in " ".join(done.output.split()), done.output
    see_that_all_serve(lab, "1")
