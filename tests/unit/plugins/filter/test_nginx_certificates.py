# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.filter.nginx_certificates import nginx_certificates

SHOP = {"name": "shop", "port": "7000", "tls_certificate_file": "/c/shop.pem", "tls_key_file": "/c/shop.key"}
DEMO = {"name": "demo", "port": "5000"}


def test_one_for_all_and_one_of_a_service():
    files = nginx_certificates([DEMO, SHOP], "/c/all.pem", "/c/all.key", {})
    assert [(file["path"], file["src"]) for file in files] == [
        ("/etc/nginx/nginx_lb.pem", ["/c/all.pem", "/c/all.key"]),
        ("/etc/nginx/nginx_lb-shop.pem", ["/c/shop.pem", "/c/shop.key"]),
    ]
    assert all(file["mode"] == "0600" and file["secret"] for file in files)


def test_what_no_service_names_any_more_goes():
    there = {"/etc/nginx/nginx.conf": {}, "/etc/nginx/nginx_lb-shop.pem": {}, "/etc/nginx/nginx_lb.pem": {}}
    assert nginx_certificates([DEMO], "", "", there) == [
        {"path": "/etc/nginx/nginx_lb-shop.pem", "state": "absent"},
        {"path": "/etc/nginx/nginx_lb.pem", "state": "absent"},
    ]
    assert [file["path"] for file in nginx_certificates([SHOP], "", "", there)] == [
        "/etc/nginx/nginx_lb-shop.pem",
        "/etc/nginx/nginx_lb.pem",
    ]
