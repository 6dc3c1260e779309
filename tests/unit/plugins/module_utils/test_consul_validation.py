# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import (
    MOST_META,
    is_uuid,
    port_number,
    tagged_addresses,
    validate_duration,
    validated_address,
    validated_meta,
)


def refused(words):
    return pytest.raises(ConsulError, match="^here: .*" + re.escape(words))


@pytest.mark.parametrize("value, text", [("x", "x"), (1, "1"), (True, "true"), (None, ""), ({"b": 1}, '{"b": 1}')])
def test_meta_is_text(value, text):
    assert validated_meta({"k": value}, "here") == {"k": text}


@pytest.mark.parametrize(
    "meta, words",
    [
        ({"a b": 1}, "meta: 'a b' is not a valid key"),
        ({"a\nb": 1}, "meta: 'a\\nb' is not a valid key"),
        ({"consul-x": 1}, "meta: 'consul-x' starts with consul-"),
        ({DIGEST: "x"}, "is the key of consul_service"),
        ({"k": float("nan")}, "meta: 'k': a number that is not finite is given"),
        ({"k": [float("inf")]}, "meta: 'k': the value cannot be written as JSON"),
        ({"k": "ä" * 257}, "meta: 'k': its value is longer than 512 bytes"),
    ],
)
def test_meta_that_consul_refuses(meta, words):
    with refused(words):
        validated_meta(meta, "here")


def test_how_much_meta_there_may_be():
    meta = {f"k{number}": 1 for number in range(MOST_META)}
    assert len(validated_meta(meta, "here", most=MOST_META)) == 64
    with refused("meta has 64 pairs, more than 63"):
        validated_meta(meta, "here")


@pytest.mark.parametrize("address", ["", None, "192.0.2.1", "::1", "[::1]", "db.example.com", "böse.example"])
def test_addresses(address):
    assert validated_address(address, "here") == (address or "")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "[::]", "0:0::0"])
def test_an_address_of_no_host(address):
    with refused(f"address {address} is not an address that other hosts"):
        validated_address(address, "here")


@pytest.mark.parametrize("address", ["a b", "a\nb", "\u2028"])
def test_an_address_that_no_dns_answer_can_hold(address):
    with refused("has a space or a character that is not printable") as raised:
        validated_address(address, "here")
    assert str(raised.value).isprintable()


def test_tagged_addresses():
    given = {"wan": {"address": 5, "port": "80"}, "lan_ipv4": {"address": "192.0.2.1"}}
    assert tagged_addresses(given, "here") == {
        "wan": {"Address": "5", "Port": 80},
        "lan_ipv4": {"Address": "192.0.2.1", "Port": 0},
    }
    with refused("tagged_addresses: wan: address 0.0.0.0 is not an address that other hosts"):
        tagged_addresses({"wan": {"address": "0.0.0.0"}}, "here")


@pytest.mark.parametrize("port", [True, 80.5, float("nan"), -1, 65536, "http", "1e3", [], None])
def test_what_is_no_port(port):
    with refused("is not between 0 and 65535"):
        port_number(port, "here")


@pytest.mark.parametrize("port", [80, "80", 80.0])
def test_ports(port):
    assert port_number(port, "here") == 80


@pytest.mark.parametrize(
    "value, words",
    [
        ("30", "is not a duration"),
        ("0s", "must be longer than zero"),
        ("999ns", "is shorter than one microsecond"),
        ("9999999999h", "is longer than 2500000h"),
        ("9" * 400 + "h", "is longer than 2500000h"),
    ],
)
def test_durations_that_cannot_be(value, words):
    with refused(words):
        validate_duration(value, "here")


def test_uuids():
    one = "3c2a8f0e-6a51-5bd0-43ae-3c1e0f0a6f5d"
    assert is_uuid(one) and is_uuid(one.upper())
    assert not is_uuid(one + "\n") and not is_uuid("7") and not is_uuid("")
