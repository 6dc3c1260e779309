# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lan_address
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Find the address that a host has on its LAN
description:
  - Takes a host's facts and returns the one IPv4 address by which the other hosts of the site reach it.
  - With nothing said, it is the one private address (RFC 1918, RFC 6598) on an interface that is up and is neither
    loopback nor a bridge or a virtual pair of a container engine, or, where there is none, the address of the
    default route.
  - Two or more such addresses are an error that lists them, never a guess.
options:
  _input:
    description: The host's C(ansible_facts), network facts gathered.
    type: dict
    required: true
  address:
    description: The address itself. It must be one of the host's.
    type: str
  interface:
    description: The interface that has the address. It must have exactly one.
    type: str
  cidr:
    description: The network that the address is in, such as V(10.20.0.0/16). Exactly one of the host's must be.
    type: str
  option:
    description:
      - What the variables that a user sets begin with. Error messages name them, with C(_addr), C(_interface)
        and C(_cidr) added.
    type: str
    default: lan
notes:
  - Give at most one of O(address), O(interface) and O(cidr). An empty string counts as not given.
"""

EXAMPLES = r"""
- name: Bind to the LAN
  ansible.builtin.debug:
    msg: >-
      {{ ansible_facts | dockyard.consul.lan_address(
           address=consul_agent_bind_addr, interface=consul_agent_bind_interface, cidr=consul_agent_bind_cidr,
           option='consul_agent_bind') }}
"""

RETURN = r"""
_value:
  description: An IPv4 address of the host.
  type: str
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any, NamedTuple

from ansible.errors import AnsibleFilterError

PRIVATE_NETWORKS = [IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]

# A bridge made by hand ("br0") is not among them: a host's LAN address often sits on one.
CONTAINER_INTERFACE = re.compile(
    r"docker\d|docker_gwbridge|br-[0-9a-f]{12}$|veth|virbr|cni|flannel|cali|podman|lxcbr|lxdbr|tunl|kube-ipvs|cilium"
)


class Address(NamedTuple):
    interface: str
    ip: IPv4Address
    usable: bool

    def __str__(self) -> str:
        return f"{self.interface}: {self.ip}"


def lan_address(
    facts: Any,
    address: str | None = None,
    interface: str | None = None,
    cidr: str | None = None,
    option: str = "lan",
) -> str:
    """Return the IPv4 address by which the other hosts of the site reach this one."""
    selectors = {f"{option}_addr": address, f"{option}_interface": interface, f"{option}_cidr": cidr}
    given = [name for name, value in selectors.items() if value]
    if len(given) > 1:
        raise AnsibleFilterError(f"lan_address: {' and '.join(given)} are all set; set one of them only")

    addresses = _addresses(facts)
    if address:
        return _by_address(addresses, address, f"{option}_addr")
    if interface:
        return _by_interface(addresses, interface, f"{option}_interface", f"{option}_addr", facts)
    if cidr:
        return _by_cidr(addresses, cidr, f"{option}_cidr", f"{option}_addr")
    return _only_private(addresses, facts, selectors)


def _addresses(facts: Any) -> list[Address]:
    if not isinstance(facts, Mapping) or "interfaces" not in facts:
        raise AnsibleFilterError(
            "lan_address: the facts given hold no interfaces; give ansible_facts, and gather facts first"
            " (gather_facts: true, or ansible.builtin.setup with gather_subset: network)"
        )
    found = []
    for name in facts["interfaces"]:
        interface = facts.get(name.replace("-", "_")) or {}
        usable = (
            interface.get("active", True)
            and interface.get("type") != "loopback"
            and not CONTAINER_INTERFACE.match(name)
        )
        entries = [interface.get("ipv4") or {}, *(interface.get("ipv4_secondaries") or [])]
        found += [Address(name, IPv4Address(entry["address"]), usable) for entry in entries if entry.get("address")]
    return _without_aliases(found)


def _without_aliases(addresses: list[Address]) -> list[Address]:
    """Drop "eth0:1", whose address Ansible lists under eth0 as well."""
    names = {address.interface for address in addresses}
    return [
        address
        for address in addresses
        if ":" not in address.interface or address.interface.partition(":")[0] not in names
    ]


def _by_address(addresses: list[Address], wanted: str, variable: str) -> str:
    if wanted not in [str(address.ip) for address in addresses]:
        raise AnsibleFilterError(
            f"lan_address: {variable} is {wanted}, which is no IPv4 address of this host; it has {_listed(addresses)}"
        )
    return wanted


def _by_interface(addresses: list[Address], wanted: str, variable: str, better: str, facts: Mapping) -> str:
    if wanted not in facts["interfaces"]:
        raise AnsibleFilterError(
            f"lan_address: {variable} is {wanted}, and this host has no such interface;"
            f" it has {', '.join(sorted(facts['interfaces']))}"
        )
    matches = [address for address in addresses if address.interface == wanted]
    return _only(matches, f"{variable} is {wanted}, an interface with {{}}", better, addresses)


def _by_cidr(addresses: list[Address], wanted: str, variable: str, better: str) -> str:
    try:
        network = IPv4Network(wanted)
    except ValueError as error:
        raise AnsibleFilterError(f"lan_address: {variable} is no IPv4 network such as 10.20.0.0/16: {error}") from error
    matches = [address for address in addresses if address.ip in network]
    return _only(matches, f"{variable} is {wanted}, and in that network this host has {{}}", better, addresses)


def _only(matches: list[Address], problem: str, better: str, addresses: list[Address]) -> str:
    if len(matches) == 1:
        return str(matches[0].ip)
    if matches:
        raise AnsibleFilterError(
            f"lan_address: {problem.format(f'{len(matches)} IPv4 addresses')}, {_listed(matches)}; set {better} instead"
        )
    raise AnsibleFilterError(f"lan_address: {problem.format('no IPv4 address')}; the host has {_listed(addresses)}")


def _only_private(addresses: list[Address], facts: Mapping, variables: Mapping[str, Any]) -> str:
    private = [address for address in addresses if address.usable and _is_private(address.ip)]
    if len(private) == 1:
        return str(private[0].ip)

    *names, last_name = variables
    advice = f"set {', '.join(names)} or {last_name} for this host"
    if private:
        raise AnsibleFilterError(
            f"lan_address: {len(private)} addresses could be the one on the LAN: {_listed(private)}; {advice}"
        )
    default = (facts.get("default_ipv4") or {}).get("address")
    if not default:
        raise AnsibleFilterError(
            f"lan_address: no private IPv4 address and no default route; the host has {_listed(addresses)}; {advice}"
        )
    return str(default)


def _is_private(ip: IPv4Address) -> bool:
    return any(ip in network for network in PRIVATE_NETWORKS)


def _listed(addresses: list[Address]) -> str:
    return ", ".join(map(str, addresses)) or "none at all"


class FilterModule:
    def filters(self) -> dict:
        return {"lan_address": lan_address}
