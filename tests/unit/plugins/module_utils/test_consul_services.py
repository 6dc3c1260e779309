# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    CHECK_FIELDS,
    CHECK_SPEC,
    DIGEST,
    checks_by_service,
    comparable,
    digest,
    is_registered,
    meta_text,
    normalised_checks,
    registration,
    service_spec,
)


def options(**given):
    return {**dict.fromkeys(service_spec({}, {})), "enable_tag_override": False, **given}


def checks(*given):
    return normalised_checks(list(given), "web", "service")


def test_check_ids_are_those_consul_would_give():
    assert [check["CheckID"] for check in checks({"ttl": "1m"})] == ["service:web"]
    assert [check["CheckID"] for check in checks({"ttl": "1m"}, {"id": "x", "ttl": "1m"}, {"ttl": "1m"})] == [
        "service:web:1",
        "x",
        "service:web:3",
    ]


def test_digest_sees_meaning_and_nothing_else():
    one = {"tcp": "a:1", "interval": "60s", "id": "1"}
    two = {"http": "http://x", "interval": "1m", "id": "2", "header": {"A": "b"}}
    first = digest(checks(one, two), None)
    assert first == digest(checks({**two, "interval": "60000ms", "header": {"A": ["b"]}}, {**one, "notes": None}), {})
    assert first != digest(checks({**one, "interval": "61s"}, two), None)
    assert first != digest(checks(one, {**two, "header": {"A": "c"}}), None)
    assert first != digest(checks(one, two), {"native": True})
    assert first != digest(checks(one), None)


@pytest.mark.parametrize(
    "check, words",
    [
        ({}, "exactly one of .* found: none"),
        ({"tcp": "a:1", "ttl": "1m"}, "found: tcp, ttl"),
        ({"tcp": "a:1"}, "tcp needs an interval"),
        ({"udp": "a:1"}, "udp needs an interval"),
        ({"h2ping": "a:1"}, "h2ping needs an interval"),
        ({"tcp": "a:1", "interval": "1"}, "interval: '1' is not a duration"),
        ({"ttl": "0s"}, "not longer than nothing"),
        ({"ttl": "1m", "deregister_critical_service_after": "soon"}, "deregister_critical_service_after"),
    ],
)
def test_checks_that_cannot_be(check, words):
    with pytest.raises(ConsulError, match=f"service: check 1: .*{words}"):
        checks(check)


def test_every_option_of_a_check_has_its_name_in_the_api():
    assert list(CHECK_FIELDS) == list(CHECK_SPEC)


def test_an_explicit_no_is_sent():
    (check,) = checks({"h2ping": "a:1", "h2ping_use_tls": False, "interval": "1m"})
    assert (check["H2PING"], check["H2PingUseTLS"]) == ("a:1", False)
    assert "H2PingUseTLS" not in checks({"h2ping": "a:1", "h2ping_use_tls": None, "interval": "1m"})[0]


def test_two_checks_of_one_id():
    with pytest.raises(ConsulError, match="same id"):
        checks({"id": "x", "ttl": "1m"}, {"id": "x", "ttl": "1m"})


def test_alias_of_a_service_on_another_node():
    assert checks({"alias_service": "db", "alias_node": "n"})[0]["AliasNode"] == "n"


@pytest.mark.parametrize("value, text", [("x", "x"), (1, "1"), (True, "true"), (None, ""), ({"b": 1}, '{"b": 1}')])
def test_meta_is_text(value, text):
    assert meta_text(value) == text


def test_registration_carries_tagged_addresses_only_if_given():
    body = registration(options(name="web", address="192.0.2.1"), "service")
    assert "TaggedAddresses" not in body
    assert body["ID"] == "web" and body["Port"] == 0 and DIGEST in body["Meta"]
    given = {"wan": {"address": "198.51.100.1", "port": "8080"}, "lan": {"address": "192.0.2.2"}}
    assert registration(options(name="web", tagged_addresses=given), "service")["TaggedAddresses"] == {
        "wan": {"Address": "198.51.100.1", "Port": 8080},
        "lan": {"Address": "192.0.2.2", "Port": 0},
    }


@pytest.mark.parametrize(
    "given, words",
    [
        ("198.51.100.1", "give an address"),
        ({"port": 1}, "give an address"),
        ({"address": "x", "Port": 1}, "give an address"),
        ({"address": "x", "port": 65536}, "port 65536"),
        ({"address": "x", "port": "http"}, "port http"),
    ],
)
def test_tagged_addresses_that_cannot_be(given, words):
    with pytest.raises(ConsulError, match=f"service: tagged_addresses: wan: .*{words}"):
        registration(options(name="web", tagged_addresses={"wan": given}), "service")


def test_comparison_leaves_out_what_consul_adds():
    body = registration(options(name="web", address="192.0.2.9", tags=["b", "a"], service_token="t"), "service")
    service = {
        "ID": "web",
        "Service": "web",
        "Tags": ["a", "b"],
        "Meta": dict(body["Meta"]),
        "Port": 0,
        "Address": "192.0.2.9",
        "TaggedAddresses": {
            "lan_ipv4": {"Address": "192.0.2.9", "Port": 0},
            "consul-virtual": {"Address": "240.0.0.1", "Port": 0},
        },
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
    }
    assert comparable(service) == comparable(body)
    assert comparable({**service, "Port": 1}) != comparable(body)
    pinned = {"lan_ipv4": {"Address": "192.0.2.8", "Port": 0}}
    assert comparable({**service, "TaggedAddresses": pinned}) != comparable(body)
    assert comparable({**body, "TaggedAddresses": service["TaggedAddresses"]}) == comparable(service)


def test_another_token_is_another_registration():
    def of(**given):
        return registration(options(name="web", **given), "service", "11111111-0000-0000-0000-000000000000")["Meta"]

    assert of() == of()
    assert of(service_token="22222222-0000-0000-0000-000000000000") != of()
    assert "1111" not in str(of())


def test_a_registration_is_known_by_its_service_and_by_the_ids_of_its_checks():
    body = registration(options(name="web", checks=[{"ttl": "1m"}]), "service")
    services = {"web": {**body, "Service": "web"}}
    check = {"CheckID": "service:web", "ServiceID": "web", "Type": "ttl"}
    maintenance = {"CheckID": "_service_maintenance:web", "ServiceID": "web", "Type": "maintenance"}
    known = checks_by_service({"a": check, "b": maintenance})
    assert known == {"web": {"service:web": check}}
    assert is_registered(body, services, known)
    assert not is_registered(body, {}, known)
    assert not is_registered(body, services, {})
    assert not is_registered({**body, "Port": 1}, services, known)
