# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of one host require of each other. The host web1 has the LAN address 10.0.0.11."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import one_host

LAN = "10.0.0.11"
# What stands for templates among the defaults.
COMPUTED = {
    "consul_agent_dns_addresses": ["127.0.0.1", LAN],
    "redis_bind": ["127.0.0.1", LAN],
    "registry_address": LAN,
    "docker_host_dns": [LAN],
}
ALL = ("consul_server", "redis", "registry", "docker_host", "mydemo", "nginx_lb")
BALANCED = {"nginx_lb_services": [{"name": "mydemo", "port": "5001"}]}
SINGLE = {"mydemo_ports": [5001], **BALANCED}


@pytest.fixture
def said(values):
    def said(given=(), roles=ALL):
        def of(role):
            v = values(role, {**SINGLE, **dict(given)})
            v._defaults = {name: COMPUTED.get(name, value) for name, value in v._defaults.items()}
            v._variables.maps[-1] = v._defaults
            return v

        return [problem.text for problem in one_host.check({role: of(role) for role in roles})]

    return said


def test_all_roles_on_one_host(said):
    assert said() == []
    assert said(roles=("consul_client", *ALL[1:])) == []


EVERY_SUBSET = [roles for size in range(1, len(ALL)) for roles in itertools.combinations(ALL[1:], size)]


@pytest.mark.parametrize("agent", ["consul_server", "consul_client"])
def test_any_roles_beside_an_agent(said, agent):
    for roles in EVERY_SUBSET:
        assert said(roles=(agent, *roles)) == [], roles


DNS_ELSEWHERE = {"nginx_lb_resolvers": ["192.0.2.1"], "docker_host_dns": ["192.0.2.1"], "consul_agent_resolver": False}


def service(**settings):
    return {"nginx_lb_services": [{"name": "mydemo", "port": "5001", **settings}]}


def extra(name):
    return lambda port: {"consul_agent_config_extra": {"ports": {name: port}}}


OF_AGENTS = [
    lambda port: {"consul_agent_dns_port": port, **DNS_ELSEWHERE},
    *map(extra, ("http", "https", "grpc", "grpc_tls", "serf_lan")),
]
# By role, what gives it a port.
MOVED = {
    "consul_server": [
        *OF_AGENTS,
        *map(extra, ("server", "serf_wan")),
        lambda port: {"consul_server_https_port": port},
    ],
    "consul_client": OF_AGENTS,
    "redis": [lambda port: {"redis_port": port}],
    "registry": [lambda port: {"registry_port": port}],
    "mydemo": [lambda port: {"mydemo_ports": [port]}],
    "nginx_lb": [
        lambda port: service(listen=str(port)),
        lambda port: service(tls_listen=f"{port} http2", tls_certificate_file="/x.pem"),
        lambda port: {"nginx_lb_tls_listen": str(port), "nginx_lb_tls_certificate_file": "/x.pem"},
        lambda port: {"nginx_lb_telemetry_listen": f"*:{port}"},
    ],
}
PAIRS = [
    (one, first, other, second)
    for one, other in itertools.combinations(MOVED, 2)
    if (one, other) != ("consul_server", "consul_client")
    for first in range(len(MOVED[one]))
    for second in range(len(MOVED[other]))
]


@pytest.mark.parametrize(("one", "first", "other", "second"), PAIRS)
def test_each_port_of_each_role_with_each_other(said, one, first, other, second):
    everywhere = {"consul_agent_client_addr": LAN, "consul_agent_dns_addresses": [LAN]}
    (text,) = said({**everywhere, **MOVED[one][first](7777), **MOVED[other][second](7777)}, roles=(one, other))
    assert "would both listen on port 7777 of this host. To another port, set " in text


def ports(one, other, port, remedy):
    return f"{one} and {other} would both listen on port {port} of this host. To another port, set {remedy}."


APP = "the app (mydemo_ports)"
REGISTRY = "the registry (registry_port)"
MOVE_APP = "mydemo_ports (and port of mydemo in nginx_lb_services with it)"
MOVE_REGISTRY = "registry_port (and docker_host_registry with it)"
LISTEN = "nginx_lb_services[mydemo].listen"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"mydemo_ports": [5000]}, ports(REGISTRY, APP, 5000, f"{MOVE_APP}, or {MOVE_REGISTRY}")),
        (
            {"mydemo_ports": [5001, "6379"]},
            ports("Redis (redis_port)", APP, 6379, f"{MOVE_APP}, or redis_port"),
        ),
        (
            {"registry_port": 8500, "consul_agent_client_addr": "0.0.0.0"},
            ports("Consul's HTTP API (consul_agent_config_extra.ports.http)", REGISTRY, 8500, MOVE_REGISTRY),
        ),
        (
            {"redis_port": 8300},
            ports("Consul's RPC (consul_agent_config_extra.ports.server)", "Redis (redis_port)", 8300, "redis_port"),
        ),
        (
            {"registry_port": 8503, "consul_agent_client_addr": LAN},
            ports(
                "Consul's gRPC with TLS, since 1.14 (consul_agent_config_extra.ports.grpc_tls)",
                REGISTRY,
                8503,
                MOVE_REGISTRY,
            ),
        ),
        (
            {"redis_port": 8501, "consul_server_https_port": 8501},
            ports(
                "Consul's HTTPS API (consul_server_https_port)",
                "Redis (redis_port)",
                8501,
                "redis_port, or consul_server_https_port",
            ),
        ),
        (
            {"redis_port": 53},
            ports("Consul's DNS (consul_agent_dns_port)", "Redis (redis_port)", 53, "redis_port"),
        ),
        (
            {"nginx_lb_services": [{"name": "mydemo", "port": "5001", "listen": "5000"}]},
            ports(REGISTRY, f"nginx ({LISTEN})", 5000, f"{LISTEN}, or {MOVE_REGISTRY}"),
        ),
        (
            {"nginx_lb_services": [{"name": "mydemo", "port": "5001", "listen": f"{LAN}:5001 backlog=9"}]},
            ports(APP, f"nginx ({LISTEN})", 5001, f"{LISTEN}, or {MOVE_APP}"),
        ),
        (
            {"nginx_lb_tls_certificate_file": "/x.pem", "nginx_lb_tls_listen": "[::]:5000"},
            ports(REGISTRY, "nginx (nginx_lb_tls_listen)", 5000, f"nginx_lb_tls_listen, or {MOVE_REGISTRY}"),
        ),
        (
            {"nginx_lb_status_port": 6379},
            ports("Redis (redis_port)", "nginx (nginx_lb_status_port)", 6379, "nginx_lb_status_port, or redis_port"),
        ),
        (
            {"nginx_lb_telemetry_listen": "8301"},
            ports(
                "Consul's gossip (consul_agent_config_extra.ports.serf_lan)",
                "nginx (nginx_lb_telemetry_listen)",
                8301,
                "nginx_lb_telemetry_listen",
            ),
        ),
    ],
)
def test_a_port_twice(said, given, text):
    assert said(given) == [text]


@pytest.mark.parametrize(
    "given",
    [
        # At other addresses.
        {"nginx_lb_services": [{"name": "api", "port": "8500", "listen": f"{LAN}:8500"}]},
        {"nginx_lb_status_port": 5000},
        {
            "nginx_lb_telemetry_listen": "127.0.0.1:5001",
            "consul_agent_config_extra": {"addresses": {"http": "127.0.0.1"}},
        },
        # Consul's own ports moved away.
        {"registry_port": 8300, "consul_agent_config_extra": {"ports": {"server": 9300}}},
        {"registry_port": 8502, "consul_agent_config_extra": {"ports": {"grpc": -1}}},
        {"registry_port": 8503, "consul_agent_config_extra": {"ports": {"grpc_tls": -1}}},
        {"redis_port": 8501, "consul_server_https_port": 8501, "consul_agent_config_extra": {"ports": {"https": 9501}}},
        # Two services behind one port of nginx: nginx_lb judges that.
        {"nginx_lb_services": [{"name": "a", "port": "1"}, {"name": "b", "port": "2"}]},
        # What the roles themselves report.
        {"redis_port": "abc"},
        {"mydemo_ports": ["abc"], "registry_port": 70000},
        {"nginx_lb_services": [{"name": "mydemo", "port": "5001", "listen": "nonsense"}]},
    ],
)
def test_no_port_twice(said, given):
    assert said(given) == []


@pytest.mark.parametrize("port", [8300, 8302, 8501, 8502, 8503])
def test_a_client_has_fewer_ports(said, port):
    assert said({"redis_port": port}, roles=("consul_client", "redis")) == []


def test_the_gossip_of_a_client(said):
    assert len(said({"redis_port": 8301}, roles=("consul_client", "redis"))) == 1


def test_another_service_on_the_host(said):
    shop = {"release_name": "shop", "release_image": "shop:1", "release_ports": [5000]}
    assert said(shop, roles=("registry", "release")) == [
        ports(REGISTRY, "the service shop (release_ports)", 5000, f"release_ports, or {MOVE_REGISTRY}")
    ]
    assert said({**shop, "release_name": "mydemo", "release_ports": [5001]}, roles=("mydemo", "release")) == []


NOT_53 = {"consul_agent_dns_port": 8600, "consul_agent_resolver": False}
RESOLVERS = (
    "nginx_lb_resolvers contains '127.0.0.1', and the Consul agent of this host answers DNS on port 8600"
    " (consul_agent_dns_port), so nginx would find no instance. Set nginx_lb_resolvers to ['127.0.0.1:8600'], or"
    " consul_agent_dns_port to 53."
)


@pytest.mark.parametrize("agent", ["consul_server", "consul_client"])
def test_nginx_asks_the_agent_where_it_answers(said, agent):
    roles = (agent, "nginx_lb")
    assert said(NOT_53, roles=roles) == [RESOLVERS]
    for right in ({**NOT_53, "nginx_lb_resolvers": ["127.0.0.1:8600"]}, {**NOT_53, "nginx_lb_resolvers": ["10.0.0.1"]}):
        assert said(right, roles=roles) == []
    assert len(said({"nginx_lb_resolvers": ["127.0.0.1:8600"]}, roles=roles)) == 1
    assert said({"nginx_lb_resolvers": ["127.0.0.1:8600"]}, roles=("nginx_lb",)) == [], "another nameserver"


def test_containers_ask_the_agent_where_it_answers(said):
    roles = ("consul_server", "docker_host")
    assert said(NOT_53, roles=roles) == [
        (
            "docker_host_dns contains '10.0.0.11', where the Consul agent of this host answers DNS on port 8600"
            " (consul_agent_dns_port). Containers ask port 53. Set consul_agent_dns_port to 53, or docker_host_dns to other"
            " nameservers."
        )
    ]
    assert said({**NOT_53, "docker_host_dns": ["192.0.2.1"]}, roles=roles) == []
    assert said({"consul_agent_dns_addresses": ["127.0.0.1"]}, roles=roles) == [
        (
            "docker_host_dns contains '10.0.0.11', where the Consul agent of this host would not answer DNS. Add '10.0.0.11' to"
            " consul_agent_dns_addresses, or remove that variable."
        )
    ]
    for right in (["0.0.0.0"], ["127.0.0.1", LAN]):
        assert said({"consul_agent_dns_addresses": right}, roles=roles) == []


@pytest.mark.parametrize(
    "extra", [{"ports": "x"}, {"addresses": "x"}, {"addresses": {"http": 1}}, {"addresses": {"http": ["a"]}}]
)
def test_what_consul_itself_refuses_is_left_to_it(said, extra):
    """C(consul validate) names it before a file is placed."""
    given = {"consul_agent_config_extra": extra, "consul_agent_client_addr": "0.0.0.0", "registry_port": 8500}
    assert any("would both listen on port 8500" in text for text in said(given))
