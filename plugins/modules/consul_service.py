# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_service
short_description: Register services and their checks with a Consul agent
version_added: 0.1.0
description:
  - Registers, changes and removes services of the agent that is asked, one or many in one task.
  - A registration is declared whole. What is not given has Consul's default, and checks that are no longer given are removed.
  - Where nothing is to change nothing is written, so no check starts anew because a play ran again.
notes:
  - Consul cannot say the definition of a check back. The module therefore keeps a digest of the checks (and of O(connect))
    in the service's meta, under V(dockyard_consul_digest), and registers again when that differs from what is asked.
    A check that someone adds or removes elsewhere is seen by its id; a check that someone registers elsewhere under the
    same id with, say, another interval is not seen, as long as the service's meta is left alone.
  - That meta key also marks the services that O(purge) may remove.
  - A service's token cannot be read back either; changing only the token is not seen.
  - With O(enable_tag_override=true) tags may be changed elsewhere, so they are set once and not compared.
  - The tagged addresses that Consul derives from O(address) by itself are never written back, as that would pin an old
    address. Where someone else did so, the service is registered again.
  - An agent refuses a field that its version of Consul does not know, and so the task fails. The versions are named below.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
options:
  name:
    description: Name of the service. It is found in DNS as C(<name>.service.consul).
    type: str
  id:
    description: Id of the service, unique on its agent. By default the name.
    type: str
  address:
    description: Address that DNS answers for the service. By default that of the node.
    type: str
  tagged_addresses:
    description:
      - Further addresses of the service by name, such as V(wan), which other datacenters are told where agents have
        C(translate_wan_addrs). Each has an C(address), and if it is not the service's, a C(port).
      - Unless they are given here, Consul derives V(lan_ipv4), V(wan_ipv4), V(lan_ipv6) and V(wan_ipv6) from
        O(address).
    type: dict
  service_port:
    description: Port that DNS answers for the service.
    type: int
  tags:
    description: Tags. Their order does not matter.
    type: list
    elements: str
  meta:
    description: Pairs of text kept with the service. Consul takes only text, so numbers and booleans are written as JSON.
    type: dict
  weights:
    description: Weight of the service in the answers to SRV queries, by its state.
    type: dict
    suboptions:
      passing:
        description: Weight while all checks pass.
        type: int
        default: 1
      warning:
        description: Weight while a check warns.
        type: int
        default: 1
  enable_tag_override:
    description: Allow others to change the tags in the catalog.
    type: bool
    default: false
  service_token:
    description: Token with which the agent keeps the service in the catalog. By default the token of the task.
    type: str
  connect:
    description: 'Service mesh settings, passed on as they are, such as V({sidecar_service: {}}).'
    type: dict
  checks:
    description: The health checks of the service. Each has exactly one of the kinds below.
    type: list
    elements: dict
    suboptions:
      id:
        description: Id of the check. By default V(service:<id>), numbered if there are more than one, as Consul does it.
        type: str
        aliases: [check_id]
      name:
        description: Name to show.
        type: str
      http:
        description: Address to request. An answer of 2xx passes, 429 warns, anything else is critical.
        type: str
      method:
        description: Method of the request.
        type: str
      header:
        description: Headers of the request, each a text or a list of them. Their values are kept out of logs and diffs.
        type: dict
      body:
        description: Body of the request.
        type: str
      disable_redirects:
        description: Take a redirection as the answer instead of following it. Consul 1.10.10, 1.11.5, 1.12 and newer.
        type: bool
      tls_server_name:
        description: Name that the certificate must bear. Consul 1.9 and newer.
        type: str
      tls_skip_verify:
        description: Do not verify the certificate.
        type: bool
      tcp:
        description: Host and port to connect to.
        type: str
      tcp_use_tls:
        description: Make a TLS handshake with O(checks[].tcp). Consul 1.16.2 and newer.
        type: bool
      udp:
        description:
          - Host and port to send a datagram to. Silence passes; only a port that is refused is critical.
          - Consul 1.13 and newer.
        type: str
      h2ping:
        description: Host and port to send an HTTP/2 ping to. Consul 1.10 and newer.
        type: str
      h2ping_use_tls:
        description: Use TLS for it. Consul's default is V(true), and to say anything is for Consul 1.11 and newer.
        type: bool
      grpc:
        description: Address of a gRPC health service.
        type: str
      grpc_use_tls:
        description: Use TLS to reach it.
        type: bool
      ttl:
        description: The service reports by itself, at least this often.
        type: str
      args:
        description: Command to run. The agent must allow script checks.
        type: list
        elements: str
      docker_container_id:
        description: Run O(checks[].args) inside this container.
        type: str
      shell:
        description: Shell to use inside the container.
        type: str
      alias_service:
        description: Take over the state of this service.
        type: str
      alias_node:
        description: Take over the state of this node, or with O(checks[].alias_service), of the service there.
        type: str
      interval:
        description: Time between two runs, such as V(10s) or V(1m30s).
        type: str
      timeout:
        description: Time after which a run has failed.
        type: str
      notes:
        description: Text for people.
        type: str
      status:
        description: State until the first run. By default Consul's, which is critical.
        type: str
        choices: [passing, warning, critical]
      success_before_passing:
        description: How many successes in a row make it passing.
        type: int
      failures_before_warning:
        description: How many failures in a row make it warn. By default as many as make it critical. Consul 1.11 and newer.
        type: int
      failures_before_critical:
        description: How many failures in a row make it critical.
        type: int
      output_max_size:
        description: How many bytes of a run's output are kept, at most as many as the agent is set to.
        type: int
      deregister_critical_service_after:
        description: Remove the service when it has been critical for so long. Consul takes one minute at least.
        type: str
  services:
    description: Many services at once, each described as a single one is.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the service. It is found in DNS as C(<name>.service.consul).
        type: str
      id:
        description: Id of the service, unique on its agent. By default the name.
        type: str
      address:
        description: Address that DNS answers for the service. By default that of the node.
        type: str
      tagged_addresses:
        description:
          - Further addresses of the service by name, such as V(wan), which other datacenters are told where agents have
            C(translate_wan_addrs). Each has an C(address), and if it is not the service's, a C(port).
          - Unless they are given here, Consul derives V(lan_ipv4), V(wan_ipv4), V(lan_ipv6) and V(wan_ipv6) from
            O(services[].address).
        type: dict
      service_port:
        description: Port that DNS answers for the service.
        type: int
        aliases: [port]
      tags:
        description: Tags. Their order does not matter.
        type: list
        elements: str
      meta:
        description: Pairs of text kept with the service. Consul takes only text, so numbers and booleans are written as JSON.
        type: dict
      weights:
        description: Weight of the service in the answers to SRV queries, by its state.
        type: dict
        suboptions:
          passing:
            description: Weight while all checks pass.
            type: int
            default: 1
          warning:
            description: Weight while a check warns.
            type: int
            default: 1
      enable_tag_override:
        description: Allow others to change the tags in the catalog.
        type: bool
        default: false
      service_token:
        description: Token with which the agent keeps the service in the catalog. By default the token of the task.
        type: str
        aliases: [token]
      connect:
        description: 'Service mesh settings, passed on as they are, such as V({sidecar_service: {}}).'
        type: dict
      checks:
        description: The health checks of the service. Each has exactly one of the kinds below.
        type: list
        elements: dict
        suboptions:
          id:
            description: Id of the check. By default V(service:<id>), numbered if there are more than one, as Consul does it.
            type: str
            aliases: [check_id]
          name:
            description: Name to show.
            type: str
          http:
            description: Address to request. An answer of 2xx passes, 429 warns, anything else is critical.
            type: str
          method:
            description: Method of the request.
            type: str
          header:
            description: Headers of the request, each a text or a list of them. Their values are kept out of logs and diffs.
            type: dict
          body:
            description: Body of the request.
            type: str
          disable_redirects:
            description: Take a redirection as the answer instead of following it. Consul 1.10.10, 1.11.5, 1.12 and newer.
            type: bool
          tls_server_name:
            description: Name that the certificate must bear. Consul 1.9 and newer.
            type: str
          tls_skip_verify:
            description: Do not verify the certificate.
            type: bool
          tcp:
            description: Host and port to connect to.
            type: str
          tcp_use_tls:
            description: Make a TLS handshake with O(services[].checks[].tcp). Consul 1.16.2 and newer.
            type: bool
          udp:
            description:
              - Host and port to send a datagram to. Silence passes; only a port that is refused is critical.
              - Consul 1.13 and newer.
            type: str
          h2ping:
            description: Host and port to send an HTTP/2 ping to. Consul 1.10 and newer.
            type: str
          h2ping_use_tls:
            description: Use TLS for it. Consul's default is V(true), and to say anything is for Consul 1.11 and newer.
            type: bool
          grpc:
            description: Address of a gRPC health service.
            type: str
          grpc_use_tls:
            description: Use TLS to reach it.
            type: bool
          ttl:
            description: The service reports by itself, at least this often.
            type: str
          args:
            description: Command to run. The agent must allow script checks.
            type: list
            elements: str
          docker_container_id:
            description: Run O(services[].checks[].args) inside this container.
            type: str
          shell:
            description: Shell to use inside the container.
            type: str
          alias_service:
            description: Take over the state of this service.
            type: str
          alias_node:
            description: Take over the state of this node, or with O(services[].checks[].alias_service), of the service there.
            type: str
          interval:
            description: Time between two runs, such as V(10s) or V(1m30s).
            type: str
          timeout:
            description: Time after which a run has failed.
            type: str
          notes:
            description: Text for people.
            type: str
          status:
            description: State until the first run. By default Consul's, which is critical.
            type: str
            choices: [passing, warning, critical]
          success_before_passing:
            description: How many successes in a row make it passing.
            type: int
          failures_before_warning:
            description: How many failures in a row make it warn. By default as many as make it critical. Consul 1.11 and newer.
            type: int
          failures_before_critical:
            description: How many failures in a row make it critical.
            type: int
          output_max_size:
            description: How many bytes of a run's output are kept, at most as many as the agent is set to.
            type: int
          deregister_critical_service_after:
            description: Remove the service when it has been critical for so long. Consul takes one minute at least.
            type: str
  purge:
    description:
      - Remove the services on this agent that this module registered and that O(services) does not list.
      - Services registered by anyone else are left alone.
    type: bool
    default: false
  state:
    description:
      - V(absent) removes the service of that id. If only the name is given, all services of that name on this agent.
    type: str
    choices: [absent, present]
    default: present
  wait:
    description:
      - Wait until all checks of the services are passing, as the servers, and so DNS, see them.
      - Not done in check mode.
    type: str
    choices: [passing]
  wait_timeout:
    description: Seconds to wait, for all services together. Then the task fails, with the output of the checks.
    type: float
    default: 60
seealso:
  - module: dockyard.consul.consul_kv
  - name: Agent service endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/agent/service
"""

EXAMPLES = r"""
- name: Register Redis with a TCP check
  dockyard.consul.consul_service:
    name: redis
    service_port: 6379
    checks:
      - tcp: 127.0.0.1:6379
        interval: 10s
        timeout: 3s

- name: Register all services of this host and nothing else
  dockyard.consul.consul_service:
    services:
      - name: web
        port: 80
        tags: [blue, v2]
        meta:
          version: "2.1"
        checks:
          - http: http://127.0.0.1/health
            interval: 5s
            timeout: 1s
            deregister_critical_service_after: 10m
      - name: web
        id: web-admin
        port: 8080
        tagged_addresses:
          wan:
            address: 198.51.100.7
            port: 18080
    purge: true

- name: Register a service that reports by itself, and wait until it is found as healthy
  dockyard.consul.consul_service:
    name: backup
    checks:
      - ttl: 25h
        status: passing
    wait: passing

- name: Remove a service
  dockyard.consul.consul_service:
    id: web-admin
    state: absent
"""

RETURN = r"""
service:
  description: The service as Consul's agent describes it after the task, V(null) if there is none.
  returned: when O(services) is not given
  type: dict
  sample:
    ID: redis
    Service: redis
    Address: ''
    Port: 6379
    Tags: []
    Meta:
      dockyard_consul_digest: 8a3bc1d0c9e1b9d4
    Weights:
      Passing: 1
      Warning: 1
    EnableTagOverride: false
operation:
  description: What was done to the one service.
  returned: when O(services) is not given and something changed
  type: str
  sample: update
services:
  description: The services as Consul's agent describes them after the task, by id.
  returned: when O(services) is given
  type: dict
operations:
  description: What was done, by id, being V(create), V(update) or V(remove). An unchanged service is not in it.
  returned: success
  type: dict
  sample:
    web: update
    web-admin: create
written:
  description: Ids of the services that had been changed when the task failed.
  returned: failure of a write
  type: list
  elements: str
"""

import copy
import hashlib
import json
import time

from ansible.module_utils.common.text.converters import to_text
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import (
    DIGEST,
    HIDDEN,
    ConsulModule,
    diff_of,
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


def service_id(options):
    return options["id"] or options["name"]


def registration(options, where):
    """The body of a registration, or ConsulError for what Consul would misunderstand."""
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
        "Meta": {**meta, DIGEST: digest(checks, options["connect"])},
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


def digest(checks, connect):
    """The same for checks that mean the same, however their durations are written or they are ordered."""
    plain = [
        {name: nanoseconds(value) if name in DURATION_FIELDS else value for name, value in check.items()}
        for check in checks
    ]
    plain.sort(key=lambda check: check["CheckID"])
    text = json.dumps({"checks": plain, "connect": connect or {}}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


class Agent:
    """The services and checks of the agent that is asked."""

    def __init__(self, client):
        self.client = client
        self.services = {}
        self.checks = {}

    def load(self):
        self.services = self.client.get("agent/services").data or {}
        self.checks = {}
        for check in (self.client.get("agent/checks").data or {}).values():
            if check["Type"] != "maintenance":  # consul_maintenance's, and not part of a registration
                self.checks.setdefault(check["ServiceID"], {})[check["CheckID"]] = check

    def is_as(self, body):
        """Whether a service is registered so, as far as Consul can tell."""
        service = self.services.get(body["ID"])
        if service is None or set(self.checks.get(body["ID"], {})) != {check["CheckID"] for check in body["Checks"]}:
            return False
        return comparable(service) == comparable(body)

    def register(self, body):
        try:
            # Consul's replace-existing-checks would end the maintenance of the service as well.
            self.client.put("agent/service/register", data=body, idempotent=True)
            for identity in set(self.checks.get(body["ID"], {})) - {check["CheckID"] for check in body["Checks"]}:
                self.client.put("agent/check/deregister/" + identity, idempotent=True)
        except ConsulError as error:  # of many services it is this one
            message = f"service {body['ID']}: {error}"
            raise ConsulError(message, error.status, error.method, error.path, error.words) from error

    def deregister(self, identity):
        self.client.put("agent/service/deregister/" + identity, idempotent=True)

    def ids_of(self, options):
        """The ids that options for removal mean.

        What the token may not read is missing from lists; asking for it by itself makes that an error.
        """
        if options["id"]:
            if options["id"] in self.services:
                return [options["id"]]
            self.client.get("agent/service/" + options["id"], missing_ok=True)
            return []
        ids = [identity for identity, service in self.services.items() if service["Service"] == options["name"]]
        if not ids:
            self.client.get("agent/health/service/name/" + options["name"], missing_ok=True)
        return ids

    def unlisted(self, bodies):
        """Services that this module registered and that are not among these; a sidecar goes with its service."""
        listed = {body["ID"] for body in bodies}
        return [
            identity
            for identity, service in self.services.items()
            if DIGEST in (service.get("Meta") or {})
            and identity not in listed
            and service.get("Kind", "") != "connect-proxy"
        ]


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


class ConsulServiceModule(ConsulModule):
    def shown_params(self):
        """Headers carry credentials. C(no_log) would garble every message that holds a short value of one."""
        return without_headers(self.params)


def without_headers(options):
    """Options at any depth, with the values of C(header) hidden."""
    if isinstance(options, list):
        return [without_headers(item) for item in options]
    if not isinstance(options, dict):
        return options
    return {
        name: hidden_values(value) if name == "header" else without_headers(value) for name, value in options.items()
    }


def hidden_values(header):
    return dict.fromkeys(header, HIDDEN) if isinstance(header, dict) else header and HIDDEN


def execute(module, client):
    params = module.params
    many = params["services"] is not None
    if params["purge"] and not many:
        raise ConsulError("purge: services is needed, the list of those that are to stay")
    described = (
        [(f"services[{number}]", service) for number, service in enumerate(params["services"])]
        if many
        else [("service", params)]
    )
    agent = Agent(client)
    if params["state"] == "absent":
        for where, options in described:
            if not service_id(options):
                raise ConsulError(f"{where}: id or name is needed to remove a service")
        agent.load()
        bodies = []
        doomed = [identity for _where, options in described for identity in agent.ids_of(options)]
    else:
        bodies = [registration(options, label(where, options)) for where, options in described]
        refuse_twins(bodies)
        agent.load()
        doomed = agent.unlisted(bodies) if params["purge"] else []
    before, before_checks = agent.services, agent.checks
    changed = [body for body in bodies if not agent.is_as(body)]
    operations = {body["ID"]: "update" if body["ID"] in before else "create" for body in changed}
    operations.update(dict.fromkeys(doomed, "remove"))
    if not module.check_mode:
        carry_out(agent, changed, doomed)
        if params["wait"] and bodies:
            wait_until_passing(client, agent, bodies, params["wait_timeout"])
    result = {
        "changed": bool(operations),
        "operations": operations,
        "diff": diff_of(
            {
                identity: shown(before[identity], before_checks, changed)
                for identity in operations
                if identity in before
            },
            {body["ID"]: shown_wanted(body, before.get(body["ID"])) for body in changed},
            "Consul services",
        ),
    }
    seen = described_after(module, agent, changed, doomed)
    if many:
        result["services"] = {body["ID"]: seen[body["ID"]] for body in bodies if body["ID"] in seen}
    else:
        result["service"] = seen.get(service_id(params))
        if operations:
            result["operation"] = next(iter(operations.values()))
    return result


def label(where, options):
    return f"{where} ({service_id(options)})" if service_id(options) else where


def refuse_twins(bodies):
    ids = [body["ID"] for body in bodies]
    twins = sorted({identity for identity in ids if ids.count(identity) > 1})
    if twins:
        raise ConsulError(f"services: these ids are given more than once: {', '.join(twins)}; give each its own id")


def carry_out(agent, changed, doomed):
    done = []
    try:
        for body in changed:
            agent.register(body)
            done.append(body["ID"])
        for identity in doomed:
            agent.deregister(identity)
            done.append(identity)
    except ConsulError as error:
        error.written = done
        raise
    if done:
        agent.load()


def described_after(module, agent, changed, doomed):
    """The agent's services after the task; in check mode, as far as they can be foretold."""
    if not module.check_mode:
        return agent.services
    after = {identity: service for identity, service in agent.services.items() if identity not in doomed}
    for body in changed:
        service = {name: value for name, value in body.items() if name not in ("Name", "Checks", "Token", "Connect")}
        after[body["ID"]] = dict(service, Service=body["Name"])
    return after


def shown(service, checks, changed):
    """A registered service, for a diff. Its checks are known by digest and id only."""
    view = {name: value for name, value in comparable(service).items() if name != "Meta"}
    view["Meta"] = {key: value for key, value in (service["Meta"] or {}).items() if key != DIGEST}
    wanted = next((body for body in changed if body["ID"] == service["ID"]), None)
    ids = sorted(checks.get(service["ID"], {}))
    if wanted is None or not same_checks(service, wanted):
        view["Checks"] = {identity: "(Consul does not tell definitions)" for identity in ids}
    elif set(ids) != {check["CheckID"] for check in wanted["Checks"]}:
        view["Checks"] = {identity: "(registered)" for identity in ids}
    return view


def shown_wanted(body, service):
    view = {name: value for name, value in comparable(body).items() if name != "Meta"}
    view["Meta"] = {key: value for key, value in body["Meta"].items() if key != DIGEST}
    if not service or not same_checks(service, body):
        view["Checks"] = {check["CheckID"]: shown_check(check) for check in body["Checks"]}
        if "Connect" in body:
            view["Connect"] = copy.deepcopy(body["Connect"])
    return view


def same_checks(service, body):
    return (service["Meta"] or {}).get(DIGEST) == body["Meta"][DIGEST]


def shown_check(check):
    view = {name: value for name, value in check.items() if name != "CheckID"}
    if "Header" in view:
        view["Header"] = hidden_values(view["Header"])
    return view


def wait_until_passing(client, agent, bodies, timeout):
    """Block on the catalog, which is what DNS answers from, until every check of these services passes there."""
    deadline = time.monotonic() + timeout
    for body in bodies:
        if not body["Checks"]:
            continue
        ids = {check["CheckID"] for check in body["Checks"]}
        node = next(iter(agent.checks[body["ID"]].values()))["Node"]
        index = 0
        while True:
            left = deadline - time.monotonic()
            answer = client.get("health/checks/" + body["Name"], {"index": index}, wait=max(left, 0.001))
            checks = {
                check["CheckID"]: check
                for check in answer.data
                if check["ServiceID"] == body["ID"] and check["Node"] == node
            }
            if set(checks) == ids and all(check["Status"] == "passing" for check in checks.values()):
                break
            if left <= 0:
                agent.load()
                raise ConsulError(not_passing(body, checks, agent.checks.get(body["ID"], {}), timeout))
            # Consul's advice: an index that goes backwards starts again from nothing.
            index = answer.index if answer.index and answer.index > index else 0


def not_passing(body, in_catalog, on_agent, timeout):
    """The output of a check reaches the catalog minutes late, so it is taken from the agent."""
    states = []
    for identity in sorted({check["CheckID"] for check in body["Checks"]} | set(in_catalog)):
        check = in_catalog.get(identity)
        if check is None:
            states.append(f"{identity} is not in the catalog (may the token read this service and node?)")
        elif check["Status"] != "passing":
            output = " ".join(on_agent.get(identity, check)["Output"].split())[:300]
            states.append(f"{identity} is {check['Status']}: {output or check['Notes'] or 'no output yet'}")
    return f"service {body['ID']} is not passing after {timeout:g} s: {'; '.join(states)}"


def main():
    module = ConsulServiceModule(
        argument_spec={
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
        },
        required_one_of=[("name", "id", "services")],
        mutually_exclusive=[(option, "services") for option in SERVICE_OPTIONS],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
