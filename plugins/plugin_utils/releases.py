# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a service are run with, and which of those that there are differ from that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

# Labels by which the containers of a service are found again, whatever their names.
SERVICE, PORT, SETTINGS = "dockyard_service", "dockyard_port", "dockyard_settings"


def instance_settings(definition: Mapping[str, Any], port: int) -> dict[str, Any]:
    """What the instance at a port is run with. C(digest) is kept as a label of its container, so that a container of other
    settings is known without comparing them one by one."""
    variable = definition["port_variable"]
    env = {name: str(value) for name, value in definition["env"].items()}
    if variable:
        env[variable] = str(port)
    settings = {
        "image": definition["image"],
        "env": env,
        "volumes": list(definition["volumes"]),
        "command": definition["command"] if isinstance(definition["command"], str) else list(definition["command"]),
    }
    others = {name: str(definition[name]) for name in ("stop_seconds", "log_max_size", "log_max_file")}
    text = json.dumps([settings, others], sort_keys=True)
    return {**settings, "digest": hashlib.sha256(text.encode()).hexdigest()}


def service_containers(containers: Iterable[Mapping[str, Any]], service: str) -> dict[str, dict[str, Any]]:
    """The containers of a service on a host, by the port that each is for, of what host_info has found."""
    return {
        container["labels"][PORT]: {
            "name": container["name"],
            "running": container["state"] == "running",
            "image": container["image_ref"],
            "settings": container["labels"].get(SETTINGS, ""),
        }
        for container in containers
        if container["labels"].get(SERVICE) == service and PORT in container["labels"]
    }


def replaced(
    ports: Iterable[int], containers: Mapping[str, Mapping[str, Any]], definition: Mapping[str, Any]
) -> list[int]:
    """The ports whose container is missing, does not run, or is run with other settings."""
    found = []
    for port in ports:
        container = containers.get(str(port))
        wanted = instance_settings(definition, port)
        if not container or not container["running"] or container["settings"] != wanted["digest"]:
            found.append(port)
    return found
