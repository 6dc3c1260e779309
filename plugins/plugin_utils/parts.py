# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each layer of a site leaves on a host, and how it is taken off again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.plugin_utils.adoption import OUR_FILES
from ansible_collections.dockyard.consul.plugins.plugin_utils.docker_engine import DAEMON_JSON, FOUNDATIONS, Engine
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, matches
from ansible_collections.dockyard.consul.plugins.plugin_utils.redis_data import lost_at_restart
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues

SERVICE_LABEL = "dockyard_service"


class Part(NamedTuple):
    """C(groups) are the inventory groups of the layer. C(paths) are patterns of the files that it places, C(put_back) those of
    files that it has moved out of the way. C(folders) are removed where they are empty. C(unit) is the program that it runs,
    C(config) the file by which that program is known to be the user's: it was modified."""

    groups: tuple[str, ...]
    paths: tuple[str, ...]
    put_back: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    unit: str = ""
    config: str = ""


# From the last layer of a run to the first. A user may place files with the module files too, so the names are those of the
# roles.
PARTS = {
    "nginx_lb": Part(
        ("nginx_lb",),
        (
            "/etc/nginx/nginx.conf",
            "/etc/nginx/nginx_lb.token",
            "/etc/nginx/nginx_lb*.pem",
            *("/etc/nginx/conf.d/zz_nginx_lb.conf", "/etc/nginx/sites-enabled/zz_nginx_lb.conf"),
        ),
        put_back=("/etc/nginx/conf.d/default.conf", "/etc/nginx/sites-enabled/default"),
        unit="nginx",
        config="/etc/nginx/nginx.conf",
    ),
    "mydemo": Part(("mydemo",), ("/etc/mydemo/*",), folders=("/etc/mydemo",)),
    "docker_host": Part(
        ("docker_host",),
        ("/etc/docker/daemon.json", "/etc/docker/certs.d/*/ca.crt"),
        folders=("/etc/docker/certs.d/*", "/etc/docker/certs.d"),
        unit="docker",
    ),
    "registry": Part(
        ("registry",),
        (
            *(
                "/etc/docker/registry/registry.pem",
                "/etc/docker/registry/registry.key",
                "/etc/docker/registry/config.yml",
            ),
            "/etc/systemd/system/docker-registry.service.d/site.conf",
        ),
        folders=("/etc/systemd/system/docker-registry.service.d",),
        unit="docker-registry",
    ),
    "redis": Part(
        ("redis",),
        ("/etc/redis/site.conf", "/etc/systemd/system/redis-server.service.d/site.conf"),
        folders=("/etc/systemd/system/redis-server.service.d",),
        unit="redis-server",
        config="/etc/redis/redis.conf",
    ),
    "consul_agent": Part(
        ("consul_server", "consul_client"),
        (
            *OUR_FILES,
            *("/etc/consul.d/ca.pem", "/etc/consul.d/agent.pem", "/etc/consul.d/agent.key"),
            "/etc/systemd/system/consul.service",
            "/etc/apt/keyrings/hashicorp.asc",
            "/etc/apt/sources.list.d/hashicorp.sources",
            "/etc/resolv.conf",
            "/etc/systemd/resolved.conf.d/consul.conf",
            "/etc/NetworkManager/conf.d/consul.conf",
            "/etc/dhcp/dhclient-enter-hooks.d/consul",
        ),
        put_back=("/etc/consul.d/*", "/etc/systemd/system/consul.service.d/*"),
        folders=("/etc/consul.d", "/etc/systemd/system/consul.service.d"),
        unit="consul",
    ),
}
# Units that go on, and what they read of the files and folders that change. The first list requires a restart, the second a
# reload.
READS = {
    "nginx": ([], ["/etc/nginx", "/etc/nginx/nginx.conf", "/etc/nginx/conf.d", "/etc/nginx/sites-enabled"]),
    "docker": ([], ["/etc/docker", "/etc/docker/daemon.json"]),
    "redis-server": (["/etc/redis", "/etc/systemd/system"], []),
    "systemd-resolved": (["/etc/systemd/resolved.conf.d"], []),
    "NetworkManager": ([], ["/etc/NetworkManager/conf.d"]),
}


def groups_of(variables: Mapping[str, Any]) -> list[str]:
    """The groups of a host. A server may be in a group with another name."""
    groups = list(variables.get("group_names") or [])
    return (
        [*groups, "consul_server"] if variables.get("inventory_hostname") in SiteValues(variables).servers else groups
    )


def present(look: Look) -> list[str]:
    """The layers that this collection has placed something of on the host."""
    return [
        name
        for name, part in PARTS.items()
        if any(_placed(look, part.paths)) or (name == "mydemo" and containers(look, [name]))
    ]


def leftovers(look: Look, groups: Iterable[str]) -> list[str]:
    """The layers that the host has, and that none of its groups has it for."""
    return [name for name in present(look) if not set(PARTS[name].groups) & set(groups)]


def _placed(look: Look, patterns: Iterable[str]) -> Iterator[str]:
    for path, origin in (look.get("origins") or {}).items():
        if origin == "placed" and look.path(path) is not None and any(matches(path, pattern) for pattern in patterns):
            yield path
    for path, file in (look.get("json_files") or {}).items():
        if any(matches(path, pattern) for pattern in patterns):
            yield from (path for one in (file.get("settings") or {}).values() if one["placed"])


def containers(look: Look, parts: Iterable[str]) -> list[dict[str, str]]:
    """The containers of these layers, with the service of each. Those of services other than mydemo go with the engine."""
    found = ((look.get("docker") or {}).get("containers")) or []
    services = [{"name": one["name"], "service": one["labels"].get(SERVICE_LABEL)} for one in found]
    return [
        one
        for one in services
        if one["service"] and ("mydemo" if one["service"] == "mydemo" else "docker_host") in parts
    ]


def plan(
    look: Look, parts: Iterable[str], names: Mapping[str, str] | None = None, servers: bool = False
) -> dict[str, Any]:
    """How these layers are taken off the host. C(names) are the names of the services redis and registry. C(servers): whether
    the agent of a server may go while its cluster has a leader."""
    chosen = {name: part for name, part in PARTS.items() if name in set(parts)}
    running = containers(look, chosen)
    ours = {one["service"] for one in running} | {name for role, name in (names or {}).items() if role in chosen}
    units = {part.unit: is_of_user(look, part) for part in chosen.values() if part.unit and is_used(look, part.unit)}
    goes_on = [unit for unit, is_users in units.items() if is_users]
    if "consul_agent" in chosen:
        goes_on += [unit for unit in ("systemd-resolved", "NetworkManager") if look.runs(unit)]
    agent = look.get("consul") or {}
    return {
        "containers": [one["name"] for one in running],
        "services": sorted(registered(agent.get("services") or {}) & ours),
        "stop": [unit for unit, is_users in units.items() if not is_users],
        "goes_on": [{"unit": unit, "reads": READS[unit][0], "reload_reads": READS[unit][1]} for unit in goes_on],
        "paths": [path for part in chosen.values() for path in part.paths],
        "put_back": [path for part in chosen.values() for path in part.put_back],
        "folders": [folder for part in chosen.values() for folder in part.folders],
        "problems": list(problems(look, chosen, running, servers)),
    }


def problems(look: Look, parts: Iterable[str], running: Sequence[Mapping[str, str]], servers: bool) -> Iterator[str]:
    """Why these layers must not be taken off, each as a sentence. C(running) are the containers that would be removed."""
    agent, engine = look.get("consul") or {}, Engine(look)
    if "consul_agent" in parts and not servers and agent.get("server") and agent.get("leader"):
        yield (
            "The host is a server of a cluster that has a leader. Take it out of the site first (dockyard.consul.retire_host). To"
            " take off a whole site, set -e uninstall_servers=true."
        )
    if "redis" in parts and is_of_user(look, PARTS["redis"]):
        reason = lost_at_restart(look)
        if reason:
            yield reason
    if not {"docker_host", "mydemo"} & set(parts):
        return
    if engine.error and look.runs("docker"):
        yield f"The containers could not be read: {engine.error}. Repair the engine, then run again."
    placed = [key for key in FOUNDATIONS if engine.is_placed(key)]
    if "docker_host" in parts and placed and engine.containers > len(running):
        yield (
            f"{DAEMON_JSON} would lose {', '.join(placed)}, which the collection has set, and the engine its containers with it."
            " Remove the containers that are not of the collection first, or keep the role."
        )


def registered(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The names of the services that this collection, or an app by itself, has registered with the agent. Not those of others
    that happen to have the name of one of ours."""
    return {
        one["Service"] for one in services.values() if DIGEST in (one.get("Meta") or {}) or one["Service"] == "mydemo"
    }


def is_used(look: Look, unit: str) -> bool:
    """Whether a unit runs, or would at the next boot."""
    return look.runs(unit) or (look.unit(unit) or {}).get("enabled") == "enabled"


def is_of_user(look: Look, part: Part) -> bool:
    """Whether the program runs for somebody else too, and so goes on."""
    origins = look.get("origins") or {}
    if part.unit == "docker":
        return True  # nobody knows what else runs in it
    if part.unit == "nginx":
        config = (look.get("nginx") or {}).get("config") or {}
        # What could not be read may be a server of the user.
        if config.get("error") or any(origins.get(server["file"]) is None for server in config.get("servers") or []):
            return True
    return origins.get(part.config) is None and (look.path(part.config) or {}).get("type") == "file"
