# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each layer of a site leaves on a host, and how it is taken off again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, matches

SERVICE_LABEL = "dockyard_service"


class Part(NamedTuple):
    """C(groups) are the inventory groups of the layer. C(paths) are patterns of the files that it places, C(folders) are
    removed where they are empty. C(unit) is the program that it runs, C(config) the file by which that program is known to be
    the user's: it was modified."""

    groups: tuple[str, ...]
    paths: tuple[str, ...]
    folders: tuple[str, ...] = ()
    unit: str = ""
    config: str = ""
    services: tuple[str, ...] = ()


# From the last layer of a run to the first.
PARTS = {
    "nginx_lb": Part(
        ("nginx_lb",),
        (
            "/etc/nginx/nginx.conf",
            "/etc/nginx/nginx_lb*",
            "/etc/nginx/conf.d/*",
            "/etc/nginx/sites-enabled/*",
        ),
        unit="nginx",
        config="/etc/nginx/nginx.conf",
    ),
    "mydemo": Part(("mydemo",), ("/etc/mydemo/*",), ("/etc/mydemo",)),
    "docker_host": Part(
        ("docker_host",),
        ("/etc/docker/daemon.json", "/etc/docker/certs.d/*/*"),
        ("/etc/docker/certs.d/*", "/etc/docker/certs.d"),
        unit="docker",
    ),
    "registry": Part(
        ("registry",),
        ("/etc/docker/registry/*", "/etc/systemd/system/docker-registry.service.d/*"),
        ("/etc/systemd/system/docker-registry.service.d",),
        unit="docker-registry",
        services=("registry",),
    ),
    "redis": Part(
        ("redis",),
        ("/etc/redis/*", "/etc/systemd/system/redis-server.service.d/*"),
        ("/etc/systemd/system/redis-server.service.d",),
        unit="redis-server",
        config="/etc/redis/redis.conf",
        services=("redis",),
    ),
    "consul_agent": Part(
        ("consul_server", "consul_client"),
        (
            "/etc/consul.d/*",
            "/etc/systemd/system/consul.service",
            "/etc/systemd/system/consul.service.d/*",
            "/etc/apt/keyrings/hashicorp.asc",
            "/etc/apt/sources.list.d/hashicorp.sources",
            "/etc/resolv.conf",
            "/etc/systemd/resolved.conf.d/consul.conf",
            "/etc/NetworkManager/conf.d/consul.conf",
            "/etc/dhcp/dhclient-enter-hooks.d/consul",
        ),
        ("/etc/consul.d", "/etc/systemd/system/consul.service.d"),
        unit="consul",
    ),
}
# Units that read files of consul_agent, and how they notice that these are gone.
READERS = {
    "/etc/systemd/resolved.conf.d/consul.conf": ("systemd-resolved", "restarted"),
    "/etc/NetworkManager/conf.d/consul.conf": ("NetworkManager", "reloaded"),
}


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
    """The containers that the collection runs, with the service of each. Without a container engine there is none."""
    if not {"mydemo", "docker_host"} & set(parts):
        return []
    found = ((look.get("docker") or {}).get("containers")) or []
    return [
        {"name": one["name"], "service": one["labels"][SERVICE_LABEL]}
        for one in found
        if SERVICE_LABEL in one["labels"] and ("docker_host" in parts or one["labels"][SERVICE_LABEL] in parts)
    ]


def plan(look: Look, parts: Iterable[str]) -> dict[str, Any]:
    """How these layers are taken off the host."""
    chosen = {name: part for name, part in PARTS.items() if name in set(parts)}
    running = containers(look, chosen)
    services = {one["service"] for one in running} | {name for part in chosen.values() for name in part.services}
    units = {part.unit: is_of_user(look, part) for part in chosen.values() if part.unit and look.runs(part.unit)}
    stays = [unit for unit, is_users in units.items() if is_users]
    after = {unit: "reloaded" if unit in ("docker", "nginx") else "restarted" for unit in stays}
    if "consul_agent" in chosen:
        after |= {unit: how for path, (unit, how) in READERS.items() if (look.path(path) or {}).get("type") == "file"}
    registered = ((look.get("consul") or {}).get("services")) or {}
    return {
        "containers": [one["name"] for one in running],
        "services": sorted({one["Service"] for one in registered.values()} & services),
        "stop": [unit for unit in units if unit not in stays],
        "after": [{"unit": unit, "state": state} for unit, state in after.items()],
        "paths": [path for part in chosen.values() for path in part.paths],
        "folders": [folder for part in chosen.values() for folder in part.folders],
    }


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
