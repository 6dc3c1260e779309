# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.host_address import host_address

FACTS = {
    "interfaces": ["eth0", "eth1"],
    "eth0": {"device": "eth0", "active": True, "type": "ether", "ipv4": {"address": "10.0.0.11"}},
    "eth1": {"device": "eth1", "active": True, "type": "ether", "ipv4": {"address": "10.0.1.11"}},
}


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"lan_addr": "10.0.1.11"}, "10.0.1.11"),
        ({"lan_interface": "eth0"}, "10.0.0.11"),
        ({"lan_cidr": "10.0.1.0/24"}, "10.0.1.11"),
    ],
)
def test_the_facts_are_narrowed_by_what_the_user_set(variables, address):
    assert host_address({"ansible_facts": FACTS, **variables}, "lan") == address


@pytest.mark.parametrize("facts", [{}, {"ansible_facts": {}}, {"ansible_facts": {"os_family": "Debian"}}])
def test_of_a_host_that_was_not_asked_the_inventorys_address_is_taken(facts):
    assert host_address({"lan_addr": "10.0.0.9", **facts}, "lan") == "10.0.0.9"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"inventory_hostname": "db1", "lan_addr": "db1.example.com"},
            "db1: lan_addr is db1.example.com. It must be an IPv4 address",
        ),
        ({}, "network facts of the host are missing"),
        ({"lan_interface": "eth0"}, "network facts of the host are missing"),
        ({"ansible_facts": FACTS, "lan_addr": "10.0.0.9"}, "does not have that IPv4 address"),
    ],
)
def test_else_it_says_what_is_wrong(variables, says):
    with pytest.raises(AnsibleFilterError, match=says):
        host_address(variables, "lan")
