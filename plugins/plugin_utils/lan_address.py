# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one IPv4 address by which the other hosts of the site reach a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any, NamedTuple

PRIVATE_NETWORKS = [IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]

# A bridge made by hand ("br0") is not among them: a host's LAN address is often on one.
CONTAINER_INTERFACE = re.compile(
    r"docker\d|docker_gwbridge|br-[0-9a-f]{12}$|veth|virbr|cni|flannel|cali|podman|lxcbr|lxdbr|tunl|kube-ipvs|cilium"
)


class NoAddress(ValueError):
    """The address cannot be determined. The text is for the user, and C(variable) is what to correct."""

    def __init__(self, variable: str, text: str) -> None:
        super().__init__(text)
        self.variable = variable


class Address(NamedTuple):
    interface: str
    ip: IPv4Address
    usable: bool

    def __str__(self) -> str:
        return f"{self.interface}: {self.ip}"


def host_address(variables: Mapping[str, Any], option: str) -> str:
    """The LAN address of a host, from its variables. Without network facts, C(<option>_addr) is taken as it is."""
    facts, address = variables.get("ansible_facts"), variables.get(f"{option}_addr")
    if address and "interfaces" not in (facts or {}):
        try:
            return str(IPv4Address(address))
        except ValueError as error:
            raise NoAddress(f"{option}_addr", f"{option}_addr is {address!s}. It must be an IPv4 address.") from error
    return lan_address(
        facts, address, variables.get(f"{option}_interface"), variables.get(f"{option}_cidr"), option=option
    )


def lan_address(
    facts: Any,
    address: str | None = None,
    interface: str | None = None,
    cidr: str | None = None,
    option: str = "lan",
) -> str:
    """The LAN address, from the host's facts and at most one selector."""
    selectors = {f"{option}_addr": address, f"{option}_interface": interface, f"{option}_cidr": cidr}
    given = [name for name, value in selectors.items() if value]
    if len(given) > 1:
        raise NoAddress(given[0], f"{' and '.join(given)} are set. Set only one of them.")

    addresses = _addresses(facts, f"{option}_addr")
    if address:
        return _by_address(addresses, address, f"{option}_addr")
    if interface:
        return _by_interface(addresses, interface, f"{option}_interface", f"{option}_addr", facts)
    if cidr:
        return _by_cidr(addresses, cidr, f"{option}_cidr", f"{option}_addr")
    return _only_private(addresses, facts, list(selectors))


def _addresses(facts: Any, variable: str) -> list[Address]:
    if not isinstance(facts, Mapping) or "interfaces" not in facts:
        raise NoAddress(
            variable,
            "The network facts of the host are missing. Gather facts first (gather_facts: true, or ansible.builtin.setup"
            f" with gather_subset: network), or set {variable}.",
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
    """Drop "eth0:1": Ansible lists its address under eth0 too."""
    names = {address.interface for address in addresses}
    return [
        address
        for address in addresses
        if ":" not in address.interface or address.interface.partition(":")[0] not in names
    ]


def _by_address(addresses: list[Address], wanted: str, variable: str) -> str:
    if wanted not in [str(address.ip) for address in addresses]:
        raise NoAddress(
            variable, f"{variable} is {wanted}. The host does not have that IPv4 address. {_has(addresses)}"
        )
    return wanted


def _by_interface(addresses: list[Address], wanted: str, variable: str, better: str, facts: Mapping) -> str:
    if wanted not in facts["interfaces"]:
        raise NoAddress(
            variable,
            f"{variable} is {wanted}. The host does not have that interface. It has {', '.join(sorted(facts['interfaces']))}.",
        )
    matches = [address for address in addresses if address.interface == wanted]
    return _only(matches, f"{variable} is {wanted}. That interface has", variable, better, addresses)


def _by_cidr(addresses: list[Address], wanted: str, variable: str, better: str) -> str:
    try:
        network = IPv4Network(wanted)
    except ValueError as error:
        raise NoAddress(
            variable, f"{variable} is {wanted}. It must be an IPv4 network, such as 10.20.0.0/16: {error}."
        ) from error
    matches = [address for address in addresses if address.ip in network]
    return _only(matches, f"{variable} is {wanted}. In that network the host has", variable, better, addresses)


def _only(matches: list[Address], text: str, variable: str, better: str, addresses: list[Address]) -> str:
    if len(matches) == 1:
        return str(matches[0].ip)
    if matches:
        raise NoAddress(variable, f"{text} {len(matches)} IPv4 addresses ({_listed(matches)}). Set {better} instead.")
    raise NoAddress(variable, f"{text} no IPv4 address. {_has(addresses)}")


def _only_private(addresses: list[Address], facts: Mapping, variables: list[str]) -> str:
    private = [address for address in addresses if address.usable and _is_private(address.ip)]
    if len(private) == 1:
        return str(private[0].ip)

    *names, last_name = variables
    advice = f"Set {', '.join(names)} or {last_name} for this host."
    if private:
        raise NoAddress(
            variables[0], f"{len(private)} addresses could be the host's LAN address: {_listed(private)}. {advice}"
        )
    default = (facts.get("default_ipv4") or {}).get("address")
    if not default:
        raise NoAddress(
            variables[0], f"The host has no private IPv4 address and no default route. {_has(addresses)} {advice}"
        )
    return str(default)


def _is_private(ip: IPv4Address) -> bool:
    return any(ip in network for network in PRIVATE_NETWORKS)


def _has(addresses: list[Address]) -> str:
    return f"It has {_listed(addresses)}."


def _listed(addresses: list[Address]) -> str:
    return ", ".join(map(str, addresses)) or "no IPv4 address"
