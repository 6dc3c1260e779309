# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role docker_host has to do on a host that may have an engine and a daemon.json of its user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import canonical, leaves
from ansible_collections.dockyard.consul.plugins.plugin_utils import look, role_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

DAEMON_JSON = "/etc/docker/daemon.json"
# The log drivers that have the options max-size and max-file.
ROTATING = ("json-file", "local")
# The settings that a reload applies where they are set. One that is removed is applied by a restart only.
RELOADED = {
    "/debug",
    "/insecure-registries",
    "/labels",
    "/live-restore",
    "/max-concurrent-downloads",
    "/max-concurrent-uploads",
    "/max-download-attempts",
    "/registry-mirrors",
    "/shutdown-timeout",
}
# Where the engine has its containers, and how they reach the network: not to be changed under them.
FOUNDATIONS = (
    *("data-root", "graph", "exec-root", "storage-driver", "userns-remap"),
    *("bip", "bridge", "fixed-cidr", "default-address-pools"),
)


class Engine:
    """The engine of a host, by the look of this run."""

    def __init__(self, known: Look) -> None:
        self.look = known
        self.state: Mapping[str, Any] = known.get("docker") or {}
        self.file: Mapping[str, Any] = (known.get("json_files") or {}).get(DAEMON_JSON) or {}
        self.settings: Mapping[str, Any] = self.file.get("settings") or {}
        self.keys_on_command_line = {key for flag in self.state.get("flags") or [] for key in keys_of_flag(flag)}

    @property
    def is_installed(self) -> bool:
        return bool((self.look.get("programs") or {}).get("dockerd"))

    @property
    def has_live_restore(self) -> bool:
        return bool(self.state.get("live_restore"))

    @property
    def error(self) -> str:
        """Why it is not known what the engine has, or an empty string."""
        return self.state.get("error") or ""

    @property
    def containers(self) -> int:
        return len(self.state.get("containers") or [])

    def users_own(self, key: str) -> bool:
        """Whether the user's file sets a key of the top level."""
        return any(
            not one["placed"] for name, one in self.settings.items() if name == f"/{key}" or name.startswith(f"/{key}/")
        )

    def is_placed(self, key: str) -> bool:
        """Whether the collection has set a key of the top level."""
        return bool((self.settings.get(f"/{key}") or {}).get("placed"))

    def has(self, key: str, value: Any) -> bool:
        """Whether the file sets a key of the top level to this."""
        one = self.settings.get(f"/{key}")
        return bool(one) and one["digest"] == look.digest(canonical(value))

    def rotates(self, extra: Mapping[str, Any]) -> bool:
        """Whether the log driver has the options that limit logs."""
        if "log-driver" in extra:
            return extra["log-driver"] in ROTATING
        if self.users_own("log-driver"):
            return any(self.has("log-driver", driver) for driver in ROTATING)
        return "log-driver" not in self.keys_on_command_line


def keys_of_flag(flag: str) -> set[str]:
    """The keys in daemon.json that an option of dockerd may be: --dns is dns, --log-opt is log-opts."""
    return {flag, f"{flag}s", re.sub("y$", "ies", flag)}


def is_role_default(name: str, value: Any) -> bool:
    return str(value) == str(role_files.load("docker_host").defaults[name])


def daemon_settings(
    engine: Engine, dns: list[str], log_opts: Mapping[str, Any], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """What to merge into daemon.json: C(settings) in any case, C(defaults) where the user's file has no such settings.

    LOG_OPTS are the variables that limit logs, by their name."""
    settings: dict[str, Any] = {"live-restore": True, "dns": dns}
    defaults: dict[str, Any] = {}
    if "live-restore" in engine.keys_on_command_line and engine.has_live_restore:
        del settings["live-restore"]  # dockerd refuses to start where both set it
    if engine.rotates(extra):
        if "log-driver" not in engine.keys_on_command_line:
            defaults["log-driver"] = "json-file"
        for name, value in log_opts.items():
            option = name.removeprefix("docker_host_log_").replace("_", "-")
            if not is_role_default(name, value):
                settings.setdefault("log-opts", {})[option] = str(value)
            elif "log-opts" not in engine.keys_on_command_line:
                defaults.setdefault("log-opts", {})[option] = str(value)
    return {"settings": combined(settings, extra), "defaults": defaults}


def combined(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(settings)
    for key, value in more.items():
        old = found.get(key)
        found[key] = combined(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


def packages_due(known: Look, facts: Mapping[str, Any]) -> list[str]:
    """The packages that are missing. An engine that is there stays, whoever installed it."""
    programs = known.get("programs") or {}
    due = [] if programs.get("dockerd") else ["docker.io"]
    # Since Debian 13 the docker command is a package of its own.
    is_apart = facts.get("distribution") == "Debian" and int(facts.get("distribution_major_version") or 0) >= 13
    if is_apart and not programs.get("docker"):
        due.append("docker-cli")
    # The modules of community.docker need it on the host.
    return due if known.package("python3-requests") else [*due, "python3-requests"]


def validate_command(known: Look) -> str | None:
    """The command that judges daemon.json, where the engine has it: since 23.0."""
    version = (
        (known.get("docker") or {}).get("version") or known.package("docker.io") or known.package("docker-ce") or ""
    )
    major = re.match(r"(?:[0-9]+:)?([0-9]+)\.", version)
    if not major or int(major[1]) < 23:
        return None
    return f"dockerd --validate --config-file=%s{DAEMON_JSON}"


def changed_before(engine: Engine, since: int) -> list[str]:
    """The settings that an earlier run has changed since then."""
    return [name for name, at in (engine.file.get("changed") or {}).items() if at > since]


def reads_at_start(known: Look, placed: Iterable[str], wanted: Mapping[str, Any]) -> list[str]:
    """The files that need a restart where they are newer than the engine: daemon.json, unless a reload applies what was
    changed. PLACED are the settings that this run has changed."""
    settings = leaves(combined(wanted["defaults"], wanted["settings"]))
    engine = Engine(known)
    begun = (known.unit("docker") or {}).get("begun", 0)
    changed = {*placed, *changed_before(engine, begun)}
    if any(name not in RELOADED or name not in settings for name in changed):
        return [DAEMON_JSON]
    file = known.path(DAEMON_JSON) or {}
    latest = max((engine.file.get("changed") or {}).values(), default=0)
    # Somebody has changed it after us: it is not known what.
    return [DAEMON_JSON] if file.get("mtime", 0) > max(begun, latest) else []
