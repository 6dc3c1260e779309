# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the roles consul_server and consul_client have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import (
    foreign_agent,
    running_agent,
    site_tls,
    takeover,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    LABEL,
    at_least,
    file,
    found,
    if_set,
    is_file,
    is_server,
    is_url,
    lan_address,
    matching,
    not_a_file,
    pair,
    port,
    wrong,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

GOSSIP_KEY = re.compile(r"[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==")
NAMESERVER = re.compile(r"[0-9a-fA-F.:\[\]]+")
ANY = {"0.0.0.0", "::"}
ANY_OR_LOOPBACK = {"127.0.0.1", "0.0.0.0"}


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def one_agent(v: Values) -> Iterator[Problem]:
    if not is_server(v) and v.host in v.site.servers:
        yield Problem(
            "consul_agent_servers_group",
            f"{v.host} is in the group {shown(v.site.servers_group)}, so it is a server. A host runs one agent, and a server gives its"
            " host the same API and DNS as a client. Run the role consul_client on the other hosts only, as in 'hosts:"
            " consul_client:!consul_server'.",
        )


def servers(v: Values) -> Iterator[Problem]:
    if not v.site.servers:
        yield Problem(
            "consul_agent_servers_group",
            f"The inventory's group {shown(v.site.servers_group)} (consul_agent_servers_group) is empty, so there is no server."
            " Add at least one host to it.",
        )


def lost_servers(v: Values) -> Iterator[Problem]:
    """A client gets its token and its certificate through a server."""
    lost = set(v.get("ansible_play_hosts_all", [])) - set(v.get("ansible_play_hosts", []))
    if v.site.servers and not is_server(v) and lost.issuperset(v.site.servers):
        yield Problem(
            "consul_agent_servers_group",
            f"This run has lost every server of the site ({', '.join(v.site.servers)}), and a client requires one. The output"
            " above has the reason. Repair that, then run again.",
        )


def server_addresses(v: Values) -> Iterator[Problem]:
    """Every agent joins the cluster through the servers' addresses."""
    for server in v.site.servers:
        if server == v.host or v.of_host(server, "consul_agent_bind_addr"):
            continue
        if not (v.raw_of(server).get("ansible_facts") or {}).get("interfaces"):
            yield Problem(
                "consul_agent_bind_addr",
                f"The LAN address of the server {server} is not known: this run has no facts of it, perhaps because the host"
                " is down. Set consul_agent_bind_addr for that host in the inventory, or start it.",
            )


def namesakes(v: Values) -> Iterator[Problem]:
    """Two nodes with the same name: the second one takes the place of the first in the cluster."""
    if not v.speaks_for_site:
        return
    names = {host: str(v.of_host(host, "consul_agent_node_name") or host) for host in v.agents}
    for name, count in sorted(Counter(names.values()).items()):
        if count > 1:
            hosts = ", ".join(host for host, own in names.items() if own == name)
            yield Problem(
                "consul_agent_node_name",
                f"consul_agent_node_name is {shown(name)} for more than one host ({hosts}). Give each host a name of its own.",
            )


def gossip_key(v: Values) -> Iterator[Problem]:
    name = "consul_agent_gossip_key"
    if not GOSSIP_KEY.fullmatch(v[name]):
        yield wrong(
            v,
            name,
            "It must be 32 (or 16) bytes in base64. Make one with 'consul keygen', or remove the variable to have one made.",
        )


def source(v: Values) -> Iterator[Problem]:
    """Where Consul is installed from."""
    method = v["consul_agent_install_method"]
    if method == "local" and not (v["consul_agent_local_file"] and is_file(v["consul_agent_local_file"])):
        yield not_a_file(
            v,
            "consul_agent_local_file",
            "consul_agent_install_method 'local' installs the binary, or the zip, from it.",
        )
    if method == "archive" and not re.match(r"\d+\.\d+\.\d+", v["consul_agent_version"]):
        yield wrong(
            v, "consul_agent_version", "consul_agent_install_method 'archive' needs a full version, such as 1.21.4."
        )
    if method == "repository" and not v.is_default("consul_agent_repository_key"):
        key = v["consul_agent_repository_key"]
        if not is_url(key) and not is_file(key):
            yield wrong(v, "consul_agent_repository_key", "It must be a URL (https://...) or a file on the controller.")


def recursors(v: Values) -> Iterator[Problem]:
    name = "consul_agent_recursors"
    if not all(map(NAMESERVER.fullmatch, v[name])):
        yield wrong(
            v, name, "It must be a list of IP addresses of nameservers. Consul does not start with anything else."
        )
    if v["consul_agent_resolver"] and not v[name]:
        yield Problem(
            name,
            f"{name} is empty, and the host has no nameserver other than itself. Names outside Consul would not resolve. Set"
            f" {name}, or set consul_agent_resolver to false.",
        )


def resolver_port(v: Values) -> Iterator[Problem]:
    name = "consul_agent_dns_port"
    if v["consul_agent_resolver"] and v[name] != 53:
        yield Problem(
            name,
            f"{name} is {v[name]}, and consul_agent_resolver is true. resolv.conf cannot name a port. Set the port to 53, or"
            " set consul_agent_resolver to false.",
        )


def port_of_others(v: Values) -> Iterator[Problem]:
    """The agent could not start, after a takeover has ended the one before."""
    others = (v.look.get("resolver") or {}).get("other_dns_listeners") or []
    if not others or v["consul_agent_dns_port"] != 53:
        return
    ours = set(v["consul_agent_dns_addresses"] or v["consul_agent_client_addr"].split())
    for one in others:
        if one["address"] in ours | ANY or ours & ANY:
            yield Problem(
                "consul_agent_dns_port",
                f"{one['program'] or 'Another program'} listens on port 53 of {one['address']}, so the agent could not answer DNS"
                " there, and would not start. Stop that program. Or set consul_agent_dns_port to 8600 and consul_agent_resolver to"
                " false.",
            )


def resolv_conf(v: Values) -> Iterator[Problem]:
    """It is changed and not replaced, so it must be readable."""
    found = v.look.get("resolver") or {}
    if v["consul_agent_resolver"] and found.get("error") and "resolv_conf" not in found:
        yield Problem(
            "consul_agent_resolver",
            f"/etc/resolv.conf could not be read: {found['error']}. Repair it, or set consul_agent_resolver to false.",
        )


def resolved(v: Values) -> Iterator[Problem]:
    if not v["consul_agent_resolver"]:
        return
    others = (v.look.get("resolver") or {}).get("global_nameservers") or []
    others = [address for address in others if not address.startswith("127.") and address != "::1"]
    if others:
        yield Problem(
            "consul_agent_resolver",
            f"systemd-resolved has nameservers for all interfaces ({' '.join(others)}, from DNS= in resolved.conf). It would ask"
            " one of them or the agent, for any name. Set them for one interface instead (DNS= of systemd-networkd,"
            " nameservers of netplan), or set consul_agent_resolver to false.",
        )


def node_name(v: Values) -> Iterator[Problem]:
    name = "consul_agent_node_name"
    if not LABEL.fullmatch(v.site.node_name):
        yield Problem(
            name,
            f"{name}: {shown(v.site.node_name)} is not a valid node name. Use lower-case letters, digits and '-'.",
        )


def client_addr(v: Values) -> Iterator[Problem]:
    name = "consul_agent_client_addr"
    if not ANY_OR_LOOPBACK & set(v[name].split()):
        yield wrong(v, name, "The roles call the API at 127.0.0.1. Add 127.0.0.1 (or use 0.0.0.0).")


def dns_addresses(v: Values) -> Iterator[Problem]:
    name = "consul_agent_dns_addresses"
    if v["consul_agent_resolver"] and v[name] and not ANY_OR_LOOPBACK & set(v[name]):
        yield wrong(v, name, "resolv.conf will name 127.0.0.1. Add 127.0.0.1, or set consul_agent_resolver to false.")
    managers = (v.look.get("resolver") or {}).get("managers") or []
    if "0.0.0.0" in v[name] and v["consul_agent_dns_port"] == 53 and "systemd-resolved" in managers:
        yield wrong(
            v,
            name,
            "systemd-resolved has port 53 of 127.0.0.53 on this host, so Consul cannot listen on 0.0.0.0. List 127.0.0.1 and"
            " the LAN address, or remove the variable.",
        )


def certificates(v: Values) -> Iterator[Problem]:
    """A server has a certificate of its own, or one that the site's CA signs."""
    if not is_server(v) or v["consul_agent_tls_certificate_file"]:
        return
    if v["consul_agent_tls_ca_file"] and not v.is_set("site_tls_ca_certificate"):
        yield Problem(
            "consul_agent_tls_ca_file",
            "consul_agent_tls_ca_file is set, but this server has no certificate, and no key of the CA to sign one. Set the CA as"
            " site_tls_ca_certificate and site_tls_ca_private_key, or the certificate as consul_agent_tls_certificate_file and"
            " consul_agent_tls_key_file.",
        )
    yield from site_tls.check(v)


def restart_serial(v: Values) -> Iterator[Problem]:
    name = "consul_agent_restart_serial"
    if not re.fullmatch(r"[1-9][0-9]*|([1-9][0-9]?|100)%", str(v[name])):
        yield wrong(v, name, "It must be a number of clients, 1 or more, or a percentage, such as 25%.")


CHECKS = [
    one_agent,
    servers,
    lost_servers,
    server_addresses,
    namesakes,
    lan_address,
    if_set("consul_agent_gossip_key", gossip_key),
    port("consul_agent_dns_port"),
    source,
    file("consul_agent_archive_key"),
    file("consul_agent_tls_ca_file"),
    file("consul_agent_tls_certificate_file"),
    pair("consul_agent_tls_certificate_file", "consul_agent_tls_key_file"),
    file("consul_agent_tls_key_file"),
    recursors,
    resolver_port,
    port_of_others,
    resolv_conf,
    resolved,
    matching(
        "consul_agent_metrics_retention",
        r"([0-9]+(ms|s|m|h))+",
        "It must be a duration, such as 60s, or empty.",
        optional=True,
    ),
    restart_serial,
    at_least(1, "consul_agent_restart_wait_seconds"),
    node_name,
    matching(
        "consul_agent_datacenter",
        r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?",
        "Use lower-case letters, digits, '-' and '_'.",
    ),
    client_addr,
    if_set("consul_agent_dns_addresses", dns_addresses),
    certificates,
    *running_agent.CHECKS,
    *foreign_agent.CHECKS,
    *takeover.CHECKS,
]
