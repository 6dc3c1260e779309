# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import role_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.misspelt import misspelt


@pytest.mark.parametrize(
    ("role", "name", "meant"),
    [
        ("mydemo", "mydemo_verison", "mydemo_version"),
        ("mydemo", "mydemo_port", "mydemo_ports"),
        ("mydemo", "mydemo_mesage", "mydemo_message"),
        ("nginx_lb", "nginx_lb_servics", "nginx_lb_services"),
        ("redis", "redis_pasword", "redis_password"),
        ("redis", "redis_prot", "redis_port"),
        ("redis", "redis_bidn", "redis_bind"),
        ("redis", "redis_part", None),
        ("consul_agent", "consul_agent_acl_default_polcy", "consul_agent_acl_default_policy"),
        ("mydemo", "mydemo_version", None),
        ("mydemo", "mydemo_owner_of_the_site", None),
        ("mydemo", "shop_verison", None),
        ("mydemo", "mydemo", None),
        ("redis", "registry_prt", None),
    ],
)
def test_what_is_meant(role, name, meant):
    options = ["mydemo_message", *role_files.load(role).options]
    assert dict(misspelt(role, options, [name])) == ({name: meant} if meant else {})


@pytest.mark.parametrize("role", ["consul_agent", "nginx_lb", "mydemo", "redis", "registry", "release", "docker_host"])
def test_the_variables_of_a_role_are_not_misspelt(role):
    files = role_files.load(role)
    names = {*files.options, *files.defaults, *files.variables}
    assert list(misspelt(role, names, names)) == []
