# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of an agent that this collection did not set up, by the look.

With other data, another node id or another name, the agent would be a new node, and on a server a new and empty cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import LABEL, has_secret, is_server
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

HOW_TO = "docs/adopt.md of the collection has the steps"


def one(v: Values) -> dict[str, Any] | None:
    """The foreign agent of the host, or what a killed run has left of one."""
    return next(iter(adoption.agents_to_replace(v.look)), None)


def several(v: Values) -> Iterator[Problem]:
    agents = adoption.foreign_agents(v.look)
    if len(agents) > 1:
        names = ", ".join(adoption.started_by(agent) for agent in agents)
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
        elif agent.get("main") is False and agent["unit"] != adoption.UNIT:
            yield Problem(
                "consul_agent_adopt",
                f"The agent of this host (process {agent['pid']}, the unit {agent['unit']}) was started by a program that is not"
                " Consul, such as cron, a supervisor or a login, which a takeover leaves alone. Remove the agent from what"
                f" starts it there. Then end it with 'kill -9 {agent['pid']}', as it may leave the cluster at SIGTERM.",
            )


def silent(v: Values) -> Iterator[Problem]:
    """A server is not stopped unless it says that the others have the quorum."""
    agent, answers = one(v), v.look.get("consul") or {}
    errors = answers.get("errors") or {}
    if agent and agent.get("server") and "self" in errors and "leader" not in {*errors, *answers}:
        yield Problem(
            "consul_agent_adopt",
            "The agent of this server does not answer at 127.0.0.1:8500. Nobody could tell whether the cluster would go on while it"
            ' is replaced. Let it answer there, for example with addresses = {http = "127.0.0.1"} and ports = {http = 8500}'
            " in its configuration, and restart it.",
        )


def data_dir(v: Values) -> Iterator[Problem]:
    name = "consul_agent_data_dir"
    for agent in adoption.site_agents(v.look):
        used = (agent.get("data_dir") or v[name]).rstrip("/")
        if used != v[name].rstrip("/"):
            yield Problem(
                name,
                f"{name} is {shown(v[name])}, and the agent of this host has its data in {used}. Without its data it would be"
                f" a new node, and a server would begin a new and empty cluster. Set {name} to {used}.",
            )
    if adoption.agents(v.look):
        return
    if adoption.data_in(v.look, v[name]).get("node_id_on_disk"):
        return
    for folder, found in (v.look.get("consul_data") or {}).items():
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
    node = adoption.node_name(v.look, agent)
    if node and node != v.site.node_name and not LABEL.fullmatch(node):
        yield Problem(
            "consul_agent_node_name",
            f"consul_agent_node_name is {shown(v.site.node_name)}, and the node of this host is {shown(node)}, which the role cannot"
            " keep: Consul gives tokens only to nodes with lower-case letters, digits and '-' in their names. Set node_name to"
            f" {shown(v.site.node_name)} in the configuration of the agent and restart it, then run again.",
        )
    elif node and node != v.site.node_name:
        yield _differs("consul_agent_node_name", v.site.node_name, f"the node of this host is {shown(node)}", node)
    datacenter = adoption.datacenter(v.look, agent)
    if datacenter != v.site.datacenter:
        yield _differs(
            "consul_agent_datacenter",
            v.site.datacenter,
            f"the agent of this host is in {shown(datacenter)}",
            datacenter,
        )
    node_id = adoption.node_id(v.look, agent)
    if node_id and not v.is_default("consul_agent_node_id") and v["consul_agent_node_id"] != node_id:
        yield _differs(
            "consul_agent_node_id",
            v["consul_agent_node_id"],
            f"the node of this host has the id {node_id}, which the cluster knows",
            node_id,
            " Or remove the variable: the id of the node is kept.",
        )
    domain = adoption.domain(v.look, agent)
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
    if (
        not agent
        or adoption.data_of(v.look, agent).get("gossip_key_digests")
        or adoption.data_of(v.look, agent).get("error")
    ):
        return
    if (v.look.get("consul") or {}).get("encrypted") or "encrypt" in _keys(v, agent) or not _is_known(v, agent):
        return
    if not _allowed(v, "encrypt_verify_incoming", "encrypt_verify_outgoing"):
        yield Problem(
            "consul_agent_gossip_key",
            "The agent of this host does not encrypt its gossip. One agent with a key could not talk to the others. Bring"
            f" encryption to the whole cluster in three runs: {HOW_TO} ('A cluster without gossip encryption').",
        )


def tls(v: Values) -> Iterator[Problem]:
    agent = one(v)
    if not agent or not _is_known(v, agent):
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
    """Under deny, Consul refuses what has no token: the node stays in DNS, its service does not."""
    name = "consul_agent_acl_default_policy"
    agent = one(v)
    policy = adoption.policy_in_force(v.look)
    if not v.site.acl_enabled:
        if agent and policy == "deny":
            yield Problem(
                name,
                f"{name} is 'allow', and the agent of this host has 'deny'. A takeover would let everybody read and change the"
                f" cluster without a token. Set {name} to deny.",
            )
        return
    if policy == "disabled":
        yield Problem(
            name,
            f"{name} is 'deny', and the agent of this host has no ACLs. Set {name} to allow, run the site, and change it to"
            f" deny later: {HOW_TO} ('From allow to deny').",
        )
        return
    defaulted = agent is not None and "acl.tokens.default" in _keys(v, agent)
    if policy != "allow" and not (policy == "deny" and defaulted):
        return
    for kind, effect in (
        ("services", "Consul would remove them from DNS"),
        ("checks", "Consul would refuse what they find, and the catalog would keep their last state"),
    ):
        without = adoption.without_token(v.look, kind)
        if without:
            yield Problem(
                name,
                f"{name} is 'deny', and these {kind} of this host were registered without a token: {', '.join(without)}."
                f" {effect}. Register them with a token first: {HOW_TO} ('From allow to deny').",
            )


def acls_of_all_servers(v: Values) -> Iterator[Problem]:
    """Without ACLs on the leader, a server with ACLs knows no token, and refuses everything."""
    agent, name = one(v), "consul_agent_adopt"
    if not agent or not is_server(v) or v.site.acl_enabled or adoption.acl_policy(v.look, agent) != "disabled":
        return
    others = [server for server in v.site.servers if server != v.host]
    in_play = v.get("ansible_play_hosts") or []
    left = [server for server in others if server not in in_play and not _is_taken_over(v, server)]
    known = v.look.get("consul") or {}
    if left:
        yield Problem(
            name,
            f"The agent of this server has no ACLs, and this run would give it ACLs without {', '.join(left)}. It would refuse all"
            " requests until the leader has ACLs as well. Run the site over all servers of the cluster.",
        )
    elif others and (known.get("leader") or "").rpartition(":")[0] != known.get("address"):
        yield Problem(
            name,
            "This server gets ACLs. It refuses all requests, also of DNS, until the leader of the cluster has ACLs as well. The"
            f" leader comes last. {HOW_TO} ('From allow to deny').",
            is_warning=True,
        )


def _is_taken_over(v: Values, server: str) -> bool:
    look = v.look_of(server)
    return bool(adoption.agents(look)) and not adoption.agents_to_replace(look)


def _is_known(v: Values, agent: Mapping[str, Any]) -> bool:
    """Whether the look has read all configuration of an agent. A relative folder is not found. An agent without files has all
    its settings on the command line, which cannot set TLS."""
    files = v.look.get("consul_config") or {}
    if agent.get("files") is None or not all(folder.startswith("/") for folder in agent.get("config_dirs") or []):
        return False
    return not any(files[path]["error"] for path in agent["files"] if path in files)


def _keys(v: Values, agent: Mapping[str, Any]) -> set[str]:
    files = v.look.get("consul_config") or {}
    return {key for path in agent.get("files") or [] if path in files for key in files[path]["keys"]}


CHECKS = [
    several,
    silent,
    data_dir,
    identity,
    mode,
    address,
    gossip_encryption,
    tls,
    management_token,
    default_policy,
    acls_of_all_servers,
]
