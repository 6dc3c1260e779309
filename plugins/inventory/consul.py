# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: consul
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Hosts from the catalog of Consul
description:
  - Makes one host of each node, or of each instance of a service, in the catalog of Consul.
  - The name of the configuration file ends in C(.consul.yml) or C(.consul.yaml).
  - One request per service reads its instances with their health. Up to 8 requests run at the same time.
  - If the cluster has no leader, the plugin reads from one server with O(consistency=stale), and prints a warning.
  - If Consul does not answer, or refuses the token, the plugin fails with one line that says why. Ansible then continues without
    these hosts. Set C(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to stop instead.
  - With O(strict=true), an expression in O(compose), O(groups) or O(keyed_groups) that fails is an error as well. Ansible then
    continues with the hosts, without the rest of the expressions.
extends_documentation_fragment:
  - dockyard.consul.consul
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [dockyard.consul.consul]
  hosts_from:
    description: Source of the hosts.
    type: str
    choices:
      nodes:
        A node, by its name in Consul. Its services are in the variable C(consul_services). A node without a service is a host
        too, unless O(services) or O(filter) is set.
      instances: An instance of a service. Its name is the id of the service, V(@), and the name of the node.
    default: nodes
  services:
    description:
      - Names of the services to read. By default, all that the token may read.
      - A name without any instance causes a warning, unless O(filter) or O(passing) is set.
    type: list
    elements: str
  filter:
    description:
      - Filter expression of Consul, which selects instances. Its fields are those of C(/v1/health/service), for example
        C(Service.Tags), C(Service.Meta.version), C(Node.Meta.rack) and C(Checks.Status).
      - With O(hosts_from=nodes), a node without a selected instance is not a host.
    type: str
  passing:
    description:
      - Only instances where all checks pass, those of the node included.
      - With O(hosts_from=nodes), a node is left out if one of its own checks does not pass, for example C(serfHealth).
    type: bool
    default: false
  address:
    description:
      - Kinds of addresses for the variable C(ansible_host), in order of preference. The first that exists is taken.
      - V(node) is the address of the node. V(service) is the address of the service, and is for O(hosts_from=instances) only.
        Any other value is the name of a tagged address, such as V(lan), V(wan) or V(lan_ipv4), of the service, otherwise of the
        node.
      - Defaults to V(node), and with O(hosts_from=instances) to V(service), otherwise V(node).
      - A host without any of these addresses gets no C(ansible_host), and a warning names it. V(0.0.0.0) and V(::) are not
        addresses.
    type: list
    elements: str
  hostname:
    description:
      - Jinja2 expression for the name of a host, with the variables of the host. Hosts with the same name are merged into one,
        which has the services of all and the worst health.
      - If the expression fails or gives no text, the default name is used. With O(strict=true) this is an error.
    type: str
  group_by:
    description:
      - Properties to group hosts by. The names of the groups begin with V(service_), V(tag_), V(datacenter_), V(node_meta_) or
        V(health_), for example V(service_web), V(node_meta_rack_a1) and V(health_passing).
      - In a group name, each character that is not an ASCII letter, a digit or V(_) becomes V(_). A warning names groups that
        combine several names of Consul.
      - Node meta that begins with V(consul-) or has no value makes no group.
      - The health of a node is the worst state of its own checks and of the checks of its services that are read. In maintenance
        mode it is critical.
    type: list
    elements: str
    choices: [service, tag, datacenter, node_meta, health]
    default: [service, tag, datacenter, node_meta, health]
  host:
    description:
      - Host of the agent's HTTP API, as seen from the controller.
      - Defaults to the host in the environment variable E(CONSUL_HTTP_ADDR), otherwise V(127.0.0.1).
  token:
    description:
      - ACL token, which needs C(service:read) and C(node:read) for the services and nodes to read. It is sent in a header, never
        in a URL.
      - Defaults to the content of the file in E(CONSUL_HTTP_TOKEN_FILE), otherwise to E(CONSUL_HTTP_TOKEN).
      - A token that Consul does not know is an error.
  ca_path:
    description:
      - File or folder on the controller with the CA certificates to trust.
      - Defaults to E(CONSUL_CACERT), E(CONSUL_CAPATH), otherwise to the CA certificates that the controller trusts.
  client_cert:
    description:
      - File on the controller with the client certificate, for an agent that requires one.
      - Defaults to E(CONSUL_CLIENT_CERT).
  client_key:
    description:
      - File on the controller with the private key of O(client_cert).
      - Defaults to E(CONSUL_CLIENT_KEY).
  datacenter:
    description:
      - Datacenter to read. By default, that of the agent.
      - Node names are unique in their datacenter only. If several sources read several datacenters, set O(hostname).
notes:
  - All options take templates with lookups and extra variables, except O(hostname), O(compose), O(groups) and O(keyed_groups),
    which are expressions for each host.
  - Options that the plugin does not know are an error.
  - Names of hosts are those in Consul. White space, unprintable characters and any of V(/:,*?[]) become V(_), as does V(!), V(&),
    V(~) or V(@) at the start, because patterns could not select such a name. The name of a node that is an IPv6 address stays
    as it is.
  - If two nodes or instances get the same name, one of them is left out, unless O(hostname) is set. A host with the name of a
    group is left out. Warnings name them.
  - The cache holds what was read, without tokens and without the output of checks. It has an entry of its own for each agent,
    token, consistency and set of options that changes what is read. The name of an entry depends on the token by a slow hash, so
    that a weak token cannot be guessed from it. What was read without a leader is not cached.
  - Text from Consul is never evaluated as a template.
seealso:
  - module: dockyard.consul.consul_service_info
"""

EXAMPLES = r"""
# All nodes, with the groups of their services. Nothing else is needed on a host with an agent.
plugin: dockyard.consul.consul

---
# web.consul.yml: instances of two services that pass, over HTTPS, with a token from a file.
plugin: dockyard.consul.consul
host: consul.example.com
port: 8501
scheme: https
ca_path: /etc/ssl/site-ca.pem
token: "{{ lookup('ansible.builtin.file', '~/.consul/inventory.token') }}"
hosts_from: instances
services: [web, api]
passing: true
filter: Service.Meta.version != "1.0"
address: [wan, service, node]
compose:
  service_url: "'http://' ~ consul_service.address ~ ':' ~ consul_service.port"
groups:
  canary: "'canary' in consul_service.tags"
keyed_groups:
  - key: consul_service.meta.version
    prefix: version

---
# Nodes of another datacenter, with names that are unique among datacenters, cached for 5 minutes.
plugin: dockyard.consul.consul
datacenter: west
hostname: consul_node ~ '.' ~ consul_datacenter
group_by: [service, node_meta]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.ansible/cache/consul
cache_timeout: 300
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError, AnsibleValueOmittedError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from ansible_collections.dockyard.consul.plugins.module_utils.consul_settings import settings_from
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog import Catalog, Query, Reader, shortened
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_hosts import (
    Host,
    clashes,
    distinct,
    group_name,
    group_sources,
    host_name,
    instance_hosts,
    merged,
    node_hosts,
    query_digest,
)

# Expressions, which need the variables of a host.
EXPRESSIONS = ("hostname", "compose", "groups", "keyed_groups")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "dockyard.consul.consul"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith((".consul.yml", ".consul.yaml"))

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Template first, so that a template may give a number or a boolean."""
        self.templar.available_variables = var_options or {}
        options = {}
        for name, value in (direct or {}).items():
            try:
                options[name] = value if name in EXPRESSIONS else self.templar.template(value)
            except AnsibleValueOmittedError:
                continue
            except AnsibleError as error:
                raise AnsibleParserError(f"option {name}: {one_line(error)}") from None
        super().set_options(task_keys=task_keys, var_options=var_options, direct=options)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            self._check(config)
            catalog = self._catalog(path, cache)
        except ConsulError as error:
            raise AnsibleParserError(one_line(error)) from None
        for warning in catalog.warnings:
            self.display.warning(f"{path}: {warning}")
        self._populate(path, self._named(path, self._hosts(catalog)))

    def _check(self, config: dict[str, Any]) -> None:
        unknown = sorted(str(name) for name in config if not self.has_option(str(name)))
        if unknown:
            raise ConsulError(f"unknown option: {', '.join(unknown)}")
        for name in ("services", "address", "group_by"):
            for one in self.get_option(name) or []:
                if not isinstance(one, str) or not one:
                    raise ConsulError(f"{name}: {one!r} is not a name: write text that is not empty")
        if self.get_option("hosts_from") == "nodes" and "service" in (self.get_option("address") or []):
            raise ConsulError(
                "address: 'service' is possible with hosts_from=instances only, as a node has many services"
            )

    def _catalog(self, path: str, cache: bool) -> Catalog:
        services, expression = self.get_option("services"), self.get_option("filter")
        query = Query(
            services=services,
            filter=expression,
            passing=self.get_option("passing"),
            all_nodes=self.get_option("hosts_from") == "nodes" and services is None and not expression,
        )
        connection = {name: self.get_option(name) for name in CONNECTION_SPEC if self.has_option(name)}
        settings = settings_from(connection)
        client = ConsulClient(**settings)
        if not self.get_option("cache"):
            return Reader(client).read(query)
        key = self.get_cache_key(path) + query_digest(
            query,
            client.place,
            client.datacenter,
            client.namespace,
            client.partition,
            client.consistency,
            secrets=(client.token, settings.get("http_auth")),
        )
        if cache:
            try:
                return Catalog(**self._cache[key])
            except KeyError:
                pass
        catalog = Reader(client).read(query)
        if catalog.has_leader:
            self._cache[key] = vars(catalog)
        return catalog

    def _hosts(self, catalog: Catalog) -> list[Host]:
        addresses = self.get_option("address")
        if self.get_option("hosts_from") == "nodes":
            return node_hosts(catalog, addresses or ["node"])
        return instance_hosts(catalog, addresses or ["service", "node"])

    def _named(self, path: str, hosts: list[Host]) -> list[Host]:
        """With the names that the user chose, and then hosts of the same name as one."""
        expression = self.get_option("hostname")
        if not expression:
            hosts, left_out = distinct(hosts)
            self._warn_of(path, left_out, "another host")
            return hosts
        for host in hosts:
            try:
                name = self._compose(expression, host.variables)
            except AnsibleError as error:
                if self.get_option("strict"):
                    raise AnsibleParserError(f"hostname of {host.name}: {one_line(error)}") from None
                continue
            if isinstance(name, str) and name.strip():
                host.name = host_name(name)
            elif self.get_option("strict"):
                raise AnsibleParserError(f"hostname of {host.name}: the expression gives no text")
        return merged(hosts)

    def _warn_of(self, path: str, left_out: list[Host], other: str) -> None:
        if left_out:
            names = shortened(sorted(repr("@".join(host.source)) for host in left_out))
            self.display.warning(f"{path}: left out, as {other} has the same name: {names}. Set hostname")

    def _populate(self, path: str, hosts: list[Host]) -> None:
        groupings = self.get_option("group_by")
        sources = {host.name: group_sources(host, groupings) for host in hosts}
        everything = set().union(*sources.values())
        groups = {source: group_name(*source) for source in everything}
        # Where a group has the name of a host, Ansible would make the group a child of the host's groups.
        conditions = (self._sanitize_group_name(str(name)) for name in self.get_option("groups") or {})
        taken = {*groups.values(), *conditions, *self.inventory.groups}
        self._warn_of(path, [host for host in hosts if host.name in taken], "a group")
        hosts = [host for host in hosts if host.name not in taken]
        for name in sorted({groups[source] for host in hosts for source in sources[host.name]}):
            self.inventory.add_group(name)
        for host in hosts:
            self.inventory.add_host(host.name)
            for name, value in host.variables.items():
                self.inventory.set_variable(host.name, name, value)
            for name in sorted({groups[source] for source in sources[host.name]}):
                self.inventory.add_child(name, host.name)
        self._construct(hosts)
        without = [host.name for host in hosts if "ansible_host" not in self.inventory.get_host(host.name).vars]
        if without:
            self.display.warning(f"{path}: no address of the kinds in 'address': {shortened(without)}")
        if found := clashes(everything):
            self.display.warning(f"{path}: groups that combine several names of Consul: {shortened(found)}")

    def _construct(self, hosts: list[Host]) -> None:
        """What the expressions of the user give."""
        compose, conditions, keys = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        strict = self.get_option("strict")
        for host in hosts if compose or conditions or keys else ():
            self._set_composite_vars(compose, host.variables, host.name, strict=strict)
            self._add_host_to_composed_groups(conditions, host.variables, host.name, strict=strict)
            self._add_host_to_keyed_groups(keys, host.variables, host.name, strict=strict)
