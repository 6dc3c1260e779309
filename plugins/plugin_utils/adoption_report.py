# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook adopt.yml prints of a host, and which secrets it fetches."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_config import ca_of
from ansible_collections.dockyard.consul.plugins.plugin_utils import adopted_version, adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import FILES
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues

SITE_DNS_PORT = 53


class Secret(NamedTuple):
    name: str  # its file in the folder of secrets
    path: str  # its file on the host
    kind: str  # "keyring" for a list of gossip keys in JSON, or "file"


def report(look: Look, site: SiteValues, problems: Sequence[str]) -> list[str]:
    """The lines for one host. They hold no secret."""
    agent = next(iter(adoption.foreign_agents(look)), None)
    lines = ["Found:", *_indented(_found(look, agent))]
    if problems:
        lines += ["In the way of a run of the site, or changed by it:", *(f"- {problem}" for problem in problems)]
    else:
        lines += ["Nothing is in the way of a run of the site."]
    if agent:
        lines += ["Lines for this host in the inventory:", *_indented(inventory_lines(look, site, agent))]
        lines += [f"For the folder of secrets, {site.secrets_dir}:", *_indented(_secret_lines(look, agent))]
    return lines


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _found(look: Look, agent: Mapping[str, Any] | None) -> Iterator[str]:
    if not agent:
        running = "runs, set up by this collection" if adoption.agents(look) else "does not run"
        yield f"Consul {running}."
        return
    known = look.get("consul") or {}
    mode = {True: "a server", False: "a client", None: "its mode is not known"}[agent.get("server")]
    unit = f"the unit {agent['unit']}" if agent.get("unit") else "no unit"
    version = f" {known['version']}" if known.get("version") else ""
    yield f"Consul{version}, {mode}: process {agent['pid']} of {unit}, as user {agent.get('user')}"
    yield f"data in {agent.get('data_dir')}, node {adoption.node_name(look, agent)} with the id {adoption.node_id(look, agent)}"
    yield (
        f"datacenter {adoption.datacenter(look, agent)}, domain {adoption.domain(look, agent)}, ACL default policy"
        f" {adoption.acl_policy(look, agent)}"
    )
    encrypted = known.get("encrypted") or bool((adoption.data_of(look, agent)).get("gossip_key_digests"))
    ca = ca_of(agent.get("settings") or {})
    yield f"gossip {'encrypted' if encrypted else 'not encrypted'}, {f'TLS with the CA {ca}' if ca else 'no TLS'}"
    yield f"configuration: {', '.join(agent.get('files') or ['none'])}"
    in_files = {one["id"] for file in (look.get("consul_config") or {}).values() for one in file["services"]}
    by_api = sorted(set(known.get("services") or {}) - in_files)
    if in_files or by_api:
        yield f"services: {', '.join(sorted(in_files)) or 'none'} in files, {', '.join(by_api) or 'none known'} by the API"
    if known.get("error"):
        yield f"its API did not tell all ({known['error']}), so the above is from its files"


def inventory_lines(look: Look, site: SiteValues, agent: Mapping[str, Any]) -> Iterator[str]:
    """What a takeover needs. The values are those of the agent."""
    settings = adoption.current(agent)
    yield "consul_agent_adopt: true"
    version = adopted_version.running(look, agent)
    if version:
        yield f"consul_agent_version: {version}"
        yield f"consul_agent_install_method: {adopted_version.method(look, agent)}"
    yield f"consul_agent_data_dir: {agent.get('data_dir')}"
    # By the id in the data folder the node would be the same. With this line, it also is if the host is rebuilt.
    if adoption.node_id(look, agent):
        yield f"consul_agent_node_id: {adoption.node_id(look, agent)}"
    if adoption.node_name(look, agent) != site.node_name:
        yield f"consul_agent_node_name: {adoption.node_name(look, agent)}"
    if adoption.datacenter(look, agent) != site.datacenter:
        yield f"consul_agent_datacenter: {adoption.datacenter(look, agent)}"
    if adoption.acl_policy(look, agent) != "deny":
        yield "consul_agent_acl_default_policy: allow"
    domain = adoption.domain(look, agent)
    extra = [] if domain == site.domain else [f"domain: {domain}"]
    ports = ("serf_lan", "server")
    other = [
        f"{one}: {settings['ports.' + one]}"
        for one in ports
        if settings[f"ports.{one}"] != adoption.DEFAULTS[f"ports.{one}"]
    ]
    extra += [f"ports: {{{', '.join(other)}}}"] if other else []
    if extra:
        yield f"consul_agent_config_extra: {{{', '.join(extra)}}}"
    if settings["ports.dns"] != SITE_DNS_PORT:
        yield f"# consul_agent_dns_port: {settings['ports.dns']}  # the port now. Without this line, DNS is on port {SITE_DNS_PORT}"


def secrets(look: Look) -> list[Secret]:
    """The secrets of the cluster that are on the host."""
    agent = next(iter(adoption.foreign_agents(look)), None)
    if not agent:
        return []
    found = []
    if adoption.data_of(look, agent).get("gossip_key_digests"):
        keyring = posixpath.join(agent["data_dir"], "serf/local.keyring")
        found.append(Secret(FILES["gossip_key"].path, keyring, "keyring"))
    ca = ca_of(agent.get("settings") or {}, ["ca_file"])
    if ca and agent.get("ca_fingerprints"):
        found.append(Secret(FILES["ca_certificate"].path, ca, "file"))
    key = _ca_key(look, ca)
    if key:
        found.append(Secret(FILES["ca_key"].path, key, "file"))
    return found


def _secret_lines(look: Look, agent: Mapping[str, Any]) -> Iterator[str]:
    there = {secret.name: secret.path for secret in secrets(look)}
    for secret, meaning in SECRET_FILES.items():
        name = FILES[secret].path
        if secret == "management_token" and adoption.acl_policy(look, agent) == "disabled":
            continue
        yield f"{name}: {there.get(name, meaning)}"
    if there:
        yield f"Fetch {', '.join(there)} from this host with -e adopt_secrets=true."


SECRET_FILES = {
    "gossip_key": "the gossip key. It was not found on this host.",
    "ca_certificate": "the certificate of the CA. It was not found on this host.",
    "ca_key": "the private key of the CA. It was not found on this host. Without it, set consul_agent_tls_ca_file,"
    " consul_agent_tls_certificate_file and consul_agent_tls_key_file for each server.",
    "management_token": "a management token of the cluster. No host has it.",
}


def _ca_key(look: Look, ca: str) -> str | None:
    """The private key beside the CA, as C(consul tls ca create) names it, or with the name of the CA."""
    base = posixpath.splitext(ca)[0]
    paths = look.known.get("paths") or {}
    return next((path for path in (f"{base}-key.pem", f"{base}.key") if base and path in paths), None)
