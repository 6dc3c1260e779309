# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS with a given certificate: what is served, who may read the key, and a new certificate under load."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.load import Load
from lab.testing import PlaybookRun, run

BALANCERS = pytest.mark.parametrize("host", ["lb1", "lb2"])


class Pair(NamedTuple):
    certificate: Path
    key: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"nginx_lb_tls_certificate_file": str(self.certificate), "nginx_lb_tls_key_file": str(self.key)}

    @property
    def secret(self) -> str:
        """A line of the key."""
        return self.key.read_text().splitlines()[1]


@pytest.fixture(scope="module")
def make(lab, tmp_path_factory) -> Callable[..., Pair]:
    """Makes a certificate for both load balancers."""
    folder = tmp_path_factory.mktemp("tls")
    names = ",".join(["DNS:www.example.com", *(f"IP:{lab.address(host)}" for host in lab.balancers)])

    def make(name: str, days: int = 30) -> Pair:
        pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        run(
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
            *["-keyout", pair.key, "-out", pair.certificate, "-days", str(days), "-subj", f"/CN={name}"],
            *["-addext", f"subjectAltName={names}"],
        )
        return pair

    return make


@pytest.fixture(scope="module")
def first(make) -> Pair:
    return make("first")


@pytest.fixture(scope="module")
def switched(lab, configure, first) -> PlaybookRun:
    """The run that switched HTTPS on."""
    done = configure("-vvv", "--diff", **first.variables)
    assert done.ok, done.output
    return done


@pytest.fixture
def curl(lab, first, switched) -> Callable[..., str]:
    """Asks a load balancer as somebody would who trusts the certificate; gives head and body."""

    def curl(host: str, path: str, *options: str) -> str:
        url = path if path.startswith("http") else f"https://{lab.address(host)}{path}"
        trust = ["--cacert", str(first.certificate), "--noproxy", "*"]
        return lab.run("curl", "--silent", "--show-error", "--include", *trust, *options, url).stdout

    return curl


def shown(lab, host: str, port: int = 443) -> str:
    return ssl.get_server_certificate((lab.address(host), port)).strip()


def test_the_key_is_in_no_output(switched, first, lab):
    assert first.secret not in switched.output
    assert lab.secret("operator/monitoring.token") not in switched.output


@BALANCERS
def test_the_certificate_is_shown_everywhere(lab, host, first, switched):
    for port in (443, 8082, *([8443] if host == "lb2" else [])):
        assert shown(lab, host, port) == first.certificate.read_text().strip(), port


@BALANCERS
def test_the_key_is_roots_alone(lab, host, switched, first):
    assert lab.exec(host, "stat --format '%U:%G %a' /etc/nginx/nginx_lb.pem") == "root:root 600"
    found = lab.exec(host, ["grep", "--recursive", "--fixed-strings", "--files-with-matches", first.secret, "/etc"])
    assert found == "/etc/nginx/nginx_lb.pem"


@BALANCERS
def test_http_is_sent_on_and_a_post_stays_one(host, lab, curl):
    head = curl(host, f"http://{lab.address(host)}/some/where?a=b")
    assert head.startswith("HTTP/1.1 308 ")
    assert f"Location: https://{lab.address(host)}/some/where?a=b\r\n".replace("\r", "") in head.replace("\r", "")

    answer = curl(host, f"http://{lab.address(host)}/", "--location", "--data", "kept")
    asked = json.loads(answer.splitlines()[-1])
    assert (asked["method"], asked["body"]) == ("POST", "kept")
    assert asked["headers"]["X-Forwarded-Proto"] == "https"


def test_another_port_is_in_the_redirect(lab, curl):
    head = curl("lb2", f"http://{lab.address('lb2')}:8080/")
    assert f"Location: https://{lab.address('lb2')}:8443/" in head
    assert "X-Served-By: app1:700" in curl("lb2", f"https://{lab.address('lb2')}:8443/").replace(
        "x-served-by", "X-Served-By"
    )


@BALANCERS
def test_http_2(host, curl):
    assert curl(host, "/").startswith("HTTP/2 200")
    assert curl(host, "/", "--http1.1").startswith("HTTP/1.1 200")


@BALANCERS
def test_old_versions_are_refused(lab, host, switched):
    def handshake(version: str) -> str:
        command = ["openssl", "s_client", "-connect", f"{lab.address(host)}:443", version]
        done = run(*command, "-cipher", "DEFAULT@SECLEVEL=0", check=False, input="")
        return done.stdout + done.stderr

    assert "alert protocol version" in handshake("-tls1_1")
    answer = handshake("-tls1_2")
    assert "Cipher is ECDHE-ECDSA-AES" in answer and "TLS session ticket:" not in answer


@BALANCERS
def test_telemetry_is_over_https_too(lab, host, curl):
    token = lab.secret("operator/monitoring.token")
    url = f"https://{lab.address(host)}:8082/nginx_status"
    assert "Active connections" in curl(host, url, "--header", f"Authorization: Bearer {token}")
    assert curl(host, url).startswith("HTTP/2 401")


@BALANCERS
def test_telemetry_is_not_over_http(lab, host, switched):
    assert lab.http(host, 8082, "/nginx_status").status == 400


def test_a_new_certificate_under_load(lab, configure, make, first, switched, tmp_path):
    """Killed with the certificate placed and nginx not yet told, and run again: served then, and nobody noticed."""
    pids = {host: lab.pid(host) for host in lab.balancers}
    second = make("second")
    trust = tmp_path / "trust.pem"
    trust.write_text(first.certificate.read_text() + second.certificate.read_text())
    tls = ssl.create_default_context(cafile=trust)

    with ExitStack() as stack:
        loads = [Load(f"https://{lab.address(host)}/", rate=20, tls=tls) for host in lab.balancers]
        for load in loads:
            stack.enter_context(load)
        until = "Ensure that nginx runs with this configuration"
        lab.interrupted_playbook(until, "playbooks/nginx_lb.yml", **second.variables)
        for host in lab.balancers:
            assert second.secret in lab.exec(host, "cat /etc/nginx/nginx_lb.pem")
            assert shown(lab, host) == first.certificate.read_text().strip()

        done = configure("-vvv", "--diff", **second.variables)
        assert done.ok and second.secret not in done.output, done.output
        for host in lab.balancers:
            assert shown(lab, host) == second.certificate.read_text().strip()
        for load in loads:
            load.go_on(1)
    for load in loads:
        assert not load.failures, load.failures[:3]
    assert {host: lab.pid(host) for host in lab.balancers} == pids

    for check in ([], ["--check"]):
        again = configure(*check, **second.variables)
        assert again.ok and not again.changed, again.changes


def test_a_service_with_a_certificate_of_its_own_and_one_without(lab, configure, make, first):
    own = make("own")
    services = [
        {"name": "hello", "port": 7000, "server_name": ["www.example.com"]}
        | {"tls_certificate_file": str(own.certificate), "tls_key_file": str(own.key)},
        {"name": "plain", "upstream": "hello.service.consul", "port": 7000, "listen": 8080, "tls_listen": ""},
    ]
    done = configure(nginx_lb_services=services, **first.variables)
    assert done.ok, done.output
    for host in lab.balancers:
        assert shown(lab, host) == own.certificate.read_text().strip()
        assert shown(lab, host, 8082) == first.certificate.read_text().strip()
        lab.wait_for(lambda host=host: lab.http(host, 8080).status == 200, 5, "plain HTTP")


def test_without_a_certificate_no_key_is_left(lab, configure):
    done = configure(nginx_lb_telemetry_listen="")
    assert done.ok, done.output
    for host in lab.balancers:
        assert lab.exec(host, "find /etc/nginx -name 'nginx_lb*'") == ""
        lab.wait_for(lambda host=host: lab.http(host).status == 200, 5, "HTTP again")
        with pytest.raises(OSError):
            shown(lab, host)
