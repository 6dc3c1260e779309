# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import expand
from ansible_collections.dockyard.consul.plugins.modules import host_info
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import matches
from ansible_collections.dockyard.consul.plugins.plugin_utils.managed import HOST_INFO, PATHS


def test_the_options_are_those_of_host_info():
    options = yaml.safe_load(host_info.DOCUMENTATION)["options"]
    for name, value in HOST_INFO.items():
        if name not in ("timeout", "retries"):  # of the documentation fragment
            assert options[name]["type"] == {list: "list", bool: "bool"}[type(value)], name


def test_paths():
    assert len(PATHS) == len(set(PATHS))
    assert all(path.startswith("/") and not path.endswith("/") for path in PATHS)
    # A pattern in the middle of the root would read the whole file system.
    assert all(len(expand(path)) < 1000 for path in PATHS)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/consul.d/secrets.json",
        "/etc/systemd/system/redis-server.service.d/site.conf",
        "/etc/docker/certs.d/registry.example.com:5000/ca.crt",
        "/etc/nginx/nginx_lb.pem",
        "/etc/nginx/conf.d/zz_nginx_lb.conf",
        "/etc/nginx/sites-enabled/zz_nginx_lb.conf",
        "/etc/mydemo/consul.token",
        "/etc/resolv.conf",
    ],
)
def test_what_roles_place_is_looked_at(path):
    assert any(matches(path, pattern) for pattern in PATHS)
