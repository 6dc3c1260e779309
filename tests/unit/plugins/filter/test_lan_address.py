# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.lan_address import lan_address


def host(*interfaces, default=None):
    """Return facts as Ansible gathers them, of interfaces given as (name, addresses, differing facts)."""
    facts = {"interfaces": [], "default_ipv4": {"address": default} if default else {}}
    for name, addresses, *differs in interfaces:
        entries = [{"address": address, "prefix": "24"} for address in addresses]
        fact = {"device": name, "active": True, "type": "ether"}
        if entries:
            fact["ipv4"] = entries[0]
        if entries[1:]:
            fact["ipv4_secondaries"] = entries[1:]
        facts["interfaces"].append(name)
        facts[name.replace("-", "_")] = fact | (differs[0] if differs else {})
    return facts


LO = ("lo", ["127.0.0.1"], {"type": "loopback"})
TWO_LANS = host(LO, ("eth0", ["10.0.0.5"]), ("eth-b", ["192.168.1.5"]), default="10.0.0.5")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (host(LO, ("eth0", ["10.0.0.5"])), "10.0.0.5"),
        (host(LO, ("eth0", ["172.31.0.5"])), "172.31.0.5"),
        (host(LO, ("eth0", ["100.64.0.5"])), "100.64.0.5"),
        (host(LO, ("br0", ["10.0.0.5"], {"type": "bridge"}), ("eth0", [])), "10.0.0.5"),
        (host(LO, ("br-lan", ["10.0.0.5"], {"type": "bridge"})), "10.0.0.5"),
        (host(LO, ("eth0", ["203.0.113.5"]), ("eth1", ["10.0.0.5"]), default="203.0.113.5"), "10.0.0.5"),
        (host(LO, ("eth0", ["10.0.0.5"]), ("eth1", ["10.9.0.5"], {"active": False})), "10.0.0.5"),
        # public only: the address of the default route
        (host(LO, ("eth0", ["203.0.113.5"]), ("eth1", ["198.51.100.5"]), default="203.0.113.5"), "203.0.113.5"),
        (host(LO, ("eth0", ["172.32.0.5"]), ("docker0", ["172.17.0.1"]), default="172.32.0.5"), "172.32.0.5"),
        # Ansible lists an alias twice
        (host(LO, ("eth0", ["203.0.113.5", "10.0.0.5"]), ("eth0:1", ["10.0.0.5"])), "10.0.0.5"),
    ],
)
def test_the_one_address(facts, expected):
    assert lan_address(facts) == expected


@pytest.mark.parametrize(
    "name",
    [
        "docker0",
        "docker_gwbridge",
        "br-0123456789ab",
        "veth1a2b",
        "virbr0",
        "cni-podman0",
        "flannel.1",
        "cali12ab",
        "podman1",
        "lxcbr0",
        "tunl0",
        "kube-ipvs0",
    ],
)
def test_container_interfaces_do_not_count(name):
    assert lan_address(host(LO, ("eth0", ["10.0.0.5"]), (name, ["172.18.0.1"], {"type": "bridge"}))) == "10.0.0.5"


def test_two_addresses_are_listed_with_the_variables_to_set():
    with pytest.raises(AnsibleFilterError) as error:
        lan_address(TWO_LANS, "", "", "", option="consul_agent_bind")
    assert "2 addresses could be the host's LAN address: eth0: 10.0.0.5, eth-b: 192.168.1.5" in str(error.value)
    assert "Set consul_agent_bind_addr, consul_agent_bind_interface or consul_agent_bind_cidr" in str(error.value)


def test_a_second_address_of_an_interface_counts():
    with pytest.raises(AnsibleFilterError, match="eth0: 10.0.0.5, eth0: 10.0.0.99"):
        lan_address(host(("eth0", ["10.0.0.5", "10.0.0.99"])))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"address": "192.168.1.5"}, "192.168.1.5"),
        ({"interface": "eth-b"}, "192.168.1.5"),
        ({"cidr": "192.168.0.0/16"}, "192.168.1.5"),
        ({"address": "127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_selectors(selector, expected):
    assert lan_address(TWO_LANS, **selector) == expected


def test_a_container_bridge_may_be_asked_for():
    assert lan_address(host(("eth0", ["10.0.0.5"]), ("docker0", ["172.17.0.1"])), interface="docker0") == "172.17.0.1"


@pytest.mark.parametrize(
    ("facts", "arguments", "message"),
    [
        (TWO_LANS, {"address": "10.0.0.5", "cidr": "10.0.0.0/8"}, "x_addr and x_cidr are set. Set only one"),
        (TWO_LANS, {"address": "10.0.0.6"}, "x_addr is 10.0.0.6. The host does not have that .*eth0: 10.0.0.5"),
        (TWO_LANS, {"interface": "eth7"}, "x_interface is eth7. .* It has eth-b, eth0, lo"),
        (TWO_LANS, {"cidr": "10.0.0.5/8"}, "x_cidr is 10.0.0.5/8. It must be an IPv4 network.*host bits"),
        (TWO_LANS, {"cidr": "lan"}, "x_cidr is lan. It must be an IPv4 network"),
        (TWO_LANS, {"cidr": "10.7.0.0/16"}, "In that network the host has no IPv4 address. .*eth0: 10.0.0.5"),
        (TWO_LANS, {"cidr": "0.0.0.0/0"}, "has 3 IPv4 addresses .*. Set x_addr instead"),
        (host(("eth0", [])), {"interface": "eth0"}, "That interface has no IPv4 address"),
        (host(("eth0", ["10.0.0.5", "10.0.0.6"])), {"interface": "eth0"}, "That interface has 2 IPv4 addresses"),
        (host(LO), {}, "no private IPv4 address and no default route. It has lo: 127.0.0.1. Set x_addr"),
        ({"distribution": "Debian"}, {}, "Gather facts"),
        ("10.0.0.5", {}, "Gather facts"),
    ],
)
def test_errors(facts, arguments, message):
    with pytest.raises(AnsibleFilterError, match=message):
        lan_address(facts, option="x", **arguments)


def test_facts_of_a_real_host():
    """This machine's own, from the real setup module: every address asked for is found again."""
    python = f"ansible_python_interpreter={sys.executable}"
    setup = subprocess.run(
        [sys.executable, "-m", "ansible.cli.adhoc", "localhost", "-i", "localhost,", "-c", "local", "-e", python]
        + ["-m", "setup", "-a", "gather_subset=!all,!min,network"],
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        check=True,
        capture_output=True,
        text=True,
    )
    facts = json.loads(setup.stdout.partition("=>")[2])["ansible_facts"]
    facts = {name.removeprefix("ansible_"): value for name, value in facts.items()}
    assert facts["all_ipv4_addresses"]
    for address in facts["all_ipv4_addresses"]:
        assert lan_address(facts, address=address) == address
        assert lan_address(facts, cidr=f"{address}/32") == address
