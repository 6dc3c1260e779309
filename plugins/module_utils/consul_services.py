# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations of services: from a task's options to the body that Consul takes, and whether an agent has it already.

Pure functions. The module consul_service uses them on the host, its action plugin on the controller."""

from __future__ import annotations

import hashlib
import json

from ansible.module_utils.common.text.converters import to_text
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import (
    DIGEST,
    nanoseconds,
)

# Option, and its name in Consul's API.
CHECK_FIELDS = {
    "id": "CheckID",
    "name": "Name",
    "http": "HTTP",
    "method": "Method",
    "header": "Header",
    "body": "Body",
    "disable_redirects": "DisableRedirects",
    "tls_server_name": "TLSServerName",
    "tls_skip_verify": "TLSSkipVerify",
    "tcp": "TCP",
    "tcp_use_tls": "TCPUseTLS",
    "udp": "UDP",
    "h2ping": "H2PING",
    "h2ping_use_tls": "H2PingUseTLS",
    "grpc": "GRPC",
    "grpc_use_tls": "GRPCUseTLS",
    "ttl": "TTL",
    "args": "Args",
    "docker_container_id": "DockerContainerID",
    "shell": "Shell",
    "alias_service": "AliasService",
    "alias_node": "AliasNode",
    "interval": "Interval",
    "timeout": "Timeout",
    "notes": "Notes",
    "status": "Status",
    "success_before_passing": "SuccessBeforePassing",
    "failures_before_warning": "FailuresBeforeWarning",
    "failures_before_critical": "FailuresBeforeCritical",
    "output_max_size": "OutputMaxSize",
    "deregister_critical_service_after": "DeregisterCriticalServiceAfter",
}
CHECK_DURATIONS = ("ttl", "interval", "timeout", "deregister_critical_service_after")
CHECK_KINDS = ("http", "tcp", "udp", "h2ping", "grpc", "ttl", "args", "alias_service", "alias_node")
DURATION_FIELDS = {CHECK_FIELDS[name] for name in CHECK_DURATIONS}
KINDS_WITH_INTERVAL = ("http", "tcp", "udp", "h2ping", "grpc", "args")

# From the service's address, where that is an IP address.
DERIVED_ADDRESSES = ("lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6")

CHECK_SPEC = {
    "id": {"type": "str", "aliases": ["check_id"]},
    "name": {"type": "str"},
    "http": {"type": "str"},
    "method": {"type": "str"},
    "header": {"type": "dict"},
    "body": {"type": "str"},
    "disable_redirects": {"type": "bool"},
    "tls_server_name": {"type": "str"},
    "tls_skip_verify": {"type": "bool"},
    "tcp": {"type": "str"},
    "tcp_use_tls": {"type": "bool"},
    "udp": {"type": "str"},
    "h2ping": {"type": "str"},
    "h2ping_use_tls": {"type": "bool"},
    "grpc": {"type": "str"},
    "grpc_use_tls": {"type": "bool"},
    "ttl": {"type": "str"},
    "args": {"type": "list", "elements": "str"},
    "docker_container_id": {"type": "str"},
    "shell": {"type": "str"},
    "alias_service": {"type": "str"},
    "alias_node": {"type": "str"},
    "interval": {"type": "str"},
    "timeout": {"type": "str"},
    "notes": {"type": "str"},
    "status": {"type": "str", "choices": ["passing", "warning", "critical"]},
    "success_before_passing": {"type": "int", "no_log": False},
    "failures_before_warning": {"type": "int"},
    "failures_before_critical": {"type": "int"},
    "output_max_size": {"type": "int"},
    "deregister_critical_service_after": {"type": "str"},
}


def service_spec(port, token):
    """The options of one service, in which the names of two differ between the top level and a list."""
    return {
        "name": {"type": "str"},
        "id": {"type": "str"},
        "address": {"type": "str"},
        "tagged_addresses": {"type": "dict"},
        "service_port": port,
        "tags": {"type": "list", "elements": "str"},
        "meta": {"type": "dict"},
        "weights": {
            "type": "dict",
            "options": {
                "passing": {"type": "int", "default": 1, "no_log": False},
                "warning": {"type": "int", "default": 1},
            },
        },
        "enable_tag_override": {"type": "bool", "default": False},
        "service_token": token,
        "connect": {"type": "dict"},
        "checks": {"type": "list", "elements": "dict", "options": CHECK_SPEC},
    }


# enable_tag_override is not among them: its default would always seem to be given.
SERVICE_OPTIONS = (
    "name",
    "id",
    "address",
    "tagged_addresses",
    "service_port",
    "tags",
    "meta",
    "weights",
    "service_token",
    "connect",
    "checks",
)


SERVICE_ARGUMENTS = {
    **service_spec(port={"type": "int"}, token={"type": "str", "no_log": True}),
    "services": {
        "type": "list",
        "elements": "dict",
        "options": service_spec(
            port={"type": "int", "aliases": ["port"]},
            token={"type": "str", "no_log": True, "aliases": ["token"]},
        ),
    },
    "purge": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "wait": {"type": "str", "choices": ["passing"]},
    "wait_timeout": {"type": "float", "default": 60},
}


def service_id(options):
    return options["id"] or options["name"]


def registration(options, where, token=None):
    """The body of a registration, or ConsulError for what Consul would misunderstand. C(token) is that of the call, which
    the service keeps where it has none of its own."""
    if not options["name"]:
        raise ConsulError(f"{where}: name is needed to register a service")
    identity = service_id(options)
    port = port_number(options["service_port"] or 0, where)
    weights = options["weights"] or {"passing": 1, "warning": 1}
    meta = {key: meta_text(value) for key, value in (options["meta"] or {}).items()}
    if DIGEST in meta:
        raise ConsulError(f"{where}: the meta key {DIGEST} is the module's own")
    checks = normalised_checks(options["checks"] or [], identity, where)
    body = {
        "ID": identity,
        "Name": options["name"],
        "Address": options["address"] or "",
        "Port": port,
        "Tags": options["tags"] or [],
        "Weights": {"Passing": weights["passing"], "Warning": weights["warning"]},
        "EnableTagOverride": options["enable_tag_override"],
        "Meta": {**meta, DIGEST: digest(checks, options["connect"], options["service_token"] or token)},
        "Checks": checks,
    }
    if options["tagged_addresses"]:
        body["TaggedAddresses"] = tagged_addresses(options["tagged_addresses"], where)
    if options["connect"]:
        body["Connect"] = options["connect"]
    if options["service_token"]:
        body["Token"] = options["service_token"]
    return body


def meta_text(value):
    """Consul takes only text; YAML gives numbers and booleans too."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, sort_keys=True)


def tagged_addresses(addresses, where):
    """As Consul's API takes them, where port 0 stands for that of the service."""
    bodies = {}
    for name, given in addresses.items():
        here = f"{where}: tagged_addresses: {name}"
        if not isinstance(given, dict) or not given.get("address") or set(given) - {"address", "port"}:
            raise ConsulError(f"{here}: give an address, and if it is not the service's, a port")
        bodies[name] = {"Address": given["address"], "Port": port_number(given.get("port") or 0, here)}
    return bodies


def port_number(value, where):
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = -1
    if not 0 <= port <= 65535:
        raise ConsulError(f"{where}: port {value} is not between 0 and 65535")
    return port


def normalised_checks(checks, identity, where):
    """The checks as Consul's API takes them, each with the id that Consul would give it."""
    bodies = []
    for number, check in enumerate(checks, 1):
        here = f"{where}: check {number}"
        given = {name: value for name, value in check.items() if value not in (None, "", [], {})}
        validate_check(given, here)
        if "header" in given:
            given["header"] = {name: as_list(value) for name, value in given["header"].items()}
        given.setdefault("id", f"service:{identity}" + (f":{number}" if len(checks) > 1 else ""))
        bodies.append({CHECK_FIELDS[name]: value for name, value in given.items()})
    ids = [body["CheckID"] for body in bodies]
    if len(set(ids)) < len(ids):
        raise ConsulError(f"{where}: two checks have the same id: {', '.join(sorted(ids))}")
    return bodies


def as_list(value):
    return [to_text(item) for item in value] if isinstance(value, list) else [to_text(value)]


def validate_check(check, where):
    kinds = [kind for kind in CHECK_KINDS if kind in check]
    if len(kinds) != 1 and kinds != ["alias_service", "alias_node"]:
        found = ", ".join(kinds) or "none"
        raise ConsulError(f"{where}: exactly one of {', '.join(CHECK_KINDS)} is needed, found: {found}")
    if kinds[0] in KINDS_WITH_INTERVAL and "interval" not in check:
        raise ConsulError(f"{where}: {kinds[0]} needs an interval, such as 10s")
    for name in CHECK_DURATIONS:
        if name not in check:
            continue
        try:
            positive = nanoseconds(check[name]) > 0
        except ValueError as error:
            raise ConsulError(f"{where}: {name}: {error}") from error
        if not positive:
            raise ConsulError(f"{where}: {name}: {check[name]!r} is not longer than nothing")


def digest(checks, connect, token=None):
    """The same for checks that mean the same, however their durations are written or they are ordered."""
    plain = [
        {name: nanoseconds(value) if name in DURATION_FIELDS else value for name, value in check.items()}
        for check in checks
    ]
    plain.sort(key=lambda check: check["CheckID"])
    wanted = {"checks": plain, "connect": connect or {}}
    if token:  # a random UUID: its digest tells nothing about it
        wanted["token"] = hashlib.sha256(token.encode("utf-8")).hexdigest()
    text = json.dumps(wanted, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def chosen_addresses(service):
    """The tagged addresses that someone gave: neither what Consul derived from the address, nor what its servers add."""
    own = {"Address": service["Address"], "Port": service["Port"]}
    return {
        name: address
        for name, address in (service.get("TaggedAddresses") or {}).items()
        if not name.startswith("consul-") and not (name in DERIVED_ADDRESSES and address == own)
    }


def comparable(service):
    """What of a service, wanted or registered, can be compared."""
    fields = {
        "Name": service.get("Name") or service.get("Service"),
        "Address": service["Address"],
        "Port": service["Port"],
        "Meta": service["Meta"] or {},
        "Weights": service["Weights"],
        "EnableTagOverride": service["EnableTagOverride"],
    }
    if not service["EnableTagOverride"]:
        fields["Tags"] = sorted(set(service["Tags"] or []))
    if chosen_addresses(service):
        fields["TaggedAddresses"] = chosen_addresses(service)
    return fields


def checks_by_service(checks):
    """What the agent gives as C(agent/checks), by service and id. Maintenance is not part of a registration."""
    found = {}
    for check in checks.values():
        if check["Type"] != "maintenance":
            found.setdefault(check["ServiceID"], {})[check["CheckID"]] = check
    return found


def is_registered(body, services, checks):
    """Whether an agent with these services and checks has a service just so, as far as Consul can tell."""
    service = services.get(body["ID"])
    if service is None or set(checks.get(body["ID"], {})) != {check["CheckID"] for check in body["Checks"]}:
        return False
    return comparable(service) == comparable(body)


def label(where, options):
    return f"{where} ({service_id(options)})" if service_id(options) else where


def refuse_twins(bodies):
    ids = [body["ID"] for body in bodies]
    twins = sorted({identity for identity in ids if ids.count(identity) > 1})
    if twins:
        raise ConsulError(f"services: these ids are given more than once: {', '.join(twins)}; give each its own id")
