# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets a role reads from the folder of secrets, and so which have to be there. One that the user has set as a
variable is not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import can_create_tokens
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import (
    FILES,
    node_service_token,
    node_token,
    release_token,
    service_token,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


class Secret(NamedTuple):
    variables: tuple[str, ...]  # each of them, if set, takes the place of the file
    file: str


def consul_agent(v: Values, reads_dns_token: bool = False) -> Iterator[Secret]:
    yield Secret(("consul_agent_gossip_key",), FILES["gossip_key"].path)
    yield Secret(("consul_agent_acl_agent_token",), node_token(v.site.node_name))
    if v.site.acl_enabled or reads_dns_token:
        yield Secret(("consul_agent_acl_dns_token",), FILES["dns_token"].path)


def consul_server(v: Values) -> Iterator[Secret]:
    # Under allow, Consul knows these tokens as well, so that the agents can change to deny one after the other.
    yield from consul_agent(v, reads_dns_token=True)
    # Only a server makes it: what is made elsewhere would not be the site's.
    yield Secret(("consul_agent_acl_management_token",), FILES["management_token"].path)
    yield Secret(("consul_server_monitoring_token",), FILES["monitoring_token"].path)


def redis(v: Values) -> Iterator[Secret]:
    yield Secret(("redis_password",), FILES["redis_password"].path)
    if v["redis_service_acl"]:
        yield Secret(("redis_service_token",), service_token(v["redis_service_name"]))


def registry(v: Values) -> Iterator[Secret]:
    if v["registry_service_acl"]:
        yield Secret(("registry_service_token",), service_token(v["registry_service_name"]))


def nginx_lb(v: Values) -> Iterator[Secret]:
    # Under deny, the servers make it, because Consul has to know it.
    if v["nginx_lb_telemetry_listen"] and not v.site.acl_enabled:
        yield Secret(("nginx_lb_telemetry_token", "consul_server_monitoring_token"), FILES["monitoring_token"].path)


def mydemo(v: Values) -> Iterator[Secret]:
    if not v.site.acl_enabled:
        yield Secret(("mydemo_redis_password", "redis_password"), FILES["redis_password"].path)
    elif v["mydemo_acl"] and can_create_tokens(v):
        yield Secret(("mydemo_redis_password", "redis_password"), FILES["redis_password"].path)
        yield Secret(("mydemo_token",), node_service_token(v.site.node_name, "mydemo"))
        yield Secret(("mydemo_deployer_token",), FILES["deployer_token"].path)


def release(v: Values) -> Iterator[Secret]:
    if v.site.acl_enabled and v["release_acl"] and can_create_tokens(v):
        yield Secret(("release_token",), release_token(v["release_name"]))


ROLES = {
    "consul_client": consul_agent,
    "consul_server": consul_server,
    "mydemo": mydemo,
    "nginx_lb": nginx_lb,
    "redis": redis,
    "registry": registry,
    "release": release,
}
# A file of FILES is known by its path; those with a name in it are all ACL tokens.
KINDS: Mapping[str, str] = {file.path: file.kind for file in FILES.values()}


def secrets_of(v: Values) -> dict[str, str]:
    """The files that the role reads on this host, each with its kind."""
    wanted = ROLES[v.role](v) if v.role in ROLES else ()
    return {
        secret.file: KINDS.get(secret.file, "uuid")
        for secret in wanted
        if not any(v.is_set(variable) for variable in secret.variables)
    }
