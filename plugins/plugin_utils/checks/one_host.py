# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the roles of one host require of each other: no port twice, and DNS where other roles ask for it.

They need the variables of all roles of a host, so they run once per host and not once per role.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import PORTS
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

AGENTS = ("consul_server", "consul_client")
# An agent that gets another DNS port is not the nameserver of its host any more.
DNS = 53
LOOPBACK = ("127.0.0.1", "localhost")
EVERYWHERE = ("", "*", "0.0.0.0", "[::]")

ByRole = Mapping[str, Values]


class Listener(NamedTuple):
    what: str
    name: str  # as a user finds it in the inventory
    port: int
    addresses: Callable[[], Collection[str]]  # read only where a port occurs twice
    remedy: str = ""  # what to set instead; empty if the port should stay
    variable: str = ""

    def meets(self, other: Listener) -> bool:
        ours, theirs = set(self.addresses()), set(other.addresses())
        return bool(ours & theirs) or not ours.isdisjoint(EVERYWHERE) or not theirs.isdisjoint(EVERYWHERE)


def check(by_role: ByRole) -> Iterator[Problem]:
    yield from ports(by_role)
    yield from dns(by_role)


def ports(by_role: ByRole) -> Iterator[Problem]:
    """Each program starts, or fails to, long after the first change. Two listeners of one role are its own affair."""
    found = {role: list(listeners(v)) for role, v in by_role.items()}
    for (first, ours), (second, theirs) in itertools.combinations(found.items(), 2):
        for one, other in itertools.product(ours, theirs):
            if one.port == other.port and (one.remedy or other.remedy) and known(one.meets, other):
                yield twice(one, by_role[first], other, by_role[second])


def twice(one: Listener, v: Values, other: Listener, others: Values) -> Problem:
    movable = {listener: of for listener, of in ((other, others), (one, v)) if listener.remedy}
    variables = {listener.variable or listener.remedy: of for listener, of in movable.items()}
    given = [variable for variable, of in variables.items() if not of.is_default(variable)]
    remedies = ", or ".join(listener.remedy for listener in movable)
    return Problem(
        [*given, *variables][0],
        f"{one.what} ({one.name}) and {other.what} ({other.name}) would both listen on port {one.port} of this host. To another"
        f" port, set {remedies}.",
    )


def known(question: Callable[..., bool], *arguments: Any) -> bool:
    """What a role cannot read, it reports itself."""
    try:
        return question(*arguments)
    except (NoAddress, Unusable):
        return False


def listeners(v: Values) -> Iterator[Listener]:
    """What listens, as far as the variables can be read."""
    for some in LISTENERS.get(v.role, ()):
        try:
            yield from (one for one in some(v) if one.port in PORTS)
        except Unusable:
            continue


def lan(v: Values) -> Callable[[], list[str]]:
    return lambda: [v.site.lan_address]


def everywhere() -> list[str]:
    return ["0.0.0.0"]


def agent_dns(v: Values) -> Iterator[Listener]:
    name, port = "consul_agent_dns_port", v["consul_agent_dns_port"]
    yield Listener("Consul's DNS", name, port, lambda: dns_addresses(v), "" if port == DNS else name)


def dns_addresses(v: Values) -> list[str]:
    return v["consul_agent_dns_addresses"] or v["consul_agent_client_addr"].split()


def agent_ports(v: Values) -> Iterator[Listener]:
    """The ports of Consul that no variable of its own sets: others know them, so it is not Consul that moves."""
    for key, what, of_server, of_client, addresses in OF_CONSUL:
        default = of_server if v.role == "consul_server" else of_client
        if default is not None:
            yield consul(v, key, what, default, addresses(v))


def agent_https(v: Values) -> Iterator[Listener]:
    name, what = "consul_server_https_port", "Consul's HTTPS API"
    if v.role != "consul_server":
        yield consul(v, "https", what, 0, client_addresses(v))
    else:
        found = consul(v, "https", what, v[name], lan(v))
        yield found._replace(name=name, remedy=name) if found.port == v[name] else found


def consul(v: Values, key: str, what: str, default: int, where: Callable[[], Collection[str]]) -> Listener:
    given = {name: block for name, block in v["consul_agent_config_extra"].items() if isinstance(block, Mapping)}
    port = number(given.get("ports", {}).get(key, default))
    address = given.get("addresses", {}).get(key)
    is_text = isinstance(address, str) and address
    return Listener(what, f"consul_agent_config_extra.ports.{key}", port, address.split if is_text else where)


def client_addresses(v: Values) -> Callable[[], list[str]]:
    def addresses() -> list[str]:
        return v["consul_agent_client_addr"].split()

    return addresses


def redis(v: Values) -> Iterator[Listener]:
    yield Listener("Redis", "redis_port", v["redis_port"], lambda: v["redis_bind"], "redis_port")


def registry(v: Values) -> Iterator[Listener]:
    remedy = "registry_port (and docker_host_registry with it)"
    yield Listener(
        "the registry", "registry_port", v["registry_port"], lambda: [v["registry_address"]], remedy, "registry_port"
    )


def mydemo(v: Values) -> Iterator[Listener]:
    remedy = "mydemo_ports (and port of mydemo in nginx_lb_services with it)"
    for port in v["mydemo_ports"]:
        yield Listener("the app", "mydemo_ports", number(port), lan(v), remedy, "mydemo_ports")


def release(v: Values) -> Iterator[Listener]:
    name = "release_ports"
    for port in () if v["release_name"] == "mydemo" else v[name]:  # the role mydemo passes its own ports
        yield Listener(f"the service {v['release_name']}", name, number(port), everywhere, name)


def nginx_services(v: Values) -> Iterator[Listener]:
    name = "nginx_lb_services"
    for service in v[name]:
        label = f"{name}[{service['name']}]"
        yield from nginx(f"{label}.listen", str(service.get("listen", "80")), name)
        if v["nginx_lb_tls_certificate_file"] or service.get("tls_certificate_file"):
            given = f"{label}.tls_listen" if "tls_listen" in service else "nginx_lb_tls_listen"
            yield from nginx(given, str(service.get("tls_listen", v["nginx_lb_tls_listen"])), given.partition("[")[0])


def nginx_own(v: Values) -> Iterator[Listener]:
    yield from nginx("nginx_lb_telemetry_listen", v["nginx_lb_telemetry_listen"], "nginx_lb_telemetry_listen")
    name = "nginx_lb_status_port"
    yield Listener("nginx", name, v[name], lambda: ["127.0.0.1"], name)


def nginx(name: str, listen: str, variable: str) -> Iterator[Listener]:
    """C(80), or C(10.20.0.9:80), and parameters that follow."""
    address, _colon, port = (listen.split() or [""])[0].rpartition(":")
    address = LOOPBACK[0] if address in LOOPBACK else address
    yield Listener("nginx", name, number(port), lambda: [address], name, variable)


def number(port: Any) -> int:
    """0 for what is no number; the role reports it."""
    return int(port) if str(port).isdecimal() else 0


def dns(by_role: ByRole) -> Iterator[Problem]:
    """The agent gives the host DNS, whether it is a server or a client."""
    agent = next((by_role[role] for role in AGENTS if role in by_role), None)
    for role, one in (("nginx_lb", balancer), ("docker_host", containers)):
        if agent and role in by_role:
            try:
                yield from one(by_role[role], agent["consul_agent_dns_port"], agent)
            except (NoAddress, Unusable):
                continue


def balancer(v: Values, port: int, _agent: Values) -> Iterator[Problem]:
    name = "nginx_lb_resolvers"
    for resolver in v[name]:
        address, colon, given = resolver.rpartition(":")
        asked = (address, number(given)) if colon else (resolver, DNS)
        if asked[0] in LOOPBACK and asked[1] != port:
            yield Problem(
                name,
                f"{name} contains {shown(resolver)}, and the Consul agent of this host answers DNS on port {port}"
                f" (consul_agent_dns_port), so nginx would find no instance. Set {name} to [{shown(f'127.0.0.1:{port}')}], or"
                f" consul_agent_dns_port to {asked[1]}.",
            )


def containers(v: Values, port: int, agent: Values) -> Iterator[Problem]:
    """The engine's setting C(dns) has no port."""
    if port == DNS and all(map(agent.is_default, ("consul_agent_dns_addresses", "consul_agent_client_addr"))):
        return  # the default has the address that containers ask
    name, own = "docker_host_dns", agent.site.lan_address
    if own not in v[name]:
        return
    if port != DNS:
        yield Problem(
            name,
            f"{name} contains {shown(own)}, where the Consul agent of this host answers DNS on port {port}"
            f" (consul_agent_dns_port). Containers ask port 53. Set consul_agent_dns_port to 53, or {name} to other nameservers.",
        )
    elif {own, *EVERYWHERE}.isdisjoint(dns_addresses(agent)):
        yield Problem(
            "consul_agent_dns_addresses",
            f"{name} contains {shown(own)}, where the Consul agent of this host would not answer DNS. Add {shown(own)} to"
            " consul_agent_dns_addresses, or remove that variable.",
        )


# The key in C(ports), and the port on a server and on a client: 0 if there is none by default, None if there never is one.
OF_CONSUL: Iterable[tuple[str, str, int | None, int | None, Callable[[Values], Callable[[], list[str]]]]] = (
    ("http", "Consul's HTTP API", 8500, 8500, client_addresses),
    ("grpc", "Consul's gRPC", 8502, 0, client_addresses),
    ("grpc_tls", "Consul's gRPC with TLS, since 1.14", 8503, 0, client_addresses),
    ("serf_lan", "Consul's gossip", 8301, 8301, lan),
    ("server", "Consul's RPC", 8300, None, lan),
    ("serf_wan", "Consul's gossip between datacenters", 8302, None, lan),
)
LISTENERS: Mapping[str, Iterable[Callable[[Values], Iterator[Listener]]]] = {
    "consul_server": (agent_dns, agent_ports, agent_https),
    "consul_client": (agent_dns, agent_ports, agent_https),
    "redis": (redis,),
    "registry": (registry,),
    "docker_host": (),
    "mydemo": (mydemo,),
    "release": (release,),
    "nginx_lb": (nginx_services, nginx_own),
}
