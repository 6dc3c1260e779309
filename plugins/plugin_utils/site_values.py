# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that several roles share, computed in one place from the inventory variables of a host.

Role defaults are not visible in C(hostvars), so the defaults of these variables are here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import agents, agents_to_replace
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import host_address
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

# The roles of playbooks/site.yml, in its order. Each runs on the group with its name.
ROLES = ("consul_server", "consul_client", "redis", "registry", "docker_host", "mydemo", "nginx_lb")
NAMES = (
    "roles",
    "uses_resolver",
    "node_name",
    "lan_address",
    "datacenter",
    "domain",
    "servers_group",
    "servers",
    "acl_server",
    "acl_server_candidates",
    "tokens_first",
    "foreign_server",
    "secrets_dir",
    "acl_enabled",
    "dns_cache_seconds",
)
UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class SiteValues(Mapping[str, Any]):
    """Each value is computed when it is read, so that a host without an address still has a node name."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    @cached_property
    def roles(self) -> list[str]:
        """The roles that the site runs on this host, by its groups. A host runs one agent: in both groups, it is a server."""
        groups = self._variables.get("group_names") or []
        found = [role for role in ROLES if role in groups]
        return [role for role in found if role != "consul_client" or "consul_server" not in found]

    @cached_property
    def uses_resolver(self) -> bool:
        """Whether the host has an agent and uses it as its nameserver."""
        if not {"consul_server", "consul_client"} & set(self.roles):
            return False
        given = self._variables.get("consul_agent_resolver")
        if given is None or given == "":
            return int(self._variables.get("consul_agent_dns_port") or 53) == 53
        return boolean(given)

    @cached_property
    def node_name(self) -> str:
        """Name of the Consul node."""
        return self._variables.get("consul_agent_node_name") or self._variables["inventory_hostname"]

    @cached_property
    def lan_address(self) -> str:
        """IPv4 address by which the other hosts of the site reach this one. Raises NoAddress."""
        return host_address(self._variables, "consul_agent_bind")

    @cached_property
    def datacenter(self) -> str:
        return self._variables.get("consul_agent_datacenter") or "dc1"

    @cached_property
    def domain(self) -> str:
        """Consul's DNS domain."""
        return self._extra.get("domain") or "consul"

    @cached_property
    def servers_group(self) -> str:
        """The inventory group of the Consul servers."""
        return self._variables.get("consul_agent_servers_group") or "consul_server"

    @cached_property
    def servers(self) -> list[str]:
        """The inventory names of the Consul servers."""
        return list((self._variables.get("groups") or {}).get(self.servers_group) or [])

    @cached_property
    def acl_server(self) -> str:
        """The server through which tokens are made: the first one whose agent runs, by this run's look. Where none runs, one
        that answers Ansible is named, so that the error comes from its agent."""
        given = self._variables.get("consul_agent_acl_server")
        if given or not self.servers:
            return given or ""
        looked_at = filter(self._look_of, self.servers)
        return next(filter(self._runs, self.servers), None) or next(looked_at, self.servers[0])

    @cached_property
    def acl_server_candidates(self) -> list[str]:
        """The servers outside the play to look at before a token is made, one after the other until one runs. None if this
        run knows a server that runs. Those that have answered in this run, or in an earlier one, come first."""
        if self._variables.get("consul_agent_acl_server") or any(map(self._runs, self.servers)):
            return []
        in_play = self._variables.get("ansible_play_hosts_all") or []
        unknown = [server for server in self.servers if server not in in_play and not self._look_of(server)]
        return sorted(unknown, key=lambda server: not self._facts_of(server).get("interfaces"))

    @cached_property
    def tokens_first(self) -> bool:
        """Whether the tokens of the servers are made before these restart. In a takeover the cluster runs, and knows the management
        token. A new cluster, or one that is to get another management token, takes tokens only after the restart. So does one in
        which a server has no ACLs yet, also if a killed run has given them to the others."""
        if not any(agents_to_replace(self._look_of(server)) for server in self.servers):
            return False
        known = [self._look_of(server).get("consul") or {} for server in [self.acl_server, *self.servers]]
        return bool(known[0].get("leader")) and all(one.get("acl_default_policy") != "disabled" for one in known)

    @cached_property
    def foreign_server(self) -> str:
        """A server outside the play that this collection did not set up, if a client of the play gets an agent: with auto_encrypt,
        a client gets its certificate from a server of the site. Empty if there is none."""
        server = self.acl_server
        if server in (self._variables.get("ansible_play_hosts_all") or []) or not agents_to_replace(
            self._look_of(server)
        ):
            return ""
        hosts = self._variables.get("ansible_play_hosts") or []
        return server if any(map(self._gets_an_agent, hosts)) else ""

    def _gets_an_agent(self, host: str) -> bool:
        look = self._look_of(host)
        is_client = host in ((self._variables.get("groups") or {}).get("consul_client") or [])
        return bool(agents_to_replace(look)) or (is_client and not agents(look))

    @cached_property
    def secrets_dir(self) -> str:
        """The folder on the controller that keeps the secrets of the site."""
        given = self._variables.get("site_secrets_dir")
        return given or f"{self._variables['inventory_dir']}/.secrets"

    @cached_property
    def acl_enabled(self) -> bool:
        """Whether Consul denies requests without a token."""
        return (self._variables.get("consul_agent_acl_default_policy") or "deny") == "deny"

    @cached_property
    def dns_cache_seconds(self) -> int:
        """How long a DNS answer may be cached: by Consul's TTL for services, or by nginx. At least 1 s."""
        ttls = _mapping(_mapping(self._extra.get("dns_config")).get("service_ttl"))
        durations = [self._variables.get("nginx_lb_resolver_valid") or "1s", *ttls.values()]
        return max(1, *(math.ceil(seconds(duration)) for duration in durations))

    def _runs(self, host: str) -> bool:
        """Whether the agent of a host runs, by this run's look."""
        return self._look_of(host).runs("consul")

    def _look_of(self, host: str) -> Look:
        return Look.of({"ansible_facts": self._facts_of(host)})

    def _facts_of(self, host: str) -> Mapping[str, Any]:
        """Not templated, as facts are no templates. Templating all variables of a host takes long."""
        hostvars = self._variables.get("hostvars") or {}
        raw_get = getattr(hostvars, "raw_get", hostvars.get)
        variables = raw_get(host)
        return (variables.get("ansible_facts") or {}) if isinstance(variables, Mapping) else {}

    @property
    def _extra(self) -> Mapping[str, Any]:
        return _mapping(self._variables.get("consul_agent_config_extra"))

    def __getitem__(self, name: str) -> Any:
        if name not in NAMES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def site_values(variables: Mapping[str, Any]) -> SiteValues:
    """The shared values of a host, given its variables, as C(hostvars[host]) has them."""
    return SiteValues(variables)


def _mapping(value: Any) -> Mapping[str, Any]:
    """Of settings of the user. If one has another type, check_variables or Consul reports it."""
    return value if isinstance(value, Mapping) else {}


def seconds(duration: Any) -> float:
    """The length of a duration of Consul or nginx, such as C(500ms) or C(1h30m). A bare number is in seconds."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])?", str(duration))
    if not parts or "".join(map("".join, parts)) != str(duration):
        raise ValueError(f"'{duration}' is not a duration, such as 500ms, 5s or 1m")
    return sum(float(number) * UNIT_SECONDS[unit or "s"] for number, unit in parts)
