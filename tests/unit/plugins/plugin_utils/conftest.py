# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a host over plain values. Nothing is templated: what a role computes by a template is given here."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import role_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

FACTS = {
    "os_family": "Debian",
    "distribution": "Debian",
    "interfaces": ["eth0"],
    "eth0": {"active": True, "type": "ether", "ipv4": {"address": "10.0.0.11"}},
}
# What stands for the templates among the defaults.
COMPUTED = {
    "consul_agent_node_name": "web1",
    "consul_agent_resolver": True,
    "consul_agent_recursors": ["192.0.2.1"],
    "consul_agent_dns_addresses": [],
    "consul_server_bootstrap_expect": 1,
    "mydemo_acl": True,
    "mydemo_redis_port": 6379,
    "redis_bind": ["127.0.0.1", "10.0.0.11"],
    "redis_password": "site-password",
    "release_service_id": "shop-10.0.0.11-%s",
    "release_drain_seconds": 13,
    "release_acl": True,
}


def not_templated(_variables):
    def render(raw):
        raise AssertionError(f"a check read the template {raw}: give its value in COMPUTED")

    return render


@pytest.fixture
def values(tmp_path):
    """Variables as a check sees them: those of a host that is right, and what a test sets."""

    def make(role, given=(), facts=None, hostvars=(), look=None, **options):
        files = role_files.load(role)
        defaults = {name: COMPUTED.get(name, value) for name, value in files.defaults.items()}
        facts = FACTS if facts is None else facts
        if look:
            facts = {**facts, FACT: {"run": run_id(), **look}}
        host_variables = {
            "inventory_hostname": "web1",
            "inventory_dir": str(tmp_path),
            "site_secrets_dir": str(tmp_path),
            "group_names": [],
            "groups": {"consul_server": ["web1" if role == "consul_server" else "consul1"], "consul_client": ["web1"]},
            "ansible_facts": facts,
            **dict(given),
        }
        host_variables["hostvars"] = {
            "web1": host_variables,
            "consul1": {"consul_agent_bind_addr": "10.0.0.1"},
            **dict(hostvars),
        }
        return Values(files._replace(defaults=defaults, variables={}), host_variables, not_templated, **options)

    return make
