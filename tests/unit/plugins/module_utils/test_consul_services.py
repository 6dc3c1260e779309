# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    checks_by_service,
    comparable,
    described_services,
    digest,
    expiring,
    incomplete,
    is_expiring,
    is_registered,
    keeps_tags,
    normalised_checks,
    own_sidecar,
    refuse_duplicates,
    refuse_taken_checks,
    registration,
    replaced_checks,
    service_spec,
    shown,
    shown_wanted,
    unlisted,
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
    assert not is_registered(body, services, {"web": {"service:web": {**check, "Type": "tcp"}}})
    assert is_registered(body, services, {"web": {"service:web": {**check, "Type": ""}}})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": "/web"}, "id '/web' starts with '/'"),
        ({"name": "a//b"}, "name 'a//b' has '//'"),
        ({"weights": {"passing": 0, "warning": 1}}, "weights: passing is 0, and must be between 1 and 65535"),
        ({"address": "0:0::0"}, "address 0:0::0 is not an address that other"),
        ({"meta": {"a.b": "x"}}, "meta: 'a.b' is not a valid key"),
        ({"meta": {"k": "x" * 513}}, "longer than 512 bytes"),
        ({"meta": {"k": float("nan")}}, "meta: 'k': a number that is not finite"),
        ({"connect": {"sidecar_service": {"proxy": {"x": float("inf")}}}}, "not valid in JSON"),
        ({"connect": {"sidecar_service": {"meta": {"a b": "x"}}}}, "sidecar_service: meta: 'a b'"),
        ({"connect": {"SidecarService": {"Port": True}}}, "port must be of type int"),
        ({"connect": {"sidecar_service": []}}, "must be a dictionary"),
        ({"tagged_addresses": {"lan_ipv6": {"address": "::ffff:192.0.2.1"}}}, "is not an IPv6 address"),
        ({"tagged_addresses": {"wan_ipv4": {"address": "db"}}}, "is not an IPv4 address"),
    ],
)
def test_what_consul_refuses(given, words):
    with pytest.raises(ConsulError, match=re.escape(words)):
        registration(options(**{"name": "web", **given}), "service")


def bodies_of(**checks_of):
    """Registrations by name, each with the ids of its checks."""
    return [
        registration(options(name=name, checks=[{"ttl": "1h", "id": identity} for identity in ids]), "service")
        for name, ids in checks_of.items()
    ]


def on_agent(**checks_of):
    """The services and checks of an agent, from the same."""
    services = {body["ID"]: {**body, "Service": body["Name"]} for body in bodies_of(**checks_of)}
    checks = {
        name: {identity: {"CheckID": identity, "ServiceID": name, "Type": "ttl"} for identity in ids}
        for name, ids in checks_of.items()
    }
    return services, checks


def test_ids_are_unique():
    refuse_duplicates(bodies_of(a=["x"], b=["y"]))
    with pytest.raises(ConsulError, match="more than once: a"):
        refuse_duplicates(bodies_of(a=[]) * 2)
    with pytest.raises(ConsulError, match="services a and b: both have a check with the id x"):
        refuse_duplicates(bodies_of(a=["x"], b=["x"]))
    meshed = registration(options(name="a", connect={"sidecar_service": {}}), "service")
    with pytest.raises(ConsulError, match="are those of sidecars: a-sidecar-proxy"):
        refuse_duplicates([meshed, *bodies_of(**{"a-sidecar-proxy": []})])


def test_a_check_id_may_be_taken_from_what_gives_it_up():
    services, checks = on_agent(a=["x"])
    wanted = bodies_of(b=["x"])
    with pytest.raises(ConsulError, match="service b: a check of service a on this agent has the id x"):
        refuse_taken_checks(wanted, [], services, checks)
    refuse_taken_checks(wanted, ["a"], services, checks)
    refuse_taken_checks([*wanted, *bodies_of(a=[])], [], services, checks)
    refuse_taken_checks(wanted, [], {}, checks)
    node = {"": {"x": {"CheckID": "x", "ServiceID": "", "Type": "ttl"}}}
    with pytest.raises(ConsulError, match="a check of the node on this agent"):
        refuse_taken_checks(wanted, [], {}, node)


def test_checks_are_replaced_where_the_agent_would_keep_both():
    (body,) = bodies_of(a=["x", "y"])
    services, checks = on_agent(a=["x", "y"])
    assert replaced_checks(body, services, checks) == []
    checks["a"]["x"]["Type"] = "http"
    assert replaced_checks(body, services, checks) == ["x"]
    checks["b"] = {"y": {**checks["a"].pop("y"), "ServiceID": "b"}}
    assert replaced_checks(body, services, checks) == ["x", "y"]
    assert replaced_checks(body, {"a": incomplete(body)}, on_agent(a=["x"])[1]) == ["x"]
    assert not is_registered(body, {"a": {**incomplete(body), "Service": "a"}}, on_agent(a=["x", "y"])[1])


def test_the_sidecar_of_a_service():
    meshed = registration(options(name="a", connect={"sidecar_service": {}}), "service")
    own = registration(options(name="a", connect={"sidecar_service": {"meta": {"k": "v"}}}), "service")
    (plain,) = bodies_of(a=[])
    assert own["Connect"]["sidecar_service"]["meta"] == {"k": "v", DIGEST: "sidecar"}
    sidecar = {"ID": "a-sidecar-proxy", "Kind": "connect-proxy", "Meta": {DIGEST: "x"}}
    foreign = {**sidecar, "Meta": {}}

    def services(body, *others):
        return {"a": {**body, "Service": "a"}, **{one["ID"]: one for one in others}}

    assert own_sidecar("a", services(meshed, sidecar)) and not own_sidecar("a", services(meshed, foreign))
    assert is_registered(meshed, services(meshed, sidecar), {}) and not is_registered(meshed, services(meshed), {})
    assert is_registered(plain, services(plain, foreign), {}) and not is_registered(plain, services(plain, sidecar), {})
    assert "Sidecar" in shown(services(meshed, sidecar)["a"], services(meshed, sidecar), {}, [plain])
    assert "Sidecar" in shown_wanted(meshed) and "Sidecar" not in shown_wanted(plain)
    assert unlisted([], services(meshed, sidecar)) == ["a"]


def test_a_diff_shows_no_secret_of_a_sidecar():
    sidecar = {"token": "S3CRET", "Checks": [{"Header": {"Authorization": ["S3CRET2"]}, "TTL": "1h"}]}
    body = registration(options(name="a", connect={"SidecarService": sidecar}), "service")
    assert body["Connect"]["SidecarService"]["token"] == "S3CRET"
    view = shown_wanted(body)
    assert "S3CRET" not in str(view) and view["Connect"]["SidecarService"]["Checks"][0]["TTL"] == "1h"
    assert "S3CRET" in str(body), "the registration itself keeps them"


def test_purge_means_what_the_module_registered():
    services, _checks = on_agent(a=[], b=[])
    services["c"] = {**services["a"], "ID": "c", "Meta": {}}
    assert unlisted(bodies_of(b=[]), services) == ["a"]


def test_tags_are_kept_only_if_they_were_free_before():
    free = registration(options(name="a", enable_tag_override=True), "service")
    (fixed,) = bodies_of(a=[])
    assert keeps_tags(free, {"a": free})
    assert not keeps_tags(free, {"a": fixed}) and not keeps_tags(fixed, {"a": free}) and not keeps_tags(free, {})


def test_an_expiring_registration_is_known_again():
    body = expiring({"ID": "/a", "Service": "a"})
    assert is_expiring({"Meta": body["Meta"]}) and not is_expiring({"Meta": None})
    assert body["Checks"][0]["TTL"] == "1s"


def test_purge_needs_a_list():
    with pytest.raises(ConsulError, match="purge: services is needed"):
        described_services({**options(name="a"), "services": None, "purge": True})


def test_a_diff_names_the_type_of_a_check_that_changes():
    (body,) = bodies_of(a=["x"])
    services, checks = on_agent(a=["x"])
    assert "Checks" not in shown(services["a"], services, checks, [body])
    checks["a"]["x"]["Type"] = "tcp"
    assert shown(services["a"], services, checks, [body])["Checks"] == {"x": "(registered: tcp)"}
    assert shown_wanted(body, services["a"], checks)["Checks"] == {"x": {"TTL": "1h"}}
