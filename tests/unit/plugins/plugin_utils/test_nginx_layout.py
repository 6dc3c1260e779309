# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import files, layout, with_workers

CONF_D, SITES = "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*"
IN_CONF_D, IN_SITES = "/etc/nginx/conf.d/zz_nginx_lb.conf", "/etc/nginx/sites-enabled/zz_nginx_lb.conf"
PACKAGE = "user www-data;\nevents {\n\tworker_connections 768;\n}\nhttp {\n}\n"


def look(*includes, nginx_conf=PACKAGE, welcome=(), there=()):
    config = {
        "error": None,
        "user": "nginx",
        "includes": [{"pattern": pattern, "servers": 0} for pattern in includes],
        "nginx_conf": nginx_conf,
        "welcome_sites": list(welcome),
    }
    return Look({"nginx": {"version": "1.22.1", "config": config}, "paths": {path: {"type": "file"} for path in there}})


@pytest.mark.parametrize(
    ("includes", "site"),
    [
        ((CONF_D, SITES), IN_SITES),
        ((SITES, CONF_D), IN_CONF_D),
        ((CONF_D,), IN_CONF_D),
        (("/etc/nginx/mime.types", CONF_D, "/etc/nginx/vhosts/*.conf"), IN_CONF_D),
        (("/etc/nginx/sites-enabled/*.conf",), IN_SITES),
        ((CONF_D, "/etc/nginx/sites-enabled/*.vhost"), IN_CONF_D),
        (("/etc/nginx/vhosts/*",), None),
    ],
)
def test_the_folder_that_nginx_reads_last(includes, site):
    assert layout(look(*includes), "auto").site == site


@pytest.mark.parametrize(
    ("mode", "text", "conf"),
    [
        ("auto", PACKAGE, "ours"),
        ("auto", None, "theirs"),
        ("keep", PACKAGE, "theirs"),
        ("replace", None, "replaced"),
        ("replace", PACKAGE, "replaced"),
    ],
)
def test_whose_nginx_conf_is(mode, text, conf):
    assert layout(look(CONF_D, SITES, nginx_conf=text), mode).conf == conf


def test_a_host_without_nginx_in_check_mode():
    for known in (Look({}), Look({"nginx": {"error": "it is not installed"}})):
        assert layout(known, "auto").conf == "unknown"
        assert files(known, "auto", 4096, True) == [{"path": IN_SITES, "template": "nginx_lb.conf.j2"}]


def test_the_file_of_the_package_keeps_all_else():
    (conf, site) = files(look(CONF_D, SITES), "auto", 1000, True)
    assert conf["path"] == "/etc/nginx/nginx.conf"
    assert conf["content"] == (
        "user www-data;\n# Set by the role nginx_lb. A request that is passed on has two connections.\n"
        "worker_rlimit_nofile 2064;\n\nevents {\n\tworker_connections 1000;\n}\nhttp {\n}\n"
    )
    assert site == {"path": IN_SITES, "template": "nginx_lb.conf.j2"}


def test_workers_again():
    once = with_workers(PACKAGE, 1000)
    assert with_workers(once, 1000) == once
    assert with_workers(once, 20) == once.replace("1000", "20").replace("2064", "104")
    assert "events {\n\tworker_connections 5;}" in with_workers("events {}", 5)


def test_a_file_of_the_user_is_left_alone():
    assert files(look(CONF_D, nginx_conf=None), "auto", 1000, True) == [
        {"path": IN_CONF_D, "template": "nginx_lb.conf.j2"}
    ]


def test_a_replacement_includes_what_was_included():
    conf, site = files(look(CONF_D, SITES, nginx_conf=None), "replace", 1000, True)
    assert f"include {CONF_D};" in conf["content"] and f"include {SITES};" in conf["content"]
    assert "user nginx;" in conf["content"] and site["path"] == IN_SITES
    conf, site = files(look(CONF_D, "/etc/nginx/vhosts/*", nginx_conf=None), "replace", 1000, True)
    assert "sites-enabled" not in conf["content"] and site["path"] == IN_CONF_D
    assert "worker_connections 1000;" in conf["content"] and "worker_rlimit_nofile 2064;" in conf["content"]
    conf, _site = files(Look({}), "replace", 1000, True)
    assert "user www-data;" in conf["content"]


def test_what_is_not_needed_any_more_goes():
    welcome = "/etc/nginx/sites-enabled/default"
    known = look(CONF_D, SITES, nginx_conf=None, welcome=[welcome], there=[welcome, IN_CONF_D, IN_SITES])
    assert files(known, "auto", 1000, True)[1:] == [
        {"path": IN_CONF_D, "state": "absent"},
        {"path": welcome, "state": "absent"},
    ]
    assert files(known, "auto", 1000, False)[1:] == [{"path": IN_CONF_D, "state": "absent"}], "nothing needs its port"


def test_a_file_that_cannot_be_read_is_replaced_by_one_with_all_sites():
    known = look(nginx_conf=None)
    known.known["nginx"]["config"]["error"] = "/etc/nginx/nginx.conf: line 1: ';' is missing at the end"
    (conf, site) = files(known, "replace", 4096, True)
    assert "include /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;" in conf["content"]
    assert site["path"] == IN_SITES
