# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_conflicts import (
    Ours,
    conflicts,
    servers_of_user,
    shadows,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import Layout

CONF_D, SITES = "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*"
SITE = "/etc/nginx/sites-enabled/zz_nginx_lb.conf"
FILE = "/etc/nginx/sites-enabled/shop"


def server(*listen, names=(), file=FILE, kind="http", line=3):
    return {"kind": kind, "file": file, "line": line, "listen": list(listen), "names": list(names)}


def said(ours, *servers, conf="theirs", read_before=None, welcome=()):
    plan = Layout(conf, SITE, [CONF_D, SITES], list(welcome))
    before = len(servers) if read_before is None else read_before
    config = {
        "servers": servers,
        "includes": [{"pattern": CONF_D, "servers": 0}, {"pattern": SITES, "servers": before}],
    }
    return [text for _variable, text in conflicts([ours], servers_of_user(config, plan))]


def shadowed(ours, *servers):
    config = {"servers": servers, "includes": []}
    return list(shadows(ours, servers_of_user(config, Layout("theirs", SITE, [CONF_D, SITES], []))))


def ours(listen="80", names=()):
    return Ours("demo", "nginx_lb_services", listen, list(names))


A = ["a.example.com"]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (ours("80", A), []),
        (ours(), [server("8080")]),
        (ours("80", A), [server("80", names=["b.example.com"]), server("80 default_server")]),
        (ours("80", A), [server("80", names=["b.example.com"])]),
        (ours("80 default_server"), [server("80", names=A)]),
        (ours(), [server("10.0.0.1:80", names=A)]),
        (ours("10.0.0.1:80", A), [server("10.0.0.1:80"), server("80")]),
        (ours(), [server("[::]:80")]),
        (ours(), [server("unix:/run/a.sock")]),
        (ours(), [server("5432", kind="stream")]),
        (ours("10.0.0.1:80"), [server("10.0.0.2:80", kind="stream")]),
    ],
)
def test_beside_each_other(mine, theirs):
    assert said(mine, *theirs) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "text"),
    [
        (
            ours("80", A),
            server("80", names=["b", "A.example.com"]),
            (
                f"demo listens on 80 with server_name 'a.example.com', and so does {FILE} (line 3). nginx would use only one of them."
                " Remove the server there, or give demo another server_name or listen."
            ),
        ),
        (
            ours(),
            server("0.0.0.0:80", names=A),
            (
                f"demo listens on 80 with any server_name, and {FILE} (line 3) listens there too. Set server_name of demo, or another"
                " listen. If demo is to answer to all names that no other server has, set its listen to '80 default_server'."
            ),
        ),
        (
            ours("80 default_server", A),
            server("80 default_server"),
            (
                f"demo listens on 80 default_server, and {FILE} (line 3) has default_server there too. Remove default_server from one of"
                " them."
            ),
        ),
        (
            ours("10.0.0.1:80", A),
            server("80", names=["b"]),
            (
                f"demo listens on 10.0.0.1:80, and {FILE} (line 3) on port 80 of all addresses. nginx would send all requests for"
                " 10.0.0.1:80 to demo. Use the port alone."
            ),
        ),
        (
            ours("80", A),
            server("10.0.0.1:80", kind="stream"),
            f"demo listens on 80, and a server of stream in {FILE} (line 3) listens there too. Use another port.",
        ),
        (
            Ours("nginx_lb_status_port", "nginx_lb_status_port", "127.0.0.1:8081", []),
            server("8081"),
            (
                f"nginx_lb_status_port listens on 127.0.0.1:8081, and {FILE} (line 3) on port 8081 of all addresses. nginx would send all"
                " requests for 127.0.0.1:8081 to nginx_lb_status_port. Set nginx_lb_status_port to another port."
            ),
        ),
        (
            Ours("nginx_lb_status_port", "nginx_lb_status_port", "127.0.0.1:8081", []),
            server("127.0.0.1:8081", names=A),
            (
                f"nginx_lb_status_port listens on 127.0.0.1:8081 with any server_name, and {FILE} (line 3) listens there too. Set"
                " nginx_lb_status_port to another port."
            ),
        ),
    ],
)
def test_conflicts(mine, theirs, text):
    assert said(mine, theirs) == [text]


def test_the_first_server_without_a_default_stays_the_first():
    """nginx.conf has a server behind the folder that it includes."""
    last = server("80", names=["b"], file="/etc/nginx/nginx.conf")
    (text,) = said(ours("80", A), last, read_before=0)
    assert text.startswith("demo listens on 80, and nginx would read it before /etc/nginx/nginx.conf (line 3).")
    assert text.endswith("Add default_server to the listen there.")
    assert said(ours("80", A), last, read_before=1) == []
    assert said(ours("80", A), server("80 default_server", file="/etc/nginx/nginx.conf"), read_before=0) == []
    assert said(ours("80", A), server("80", names=["c"]), last, read_before=1) == []


def test_what_the_role_places_and_removes_is_no_conflict():
    welcome = server("80 default_server", names=["_"], file="/etc/nginx/sites-enabled/default")
    assert said(ours(), server("80", file=SITE), welcome, welcome=[welcome["file"]]) == []
    assert len(said(ours(), welcome)) == 1


def test_servers_in_an_nginx_conf_that_is_replaced():
    inside = server("80", file="/etc/nginx/nginx.conf"), server("80", file="/etc/nginx/vhosts/a.conf")
    assert said(ours(), *inside, conf="replaced") == []
    assert len(said(ours(), server("80"), conf="replaced")) == 1


@pytest.mark.parametrize("names", [(), A])
def test_a_server_of_the_user_at_one_address_takes_its_requests(names):
    web = ours("80")._replace(label="web")
    assert shadowed([ours("80", A), web, ours("81")], server("10.20.0.9:80", names=names)) == [
        (
            "nginx_lb_services",
            (
                f"demo and web listen on port 80 of all addresses, and {FILE} (line 3) on 10.20.0.9:80. nginx sends all requests for"
                " 10.20.0.9:80 to the servers there, so none reaches demo and web. If that is not what you want, change the listen"
                " there to 80, or set the listen of demo and web to another port."
            ),
        )
    ]


def test_a_server_of_the_user_at_one_ipv6_address():
    ((_variable, text),) = shadowed([ours("[::]:80")], server("[2001:db8::9]:80"), server("10.20.0.9:80"))
    assert text.startswith(f"demo listens on port 80 of all addresses, and {FILE} (line 3) on [2001:db8::9]:80.")
    assert "change the listen there to [::]:80, or" in text


def test_each_address_is_named_once():
    servers = [server("10.20.0.9:80", "10.20.0.9:80 http2"), server("10.20.0.9:80", line=9), server("10.20.0.10:80")]
    assert [text.partition(" on 10")[2][:6] for _variable, text in shadowed([ours()], *servers)] == [".20.0.", ".20.0."]


@pytest.mark.parametrize(
    "theirs",
    [
        server("80"),
        server("10.20.0.9:8080"),
        # nobody but the host itself
        server("127.0.0.1:80", "[::1]:80", "localhost:80"),
        server("[2001:db8::9]:80"),
        # two of one address cannot be opened, which is a conflict
        server("10.20.0.9:80", kind="stream"),
    ],
)
def test_no_server_takes_requests_of_another(theirs):
    assert shadowed([ours()], theirs) == []


def test_a_service_at_the_same_address_is_no_shadow():
    assert shadowed([ours("10.20.0.9:80", A)], server("10.20.0.9:80")) == []
