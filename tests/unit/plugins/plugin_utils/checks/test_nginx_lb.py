# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.check_variables import CHECKS

SHOP = {"name": "shop", "port": 7000}
SRV = {"name": "twins", "port": "srv", "listen": 8080}
TOKEN = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
SERVICES = "nginx_lb_services"


@pytest.fixture
def balanced(said):
    return lambda look=None, **given: said("nginx_lb", {SERVICES: [SHOP], **given}, look=look)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {SERVICES: [SHOP, SRV]},
        {SERVICES: [SHOP, {**SHOP, "name": "other", "server_name": ["other.example.com"]}]},
        {SERVICES: [SHOP, {**SHOP, "name": "other", "server_name": "other.example.com"}]},
        {SERVICES: [{**SHOP, "port": "srv"}], "nginx_lb_mode": "resolve"},
        {SERVICES: [{**SHOP, "read_timeout": "1m30s"}]},
        {"nginx_lb_connect_timeout": "500ms", "nginx_lb_resolver_valid": 30},
        {"nginx_lb_telemetry_listen": "10.0.0.11:8082", "nginx_lb_telemetry_token": TOKEN},
        {"nginx_lb_telemetry_listen": "8082 ssl", "consul_server_monitoring_token": TOKEN},
        {"nginx_lb_telemetry_token": "unused", "nginx_lb_keepalive": 1},
        {SERVICES: []},
        {SERVICES: [{**SHOP, "config_extra": "gzip on;"}], "nginx_lb_config_extra": "gzip off; # }"},
    ],
)
def test_right(balanced, given):
    assert balanced(**given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({SERVICES: [{**SHOP, "name": "my service"}]}, "nginx_lb_services has a service with the name 'my service'."),
        (
            {SERVICES: [SHOP, {**SHOP, "listen": 81}]},
            "nginx_lb_services has the name 'shop' more than once. Give each service its own name.",
        ),
        (
            {SERVICES: [SHOP, {**SHOP, "name": "other"}]},
            "shop and other listen on 80 with any server_name, so nginx cannot tell them apart.",
        ),
        (
            {SERVICES: [{**SHOP, "server_name": ["a", "b"]}, {**SHOP, "name": "other", "server_name": ["b"]}]},
            "shop and other listen on 80 with server_name 'b', so nginx cannot tell them apart.",
        ),
        (
            {"nginx_lb_telemetry_listen": "80", "nginx_lb_telemetry_token": TOKEN},
            "shop and nginx_lb_telemetry_listen listen on 80 with any server_name",
        ),
        (
            {"nginx_lb_telemetry_listen": "10.0.0.11", "nginx_lb_telemetry_token": TOKEN},
            "nginx_lb_telemetry_listen is '10.0.0.11'. It must be a port, or an address and a port",
        ),
        (
            {SERVICES: [{**SHOP, "config_extra": "gzip on; }"}]},
            "nginx_lb_services[shop].config_extra is not configuration of nginx: line 1: '}' closes no block.",
        ),
        (
            {"nginx_lb_config_extra": "gzip on"},
            "nginx_lb_config_extra is not configuration of nginx: line 1: ';' is missing at the end.",
        ),
        (
            {SERVICES: [{**SHOP, "tls_listen": "https"}]},
            "nginx_lb_services[shop].tls_listen is 'https'. It must be a port",
        ),
        ({"nginx_lb_tls_listen": "https"}, "nginx_lb_tls_listen is 'https'. It must be a port"),
        (
            {SERVICES: [{**SHOP, "port": "http"}]},
            "nginx_lb_services[shop].port is 'http'. It must be a port (1 to 65535), or 'srv'.",
        ),
        ({SERVICES: [{**SHOP, "port": 65536}]}, "nginx_lb_services[shop].port is '65536'."),
        (
            {SERVICES: [SHOP, SRV], "nginx_lb_mode": "variable"},
            "nginx_lb_mode is 'variable', and the port of twins is 'srv'.",
        ),
        ({"nginx_lb_resolvers": []}, "nginx_lb_resolvers is empty. List the nameservers that know Consul's names."),
        ({"nginx_lb_resolvers": "127.0.0.1"}, "nginx_lb_resolvers is '127.0.0.1'. It must be a list."),
        ({"nginx_lb_status_port": 0}, "nginx_lb_status_port is 0. A port is a number from 1 to 65535."),
        ({"nginx_lb_keepalive": 0}, "nginx_lb_keepalive is 0. It must be 1 or more connections."),
        (
            {"nginx_lb_connect_timeout": "0s"},
            "nginx_lb_connect_timeout is '0s'. It must be a duration greater than 0, such as 500ms, 5s or 1m.",
        ),
        (
            {SERVICES: [{**SHOP, "read_timeout": "soon"}]},
            "nginx_lb_services[shop].read_timeout is 'soon'. It must be a duration",
        ),
        (
            {"nginx_lb_tls_key_file": "/etc/hostname"},
            "nginx_lb_tls_certificate_file is not set, and nginx_lb_tls_key_file is. Set both of them, or neither.",
        ),
        (
            {SERVICES: [{**SHOP, "tls_certificate_file": "/etc/hostname"}]},
            "nginx_lb_services[shop] has tls_certificate_file and no tls_key_file. Set both of them, or neither.",
        ),
        (
            {SERVICES: [{**SHOP, "tls_key_file": "/etc/hostname"}]},
            "nginx_lb_services[shop] has tls_key_file and no tls_certificate_file. Set both of them, or neither.",
        ),
        (
            {"nginx_lb_telemetry_listen": "8082", "nginx_lb_telemetry_token": "secret"},
            "nginx_lb_telemetry_token has 6 characters. It must be a UUID in lower-case letters.",
        ),
        (
            {"nginx_lb_telemetry_listen": "8082", "consul_server_monitoring_token": "secret"},
            "consul_server_monitoring_token has 6 characters.",
        ),
    ],
)
def test_wrong(balanced, given, text):
    problems = balanced(**given)
    assert len(problems) == 1 and problems[0].startswith(text), problems


@pytest.mark.parametrize(
    ("given", "installed", "text"),
    [
        (
            {"nginx_lb_mode": "resolve"},
            "1.22.1",
            "nginx_lb_mode is 'resolve'. That needs nginx 1.27.3 or newer, and this host has 1.22.1.",
        ),
        (
            {SERVICES: [SHOP, SRV]},
            "1.26.3",
            "The port of twins is 'srv'. That needs nginx 1.27.3 or newer, and this host has 1.26.3.",
        ),
        ({}, "1.22.1", ""),
        ({"nginx_lb_mode": "resolve"}, "1.27.3", ""),
        ({"nginx_lb_mode": "resolve", SERVICES: [SHOP, SRV]}, "1.30.6", ""),
        ({"nginx_lb_mode": "resolve"}, None, ""),
    ],
)
def test_the_version_of_nginx(balanced, given, installed, text):
    look = {"nginx": {"version": installed}} if installed else {"nginx": None}
    problems = balanced(**given, look=look)
    assert [problem[: len(text)] for problem in problems] == ([text] if text else [])


@pytest.mark.parametrize("own", [False, True], ids=["the default", "a service's own"])
def test_files_of_a_certificate(balanced, own):
    files = {"tls_certificate_file": "/etc/hostname", "tls_key_file": "/no/such.key"}
    given = {SERVICES: [{**SHOP, **files}]} if own else {f"nginx_lb_{name}": file for name, file in files.items()}
    assert balanced(**given) == [
        "/etc/hostname is not a certificate in PEM form.",
        "'/no/such.key' is not a file on the controller. The private key is read from it.",
    ]


def test_https_listeners_are_compared_where_there_is_a_certificate(balanced):
    others = [{**SHOP, "listen": 80}, {**SHOP, "name": "other", "listen": 81}]
    assert balanced(**{SERVICES: others}) == []
    files = {"nginx_lb_tls_certificate_file": "/etc/hostname", "nginx_lb_tls_key_file": "/etc/hostname"}
    assert balanced(**{SERVICES: others}, **files)[0].startswith("shop and other listen on 443 with any server_name")


def test_a_telemetry_token_that_does_not_exist(said, tmp_path):
    telemetry = {SERVICES: [SHOP], "nginx_lb_telemetry_listen": "8082"}
    (problem,) = said("nginx_lb", telemetry)
    assert problem.startswith(f"{tmp_path}/operator/monitoring.token does not exist. Copy the file from the controller")
    assert said("nginx_lb", telemetry, creates_secrets=True) == []
    assert said("nginx_lb", {**telemetry, "consul_agent_acl_default_policy": "allow"}) == [], "the run makes it"
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/monitoring.token").touch()
    assert said("nginx_lb", telemetry) == []


def test_a_version_of_nginx_that_could_not_be_read(said):
    assert said("nginx_lb", {SERVICES: [SHOP]}, look={"nginx": {"version": None, "error": "no answer within 5 s"}}) == [
        "The version of nginx could not be read: no answer within 5 s. Repair that on web1, then run again."
    ]
    assert said("nginx_lb", {SERVICES: [SHOP]}, look={"nginx": {"error": "it is not installed"}}) == []
    assert (
        said("nginx_lb", {SERVICES: [SHOP]}, look={"nginx": {"version": "1.22.1", "error": "nginx_status: HTTP 500"}})
        == []
    )


def test_services_that_nobody_has_set(said):
    assert said("nginx_lb", {}) == [
        "nginx_lb_services is not set. List the services to balance, each with its name and port. An empty list stops balancing."
    ]


CONF = "/etc/nginx/nginx.conf"
SITE = "/etc/nginx/sites-enabled/zz_nginx_lb.conf"


@pytest.fixture
def on_host(values):
    """The problems and the warnings on a host where nginx has this configuration."""

    def on_host(given=(), placed=False, drifted=False, missing=False, packages=(), **config):
        there = {
            "error": None,
            "worker_connections": "768",
            "includes": [{"pattern": "/etc/nginx/sites-enabled/*", "servers": 9}],
            "servers": [],
            "welcome_sites": [],
            "nginx_conf": None,
            **config,
        }
        look = {
            "nginx": {"version": "1.22.1", "error": None, "config": there},
            "paths": {} if missing else {CONF: {"type": "file"}, **({SITE: {"type": "file"}} if placed else {})},
            "patterns": [CONF, "/etc/nginx/sites-enabled/*"],
            "placed": [SITE, CONF] if drifted else [SITE] if placed else [],
            "origins": {},
            "packages": {"nginx": "1.22.1-9", "nginx-common": "1.22.1-9", **dict(packages)},
        }
        found = list(CHECKS["nginx_lb"](values("nginx_lb", {SERVICES: [SHOP], **dict(given)}, look=look)))
        return [one.text for one in found if not one.is_warning], [one.text for one in found if one.is_warning]

    return on_host


def test_an_nginx_conf_of_the_user(on_host):
    problems, (warning,) = on_host()
    assert problems == []
    assert "It cannot set worker_connections to 4096 and worker_rlimit_nofile to 8256 there" in warning
    assert on_host(placed=True) == ([], []), "said once"
    assert on_host(worker_connections="4096") == ([], [])
    assert on_host({"nginx_lb_nginx_conf": "replace"}) == ([], [])
    assert on_host(nginx_conf="events { }") == ([], [])
    assert len(on_host({"nginx_lb_worker_connections": 5}, placed=True)[1]) == 1, "the inventory says otherwise"


def test_an_nginx_conf_of_the_user_that_includes_nothing(on_host):
    (problem,), _warnings = on_host(includes=[])
    assert "includes neither /etc/nginx/conf.d/*.conf nor /etc/nginx/sites-enabled/*" in problem
    assert "Add 'include /etc/nginx/conf.d/*.conf;' at the end of the block, or set nginx_lb_nginx_conf to" in problem
    assert on_host({"nginx_lb_nginx_conf": "replace"}, includes=[])[0] == []


def test_servers_of_the_user(on_host):
    theirs = {
        "kind": "http",
        "file": "/etc/nginx/sites-enabled/a",
        "line": 1,
        "listen": ["80", "127.0.0.1:8081"],
        "names": ["a"],
    }
    problems, _warnings = on_host(servers=[theirs])
    assert [problem.partition(",")[0] for problem in problems] == [
        "shop listens on 80 with any server_name",
        "nginx_lb_status_port listens on 127.0.0.1:8081 with any server_name",
    ]
    with_name = {SERVICES: [{**SHOP, "server_name": ["b"]}], "nginx_lb_status_port": 8082}
    assert on_host(with_name, servers=[theirs])[0] == []
    assert len(on_host({SERVICES: [], "nginx_lb_status_port": 8082}, servers=[theirs])[0]) == 0


def test_a_configuration_that_cannot_be_read(on_host):
    problems, warnings = on_host(placed=True, error="/etc/nginx/nginx.conf: line 1: ';' is missing at the end")
    assert problems == [] and warnings[0].startswith(
        "The configuration of nginx could not be read: /etc/nginx/nginx.conf: line 1"
    )


def test_an_nginx_conf_that_cannot_be_read(on_host):
    """Whether nginx would read the file of the role is not known."""
    error = "/etc/nginx/nginx.conf: line 1: ';' is missing at the end"
    problems, _warnings = on_host(includes=[], error=error)
    assert problems == [
        f"The configuration of nginx on web1 could not be read: {error}. The role cannot tell whether nginx includes"
        " /etc/nginx/conf.d/*.conf. Correct that file, or set nginx_lb_nginx_conf to 'replace'."
    ]
    assert on_host({"nginx_lb_nginx_conf": "replace"}, includes=[], error=error)[0] == []


def test_an_nginx_without_its_usual_configuration(on_host):
    error = "/etc/nginx/nginx.conf does not exist"
    given = {"includes": [], "error": error, "missing": True, "worker_connections": None}
    (problem,), _warnings = on_host(**given)
    assert "could not be read: /etc/nginx/nginx.conf does not exist." in problem
    built = {**given, "packages": {"nginx": "", "nginx-common": ""}}
    for mode in ("auto", "replace", "keep"):
        assert on_host({"nginx_lb_nginx_conf": mode}, **built)[0] == [
            "web1 has an nginx that is of no Debian package, and does not read /etc/nginx/nginx.conf. The role manages the nginx of"
            " a package. Remove the other one, then run again."
        ]


def test_an_nginx_conf_that_was_changed_after_it_was_placed(on_host):
    problems, warnings = on_host(placed=True, drifted=True, worker_connections="4096")
    assert problems == []
    assert warnings == [
        "/etc/nginx/nginx.conf was changed after the role placed it, so the role leaves it as it is. Set nginx_lb_nginx_conf to"
        " 'keep' if that is what you want, or to 'replace' to have it replaced."
    ]
    for mode in ("keep", "replace"):
        assert on_host({"nginx_lb_nginx_conf": mode}, placed=True, drifted=True, worker_connections="4096") == ([], [])
    assert on_host(placed=True, drifted=True, nginx_conf="events { }") == ([], []), "it is as it was placed"
