# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.filter.without_address import without_address

HOSTVARS = {
    "set": {"consul_agent_bind_addr": "10.0.0.1"},
    "facts": {"ansible_facts": {"interfaces": ["lo", "eth0"]}},
    "other facts": {"ansible_facts": {"distribution": "Debian"}},
    "nothing": {},
    "empty": {"consul_agent_bind_addr": "", "ansible_facts": None},
}


def test_hosts_without_an_address():
    assert without_address(list(HOSTVARS), HOSTVARS) == ["other facts", "nothing", "empty"]
    assert without_address(["nothing", "set"], HOSTVARS) == ["nothing"]
    assert without_address(["not in the inventory"], HOSTVARS) == ["not in the inventory"]
    assert without_address([], HOSTVARS) == []


def test_nothing_is_templated():
    """As Ansible's hostvars are: reading a host templates all of its variables."""

    class HostVars:
        def raw_get(self, host):
            return HOSTVARS.get(host)

        def get(self, host):
            raise AssertionError("all variables of the host were templated")

        __getitem__ = get

    assert without_address(list(HOSTVARS), HostVars()) == ["other facts", "nothing", "empty"]
