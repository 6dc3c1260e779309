# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of health checks: from a task's options to what Consul's API takes, or the reason why Consul would refuse it.

Pure functions. The modules consul_service and consul_check use them."""

from __future__ import annotations

import hashlib
import json
import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import HIDDEN, nanoseconds
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    one_line,
    refuse_unaddressable,
    text,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import GO_INT_MAX, validate_duration

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
    "os_service": "OSService",
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
CHECK_TYPES = ("http", "tcp", "udp", "h2ping", "grpc", "os_service", "ttl", "args", "alias_service", "alias_node")
DURATION_FIELDS = {CHECK_FIELDS[name] for name in CHECK_DURATIONS}
TYPES_WITH_INTERVAL = ("http", "tcp", "udp", "h2ping", "grpc", "os_service", "args")
COUNTS = ("success_before_passing", "failures_before_warning", "failures_before_critical", "output_max_size")

# The first versions of Consul with a field, by its name in the API: one for each series that got it later, such as 1.9, and
# the first of all newer ones. https://github.com/hashicorp/consul/blob/main/CHANGELOG.md
SINCE = {
    "DisableRedirects": ((1, 9, 17), (1, 10, 10), (1, 11, 5), (1, 12, 0)),
    "TLSServerName": ((1, 10, 0),),
    "TCPUseTLS": ((1, 16, 2),),
    "UDP": ((1, 13, 0),),
    "H2PING": ((1, 10, 0),),
    "H2PingUseTLS": ((1, 11, 0),),
    "OSService": ((1, 14, 0),),
    "FailuresBeforeWarning": ((1, 11, 0),),
}

# A structure as their value stands for its JSON.
JSON_OPTIONS = ("body",)

# By their plain names.
SECRET_FIELDS = ("header", "token", "servicetoken")
STRUCTURES = ("services", "connect", "sidecarservice", "proxy", "check", "checks")

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
    "os_service": {"type": "str"},
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


def normalised_checks(checks, identity, where):
    """The checks of a service as Consul's API takes them, each with the id that Consul would give it."""
    bodies = []
    for number, check in enumerate(checks, 1):
        default_id = f"service:{identity}" + (f":{number}" if len(checks) > 1 else "")
        bodies.append(normalised_check(check, default_id, f"{where}: check {number}"))
    ids = [body["CheckID"] for body in bodies]
    if len(set(ids)) < len(ids):
        raise ConsulError(f"{where}: two checks have the same id: {', '.join(sorted(ids))}")
    return bodies


def normalised_check(check, default_id, where):
    """One check as Consul's API takes it, or ConsulError for what Consul would refuse or misunderstand."""
    given = {name: value for name, value in check.items() if value not in (None, "", [], {})}
    validate_check(given, where)
    if "header" in given:
        given["header"] = headers(given["header"], where)
    given.setdefault("id", default_id)
    refuse_id(given["id"], where)
    return {CHECK_FIELDS[name]: value for name, value in given.items()}


def headers(given, where):
    """Each header as a list of texts. A header without a value is left out. Values are secrets, so no message has them."""
    lists = {}
    for name, value in given.items():
        try:
            values = [text(item) for item in (value if isinstance(value, list) else [value]) if item is not None]
            lists[text(name)] = values
        except TypeError as error:
            raise ConsulError(f"{where}: header {one_line(str(name))}: {error}") from None
    return {name: values for name, values in lists.items() if values}


def refuse_id(identity, where):
    refuse_unaddressable(f"{where}: the check id", identity)
    if identity in ("serfHealth", "_node_maintenance") or identity.startswith("_service_maintenance:"):
        raise ConsulError(f"{where}: the check id {identity} is Consul's own; give the check another id")


def validate_check(check, where):
    types = [name for name in CHECK_TYPES if name in check]
    if len(types) != 1 and types != ["alias_service", "alias_node"]:
        found = ", ".join(types) or "none"
        raise ConsulError(f"{where}: exactly one of {', '.join(CHECK_TYPES)} is needed, found: {found}")
    if types[0] in TYPES_WITH_INTERVAL and "interval" not in check:
        raise ConsulError(f"{where}: {types[0]} needs an interval, such as 10s")
    if types[0] == "ttl" and "interval" in check:
        raise ConsulError(f"{where}: a check with ttl has no interval: the service reports by itself")
    for name in CHECK_DURATIONS:
        if name in check:
            validate_duration(check[name], f"{where}: {name}")
    for name in COUNTS:
        if not 0 <= check.get(name, 0) <= GO_INT_MAX:
            raise ConsulError(f"{where}: {name}: {check[name]} is not between 0 and {GO_INT_MAX}")
    if check.get("failures_before_warning", 0) > check.get("failures_before_critical", 0):
        raise ConsulError(
            f"{where}: failures_before_warning: {check['failures_before_warning']} is higher than "
            f"failures_before_critical: {check.get('failures_before_critical', 0)}"
        )


def type_of(check):
    """The type of check that Consul shows for a definition."""
    if check.get("Args"):
        return "docker" if check.get("DockerContainerID") else "script"
    if check.get("AliasService") or check.get("AliasNode"):
        return "alias"
    return next(option for option in CHECK_TYPES if check.get(CHECK_FIELDS[option]))


def normal_durations(check):
    """The check with durations as numbers, the same however they are written."""
    return {name: nanoseconds(value) if name in DURATION_FIELDS else value for name, value in check.items()}


def digest_of(wanted, token=None):
    """A digest of a definition, and of the token that it is registered with."""
    if token:  # a random UUID: its digest tells nothing about it
        wanted = {**wanted, "token": hashlib.sha256(token.encode("utf-8")).hexdigest()}
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode("utf-8")).hexdigest()[:32]


def refuse_not_json(body, where):
    """ConsulError for a number or text in a structure that is passed on and that JSON cannot hold."""
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError:
        raise ConsulError(f"{where}: a value is not valid in JSON: NaN, infinity, or text that is not UTF-8") from None


def what_an_agent_lacks(check, version, scripts):
    """Why an agent refuses this check. Empty if it does not, as far as is known: VERSION is a tuple of numbers, SCRIPTS
    whether it runs the commands of checks, each None if not known."""
    if version is not None:
        for field, since in SINCE.items():
            if check.get(field) is not None and not is_since(version, since):
                option = next(name for name, api in CHECK_FIELDS.items() if api == field)
                versions = ", ".join(dotted(first) for first in since)
                return f"{option} requires Consul {versions} or newer, and this agent is {dotted(version)}"
    if check.get("Args") and scripts is False:
        return "args: this agent runs no commands for checks: set enable_script_checks in its configuration"
    return ""


def is_since(version, since):
    """Whether a version is one of these first versions, or newer than the one of its series, or than the last of them."""
    of_series = [first for first in since if first[:2] == version[:2]]
    return version >= (of_series or since[-1:])[0]


def version_of(text_of_agent):
    """The version that an agent shows, as a tuple of numbers: C(1.8.7+ent) is (1, 8, 7). None if there is none."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text_of_agent or "")
    return tuple(int(number or 0) for number in found.groups()) if found else None


def dotted(version):
    return ".".join(str(number) for number in version)


def plain(name):
    """The name of a field as Consul compares it: it takes SidecarService as well as sidecar_service."""
    return str(name).replace("_", "").lower()


def shown_check(check):
    """A check for a diff."""
    return without_secrets({name: value for name, value in check.items() if name != "CheckID"})


def without_secrets(options):
    """Options or a definition, with the tokens and the values of headers hidden at any depth. So is a text that stands for
    a structure, because it may hold one of these."""
    if isinstance(options, list):
        return [without_secrets(item) for item in options]
    if not isinstance(options, dict):
        return options
    return {name: _without_secrets(plain(name), value) for name, value in options.items()}


def _without_secrets(name, value):
    if name == "header" and isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    if name in SECRET_FIELDS:
        return value and HIDDEN
    if name in STRUCTURES and isinstance(value, list):
        return [_without_secrets(name, item) for item in value]
    if name in STRUCTURES and isinstance(value, str):
        return value and HIDDEN
    return without_secrets(value)
