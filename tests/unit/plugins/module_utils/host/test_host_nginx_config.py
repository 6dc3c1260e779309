# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host import nginx_config
from ansible_collections.dockyard.consul.plugins.module_utils.host.nginx_config import look_at_config

DEBIAN = """
user www-data;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;
events { worker_connections 768; }
http {
    include mime.types;
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
    server { listen 81; }
}
"""
UNMODIFIED = {"/etc/nginx/nginx.conf": "package", "/etc/nginx/sites-available/default": "package"}
WELCOME = "server { listen 80 default_server; root /var/www/html; }"


@pytest.fixture
def host(tmp_path):
    """Writes files below a root."""

    def host(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path)

    return lambda files: host(**files)


def test_servers_of_all_files(host):
    root = host(
        {
            "etc/nginx/nginx.conf": DEBIAN,
            "etc/nginx/mime.types": "types { text/html html; }",
            "etc/nginx/conf.d/b.conf": "server { server_name b www.b; auth_basic_user_file /secret; }",
            "etc/nginx/conf.d/a.conf": "\nserver {\n listen 10.0.0.1:80;\n listen [::]:80; include snippets/name.conf; }",
            "etc/nginx/snippets/name.conf": "server_name a;",
            "etc/nginx/sites-enabled/c": "server { listen 443 ssl; location / { proxy_pass http://d; } }",
            "etc/nginx/modules-enabled/99-stream.conf": "stream { server { listen 5432; proxy_pass db:5432; } }",
        }
    )
    seen = look_at_config({}, root)
    assert seen["error"] is None
    assert [(one["kind"], one["file"], one["line"], one["listen"], one["names"]) for one in seen["servers"]] == [
        ("stream", "/etc/nginx/modules-enabled/99-stream.conf", 1, ["5432"], []),
        ("http", "/etc/nginx/conf.d/a.conf", 2, ["10.0.0.1:80", "[::]:80"], ["a"]),
        ("http", "/etc/nginx/conf.d/b.conf", 1, ["80"], ["b", "www.b"]),
        ("http", "/etc/nginx/sites-enabled/c", 1, ["443 ssl"], []),
        ("http", "/etc/nginx/nginx.conf", 11, ["81"], []),
    ]
    assert seen["includes"] == [
        {"pattern": "/etc/nginx/mime.types", "servers": 1},
        {"pattern": "/etc/nginx/conf.d/*.conf", "servers": 3},
        {"pattern": "/etc/nginx/sites-enabled/*", "servers": 4},
    ]
    assert (seen["user"], seen["error_log"], seen["worker_connections"]) == (
        "www-data",
        "/var/log/nginx/error.log",
        "768",
    )
    assert "secret" not in str(seen)


def test_the_text_of_a_file_that_may_hold_secrets_is_not_returned(host):
    root = host({"etc/nginx/nginx.conf": DEBIAN})
    assert look_at_config({}, root)["nginx_conf"] is None
    assert look_at_config(UNMODIFIED, root)["nginx_conf"] == DEBIAN


def test_no_configuration(host):
    seen = look_at_config({}, host({}))
    assert seen["error"] == "/etc/nginx/nginx.conf does not exist"
    assert (seen["servers"], seen["includes"], seen["worker_connections"]) == ([], [], None)
    assert seen.keys() == look_at_config({}, host({"etc/nginx/nginx.conf": DEBIAN})).keys()


def test_a_file_that_cannot_be_read_hides_no_other(host):
    root = host(
        {
            "etc/nginx/nginx.conf": DEBIAN,
            "etc/nginx/conf.d/a.conf": "server {",
            "etc/nginx/conf.d/b.conf": "server { listen 82; }",
        }
    )
    seen = look_at_config({}, root)
    assert seen["error"] == "/etc/nginx/conf.d/a.conf: line 1: '}' is missing at the end"
    assert [one["listen"] for one in seen["servers"]] == [["82"], ["81"]]


def test_a_file_that_includes_itself_has_an_end(host):
    root = host({"etc/nginx/nginx.conf": DEBIAN, "etc/nginx/conf.d/a.conf": "include conf.d/a.conf;"})
    assert look_at_config({}, root)["error"] == "/etc/nginx/conf.d/a.conf includes itself"


def test_a_long_table_is_not_read(host, monkeypatch):
    monkeypatch.setattr(nginx_config, "LARGEST_FILE", 1000)
    root = host({"etc/nginx/nginx.conf": DEBIAN, "etc/nginx/conf.d/geo.conf": "broken {" * 1000})
    assert look_at_config({}, root)["error"] is None


@pytest.mark.parametrize("text", ["server { listen 80; }", "include more.conf;"])
def test_a_large_file_that_may_have_servers(host, monkeypatch, text):
    monkeypatch.setattr(nginx_config, "LARGEST_FILE", 1000)
    root = host({"etc/nginx/nginx.conf": DEBIAN, "etc/nginx/conf.d/large.conf": "# a table\n" * 200 + text})
    assert look_at_config({}, root)["error"] == "/etc/nginx/conf.d/large.conf: it is larger than 1 MiB"


@pytest.fixture
def welcome(host, tmp_path):
    root = host(
        {
            "etc/nginx/nginx.conf": DEBIAN,
            "etc/nginx/sites-available/default": WELCOME,
            "var/www/html/index.nginx-debian.html": "Welcome",
            "var/lib/dpkg/info/nginx-common.md5sums": f"{hashlib.md5(b'Welcome').hexdigest()}  usr/share/nginx/html/index.html\n",
        }
    )
    (tmp_path / "etc/nginx/sites-enabled").mkdir()
    (tmp_path / "etc/nginx/sites-enabled/default").symlink_to("../sites-available/default")
    return lambda origins=UNMODIFIED: look_at_config(origins, root)["welcome_sites"]


def test_the_welcome_page_of_the_package(welcome):
    assert welcome() == ["/etc/nginx/sites-enabled/default"]


def test_a_site_that_was_changed_is_the_users(welcome):
    assert welcome({}) == []


def test_a_page_of_the_user_makes_it_the_users(welcome, tmp_path):
    (tmp_path / "var/www/html/index.html").write_text("Our shop")
    assert welcome() == []


def test_a_page_that_was_changed_makes_it_the_users(welcome, tmp_path):
    (tmp_path / "var/www/html/index.nginx-debian.html").write_text("Our shop")
    assert welcome() == []


def test_the_welcome_page_of_nginx_org(host):
    root = host(
        {
            "etc/nginx/nginx.conf": DEBIAN,
            "etc/nginx/conf.d/default.conf": WELCOME,
            "usr/share/nginx/html/index.html": "Welcome",
            "var/lib/dpkg/info/nginx.md5sums": f"{hashlib.md5(b'Welcome').hexdigest()}  usr/share/nginx/html/index.html\n",
        }
    )
    assert look_at_config({"/etc/nginx/conf.d/default.conf": "package"}, root)["welcome_sites"] == [
        "/etc/nginx/conf.d/default.conf"
    ]
