# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be is refused in a sentence, and leaves the load balancer as it was; the modes can be changed under load."""

from __future__ import annotations

import pytest

from lab.load import Load

HELLO = {"name": "hello", "port": 7000}
TWINS = {"name": "twins", "port": "srv", "listen": 8080}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"nginx_lb_mode": "resolve"},
            [
                "nginx_lb_mode is 'resolve'. That needs nginx 1.27.3 or newer, and this host has 1.22.1",
                "set nginx_lb_mode",
            ],
        ),
        (
            {"nginx_lb_services": [HELLO, TWINS]},
            [
                "The port of twins is 'srv'. That needs nginx 1.27.3 or newer, and this host has 1.22.1",
                "set the port to a number",
            ],
        ),
        (
            {"nginx_lb_services": [HELLO, TWINS], "nginx_lb_mode": "variable"},
            ["Nothing was changed", "nginx_lb_mode is 'variable'", "the port of twins is 'srv'"],
        ),
        (
            {"nginx_lb_tls_key_file": "/etc/hostname"},
            ["Nothing was changed", "nginx_lb_tls_certificate_file is not set, and nginx_lb_tls_key_file is"],
        ),
        (
            {"nginx_lb_tls_certificate_file": "/etc/hostname", "nginx_lb_tls_key_file": "/no/such.key"},
            ["Nothing was changed", "/etc/hostname is not a certificate in PEM form", "'/no/such.key' is not a file"],
        ),
        (
            {"nginx_lb_services": [{**HELLO, "tls_certificate_file": "/etc/hostname"}]},
            ["Nothing was changed", "nginx_lb_services[hello] has tls_certificate_file and no tls_key_file"],
        ),
        (
            {"nginx_lb_services": [{**HELLO, "port": "http"}]},
            ["Nothing was changed", "nginx_lb_services[hello].port is 'http'", "'srv'"],
        ),
        (
            {"nginx_lb_services": [{**HELLO, "read_timeout": "soon"}]},
            ["Nothing was changed", "nginx_lb_services[hello].read_timeout is 'soon'"],
        ),
        (
            {"nginx_lb_connect_timeout": "0s"},
            ["Nothing was changed", "nginx_lb_connect_timeout is '0s'", "greater than 0"],
        ),
        ({"nginx_lb_services": [{**HELLO, "name": "my service"}]}, ["Nothing was changed", "my service"]),
        ({"nginx_lb_telemetry_listen": "10.0.0.1"}, ["Nothing was changed", "nginx_lb_telemetry_listen is '10.0.0.1'"]),
        ({"nginx_lb_telemetry_listen": "80"}, ["Nothing was changed", "cannot tell them apart"]),
        ({"nginx_lb_telemetry_token": "secret"}, ["Nothing was changed", "nginx_lb_telemetry_token has 6 characters"]),
        ({"nginx_lb_keepalive": 0}, ["Nothing was changed", "nginx_lb_keepalive is 0"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_refused(lab, configure, variables, says):
    what_runs = "sha256sum /etc/nginx/* /etc/nginx/sites-enabled/*; systemctl show --property MainPID,ExecReload nginx"
    before = lab.exec("lb1", what_runs)
    done = configure("--limit", "lb1", **variables)
    assert not done.ok, done.output
    output = " ".join(done.output.split())
    for words in says:
        assert words in output, output
    assert not done.changed, done.changes
    assert lab.exec("lb1", what_runs) == before
    assert lab.http("lb1").status == 200


def test_a_port_that_another_process_holds(lab, configure):
    """`nginx -t` does not see it and `nginx -s reload` does not say it; each run does, until the port is free."""
    port = 8090

    def workers() -> set[str]:
        return set(lab.exec("lb1", ["pgrep", "--parent", lab.pid("lb1")]).split())

    second = {"name": "second", "upstream": "hello.service.consul", "port": 7000, "listen": port}
    wanted = {"nginx_lb_services": [HELLO, second]}
    before = workers()

    lab.exec("lb1", f"systemd-run --unit holder python3 -m http.server --directory /usr/share/doc {port}")
    try:
        lab.wait_for(lambda: lab.http("lb1", port).status == 200, 10, "the port is held")
        for _run in range(2):
            done = configure("--limit", "lb1", **wanted)
            output = " ".join(done.output.split())
            assert not done.ok, output
            assert "nginx does not run with what was placed" in output, output
            assert f"bind() to 0.0.0.0:{port} failed (98: Address already in use)" in output, output
            assert workers() <= before
            assert lab.served_by("lb1") == lab.hello
    finally:
        lab.exec("lb1", "systemctl stop holder")

    done = configure("--limit", "lb1", **wanted)
    assert done.ok, done.output
    lab.wait_for(lambda: lab.served_by("lb1", port=port) == lab.hello, 5, "the new port answers")
    again = configure("--limit", "lb1", **wanted)
    assert again.ok and not again.changed, again.changes


def test_the_mode_is_changed_under_load(lab, configure):
    """To variables and back, which takes the set of instances away and brings an empty one."""
    with Load(f"http://{lab.address('lb2')}/", rate=50) as load:
        for mode, line in (("variable", "set $nginx_lb_upstream"), ("resolve", "zone nginx_lb_hello 1m")):
            done = configure("--limit", "lb2", nginx_lb_mode=mode, nginx_lb_services=[HELLO])
            assert done.ok, done.output
            assert line in lab.exec("lb2", "cat /etc/nginx/sites-enabled/zz_nginx_lb.conf")
            load.go_on(2)
    assert not load.failures, load.failures[:3]
    assert "server hello.service.consul:7000 resolve" in lab.exec(
        "lb2", "cat /etc/nginx/sites-enabled/zz_nginx_lb.conf"
    )
