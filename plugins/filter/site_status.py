# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_status
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Make a health report of a site
description:
  - Makes a report from the results of M(dockyard.consul.host_info) on each host. It has the problems of the site as sentences,
    and its state as tables and as data.
  - Hosts that are unreachable or failed are part of the report.
options:
  _input:
    description:
      - Registered results of M(dockyard.consul.host_info) by host name, including those of unreachable and failed hosts.
    type: dict
    required: true
  nodes:
    description: Node name by host name, for each host with an agent. Empty if it is the name of the host.
    type: dict
    required: true
  servers:
    description: Names of the hosts with a server agent.
    type: list
    elements: str
    required: true
  services:
    description: Expected services. For each service name, the names of the hosts that must have an instance.
    type: dict
    default: {}
  controller:
    description: Result of M(dockyard.consul.host_info) on the controller, for the CA and the secrets of the site.
    type: dict
    default: {}
  certificate_days:
    description: A certificate that expires within this number of days is a problem.
    type: int
    default: 14
  secret_days:
    description: Maximum age of a key, token or password, in days. V(0) sets no limit.
    type: int
    default: 0
  now:
    description: Current time, in seconds since 1970. By default, now.
    type: int
seealso:
  - module: dockyard.consul.host_info
"""

EXAMPLES = r"""
- name: Look at each host
  dockyard.consul.host_info:
    cluster: "{{ inventory_hostname in groups['consul_server'] }}"
    consistency: stale
  register: known

- name: Show the report
  ansible.builtin.debug:
    msg: "{{ (hosts | dockyard.consul.site_status(nodes=nodes, servers=groups['consul_server'])).text }}"
  run_once: true
  vars:
    hosts: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'known'))) }}"
    nodes: "{{ dict(groups['all'] | zip(groups['all'])) }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    healthy:
      description: Whether there are no problems.
      type: bool
    problems:
      description: The problems, each with C(kind), C(where) and a sentence, C(say).
      type: list
      elements: dict
    text:
      description: The whole report as text, problems first.
      type: str
    data:
      description: The whole report as data.
      type: dict
"""

import os
import re
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.plugin_utils import resolver
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_states import worst

DAY = 86400
GOSSIP_CHECK = "serfHealth"
MAINTENANCE = ("_node_maintenance", "_service_maintenance:")
CONTROLLER = "controller"
CHECK_WIDTH = 36
MOST_LISTED = 12
# Ansible indents it by eight more: a terminal 100 columns wide holds it.
FOLDED = textwrap.TextWrapper(
    width=92, subsequent_indent=" " * len("WRONG  "), break_long_words=False, break_on_hyphens=False
)


class Problem(NamedTuple):
    kind: str
    where: str
    say: str


def site_status(
    hosts: Any,
    nodes: Mapping[str, str],
    servers: list[str],
    services: Mapping[str, list[str]] | None = None,
    controller: Mapping | None = None,
    certificate_days: int = 14,
    secret_days: int = 0,
    now: int | None = None,
) -> dict[str, Any]:
    """Return what is wrong with a site, and what there is."""
    if not isinstance(hosts, Mapping) or not isinstance(nodes, Mapping):
        raise AnsibleFilterError("site_status: give results by host, and nodes by host, as dictionaries")
    nodes = {host: node or host for host, node in nodes.items()}
    site = Site(hosts, nodes, servers, services or {}, controller or {}, now or int(time.time()))
    problems = list(site.problems(certificate_days, secret_days))
    return {
        "healthy": not problems,
        "problems": [problem._asdict() for problem in problems],
        "text": "\n".join(lines(site, problems)),
        "data": data(site, problems),
    }


class Site:
    """All that is known of a site, put together."""

    def __init__(
        self,
        hosts: Mapping[str, Mapping],
        nodes: Mapping[str, str],
        servers: list[str],
        services: Mapping[str, list[str]],
        controller: Mapping,
        now: int,
    ) -> None:
        self.hosts = {host: result or {} for host, result in hosts.items()}
        self.nodes, self.servers, self.services, self.controller, self.now = nodes, servers, services, controller, now
        self.known = {host: result for host, result in self.hosts.items() if "os" in result}
        self.views = {host: result["cluster"] for host, result in self.known.items() if "cluster" in result}
        good = [host for host, view in self.views.items() if not view["error"]]
        # A server that has a leader knows more than one that has lost it.
        good.sort(key=lambda host: not self.views[host]["leader"])
        self.witness = good[0] if good else None
        self.cluster: Mapping = self.views[good[0]] if good else {}
        self.members = {member["name"]: member for member in self.cluster.get("members", [])}
        self.host_of = {node: host for host, node in nodes.items()}
        self.checks = [self._with_latest_output(check) for check in self.cluster.get("checks", [])]
        self.instances = [self._with_checks(one) for one in self.cluster.get("instances", [])]
        self.certificates = list(self._certificates())

    def _with_latest_output(self, check: Mapping) -> dict[str, Any]:
        """The agent has what a check said last, the catalog what it said minutes ago."""
        agent = self.known.get(self.host_of.get(check["node"], ""), {}).get("consul", {})
        output = agent.get("outputs", {}).get(check["id"]) or check["output"]
        return {**check, "output": printable(output), "notes": printable(check["notes"])}

    def _with_checks(self, one: Mapping) -> dict[str, Any]:
        checks = self.checks_of(one)
        status = worst(check["status"] for check in checks)
        in_maintenance = any(is_maintenance(check) for check in checks)
        own = [check for check in checks if check["service_id"]]
        return {**one, "status": status, "maintenance": in_maintenance, "checks": own}

    def checks_of(self, one: Mapping) -> list[dict[str, Any]]:
        """The checks of the node of an instance, and its own."""
        return [
            check for check in self.checks if check["node"] == one["node"] and check["service_id"] in ("", one["id"])
        ]

    def _certificates(self) -> Iterator[dict[str, Any]]:
        """One for each certificate, however many hosts have it."""
        found: dict[Any, dict[str, Any]] = {}
        places = [*self.known.items(), (CONTROLLER, self.controller)]
        for host, result in places:
            for one in result.get("certificates", []):
                key = one["fingerprint"] or (host, one["path"])
                entry = found.setdefault(key, {**one, "hosts": [], "days": None})
                if host not in entry["hosts"]:
                    entry["hosts"].append(host)
                if one["ends"] is not None:
                    entry["days"] = (one["ends"] - self.now) // DAY
        return iter(sorted(found.values(), key=lambda one: (one["days"] is not None, one["days"] or 0)))

    @property
    def secrets_dir(self) -> str:
        """The folder on the controller that all of them are in."""
        folders = {one["path"].rpartition("/")[0] for one in self.controller.get("ages", [])}
        return os.path.commonpath(folders) if folders else ""

    def days_old(self, written: int) -> int:
        return max(0, (self.now - written) // DAY)

    def name(self, address: str) -> str:
        """The node at C(192.0.2.11:8300)."""
        host = address.rpartition(":")[0]
        return next((name for name, member in self.members.items() if member["address"] == host), address)

    @property
    def leader(self) -> str:
        return self.name(self.cluster["leader"]) if self.cluster.get("leader") else ""

    @property
    def peers(self) -> list[str]:
        return sorted(self.name(peer) for peer in self.cluster.get("peers", []))

    def version(self, node: str) -> str:
        """What it tells the others; an agent that is asked itself may leave the packager's addition out."""
        own = self.known.get(self.host_of.get(node, ""), {}).get("consul", {}).get("version", "")
        return self.members.get(node, {}).get("version") or own

    def state(self, node: str) -> str:
        if any(check["node"] == node and check["id"] == MAINTENANCE[0] for check in self.checks):
            return "maintenance"
        return self.members.get(node, {}).get("state", "missing" if self.cluster else "unknown")

    # What is wrong

    def problems(self, certificate_days: int, secret_days: int) -> Iterator[Problem]:
        yield from self._wrong_with_servers()
        yield from self._wrong_with_hosts()
        yield from self._wrong_with_resolvers()
        yield from self._wrong_with_nodes()
        yield from self._wrong_with_containers()
        yield from self._wrong_with_services()
        yield from self._wrong_with_checks()
        yield from self._wrong_with_registrations()
        yield from self._wrong_with_balancers()
        yield from self._wrong_with_certificates(certificate_days, secret_days)
        yield from self._wrong_with_versions()

    def _wrong_with_servers(self) -> Iterator[Problem]:
        if not self.cluster:
            yield Problem(
                "cluster",
                "",
                "no agent could be asked how the cluster is, so nothing is known of its nodes and services",
            )
            return
        if not self.members:
            yield Problem(
                "token",
                "",
                "Consul shows no node, not even its own: status_token may read none. Give it node_prefix, "
                "service_prefix and agent_prefix with policy read",
            )
        if not self.leader:
            alive = [host for host in self.servers if self.state(self.nodes.get(host, host)) == "alive"]
            yield Problem(
                "leader",
                "",
                f"the servers have no leader, so nothing can be written: {len(alive)} of {len(self.servers)} servers "
                f"alive ({listed(alive)}), and a majority of them must see each other",
            )
        for host, view in self.views.items():
            if self.leader and not view["error"] and not view["leader"]:
                yield Problem("leader", host, f"{host}: knows of no leader, and {self.witness} does: {self.leader}")
        for host in self.servers:
            node = self.nodes.get(host, host)
            if self.members and node not in self.peers:
                yield Problem(
                    "peers",
                    host,
                    f"{host}: the server is not among the Raft peers ({listed(self.peers)}), so it holds no data and "
                    "has no vote; see journalctl -u consul there",
                )

    def _wrong_with_hosts(self) -> Iterator[Problem]:
        for host, result in self.hosts.items():
            words = why(result)
            if result.get("unreachable"):
                yield Problem("unreachable", host, f"{host}: Ansible cannot reach it: {words}")
            elif host not in self.known:
                yield Problem("failed", host, f"{host}: it could not be looked at: {words}")
            elif result.get("consul", {}).get("error"):
                yield Problem("agent", host, f"{host}: its Consul agent cannot be asked: {result['consul']['error']}")
            elif result.get("cluster", {}).get("error"):
                yield Problem("agent", host, f"{host}: its view of the cluster failed: {result['cluster']['error']}")

    def _wrong_with_resolvers(self) -> Iterator[Problem]:
        """Looked at only on hosts that use their agent as nameserver."""
        for host, result in self.known.items():
            for text in resolver.complaints(result["resolver"]) if "resolver" in result else ():
                yield Problem("resolver", host, f"{host}: {text}")

    def _wrong_with_nodes(self) -> Iterator[Problem]:
        if not self.members:
            return
        for host, node in self.nodes.items():
            if node not in self.members:
                yield Problem("node", host, f"{host}: the inventory has it, and the cluster has no node {node}")
        for node, member in self.members.items():
            wanted = node in self.host_of
            if member["state"] == "failed":
                gone = "" if wanted else f"; the inventory has no such host: if it is gone, consul force-leave {node}"
                yield Problem("node", node, f"{node}: the node has failed: no other reaches its agent{gone}")
            elif member["state"] != "alive" and wanted:
                yield Problem(
                    "node", node, f"{node}: the node has left the cluster, or is leaving: its agent was stopped"
                )
        for check in self.checks:
            if check["id"] == MAINTENANCE[0]:
                yield Problem(
                    "maintenance", check["node"], f"{check['node']}: the node is in maintenance: {check['notes']}"
                )

    def _wrong_with_containers(self) -> Iterator[Problem]:
        repositories: dict[str, dict[str, list[str]]] = {}
        for host, result in self.known.items():
            docker = result.get("docker", {})
            if docker.get("error"):
                yield Problem("docker", host, f"{host}: Docker cannot be asked: {docker['error']}")
            for one in docker.get("containers", []):
                if one["state"] != "running" and one["kept"]:
                    yield Problem(
                        "container",
                        host,
                        f"{host}: the container {one['name']} does not run: {one['status'] or one['state']}",
                    )
                if one["kept"]:
                    repositories.setdefault(one["image"], {}).setdefault(one["digest"], []).append(host)
        for image, digests in repositories.items():
            if len(digests) > 1:
                where = "; ".join(f"{short(digest)} on {listed(on)}" for digest, on in digests.items())
                yield Problem("digest", image, f"{image}: not all hosts run the same image: {where}")

    def _wrong_with_services(self) -> Iterator[Problem]:
        for check in self.checks:
            if check["id"].startswith(MAINTENANCE[1]):
                yield Problem(
                    "maintenance",
                    check["node"],
                    f"{check['node']}: {check['service_id']} is in maintenance: {check['notes']}",
                )
        if not self.members:
            return
        for service, wanted in self.services.items():
            there = [one for one in self.instances if one["service"] == service]
            passing = [one for one in there if one["status"] == "passing"]
            without = [host for host in wanted if self.nodes.get(host, host) not in {one["node"] for one in passing}]
            if without:
                yield Problem(
                    "service",
                    service,
                    f"{service}: {len(passing)} passing instance(s) for {len(wanted)} host(s); none on {listed(without)}",
                )

    def _wrong_with_checks(self) -> Iterator[Problem]:
        for check in self.checks:
            if check["status"] == "passing" or check["id"] == GOSSIP_CHECK or is_maintenance(check):
                continue
            what = check["service_id"] or "the node"
            output = check["output"] or check["notes"] or "no output yet"
            yield Problem(
                "check",
                check["node"],
                f"{check['node']}: {what}: the check {check['name']} is {check['status']}: {output}",
            )

    def _wrong_with_registrations(self) -> Iterator[Problem]:
        """Where the catalog, and so DNS, differs from what the agent of the node has."""
        if not self.leader:  # Agents cannot write into the catalog.
            return
        in_catalog = {(one["node"], one["id"]) for one in self.instances}
        for node, member in self.members.items():
            beside = self._beside_agent(node) or ()
            for service in self._of_agent(node, "services") or ():
                if member["state"] == "alive" and (node, service) not in in_catalog and service not in beside:
                    yield Problem(
                        "registration",
                        node,
                        f"{node}: the agent of the node has the service {service}, and the catalog does not, so DNS does not"
                        " serve it. Usually ACLs block the agent, for example because the service was registered without a"
                        " token. Register it with a token that has service:write for it",
                    )
        for one in self.instances:
            services, beside = self._of_agent(one["node"], "services"), self._beside_agent(one["node"])
            if services is None or one["service"] == "consul" or (beside is not None and one["id"] not in beside):
                continue
            if one["id"] not in services:
                yield Problem(
                    "registration",
                    one["node"],
                    f"{one['node']}: the catalog has the service {one['id']}, and the agent of the node does not know it. Its"
                    " state never changes. Run the site again, which removes it from the catalog",
                )
        for check in self.checks:
            known = self._of_agent(check["node"], "checks")
            own = (known or {}).get(check["id"])
            # The leader registers the check of gossip.
            is_of_agent = not check["service_id"] and check["id"] != GOSSIP_CHECK and not is_maintenance(check)
            if known is not None and not own and is_of_agent:
                yield Problem(
                    "registration",
                    check["node"],
                    f"{check['node']}: the catalog has the check {check['name']} of the node, and the agent of the node does not"
                    " know it. Its state never changes. Remove it from the catalog (PUT /v1/catalog/deregister with Node and"
                    f" CheckID {check['id']}), with a token that has node:write for the node",
                )
            if own and check["status"] == "passing" and own["status"] != "passing":
                yield Problem(
                    "registration",
                    check["node"],
                    f"{check['node']}: {check['service_id'] or 'the node'}: the agent finds the check {check['name']}"
                    f" {own['status']}, and the catalog still has it passing. Usually ACLs block the agent, for example"
                    " because the token of the registration is gone. Run the site again, which registers the service with its"
                    " token",
                )

    def _of_agent(self, node: str, part: str) -> Mapping | None:
        """A part of what the agent of a node says itself, None if that is not known."""
        return self.known.get(self.host_of.get(node, ""), {}).get("consul", {}).get(part)

    def _beside_agent(self, node: str) -> Mapping | None:
        """The services of a node in the catalog, read together with its agent. A server read the cluster a moment before or
        after. None if that is not known."""
        catalog = self._of_agent(node, "catalog") or {}
        return catalog["services"] if catalog.get("node") == node else None

    def _wrong_with_balancers(self) -> Iterator[Problem]:
        for host, result in self.known.items():
            if result.get("nginx", {}).get("error"):
                yield Problem("nginx", host, f"{host}: nginx does not answer: {result['nginx']['error']}")
            for one in result.get("dns", []):
                if one["error"]:
                    yield Problem("dns", host, f"{host}: {one['name']} cannot be looked up: {one['error']}")
                    continue
                wanted = self.served(one)
                if wanted is not None and set(one["answers"]) != wanted:
                    yield Problem(
                        "dns",
                        host,
                        f"{host}: {one['name']} resolves to {listed(one['answers'])}, and the instances that pass are at "
                        f"{listed(sorted(wanted))}",
                    )
                elif not one["answers"]:
                    yield Problem("dns", host, f"{host}: {one['name']} resolves to nothing: users get 503")

    def served(self, one: Mapping) -> set[str] | None:
        """What a name must resolve to, as far as that can be told: a name with a tag, say, may mean fewer."""
        labels = one["name"].split(".")
        if not self.members or len(labels) < 3 or labels[1] != "service":
            return None
        # DNS serves an instance with any state but critical, even with one that Consul does not know.
        there = [
            each
            for each in self.instances
            if each["service"] == labels[0] and not any(check["status"] == "critical" for check in self.checks_of(each))
        ]
        if any(":" in answer for answer in one["answers"]):
            return {f"{each['address']}:{each['port']}" for each in there}
        return {each["address"] for each in there}

    def _wrong_with_certificates(self, certificate_days: int, secret_days: int) -> Iterator[Problem]:
        for one in self.certificates:
            where = f"{listed(one['hosts'])}: {one['path']}"
            if one["error"]:
                yield Problem("certificate", one["hosts"][0], f"{where}: cannot be read: {one['error']}")
            elif one["days"] < 0:
                yield Problem("certificate", one["hosts"][0], f"{where}: the certificate has expired, on {day(one)}")
            elif one["days"] < certificate_days:
                yield Problem(
                    "certificate",
                    one["hosts"][0],
                    f"{where}: the certificate ends in {one['days']} day(s), on {day(one)}",
                )
        for one in self.controller.get("ages", []):
            days = self.days_old(one["written"])
            if 0 < secret_days < days:
                yield Problem("secret", CONTROLLER, f"{CONTROLLER}: {one['path']} is {days} days old; change it")

    def _wrong_with_versions(self) -> Iterator[Problem]:
        versions: dict[str, list[str]] = {}
        for node in self.node_names:
            if self.version(node):
                versions.setdefault(self.version(node), []).append(node)
        if len(versions) > 1:
            where = "; ".join(f"{version} on {listed(on)}" for version, on in sorted(versions.items()))
            yield Problem("version", "", f"the agents are of different versions of Consul: {where}")

    @property
    def node_names(self) -> list[str]:
        """The nodes of the inventory in its order, then those of which it knows nothing. Who left, and is not in the
        inventory, is gone."""
        others = [name for name, member in self.members.items() if member["state"] != "left"]
        return list(dict.fromkeys([*self.nodes.values(), *sorted(others)]))

    @property
    def strangers(self) -> dict[str, list[str]]:
        """What the cluster has and the inventory does not: nodes that no host has, and services that nobody expects. They may
        be right, so they are no problem."""
        nodes = [node for node in self.node_names if node not in self.host_of]
        services = {one["service"] for one in self.instances} - {"consul", *self.services}
        return {"nodes": nodes, "services": sorted(services)}


def why(result: Mapping) -> str:
    """Why a host could not be looked at; of a module that could not even start, only the host itself says why."""
    words = printable(result.get("msg") or "no reason was given").removeprefix("Task failed: ")
    said = printable(result.get("module_stderr") or "")
    return f"{words} ({said[:300]})" if said else words


def is_maintenance(check: Mapping) -> bool:
    return check["id"].startswith(MAINTENANCE)


def printable(text: Any) -> str:
    """One line that a terminal takes as it is."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def listed(names: Iterable[str]) -> str:
    names = list(names)
    if len(names) > MOST_LISTED:
        names[MOST_LISTED - 1 :] = [f"and {len(names) - MOST_LISTED + 1} more"]
    return ", ".join(names) or "none"


def short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def day(certificate: Mapping) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(certificate["ends"]))


# For a person


def lines(site: Site, problems: list[Problem]) -> Iterator[str]:
    for problem in problems:
        yield from FOLDED.wrap(f"WRONG  {problem.say}")
    if not problems:
        yield f"HEALTHY  {len(site.node_names)} nodes, {len(site.instances)} instances, nothing is wrong"
    yield ""
    if site.witness:
        yield f"Leader {site.leader or 'none'}, Raft peers {listed(site.peers)} (as {site.witness} sees it)"
    else:
        yield "Leader unknown, Raft peers unknown"
    strangers = [f"{kind} {listed(names)}" for kind, names in site.strangers.items() if names]
    if strangers:
        yield from FOLDED.wrap(f"Not in the inventory: {'; '.join(strangers)}")
    for title, heads, rows in (
        ("Nodes", ("NODE", "ADDRESS", "KIND", "STATE", "CONSUL", "DOCKER", "NGINX", "SYSTEM"), node_rows(site)),
        ("Services", ("SERVICE", "NODE", "ADDRESS", "STATE", "CHECK", ""), service_rows(site)),
        ("Containers", ("CONTAINER", "HOST", "STATE", "DIGEST", "IMAGE"), container_rows(site)),
        ("Load balancers", ("HOST", "NAME", "RESOLVES TO"), balancer_rows(site)),
        ("Certificates", ("DAYS LEFT", "ENDS", "HOSTS", "FILE"), certificate_rows(site)),
        (f"Keys, tokens and passwords, in {site.secrets_dir}", ("DAYS OLD", "FILE"), secret_rows(site)),
    ):
        yield from table(title, heads, rows)


def table(title: str, heads: tuple[str, ...], rows: list[tuple]) -> Iterator[str]:
    if not rows:
        return
    cells = [heads, *([str(cell or "-") if cell != "" else "" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    yield ""
    yield title
    for row in cells:
        yield ("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths))).rstrip()


def node_rows(site: Site) -> list[tuple]:
    rows = []
    for node in site.node_names:
        member = site.members.get(node, {})
        host = site.host_of.get(node, node)
        known = site.known.get(host, {})
        server = member["server"] if member else host in site.servers
        rows.append(
            (
                node,
                member.get("address") or known.get("consul", {}).get("address"),
                "server" if server else "client",
                site.state(node),
                site.version(node) or None,
                known.get("docker", {}).get("version"),
                known.get("nginx", {}).get("version"),
                short_system(known.get("os")),
            )
        )
    return rows


def short_system(name: str | None) -> str | None:
    """Debian 12, of C(Debian GNU/Linux 12 (bookworm))."""
    return name.partition(" (")[0].replace(" GNU/Linux", "") if name else None


def service_rows(site: Site) -> list[tuple]:
    rows = []
    for one in sorted(site.instances, key=lambda one: (one["service"], one["node"], one["id"])):
        state = "maintenance" if one["maintenance"] else one["status"]
        place = (one["service"], one["node"], f"{one['address']}:{one['port']}", state)
        failing = [check for check in site.checks_of(one) if not check["service_id"] and check["status"] != "passing"]
        checks = [(cut(each["name"]), each["status"]) for each in one["checks"] + failing if not is_maintenance(each)]
        for number, check in enumerate(checks or [("", "")]):
            rows.append((*(place if number == 0 else ("", "", "", "")), *check))
    for check in site.checks:
        if not check["service_id"] and check["id"] != GOSSIP_CHECK and not is_maintenance(check):
            rows.append(("(the node)", check["node"], "", check["status"], cut(check["name"]), check["status"]))
    return rows


def cut(name: str) -> str:
    name = printable(name)
    return name if len(name) <= CHECK_WIDTH else name[: CHECK_WIDTH - 3] + "..."


def container_rows(site: Site) -> list[tuple]:
    found = [
        (one, host) for host, result in site.known.items() for one in result.get("docker", {}).get("containers", [])
    ]
    found.sort(key=lambda pair: (pair[0]["name"], pair[1]))
    return [(one["name"], host, one["state"], short(one["digest"]), one["image"]) for one, host in found]


def balancer_rows(site: Site) -> list[tuple]:
    return [
        (host, one["name"], "?" if one["error"] else listed(one["answers"]))
        for host, result in site.known.items()
        for one in result.get("dns", [])
    ]


def certificate_rows(site: Site) -> list[tuple]:
    return [
        (
            "?" if one["days"] is None else str(one["days"]),
            "?" if one["ends"] is None else day(one),
            listed(holders(one["hosts"])),
            one["path"],
        )
        for one in site.certificates
    ]


def holders(names: list[str]) -> list[str]:
    hosts = [name for name in names if name != CONTROLLER]
    return (hosts if len(hosts) < 3 else [f"{len(hosts)} hosts"]) + names[len(hosts) :]


def secret_rows(site: Site) -> list[tuple]:
    """A row for each file, and one for those of which there is one for each node, tokens and certificates' keys."""
    ages: dict[str, list[int]] = {}
    for one in site.controller.get("ages", []):
        path = os.path.relpath(one["path"], site.secrets_dir)
        place = re.sub(r"^node/[^/]+/", "node/*/", path)
        ages.setdefault(place, []).append(site.days_old(one["written"]))
    return [
        (str(max(days)), place if len(days) == 1 else f"{place} (the oldest of {len(days)})")
        for place, days in ages.items()
    ]


# For a program


def data(site: Site, problems: list[Problem]) -> dict[str, Any]:
    return {
        "healthy": not problems,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(site.now)),
        "problems": [problem._asdict() for problem in problems],
        "leader": site.leader,
        "peers": site.peers,
        "not_in_inventory": site.strangers,
        "nodes": [
            {"name": node, "state": site.state(node), "version": site.version(node), "server": kind == "server"}
            | {"address": address, "docker": docker, "nginx": nginx, "system": system}
            for node, address, kind, _state, _version, docker, nginx, system in node_rows(site)
        ],
        "services": site.instances,
        "checks": site.checks,
        "containers": [
            {"host": host, **one}
            for host, result in site.known.items()
            for one in result.get("docker", {}).get("containers", [])
        ],
        "load_balancers": [
            {"host": host, **one} for host, result in site.known.items() for one in result.get("dns", [])
        ],
        "certificates": site.certificates,
        "secrets": [
            {"path": one["path"], "days_old": site.days_old(one["written"])} for one in site.controller.get("ages", [])
        ],
    }


class FilterModule:
    def filters(self) -> dict:
        return {"site_status": site_status}
