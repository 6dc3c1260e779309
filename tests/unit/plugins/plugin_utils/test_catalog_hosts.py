# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog import Catalog, Query
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_hosts import (
    GROUPINGS,
    Host,
    address_of,
    clashes,
    distinct,
    group_name,
    group_sources,
    host_name,
    instance_hosts,
    merged,
    node_hosts,
    query_digest,
)

NODE = {
    "name": "app1",
    "id": "1-2",
    "address": "192.0.2.1",
    "datacenter": "dc1",
    "tagged_addresses": {"lan": "192.0.2.1", "wan": "198.51.100.1", "empty": ""},
    "meta": {"rack": "a", "consul-network-segment": "x", "unset": ""},
    "status": "passing",
}
WEB = {
    "node": "app1",
    "id": "web-1",
    "name": "web",
    "address": "203.0.113.1",
    "port": 80,
    "tags": ["blue", ""],
    "meta": {"version": "2"},
    "tagged_addresses": {"wan": "198.51.100.2"},
    "status": "warning",
}
API = {**WEB, "id": "api", "name": "api", "address": "", "tags": [], "tagged_addresses": {}, "status": "passing"}
CATALOG = Catalog(nodes={"app1": NODE}, instances=[API, WEB])


@pytest.mark.parametrize(
    "kinds, of_node, of_web, of_api",
    [
        (["node"], "192.0.2.1", "192.0.2.1", "192.0.2.1"),
        (["service"], None, "203.0.113.1", None),
        (["service", "node"], "192.0.2.1", "203.0.113.1", "192.0.2.1"),
        (["wan"], "198.51.100.1", "198.51.100.2", "198.51.100.1"),
        (["empty", "none", "lan"], "192.0.2.1", "192.0.2.1", "192.0.2.1"),
        (["empty"], None, None, None),
    ],
)
def test_addresses(kinds, of_node, of_web, of_api):
    assert [address_of(kinds, NODE), address_of(kinds, NODE, WEB), address_of(kinds, NODE, API)] == [
        of_node,
        of_web,
        of_api,
    ]


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::"])
def test_what_is_no_address(address):
    assert address_of(["service", "node"], {**NODE, "address": address}, {**WEB, "address": address}) is None


@pytest.mark.parametrize(
    "parts, expected",
    [
        (("app1.example.com",), "app1.example.com"),
        (("web-1", "app1"), "web-1@app1"),
        (("a b/c\td\ne\u2028f\xa0",), "a_b_c_d_e_f_"),
        (("../x",), ".._x"),
        # What means something in a pattern.
        (("h:web:80", "n1"), "h_web_80@n1"),
        (("a,b",), "a_b"),
        (("!x", "n1"), "_x@n1"),
        (("&x",), "_x"),
        (("~x",), "_x"),
        (("@x",), "_x"),
        (("x!&~", "@n1"), "x!&~@@n1"),
        (("web[1]*?",), "web_1___"),
        # Ansible takes an address as a pattern.
        (("2001:db8::1",), "2001:db8::1"),
        (("fe80::1%eth0",), "fe80__1%eth0"),
        (("schl\u00fcssel", "[::1]:80"), "schl\u00fcssel@___1__80"),
    ],
)
def test_host_names(parts, expected):
    assert host_name(*parts) == expected


@pytest.mark.parametrize(
    "parts, expected",
    [
        (("service", "web"), "service_web"),
        (("tag", "urlprefix-/a b"), "tag_urlprefix__a_b"),
        (("node_meta", "rack", "\u00fc.1"), "node_meta_rack___1"),
        (("tag", "1"), "tag_1"),
    ],
)
def test_group_names(parts, expected):
    assert group_name(*parts) == expected


def test_hosts_of_nodes():
    (host,) = node_hosts(CATALOG, ["wan"])
    assert host.name == "app1" and [one["name"] for one in host.services] == ["api", "web"]
    assert host.variables["ansible_host"] == "198.51.100.1"
    assert host.variables["consul_health"] == "warning"
    assert host.variables["consul_services"] == host.services
    assert "node" not in host.services[0] and host.services[0]["address"] == "192.0.2.1"


def test_hosts_of_instances():
    api, web = instance_hosts(CATALOG, ["service"])
    assert (api.name, web.name) == ("api@app1", "web-1@app1")
    assert "ansible_host" not in api.variables and web.variables["ansible_host"] == "203.0.113.1"
    assert web.variables["consul_service"] == web.services[0] and web.variables["consul_health"] == "warning"


def test_merged():
    hosts = instance_hosts(CATALOG, ["service"])
    other = Host(("other",), "other", {"consul_health": "passing"}, [])
    for host in hosts:
        host.name = "app1"
    one, two = merged([*hosts, other])
    assert two is other
    assert [service["name"] for service in one.services] == ["api", "web"]
    assert one.variables["consul_services"] == one.services and one.variables["consul_service"]["name"] == "api"
    assert one.variables["consul_health"] == "warning" and one.variables["ansible_host"] == "203.0.113.1"


def test_a_merged_host_is_in_the_groups_of_all_its_parts():
    east = {**NODE, "name": "app2", "datacenter": "east", "meta": {"rack": "b", "floor": "2"}}
    two = Catalog(nodes={"app1": NODE, "app2": east}, instances=[WEB, {**API, "node": "app2"}])
    for hosts in (node_hosts(two, ["node"]), instance_hosts(two, ["node"])):
        for host in hosts:
            host.name = "one"
        (one,) = merged(hosts)
        assert group_sources(one, GROUPINGS) == {
            ("service", "api"),
            ("service", "web"),
            ("tag", "blue"),
            ("datacenter", "dc1"),
            ("datacenter", "east"),
            ("node_meta", "rack", "a"),
            ("node_meta", "rack", "b"),
            ("node_meta", "floor", "2"),
            ("health", "warning"),
        }


def test_hosts_of_different_names_in_consul_are_never_one():
    """The one without a replaced character keeps its name."""
    names = [("a b",), ("a_b",), ("a/b",), ("c",)]
    hosts = [Host(name, host_name(*name), {}, []) for name in names]
    kept, left_out = distinct(hosts)
    assert [host.source for host in kept] == [("a_b",), ("c",)]
    assert [host.source for host in left_out] == [("a b",), ("a/b",)]
    # An id and a node name may have '@' in them.
    kept, left_out = distinct([Host(name, host_name(*name), {}, []) for name in (("a", "b@c"), ("a@b", "c"))])
    assert (len(kept), len(left_out)) == (1, 1)


def test_groups():
    (host,) = node_hosts(CATALOG, [])
    assert group_sources(host, GROUPINGS) == {
        ("service", "api"),
        ("service", "web"),
        ("tag", "blue"),
        ("datacenter", "dc1"),
        ("node_meta", "rack", "a"),
        ("health", "warning"),
    }
    assert group_sources(host, []) == set()
    assert group_sources(host, ["health"]) == {("health", "warning")}


def test_clashes():
    sources = [
        ("service", "a-b"),
        ("service", "a_b"),
        ("service", "c"),
        ("node_meta", "x", "y-z"),
        ("node_meta", "x-y", "z"),
    ]
    assert clashes(sources) == ["node_meta_x_y_z ('x=y-z', 'x-y=z')", "service_a_b ('a-b', 'a_b')"]


def test_each_question_has_its_own_place_in_the_cache():
    queries = [Query(), Query(services=[]), Query(filter="x"), Query(passing=True), Query(all_nodes=False)]
    places = [("http://a", "dc1", "default"), ("http://b", "dc1", "default"), ("http://a", "dc1", "stale")]
    secrets = [(None, None), ("token-1", None), ("token-2", None), (None, "user:token-1"), (None, "token-1")]
    questions = [(query, places[0], secrets[0]) for query in queries]
    questions += [(queries[0], place, secrets[0]) for place in places[1:]]
    questions += [(queries[0], places[0], secret) for secret in secrets[1:]]
    keys = [query_digest(query, *place, secrets=secret) for query, place, secret in questions]
    assert len(set(keys)) == len(keys) == len(questions)
    assert keys == [query_digest(query, *place, secrets=secret) for query, place, secret in questions]


def test_a_token_cannot_be_tried_fast(monkeypatch):
    """A reader of the cache folder sees the keys."""
    seen = []
    slow = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *options: seen.append(options) or slow(*options))
    query_digest(Query(), "http://a", secrets=(None, ""))
    assert not seen
    query_digest(Query(), "http://a", secrets=("token", None))
    ((_hash, secret, salt, rounds, _length),) = seen
    assert b"token" in secret and b"http://a" in salt and rounds >= 600_000
