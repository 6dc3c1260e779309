# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role nginx_lb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import NginxSyntaxError, parse
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    PORTS,
    UUID,
    at_least,
    debian,
    found,
    has_secret,
    not_empty,
    pair,
    port,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import ABSENT
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_conflicts import Ours, conflicts, servers_of_user
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import NGINX_CONF as CONF
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import CONF_D, SITES, config_of, layout
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.tls_files import tls_problems
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

SERVICES = "nginx_lb_services"
NGINX_CONF = "nginx_lb_nginx_conf"
RESOLVE_SINCE = "1.27.3"  # https://nginx.org/en/docs/http/ngx_http_upstream_module.html#resolve
SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
LISTEN = re.compile(r"(\S+:)?\d+( .*)?")  # parameters of nginx's listen may follow
DURATION = re.compile(r"(?=.*[1-9])([0-9]+(ms|[smhdw])?)+")
DURATIONS = (
    "nginx_lb_resolver_valid",
    "nginx_lb_resolver_timeout",
    "nginx_lb_connect_timeout",
    "nginx_lb_read_timeout",
    "nginx_lb_send_timeout",
    "nginx_lb_keepalive_timeout",
)

Service = Mapping[str, Any]


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def names(v: Values) -> Iterator[Problem]:
    seen = [service["name"] for service in v[SERVICES]]
    for name in dict.fromkeys(seen):
        if not SERVICE_NAME.fullmatch(name):
            yield Problem(
                SERVICES,
                f"{SERVICES} has a service with the name {shown(name)}. Use letters, digits, '-' and '_'. Its name in DNS can"
                " differ: set upstream.",
            )
        if seen.count(name) > 1:
            yield Problem(
                SERVICES, f"{SERVICES} has the name {shown(name)} more than once. Give each service its own name."
            )


def services_given(v: Values) -> Iterator[Problem]:
    """An empty list stops balancing. A list that nobody has set is more likely forgotten."""
    if not v[SERVICES] and not v.is_given(SERVICES):
        yield Problem(
            SERVICES,
            f"{SERVICES} is not set. List the services to balance, each with its name and port. An empty list stops balancing.",
        )


def servers_of_services(v: Values) -> Iterator[Ours]:
    for service in v[SERVICES]:
        addresses = [service.get("listen", "80")]
        if v["nginx_lb_tls_certificate_file"] or service.get("tls_certificate_file"):
            addresses.append(service.get("tls_listen", v["nginx_lb_tls_listen"]))
        names = [name for name in dict.fromkeys(service.get("server_name") or []) if name != "_"]
        for address in filter(None, addresses):
            yield Ours(service["name"], SERVICES, address, names)
    name = "nginx_lb_telemetry_listen"
    if v[name]:
        yield Ours(name, name, v[name], [])


def listeners(v: Values) -> Iterator[Problem]:
    """Where each listens, and for which name: nginx would use the first of two that are alike."""
    users: dict[tuple[str, str], list[str]] = {}
    for server in servers_of_services(v):
        for name in server.names or ["_"]:
            users.setdefault((server.listen, name), []).append(server.label)
    for (address, name), who in users.items():
        if len(who) > 1:
            what = "any server_name" if name == "_" else f"server_name {shown(name)}"
            yield Problem(
                SERVICES,
                f"{' and '.join(who)} listen on {address} with {what}, so nginx cannot tell them apart. Give each its own"
                " server_name, or its own port.",
            )


def addresses(v: Values) -> Iterator[Problem]:
    given = {name: v[name] for name in ("nginx_lb_tls_listen", "nginx_lb_telemetry_listen")}
    given |= {f"{SERVICES}[{one['name']}].tls_listen": one["tls_listen"] for one in v[SERVICES] if "tls_listen" in one}
    for label, address in given.items():
        if address and not LISTEN.fullmatch(address):
            yield Problem(
                label.partition("[")[0],
                f"{label} is {shown(address)}. It must be a port, or an address and a port, such as 10.20.0.9:8443.",
            )


def ports(v: Values) -> Iterator[Problem]:
    for service in v[SERVICES]:
        given = service["port"]
        if given != "srv" and (not given.isdecimal() or int(given) not in PORTS):
            yield Problem(
                SERVICES,
                f"{SERVICES}[{service['name']}].port is {shown(given)}. It must be a port (1 to 65535), or 'srv'.",
            )


def mode(v: Values) -> Iterator[Problem]:
    by_srv = [service["name"] for service in v[SERVICES] if service["port"] == "srv"]
    if by_srv and v["nginx_lb_mode"] == "variable":
        yield Problem(
            "nginx_lb_mode",
            f"nginx_lb_mode is 'variable', and the port of {', '.join(by_srv)} is 'srv'. nginx reads no SRV records in that"
            " mode. Set the port to a number, the same for every instance, or set nginx_lb_mode to 'auto' and install nginx"
            f" {RESOLVE_SINCE} or newer.",
        )


def version(v: Values) -> Iterator[Problem]:
    """Where nginx is not installed yet, the role checks again after it has installed it."""
    installed = (v.look.get("nginx") or {}).get("version")
    if not installed or not is_older(installed, RESOLVE_SINCE):
        return
    needs = f"That needs nginx {RESOLVE_SINCE} or newer, and this host has {installed}. Install a newer nginx, for example from nginx.org, or"
    by_srv = [service["name"] for service in v[SERVICES] if service["port"] == "srv"]
    if v["nginx_lb_mode"] == "resolve":
        yield Problem("nginx_lb_mode", f"nginx_lb_mode is 'resolve'. {needs} set nginx_lb_mode to 'auto'.")
    elif by_srv and v["nginx_lb_mode"] == "auto":
        yield Problem(
            SERVICES,
            f"The port of {', '.join(by_srv)} is 'srv'. {needs} set the port to a number, the same for every instance.",
        )


def is_older(version: str, than: str) -> bool:
    """By the leading numbers: 1.27.3 is newer than 1.9."""
    numbers, limit = (tuple(map(int, re.findall(r"[0-9]+", text)[:3])) for text in (version, than))
    return numbers < limit


def durations(v: Values) -> Iterator[Problem]:
    given = {
        f"{SERVICES}[{one['name']}].read_timeout": one["read_timeout"] for one in v[SERVICES] if "read_timeout" in one
    }
    given |= {name: v[name] for name in DURATIONS}
    for label, duration in given.items():
        if not DURATION.fullmatch(duration):
            yield Problem(
                label.partition("[")[0],
                f"{label} is {shown(duration)}. It must be a duration greater than 0, such as 500ms, 5s or 1m.",
            )


def certificates(v: Values) -> Iterator[Problem]:
    """The default certificate, and those of single services."""
    certificate, key = "nginx_lb_tls_certificate_file", "nginx_lb_tls_key_file"
    if v[certificate] and v[key]:
        yield from (Problem(certificate, text) for text in tls_problems(v[certificate], v[key]))
    for service in v[SERVICES]:
        certificate_file, key_file = service.get("tls_certificate_file"), service.get("tls_key_file")
        if bool(certificate_file) != bool(key_file):
            there, missing = ("tls_certificate_file", "tls_key_file")[:: 1 if certificate_file else -1]
            yield Problem(
                SERVICES, f"{SERVICES}[{service['name']}] has {there} and no {missing}. Set both of them, or neither."
            )
        elif certificate_file:
            yield from (Problem(SERVICES, text) for text in tls_problems(certificate_file, key_file))


def telemetry_token(v: Values) -> Iterator[Problem]:
    """A default one is a secret of the site, which is checked when it is read."""
    for name in ("nginx_lb_telemetry_token", "consul_server_monitoring_token"):
        if v["nginx_lb_telemetry_listen"] and not v.is_default(name):
            if not UUID.fullmatch(v[name]):
                yield Problem(name, f"{name} has {len(v[name])} characters. It must be a UUID in lower-case letters.")
            return
    path = "operator/monitoring.token"
    if v["nginx_lb_telemetry_listen"] and v.site.acl_enabled and not (v.creates_secrets or has_secret(v, path)):
        yield Problem(
            "nginx_lb_telemetry_token",
            f"{v.site.secrets_dir}/{path} does not exist. Copy the file from the controller that set up the site, run the playbook"
            " consul_server to make it, or set nginx_lb_telemetry_token.",
        )


def unread_version(v: Values) -> Iterator[Problem]:
    """The configuration depends on the version. Without one it would be that of an old nginx."""
    nginx = v.look.get("nginx") or {}
    if "version" in nginx and not nginx["version"]:
        yield Problem(
            "ansible_facts",
            f"The version of nginx could not be read: {nginx['error']}. Repair that on {v.host}, then run again.",
        )


def nginx_conf(v: Values) -> Iterator[Problem]:
    """Whether nginx would read what the role places. nginx.conf may be the user's."""
    plan, config = layout(v.look, v[NGINX_CONF]), config_of(v.look)
    is_missing = v.look.path(CONF) == ABSENT
    if config and is_missing and not (v.look.package("nginx") or v.look.package("nginx-common")):
        yield Problem(
            "ansible_facts",
            f"{v.host} has an nginx that is of no Debian package, and does not read {CONF}. The role manages the nginx of a"
            " package. Remove the other one, then run again.",
        )
        return
    if plan.conf != "theirs":
        return
    if not plan.site and config["error"]:
        yield Problem(
            NGINX_CONF,
            f"The configuration of nginx on {v.host} could not be read: {config['error']}. The role cannot tell whether nginx"
            f" includes {CONF_D}. Correct that file, or set {NGINX_CONF} to 'replace'.",
        )
        return
    if not plan.site:
        yield Problem(
            NGINX_CONF,
            f"/etc/nginx/nginx.conf on {v.host} is not the package's, and its block http includes neither {CONF_D} nor"
            f" {SITES}. Add 'include {CONF_D};' at the end of the block, or set {NGINX_CONF} to 'replace'.",
        )
    if v[NGINX_CONF] == "auto" and CONF in (v.look.known.get("placed") or []) and v.look.get("origins") is not None:
        yield Problem(
            NGINX_CONF,
            f"{CONF} was changed after the role placed it, so the role leaves it as it is. Set {NGINX_CONF} to 'keep' if that is"
            " what you want, or to 'replace' to have it replaced.",
            is_warning=True,
        )
    wanted, there = v["nginx_lb_worker_connections"], config["worker_connections"]
    is_first_run = (v.look.path(plan.site) or ABSENT)["type"] == "absent" if plan.site else True
    if str(wanted) != there and (is_first_run or v.is_given("nginx_lb_worker_connections")):
        yield Problem(
            "nginx_lb_worker_connections",
            "/etc/nginx/nginx.conf is not the package's, so the role leaves it as it is. It cannot set worker_connections to"
            f" {wanted} and worker_rlimit_nofile to {2 * wanted + 64} there (worker_connections is {there or 'not set'}). Set them"
            f" in that file, or set {NGINX_CONF} to 'replace'.",
            is_warning=True,
        )


def conflicts_on_host(v: Values) -> Iterator[Problem]:
    """Servers that are on the host, and would lose their requests to ours, or take ours."""
    plan, config = layout(v.look, v[NGINX_CONF]), config_of(v.look)
    if not config:
        return
    if config["error"]:
        yield Problem(
            "ansible_facts",
            f"The configuration of nginx could not be read: {config['error']}. Servers that are in conflict with"
            f" {SERVICES} may not be reported.",
            is_warning=True,
        )
    status = "nginx_lb_status_port"
    ours = [*servers_of_services(v), Ours(status, status, f"127.0.0.1:{v[status]}", [])]
    for variable, text in conflicts(ours, servers_of_user(config, plan)):
        yield Problem(variable, text)


def extras(v: Values) -> Iterator[Problem]:
    """nginx -t judges them. A brace too many would end the block that they are in, and give what follows another meaning."""
    given = {"nginx_lb_config_extra": v["nginx_lb_config_extra"]}
    given |= {
        f"{SERVICES}[{one['name']}].config_extra": one["config_extra"] for one in v[SERVICES] if "config_extra" in one
    }
    for label, text in given.items():
        try:
            parse(text)
        except NginxSyntaxError as error:
            yield Problem(label.partition("[")[0], f"{label} is not configuration of nginx: {error}.")


CHECKS = [
    debian,
    services_given,
    names,
    listeners,
    addresses,
    ports,
    mode,
    version,
    not_empty("nginx_lb_resolvers", "List the nameservers that know Consul's names."),
    port("nginx_lb_status_port"),
    at_least(1, "nginx_lb_keepalive", unit="connections"),
    durations,
    pair("nginx_lb_tls_certificate_file", "nginx_lb_tls_key_file"),
    certificates,
    telemetry_token,
    unread_version,
    extras,
    nginx_conf,
    conflicts_on_host,
]
