# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what a takeover of an agent would stop, replace or put out of force, by the look."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils import adopted_version, adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import DEFINITIONS, OUR_FILES, ForeignFile
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_settings import FOLDER, agent_settings
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import is_server
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

BACKUPS = "/var/backups/dockyard"
# They are in no comparison.
SECRETS = ("gossip_key", "acl_management_token", "acl_agent_token", "acl_dns_token", "node_id")


def adopt(v: Values) -> Iterator[Problem]:
    """What a takeover would stop, replace or change is named before."""
    agent = next(iter(adoption.foreign_agents(v.look)), None)
    if not agent or v["consul_agent_adopt"]:
        return
    now, after = _versions(v, agent)
    versions = [("version", now, after)] if now and after and after != now else []
    changes = [
        f"{name}: {shown(now)} becomes {shown(after)}"
        for name, now, after in [*versions, *adoption.changed_settings(agent, _ours(v))]
    ]
    more = f" These settings would change: {'; '.join(changes)}." if changes else ""
    yield Problem(
        "consul_agent_adopt",
        f"An agent that this collection did not set up runs on this host ({adoption.started_by(agent)}). With consul_agent_adopt: true, it"
        f" is stopped, and started again with the configuration of the site.{more} The playbook adopt.yml shows what a takeover"
        " needs.",
    )


def version(v: Values) -> Iterator[Problem]:
    """An older Consul may not read the data of a newer one."""
    agent = next(iter(adoption.foreign_agents(v.look)), None)
    if not agent:
        return
    name, install, (now, after) = "consul_agent_version", v["consul_agent_install_method"], _versions(v, agent)
    if not now:
        if not v[name]:
            yield Problem(
                name,
                "The version of the agent that runs on this host is not known, so neither is whether the role would start an older"
                f" Consul, which may not be able to read its data. Set {name} to the version to start, which must not be older.",
            )
    elif not after and install == "local":
        yield Problem(
            name,
            f"Consul {now} runs on this host, and the version of {v['consul_agent_local_file']} (consul_agent_local_file) is not"
            f" known before it is installed. Set {name} to its version, which must be {now} or a later one.",
        )
    elif not after:
        yield Problem(
            name,
            f"Consul {now} runs on this host, and consul_agent_install_method {shown(install)} would install another Consul, of a"
            f" version that is not known yet. To keep the version, set {name}: {now} and consul_agent_install_method:"
            f" {adopted_version.method(v.look, agent)}.",
        )
    elif adopted_version.is_older(after, now):
        yield Problem(
            name,
            f"Consul {now} runs on this host, and the role would start Consul {after} with its data, which an older version may"
            f" not be able to read. Set {name} to {now} or a later one.",
        )


def _versions(v: Values, agent: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The version that runs, and the one that the role would start."""
    after = adopted_version.afterwards(v.look, v["consul_agent_install_method"], v["consul_agent_version"])
    return adopted_version.running(v.look, agent), after


def foreign_files(v: Values) -> Iterator[Problem]:
    kept = set(v["consul_agent_kept_files"])
    for file in adoption.foreign_files(v.look):
        if file.path in kept and not _is_replaced(file):
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
        elif not v["consul_agent_adopt"] or (adoption.is_taken_over(v.look) and not _is_replaced(file)):
            yield Problem("consul_agent_adopt", _foreign(v, file))


def unread_files(v: Values) -> Iterator[Problem]:
    """Elsewhere than in the folder of the role: what they set is not known, and goes out of force."""
    files = v.look.get("consul_config") or {}
    for agent in adoption.foreign_agents(v.look):
        for path in agent.get("files") or []:
            if path.startswith(f"{FOLDER}/") or not files[path]["error"] or path in v["consul_agent_kept_files"]:
                continue
            yield Problem(
                "consul_agent_kept_files",
                f"{path}, which the agent of this host uses, cannot be read ({files[path]['error']}), so its settings are not"
                " known. Correct it. Or list it in consul_agent_kept_files if the inventory has all that is in it.",
            )


def _foreign(v: Values, file: ForeignFile) -> str:
    what = f"{file.path} was not placed by this collection"
    if file.kind == "settings":
        what += f", and it sets {_list(file)}" if file.keys else ""
        unset = adoption.unset_settings(file.keys, _ours(v))
        if unset:
            what += (
                f". The role sets none of {', '.join(unset)}: add to consul_agent_config_extra what you want to keep"
            )
    if _is_replaced(file):
        return f"{what}. With consul_agent_adopt: true, it is replaced, with a backup in {BACKUPS}."
    if adoption.is_taken_over(v.look):
        return (
            f"{what}. This host is taken over already, so consul_agent_adopt does not move the file. Remove it, or list it in"
            " consul_agent_kept_files if it is to stay in force."
        )
    return (
        f"{what}. With consul_agent_adopt: true, it is moved to {BACKUPS}. List it in consul_agent_kept_files if it is to stay in"
        " force."
    )


def _is_replaced(file: ForeignFile) -> bool:
    """Whether the role has a file of its own with this name."""
    return file.kind == "unit" or file.path in OUR_FILES


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
    ours = adoption.placed(v.look) or ()
    for path, file in (v.look.get("consul_config") or {}).items():
        found = v.look.path(path) or {}
        if path in ours or not file["keys"] or not set(file["keys"]) <= DEFINITIONS or found.get("type") != "file":
            continue
        mode_ = int(found["mode"], 8)
        group = found["group"] == "consul" and mode_ & 0o040
        if not (mode_ & 0o004 or group or (found["owner"] == "consul" and mode_ & 0o400)):
            yield Problem(
                "consul_agent_kept_files",
                f"{path} cannot be read by the user consul (owner {found['owner']}, group {found['group']}, mode"
                f" {found['mode']}). Its agent would not start. Run: chgrp consul {path} && chmod g+r {path}",
            )


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


CHECKS = [adopt, version, foreign_files, unread_files, lost_services, unreadable_definitions]
