# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Consul would refuse or misunderstand of a value, wherever it is registered: addresses, ports, meta, weights, durations.

Pure functions. Each raises ConsulError with the reason."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST, nanoseconds
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import json_or_text, one_line, text

# From the service's address, where that is an IP address.
DERIVED_ADDRESSES = ("lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6")

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)

# Consul's own limits.
MOST_META = 64
META_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
LONGEST_META_VALUE = 512
LARGEST_WEIGHT = 65535

GO_INT_MAX = 2**63 - 1
# Go's limit is 2562047h47m16.854775807s.
LONGEST_DURATION = 2500000 * 3600 * 10**9


def is_uuid(given):
    return bool(UUID.match(given))


def validated_meta(given, where, most=MOST_META - 1):
    """Meta as Consul takes it, which is text. YAML gives numbers and booleans too. By default, the pairs leave room for the
    one that consul_service adds."""
    meta = {}
    for key, value in (given or {}).items():
        here = f"{where}: meta: {key!a}"
        if key == DIGEST:
            raise ConsulError(f"{where}: the meta key {DIGEST} is the key of consul_service itself")
        if not META_KEY.match(key):
            raise ConsulError(f"{here} is not a valid key: use 1 to 128 letters, digits, '-' and '_'")
        if key.startswith("consul-"):
            raise ConsulError(f"{here} starts with consul-, which is reserved for Consul")
        try:
            meta[key] = "" if value is None else json_or_text(value)
        except TypeError as error:
            raise ConsulError(f"{here}: {error}") from None
        if len(meta[key].encode("utf-8")) > LONGEST_META_VALUE:
            raise ConsulError(f"{here}: its value is longer than {LONGEST_META_VALUE} bytes")
    if len(meta) > most:
        raise ConsulError(f"{where}: meta has {len(meta)} pairs, more than {most}")
    return meta


def validated_address(given, where):
    address = given or ""
    if not address.isprintable() or " " in address:
        raise ConsulError(f"{where}: address {one_line(address)} has a space or a character that is not printable")
    try:
        unspecified = ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:  # a host name
        unspecified = False
    if unspecified:
        raise ConsulError(f"{where}: address {address} is not an address that other hosts can connect to")
    return address


def validated_weights(given, where):
    weights = {"passing": 1, "warning": 1, **(given or {})}
    for name, least in (("passing", 1), ("warning", 0)):
        if not isinstance(weights[name], int) or not least <= weights[name] <= LARGEST_WEIGHT:
            raise ConsulError(
                f"{where}: weights: {name} is {weights[name]}, and must be between {least} and {LARGEST_WEIGHT}"
            )
    return {"Passing": weights["passing"], "Warning": weights["warning"]}


def tagged_addresses(addresses, where):
    """As Consul's API takes them, where port 0 stands for that of the service."""
    bodies = {}
    for name, given in addresses.items():
        here = f"{where}: tagged_addresses: {one_line(name)}"
        if not isinstance(given, dict) or not given.get("address") or set(given) - {"address", "port"}:
            raise ConsulError(f"{here}: give an address, and if it is not the service's, a port")
        address = tagged_address(name, given["address"], here)
        bodies[name] = {"Address": address, "Port": port_number(given.get("port") or 0, here)}
    return bodies


def tagged_address(name, given, where):
    try:
        address = validated_address(text(given), where)
    except TypeError as error:
        raise ConsulError(f"{where}: address: {error}") from None
    version = name[-1] if name in DERIVED_ADDRESSES else ""
    if version and version != ip_version(address):
        raise ConsulError(f"{where}: address {address} is not an IPv{version} address")
    return address


def ip_version(address):
    """C(4), C(6), or nothing for what Consul does not take as an IP address of either version."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = found.version == 6 and (found.ipv4_mapped or "%" in address)
    return "" if mapped else str(found.version)


def port_number(value, where):
    try:
        port = -1 if isinstance(value, bool) or float(value) % 1 else int(value)
    except (TypeError, ValueError, OverflowError):
        port = -1
    if not 0 <= port <= 65535:
        raise ConsulError(f"{where}: port {one_line(str(value))} is not between 0 and 65535")
    return port


def validate_duration(value, where):
    try:
        length = nanoseconds(value)
    except ValueError as error:
        raise ConsulError(f"{where}: {error}") from error
    if length <= 0:
        raise ConsulError(f"{where}: {value!r} must be longer than zero")
    if length < 1000:
        raise ConsulError(f"{where}: {value!r} is shorter than one microsecond")
    if length > LONGEST_DURATION:
        raise ConsulError(f"{where}: {value!r} is longer than 2500000h, the maximum")
