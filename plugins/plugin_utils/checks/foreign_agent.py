# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of an agent that this collection did not set up, and of files beside those of the role, by the look.

With other data, another node id or another name, the agent would be a new node, and on a server a new and empty cluster."""

from __future__ import annotations

import ipaddress
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import DEFINITIONS, OUR_FILES, ForeignFile
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_settings import agent_settings
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import has_secret
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

BACKUPS = "/var/backups/dockyard"
HOW_TO = "docs/adopt.md of the collection has the steps"
# They are in no comparison.
SECRETS = ("gossip_key", "acl_management_token", "acl_agent_token", "acl_dns_token", "node_id")


def is_server(v: Values) -> bool:
    return v.role == "consul_server" or bool(v.get("consul_agent_face_config", {}).get("server"))


def one(v: Values) -> dict[str, Any] | None:
    """The foreign agent of the host."""
    return next(iter(adoption.foreign_agents(v.look)), None)


def several(v: Values) -> Iterator[Problem]:
    agents = adoption.foreign_agents(v.look)
    if len(agents) > 1:
        names = ", ".join(_started_by(agent) for agent in agents)
        yield Problem(
            "consul_agent_adopt", f"More than one agent of Consul runs on this host ({names}). Stop all but one."
        )
    for agent in agents:
        if agent.get("contained"):
            yield Problem(
                "consul_agent_adopt",
                f"The agent of this host (process {agent['pid']}) runs in a container, which the role cannot take over."
                " Remove the container first, and move the agent's data to the host.",
            )


def data_dir(v: Values) -> Iterator[Problem]:
    name = "consul_agent_data_dir"
    for agent in adoption.agents(v.look):
        used = (agent.get("data_dir") or v[name]).rstrip("/")
        if used != v[name].rstrip("/"):
            yield Problem(
                name,
                f"{name} is {shown(v[name])}, and the agent of this host has its data in {used}. Without its data it would be"
                f" a new node, and a server would begin a new and empty cluster. Set {name} to {used}.",
            )
    if adoption.agents(v.look):
        return
    data = v.look.get("consul_data") or {}
    if (data.get(v[name].rstrip("/")) or {}).get("node_id_on_disk"):
        return
    for folder, found in data.items():
        if found.get("node_id_on_disk") and folder != v[name].rstrip("/"):
            yield Problem(
                name,
                f"{name} is {shown(v[name])}, and the data of an agent that does not run is in {folder}. If it is to go on,"
                f" set {name} to {folder}. Otherwise, remove that folder.",
            )


def identity(v: Values) -> Iterator[Problem]:
    """What the cluster knows a node by."""
    agent = one(v)
    if not agent:
        return
    settings, known = adoption.current(agent), v.look.get("consul") or {}
    node = known.get("node") or settings.get("node_name") or v.look.known.get("hostname")
    if node and node != v.site.node_name:
        yield _differs("consul_agent_node_name", v.site.node_name, f"the node of this host is {shown(node)}", node)
    datacenter = known.get("datacenter") or settings.get("datacenter") or "dc1"
    if datacenter != v.site.datacenter:
        yield _differs(
            "consul_agent_datacenter",
            v.site.datacenter,
            f"the agent of this host is in {shown(datacenter)}",
            datacenter,
        )
    node_id = known.get("node_id") or _data(v, agent).get("node_id_on_disk")
    if node_id and not v.is_default("consul_agent_node_id") and v["consul_agent_node_id"] != node_id:
        yield _differs(
            "consul_agent_node_id",
            v["consul_agent_node_id"],
            f"the node of this host has the id {node_id}, which the cluster knows",
            node_id,
            " Or remove the variable: the id of the node is kept.",
        )
    domain = known.get("domain") or settings["domain"].rstrip(".")
    if domain != v.site.domain:
        yield Problem(
            "consul_agent_config_extra",
            f"The agent of this host has the DNS domain {shown(domain)}, and the site has {shown(v.site.domain)}. Set"
            f" {{domain: {domain}}} in consul_agent_config_extra.",
        )


def _differs(name: str, value: Any, fact: str, wanted: str, more: str = "") -> Problem:
    return Problem(name, f"{name} is {shown(value)}, and {fact}. Set {name} to {wanted}.{more}")


def mode(v: Values) -> Iterator[Problem]:
    agent = one(v)
    if agent and agent.get("server") is not None and agent["server"] != is_server(v):
        now, other = ("server", "client") if agent["server"] else ("client", "server")
        yield Problem(
            "consul_agent_servers_group",
            f"The agent of this host is a {now}, and the inventory makes the host a {other}. Move the host to the group of the"
            f" {now}s. Change its mode later, when the site runs.",
        )


def address(v: Values) -> Iterator[Problem]:
    """Where the other agents reach it."""
    agent = one(v)
    if not agent:
        return
    settings = adoption.current(agent)
    used = (v.look.get("consul") or {}).get("address") or settings.get("advertise_addr") or settings.get("bind_addr")
    try:
        ours = v.site.lan_address
    except NoAddress:
        return  # reported elsewhere
    if used and _is_address(used) and used != ours:
        yield _differs("consul_agent_bind_addr", ours, f"the other agents reach the agent of this host at {used}", used)
    extra = adoption.flat(v["consul_agent_config_extra"])
    for port in ("ports.serf_lan", "ports.server"):
        used = settings[port]
        if used != extra.get(port, adoption.DEFAULTS[port]):
            yield Problem(
                "consul_agent_config_extra",
                f"The agent of this host has {port} {used}, and the others expect it there. Set {{ports:"
                f" {{{port.partition('.')[2]}: {used}}}}} in consul_agent_config_extra.",
            )


def _is_address(text: str) -> bool:
    """Not a template, and not 0.0.0.0."""
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


# Encryption


def gossip_encryption(v: Values) -> Iterator[Problem]:
    agent = one(v)
    if not agent or _data(v, agent).get("gossip_key_digests") or _data(v, agent).get("error"):
        return
    if (v.look.get("consul") or {}).get("encrypted") or "encrypt" in _keys(v, agent) or _has_unread_files(v, agent):
        return
    if not _allowed(v, "encrypt_verify_incoming", "encrypt_verify_outgoing"):
        yield Problem(
            "consul_agent_gossip_key",
            "The agent of this host does not encrypt its gossip. One agent with a key could not talk to the others. Bring"
            f" encryption to the whole cluster in three runs: {HOW_TO} ('A cluster without gossip encryption').",
        )


def tls(v: Values) -> Iterator[Problem]:
    agent = one(v)
    if not agent or not agent.get("files") or _has_unread_files(v, agent):
        return
    settings = adoption.current(agent)
    outgoing = settings.get("tls.internal_rpc.verify_outgoing", settings.get("tls.defaults.verify_outgoing"))
    if outgoing or settings.get("auto_encrypt.tls"):
        return
    if not _allowed(v, "tls.defaults.verify_incoming", "tls.defaults.verify_outgoing"):
        yield Problem(
            "consul_agent_config_extra",
            "The agent of this host does not use TLS (verify_outgoing). An agent of the site would refuse it. Bring TLS to the"
            f" whole cluster in three runs: {HOW_TO} ('A cluster without TLS').",
        )


def _allowed(v: Values, *names: str) -> bool:
    """Whether the inventory lets agents talk without encryption meanwhile."""
    extra = adoption.flat(v["consul_agent_config_extra"])
    return all(extra.get(name) is False for name in names)


# ACLs


def management_token(v: Values) -> Iterator[Problem]:
    agent = one(v)
    if not agent or adoption.acl_policy(v.look, agent) == "disabled":
        return
    variable, file = "consul_agent_acl_management_token", site_secrets.FILES["management_token"].path
    name = variable if v.is_set(variable) else f"{v.site.secrets_dir}/{file}"
    if not v.is_set(variable) and not has_secret(v, file):
        yield Problem(
            variable,
            f"The agent of this host has ACLs, and {name} does not exist. The site needs a management token of this cluster,"
            f" and does not make one. Write one to that file (mode 0600), or set {variable}. If the cluster has none yet, run"
            " 'consul acl bootstrap' there.",
        )
    elif "ACL not found" in ((v.look.get("consul") or {}).get("errors") or {}).get("management", ""):
        yield Problem(
            variable, f"The cluster of this host does not know the token in {name}. Set its management token."
        )
    elif (v.look.get("consul") or {}).get("management") is False:
        yield Problem(
            variable, f"The token in {name} is not a management token: it does not have the policy global-management."
        )


def default_policy(v: Values) -> Iterator[Problem]:
    """Under deny, Consul refuses what has no token: the node is there, and the service is gone."""
    name = "consul_agent_acl_default_policy"
    if not v.site.acl_enabled:
        return
    agent = one(v)
    policy = _policy_in_force(v, agent)
    if policy == "disabled":
        yield Problem(
            name,
            f"{name} is 'deny', and the agent of this host has no ACLs. Set {name} to allow, run the site, and change it to"
            f" deny later: {HOW_TO} ('From allow to deny').",
        )
        return
    defaulted = agent is not None and "acl.tokens.default" in _keys(v, agent)
    without = adoption.services_without_token(v.look)
    if without and (policy == "allow" or (policy == "deny" and defaulted)):
        yield Problem(
            name,
            f"{name} is 'deny', and these services of this host were registered without a token: {', '.join(without)}. Consul"
            f" would remove them from DNS. Register them with a token first: {HOW_TO} ('From allow to deny').",
        )


def _policy_in_force(v: Values, agent: Mapping[str, Any] | None) -> str | None:
    if agent:
        return adoption.acl_policy(v.look, agent)
    if not adoption.agents(v.look):
        return None
    files = v.look.get("consul_config") or {}
    return ((files.get(adoption.MAIN_FILE) or {}).get("settings") or {}).get("acl.default_policy")


# The takeover


def adopt(v: Values) -> Iterator[Problem]:
    """What a takeover would stop, replace or change is named before."""
    agent = one(v)
    if not agent or v["consul_agent_adopt"]:
        return
    changes = [f"{name}: {shown(now)} becomes {shown(after)}" for name, now, after in _changes(v, agent)]
    more = f" These settings would change: {'; '.join(changes)}." if changes else ""
    yield Problem(
        "consul_agent_adopt",
        f"An agent that this collection did not set up runs on this host ({_started_by(agent)}). With consul_agent_adopt: true, it"
        f" is stopped, and started again with the configuration of the site.{more} The playbook adopt.yml shows what a takeover"
        " needs.",
    )


def foreign_files(v: Values) -> Iterator[Problem]:
    kept = set(v["consul_agent_kept_files"])
    for file in adoption.foreign_files(v.look):
        if file.path in kept and file.path not in OUR_FILES and file.kind != "unit":
            continue
        if file.error:
            yield Problem(
                "consul_agent_kept_files",
                f"{file.path} was not placed by this collection, and cannot be read ({file.error}). Correct or remove it, or"
                " list it in consul_agent_kept_files.",
            )
        elif file.is_mixed:
            yield Problem(
                "consul_agent_kept_files",
                f"{file.path} has services or checks and other settings ({_list(file)}). Move the services and checks to a file"
                " of their own, which stays as it is.",
            )
        elif not v["consul_agent_adopt"]:
            yield Problem("consul_agent_adopt", _foreign(v, file))


def _foreign(v: Values, file: ForeignFile) -> str:
    what = f"{file.path} was not placed by this collection"
    if file.kind == "settings":
        what += f", and it sets {_list(file)}" if file.keys else ""
        unset = adoption.unset_settings(file.keys, _ours(v))
        if unset:
            what += (
                f". The role sets none of {', '.join(unset)}: add to consul_agent_config_extra what you want to keep"
            )
    if file.kind == "unit" or file.path in OUR_FILES:
        return f"{what}. With consul_agent_adopt: true, it is replaced, with a backup in {BACKUPS}."
    return (
        f"{what}. With consul_agent_adopt: true, it is moved to {BACKUPS}. List it in consul_agent_kept_files if it is to stay in"
        " force."
    )


def _list(file: ForeignFile) -> str:
    return ", ".join(file.keys)


def lost_services(v: Values) -> Iterator[Problem]:
    for identity_, path in adoption.lost_services(v.look):
        yield Problem(
            "consul_agent_kept_files",
            f"The service {identity_} is registered by {path}, which the agent of the site does not read. Copy the file to"
            " /etc/consul.d, if it has nothing but services and checks.",
        )


def unreadable_definitions(v: Values) -> Iterator[Problem]:
    """The agent of the role runs as the user consul, and does not start if it cannot read a file."""
    for path, file in (v.look.get("consul_config") or {}).items():
        found = v.look.path(path) or {}
        if file["placed"] or not file["keys"] or not set(file["keys"]) <= DEFINITIONS or found.get("type") != "file":
            continue
        mode_ = int(found["mode"], 8)
        group = found["group"] == "consul" and mode_ & 0o040
        if not (mode_ & 0o004 or group or (found["owner"] == "consul" and mode_ & 0o400)):
            yield Problem(
                "consul_agent_kept_files",
                f"{path} cannot be read by the user consul (owner {found['owner']}, group {found['group']}, mode"
                f" {found['mode']}). Its agent would not start. Run: chgrp consul {path} && chmod g+r {path}",
            )


def _started_by(agent: Mapping[str, Any]) -> str:
    unit = agent.get("unit")
    return f"process {agent['pid']}, " + (f"the unit {unit}" if unit else "without a unit")


def _has_unread_files(v: Values, agent: Mapping[str, Any]) -> bool:
    files = v.look.get("consul_config") or {}
    return any(files[path]["error"] for path in agent.get("files") or [] if path in files)


def _keys(v: Values, agent: Mapping[str, Any]) -> set[str]:
    files = v.look.get("consul_config") or {}
    return {key for path in agent.get("files") or [] if path in files for key in files[path]["keys"]}


def _data(v: Values, agent: Mapping[str, Any]) -> Mapping[str, Any]:
    return (v.look.get("consul_data") or {}).get(agent.get("data_dir") or "") or {}


def _changes(v: Values, agent: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return adoption.changed_settings(agent, _ours(v))


def _ours(v: Values) -> dict[str, Any]:
    """The settings that the role would place, without secrets."""
    face = "__consul_server_face" if is_server(v) else "__consul_client_face"
    stubs = {f"consul_agent_{name}": "secret" for name in SECRETS}
    stubs["consul_agent_face_config"] = v.get(face, v["consul_agent_face_config"])
    try:
        settings = agent_settings(ChainMap(stubs, v), v.site.lan_address, v.site.servers, (1, 21))  # type: ignore[arg-type]
    except (Unusable, NoAddress):
        return {}  # reported elsewhere
    return adoption.flat(settings)


CHECKS = [
    several,
    data_dir,
    identity,
    mode,
    address,
    gossip_encryption,
    tls,
    management_token,
    default_policy,
    adopt,
    foreign_files,
    lost_services,
    unreadable_definitions,
]
