# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role nginx_lb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

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
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.tls_files import tls_problems
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

SERVICES = "nginx_lb_services"
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


def listeners(v: Values) -> Iterator[Problem]:
    """Where each listens, and for which name: nginx would use the first of two that are alike."""
    users: dict[tuple[str, str], list[str]] = {}
    for service in v[SERVICES]:
        addresses = [service.get("listen", "80")]
        if v["nginx_lb_tls_certificate_file"] or service.get("tls_certificate_file"):
            addresses.append(service.get("tls_listen", v["nginx_lb_tls_listen"]))
        for address in filter(None, addresses):
            for name in dict.fromkeys(service.get("server_name") or ["_"]):
                users.setdefault((address, name), []).append(service["name"])
    if v["nginx_lb_telemetry_listen"]:
        users.setdefault((v["nginx_lb_telemetry_listen"], "_"), []).append("nginx_lb_telemetry_listen")
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


CHECKS = [
    debian,
    not_empty(SERVICES, "List the services to balance, each with its name and port."),
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
]
