# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_service import (
    DIGEST,
    comparable,
    digest,
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
        ({"tcp": "a:1", "interval": "1"}, "interval: '1' is not a duration"),
        ({"ttl": "0s"}, "not longer than nothing"),
        ({"ttl": "1m", "deregister_critical_service_after": "soon"}, "deregister_critical_service_after"),
    ],
)
def test_checks_that_cannot_be(check, words):
    with pytest.raises(ConsulError, match=f"service: check 1: .*{words}"):
        checks(check)


def test_two_checks_of_one_id():
    with pytest.raises(ConsulError, match="same id"):
        checks({"id": "x", "ttl": "1m"}, {"id": "x", "ttl": "1m"})


def test_alias_of_a_service_on_another_node():
    assert checks({"alias_service": "db", "alias_node": "n"})[0]["AliasNode"] == "n"


@pytest.mark.parametrize("value, text", [("x", "x"), (1, "1"), (True, "true"), (None, ""), ({"b": 1}, '{"b": 1}')])
def test_meta_is_text(value, text):
    assert meta_text(value) == text


def test_registration_never_carries_tagged_addresses():
    body = registration(options(name="web", address="192.0.2.1"), "service")
    assert "TaggedAddresses" not in body
    assert body["ID"] == "web" and body["Port"] == 0 and DIGEST in body["Meta"]


def test_comparison_leaves_out_what_consul_adds():
    body = registration(options(name="web", tags=["b", "a"], service_token="t"), "service")
    service = {
        "ID": "web",
        "Service": "web",
        "Tags": ["a", "b"],
        "Meta": dict(body["Meta"]),
        "Port": 0,
        "Address": "",
        "TaggedAddresses": {"lan_ipv4": {"Address": "192.0.2.9", "Port": 0}},
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
    }
    assert comparable(service) == comparable(body)
    assert comparable({**service, "Port": 1}) != comparable(body)
