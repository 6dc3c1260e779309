# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx on web1 was configured by hand (by_hand/nginx.yml). Its sites stay in force beside a service that is balanced."""

from __future__ import annotations

import base64
import gzip
import http.client
from collections.abc import Callable, Iterator

import pytest

from lab.load import Users
from lab.testing import PlaybookRun

SERVICES = [("web1", "nginx"), ("web1", "consul")]
PORT = 9000
DEMO = {"name": "demo", "port": PORT, "upstream": "web1.node.consul", "server_name": ["demo.example.com"]}
SITE = "/etc/nginx/sites-enabled/zz_nginx_lb.conf"


@pytest.fixture(scope="module")
def instance(lab) -> Iterator[None]:
    """The service that is balanced. It runs on web1 itself."""
    lab.exec(
        "web1",
        f"mkdir -p /srv/demo && echo Demo >/srv/demo/index.html; cd /srv/demo && systemd-run --unit demo --working-directory /srv/demo python3 -m http.server {PORT}",
    )
    yield
    lab.exec("web1", "systemctl stop demo")


@pytest.fixture
def balance(lab, instance) -> Callable[..., PlaybookRun]:
    def balance(*options: str, **variables: object) -> PlaybookRun:
        return lab.playbook(
            "playbooks/nginx_lb.yml", "--limit", "web1", *options, **{"nginx_lb_services": [DEMO], **variables}
        )

    return balance


def site(lab, name: str, port: int = 80, **headers: str) -> http.client.HTTPMessage:
    return lab.http("web1", port, headers={"Host": f"{name}.example.com", **headers})


def assert_sites_are_as_before(lab) -> None:
    for name in ("blog", "shop"):
        answer = site(lab, name, **{"X-Color": "red"})
        assert (answer.status, answer.text) == (200, f"This is the {name}, which was here before the site.\n")
        assert (answer.headers["X-Site"], answer.headers["X-Color"]) == (name, "crimson")
        # nginx would not show its version with server_tokens off.
        assert answer.headers["Server"].startswith("nginx/")
    assert site(lab, "unknown").headers["X-Site"] == "blog", "the first one answers to all other names"
    assert site(lab, "shop", 7777).headers["X-Site"] == "shop", "stream"
    zipped = lab.exec(
        "web1", "curl --silent -H 'Host: shop.example.com' -H 'Accept-Encoding: gzip' http://127.0.0.1 | base64"
    )
    assert gzip.decompress(base64.b64decode(zipped)).startswith(b"This is the shop")
    lab.exec("web1", "sha256sum --check --quiet /root/nginx.sha256")


def test_the_sites_stay_in_force_beside_a_service(lab, balance):
    with Users([f"http://{lab.address('web1')}/"], host="shop.example.com", rate=50) as users:
        done = balance()
        users.stop()
    assert done.ok, done.output
    assert users.enough and users.failed == 0, str(users)
    assert_sites_are_as_before(lab)
    answer = lab.wait_for(lambda: site(lab, "demo"), 20, "the service answers")
    assert (answer.status, answer.text, answer.headers["Server"]) == (200, "Demo\n", "nginx")
    assert "Active connections" in lab.exec("web1", "curl --fail --silent http://127.0.0.1:8081/nginx_status")


def test_a_second_run_changes_nothing(lab, balance):
    assert balance().ok
    pid = lab.exec("web1", "pgrep --parent $(systemctl show --property MainPID --value nginx)")
    done = balance()
    assert done.ok and not done.changed, done.changes
    assert "worker_connections" not in done.output, "the warning is shown once"
    assert lab.exec("web1", "pgrep --parent $(systemctl show --property MainPID --value nginx)") == pid


def test_what_the_role_cannot_set_is_reported(balance):
    done = balance("--check", nginx_lb_worker_connections=5000)
    words = " ".join(done.output.split())
    assert done.ok and "It cannot set worker_connections to 5000" in words, done.output


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"nginx_lb_services": [{**DEMO, "server_name": ["shop.example.com"]}]},
            "demo listens on 80 with server_name 'shop.example.com', and so does /etc/nginx/sites-enabled/shop (line 1)",
        ),
        (
            {"nginx_lb_services": [{**DEMO, "server_name": []}]},
            "demo listens on 80 with any server_name, and /etc/nginx/sites-enabled/blog (line 1) listens there too",
        ),
        (
            {"nginx_lb_services": [{**DEMO, "listen": 7777}]},
            "demo listens on 7777, and a server of stream in /etc/nginx/nginx.conf",
        ),
        ({"nginx_lb_config_extra": "gzip on; }"}, "nginx_lb_config_extra is not configuration of nginx"),
    ],
    ids=["server_name", "any name", "stream", "brace"],
)
def test_a_conflict_is_named_before_anything_changes(lab, balance, variables, says):
    done = balance(**variables)
    words = " ".join(done.output.split())
    assert not done.ok and says in words and "Nothing was changed" in words, done.output
    assert not done.changed
    assert_sites_are_as_before(lab)


def test_configuration_of_the_user(lab, balance):
    service = {**DEMO, "config_extra": "location = /robots.txt { return 200 $hello; }\nserver_tokens on;"}
    done = balance(nginx_lb_config_extra="map $host $hello { default hello; }", nginx_lb_services=[service])
    assert done.ok, done.output
    answer = lab.http("web1", path="/robots.txt", headers={"Host": "demo.example.com"})
    assert answer.text == "hello" and answer.headers["Server"].startswith("nginx/")
    before = lab.exec("web1", f"sha256sum {SITE}")
    done = balance(nginx_lb_config_extra="map $host { }")
    assert not done.ok and 'invalid number of arguments in "map" directive' in done.output.replace("\\", ""), (
        done.output
    )
    assert lab.exec("web1", f"sha256sum {SITE}") == before
    assert_sites_are_as_before(lab)


def test_no_services(lab, balance):
    done = balance(nginx_lb_services=[])
    assert done.ok, done.output
    assert_sites_are_as_before(lab)
    assert site(lab, "demo").headers["X-Site"] == "blog"
    assert "demo" not in lab.exec("web1", f"cat {SITE}")
    assert balance().ok
    assert site(lab, "demo").text == "Demo\n"


def test_nginx_conf_is_replaced_on_request(lab, balance):
    """With a backup. The sites stay, and the block stream goes."""
    lab.exec("web1", "cp -a /etc/nginx/nginx.conf /root/nginx.conf.by_hand")
    try:
        done = balance(nginx_lb_nginx_conf="replace")
        assert done.ok, done.output
        assert "worker_connections 4096;" in lab.exec("web1", "cat /etc/nginx/nginx.conf")
        assert site(lab, "shop").headers["X-Site"] == "shop" and site(lab, "demo").text == "Demo\n"
        (backup,) = lab.exec("web1", "ls /var/backups/dockyard/etc/nginx/nginx.conf.*").splitlines()
        lab.exec("web1", f"cmp {backup} /root/nginx.conf.by_hand")
        again = balance()  # the file is the role's from now on
        assert again.ok and not again.changed, again.changes
    finally:
        lab.exec(
            "web1",
            "mv /root/nginx.conf.by_hand /etc/nginx/nginx.conf; rm -f /var/backups/dockyard/etc/nginx/nginx.conf.*; systemctl reload nginx",
        )
    lab.wait_for(lambda: site(lab, "shop", 7777).headers["X-Site"] == "shop", 10, "stream is back")
