# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of Consul that this collection did not set up, by the look, and what would become of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.filter.consul_config import RENAMED
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_settings import FOLDER
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

UNIT = "consul"
UNIT_FILE = f"/etc/systemd/system/{UNIT}.service"
MAIN_FILE = f"{FOLDER}/consul.json"
# The files of the role. Whatever has such a name is replaced.
OUR_FILES = {f"{FOLDER}/{name}.json" for name in ("consul", "start", "reloadable", "secrets")}
# A file with nothing but these belongs to the user, and works beside the files of the role.
DEFINITIONS = {"service", "services", "check", "checks", "watches"}
# What the packages of Debian and HashiCorp bring. The role sets data_dir in a file that comes later.
OF_PACKAGES = {f"{FOLDER}/00-log_level.hcl": {"log_level"}, f"{FOLDER}/consul.hcl": {"data_dir"}}
# Unlike other settings, these have a default of Consul that the role does not share, or that clients use.
DEFAULTS: Mapping[str, Any] = {
    "client_addr": "127.0.0.1",
    "domain": "consul",
    "ports.dns": 8600,
    "ports.http": 8500,
    "ports.serf_lan": 8301,
    "ports.server": 8300,
}
# Checked by themselves, or different by nature.
NOT_COMPARED = re.compile(
    r"acl\..*|bootstrap_expect|data_dir|datacenter|domain|node_id|node_name|retry_join|server|.*_file|ca_path"
    r"|advertise_addr|bind_addr|ports\.(serf_lan|server)|tls\..*"
)
MADE_BY_THE_ROLE = re.compile(r"acl\.tokens\.|tls\.\w+\.(cert|key)_file$")
# Of what needs a restart. The other files of the role are replaced without one.
BACKUP = re.compile(
    r"/var/backups/dockyard/etc/(consul\.d/(?!(start|reloadable|secrets)\.json\.)[^/]+\.(hcl|json)"
    r"|systemd/system/consul\.service(\.d/[^/]+)?)\.[0-9]{8}T[0-9]{6}Z(\.[0-9]+)?"
)
NEW_NAMES = {old: new for new, old, _since in reversed(RENAMED)}


class ForeignFile(NamedTuple):
    path: str
    kind: str  # "settings", "unit" or "drop-in"
    keys: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_mixed(self) -> bool:
        """Whether it defines services or checks beside settings."""
        return bool(DEFINITIONS & set(self.keys)) and not DEFINITIONS >= set(self.keys)


def agents(look: Look) -> list[dict[str, Any]]:
    """The agents that run on the host, under any systemd unit."""
    return (look.get("consul") or {}).get("running") or []


def foreign_agents(look: Look) -> list[dict[str, Any]]:
    """The agents that this collection did not set up: their unit, their files or their command line is another. None if its own
    agent runs: others beside it are the user's."""
    return [agent for agent in site_agents(look) if is_foreign(look, agent)]


def site_agents(look: Look) -> list[dict[str, Any]]:
    """The agent of this collection, if it runs. Otherwise all that run."""
    found = agents(look)
    return [agent for agent in found if not is_foreign(look, agent)] or found


def started_by(agent: Mapping[str, Any]) -> str:
    unit = agent.get("unit")
    return f"process {agent['pid']}, " + (f"the unit {unit}" if unit else "without a unit")


def is_foreign(look: Look, agent: Mapping[str, Any]) -> bool:
    ours = placed(look)
    if ours is None or "options" not in agent:
        return False  # it is not known
    if agent["unit"] != UNIT or MAIN_FILE not in ours:
        return True
    folders = [folder.rstrip("/") for folder in agent["config_dirs"]]
    if folders == [FOLDER] and not agent["config_files"] and not agent["options"]:
        return False
    # A drop-in may change the command line. One that the user has not listed is named by itself.
    return FOLDER not in folders or not any(_drop_ins(look))


def placed(look: Look) -> Collection[str] | None:
    """The files that this collection has placed, or None if that is not known."""
    recorded, origins = look.known.get("placed"), look.known.get("origins")
    if recorded is None:
        return None
    if not OUR_FILES & set(recorded):
        # Nobody else has files with all these names, so the record is lost.
        is_lost = OUR_FILES <= set(look.known.get("consul_config") or {})
        return {*recorded, *OUR_FILES, UNIT_FILE} if is_lost else recorded
    as_placed = {path for path in recorded if (origins or {}).get(path) == "placed"}
    # If none of them is as it was placed, Consul was removed by hand, and set up again by somebody else.
    return recorded if origins is None or OUR_FILES & as_placed else as_placed


def foreign_files(look: Look) -> list[ForeignFile]:
    """The files that would change, or be changed by, the configuration of the role. Those that this run has changed since
    the look are left out."""
    return [file for file in _foreign_files(look) if file.path not in look.changed]


def _foreign_files(look: Look) -> list[ForeignFile]:
    ours = placed(look)
    return [] if ours is None else [*_settings(look, ours), *_of_the_unit(look, ours)]


def _settings(look: Look, ours: Collection[str]) -> Iterator[ForeignFile]:
    for path, file in sorted((look.known.get("consul_config") or {}).items()):
        keys = tuple(file["keys"])
        if path in ours or not _is_read(path):
            continue
        if file["error"] or not set(keys) <= DEFINITIONS | OF_PACKAGES.get(path, set()):
            yield ForeignFile(path, "settings", keys, file["error"] or "")


def _of_the_unit(look: Look, ours: Collection[str]) -> Iterator[ForeignFile]:
    if (look.known.get("paths") or {}).get(UNIT_FILE, {}).get("type") in ("file", "link") and UNIT_FILE not in ours:
        yield ForeignFile(UNIT_FILE, "unit")
    for path in _drop_ins(look):
        if path not in ours:
            yield ForeignFile(path, "drop-in")


def _drop_ins(look: Look) -> list[str]:
    """The drop-ins of the unit alone. Others are for every unit."""
    found = ((look.known.get("units") or {}).get(UNIT) or {}).get("drop_ins") or []
    return [path for path in found if f"/{UNIT}.service.d/" in path]


def moved_files(look: Look, kept: Collection[str]) -> list[str]:
    """The foreign files that a takeover moves to the backups. The role replaces those that have the name of one of its own,
    which makes a backup as well."""
    if is_taken_over(look):
        return []
    return [file.path for file in foreign_files(look) if file.path not in {*kept, *OUR_FILES} and file.kind != "unit"]


def is_taken_over(look: Look) -> bool:
    """Whether the agreement of the user was used already. A file that came later is not moved: it is named in each run."""
    return MAIN_FILE in (placed(look) or ()) and not agents_to_replace(look)


def kept_config_files(look: Look, moved: Collection[str]) -> list[str]:
    """The files of the user that the agent of the role reads."""
    files = (look.known.get("consul_config") or {}).items()
    gone, ours = {*moved, *OUR_FILES, *look.changed}, placed(look) or ()
    return sorted(path for path, _file in files if _is_read(path) and path not in ours and path not in gone)


def moved_from(look: Look) -> list[str]:
    """The folders from which this run has moved such files, or from which this or an earlier one has removed the keyring: what
    they held is in force until the agent restarts. For files of an earlier run there is C(is_left_over)."""
    moved = {file.path for file in _foreign_files(look) if file.path in look.changed}
    moved |= {path for path in look.changed if path.endswith("/serf/local.keyring")}
    moved |= {f"{agent['data_dir']}/serf/local.keyring" for agent in agents(look) if _has_lost_keyring(look, agent)}
    return sorted({path.rpartition("/")[0] for path in moved})


def _has_lost_keyring(look: Look, agent: Mapping[str, Any]) -> bool:
    """A client that is alone, and has no keyring. One that starts with a key makes one."""
    found = data_of(look, agent)
    return (
        not (agent.get("server") or _known(look, "leader") or found.get("error"))
        and found.get("gossip_key_digests") == []
    )


def replaced_agents(look: Look) -> list[dict[str, Any]]:
    """The agents that a takeover ends, as the module consul_restart takes them."""
    return [{name: agent[name] for name in ("pid", "started", "unit", "user")} for agent in agents_to_replace(look)]


def agents_to_replace(look: Look) -> list[dict[str, Any]]:
    """The foreign agents, and those that a run which was killed has left with a configuration that it had moved."""
    return foreign_agents(look) or [agent for agent in agents(look) if is_left_over(look, agent)]


def is_left_over(look: Look, agent: Mapping[str, Any]) -> bool:
    """Whether the agent is older than a backup of what it reads. A backup dates from the move."""
    backups = (look.known.get("paths") or {}).items()
    return agent.get("unit") == UNIT and any(
        file["mtime"] > agent["started"] for path, file in backups if BACKUP.fullmatch(path) and "mtime" in file
    )


def lost_services(look: Look) -> list[tuple[str, str]]:
    """Services in files that a foreign agent reads and that the agent of the role would not read: id and file."""
    config = look.known.get("consul_config") or {}
    here = {service["id"] for path, file in config.items() if _is_read(path) for service in file["services"]}
    files = [path for agent in foreign_agents(look) for path in agent.get("files") or [] if not _is_read(path)]
    return [
        (service["id"], path)
        for path in dict.fromkeys(files)
        for service in config[path]["services"]
        if service["id"] not in here
    ]


def _is_read(path: str) -> bool:
    return path.rpartition("/")[0] == FOLDER


def without_token(look: Look, kind: str) -> list[str]:
    """The services or checks (KIND) of the host that were registered without a token, through the API or in a file."""
    files = look.known.get("consul_config") or {}
    by_api = [one for agent in site_agents(look) for one in data_of(look, agent).get(f"{kind}_without_token", [])]
    by_file = [f"{one['id']} ({path})" for path, file in files.items() for one in file[kind] if not one["token"]]
    return list(dict.fromkeys(by_api + by_file))


def data_in(look: Look, folder: str | None) -> Mapping[str, Any]:
    """What the look found in a data folder of Consul."""
    return (look.get("consul_data") or {}).get((folder or "").rstrip("/")) or {}


def node_id_in_use(look: Look, data_dir: str, derived: str) -> str:
    """The id that the node of a host has, or gets: that in its data folder, unless the configuration of the role has given it
    the derived one. A new node gets the derived one."""
    on_disk = data_in(look, data_dir).get("node_id_on_disk")
    main = (look.known.get("consul_config") or {}).get(MAIN_FILE) or {"settings": {}}
    is_ours = MAIN_FILE in (placed(look) or ())
    return derived if not on_disk or (is_ours and main["settings"].get("node_id") == derived) else on_disk


# What the cluster knows the node of an agent by: by its own word, or else by its files. Without either, by Consul's default.


def node_name(look: Look, agent: Mapping[str, Any]) -> str | None:
    return _known(look, "node") or current(agent).get("node_name") or look.known.get("hostname")


def node_id(look: Look, agent: Mapping[str, Any]) -> str | None:
    return _known(look, "node_id") or data_of(look, agent).get("node_id_on_disk")


def datacenter(look: Look, agent: Mapping[str, Any]) -> str:
    return _known(look, "datacenter") or current(agent).get("datacenter") or "dc1"


def domain(look: Look, agent: Mapping[str, Any]) -> str:
    return _known(look, "domain") or current(agent)["domain"].rstrip(".")


def data_of(look: Look, agent: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the look found in the data folder of an agent."""
    return data_in(look, agent.get("data_dir"))


def _known(look: Look, name: str) -> Any:
    return (look.get("consul") or {}).get(name)


# Settings


def current(agent: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an agent that are no secrets, under the names of the newest Consul."""
    return {**DEFAULTS, **{NEW_NAMES.get(key, key): value for key, value in (agent.get("settings") or {}).items()}}


def acl_policy(look: Look, agent: Mapping[str, Any]) -> str:
    """The ACL default policy of an agent, C(disabled) without ACLs."""
    if _known(look, "acl_default_policy"):
        return _known(look, "acl_default_policy")
    settings = current(agent)
    if settings.get("acl.enabled"):
        return settings.get("acl.default_policy") or "allow"
    return settings.get("acl_default_policy") or ("allow" if settings.get("acl_datacenter") else "disabled")


def policy_in_force(look: Look) -> str | None:
    """The ACL default policy of the agent of a host. None if none runs, or if it is not known."""
    agent = next(iter(site_agents(look)), None)
    if not agent:
        return None
    if is_foreign(look, agent):
        return acl_policy(look, agent)
    main = (look.get("consul_config") or {}).get(MAIN_FILE) or {"settings": {}}
    return _known(look, "acl_default_policy") or main["settings"].get("acl.default_policy")


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names. Those that are not set are left out."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{name}."))
        elif value is not None:
            found[f"{prefix}{name}"] = value
    return found


def changed_settings(agent: Mapping[str, Any], ours: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The settings of an agent that the role would change: name, value now, value afterwards."""
    found = []
    for name, value in sorted(current(agent).items()):
        after = ours.get(name, DEFAULTS.get(name))
        if after is not None and after != value and not NOT_COMPARED.fullmatch(name):
            found.append((name, value, after))
    return found


def unset_settings(keys: Sequence[str], ours: Mapping[str, Any]) -> list[str]:
    """Those of the settings that the role would not set. It makes the tokens, and a client gets its certificate by auto_encrypt."""
    names = (NEW_NAMES.get(key, key) for key in keys)
    return sorted(
        {name for name in names if name not in ours and name not in DEFINITIONS and not MADE_BY_THE_ROLE.match(name)}
    )
