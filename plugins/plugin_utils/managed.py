# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of this collection manage on a host: the options of host_info for the look of a run."""

from __future__ import annotations

from typing import Any

UNITS = ["consul", "redis-server", "docker", "docker-registry", "nginx", "systemd-resolved", "NetworkManager"]

PATHS = [
    # The journal of the module files: it exists where a run was killed while it placed files.
    "/var/lib/dockyard/placing.json",
    "/etc/consul.d",
    "/etc/consul.d/*",
    # What a takeover has moved. An agent that is older still runs with it.
    "/var/backups/dockyard/etc/consul.d/*",
    "/var/backups/dockyard/etc/systemd/system/consul.service*",
    "/var/backups/dockyard/etc/systemd/system/consul.service.d/*",
    "/var/lib/consul",
    "/usr/bin/consul",
    "/usr/local/bin/consul",
    "/etc/apt/keyrings",
    "/etc/apt/keyrings/hashicorp.asc",
    "/etc/apt/sources.list.d/hashicorp.sources",
    "/etc/systemd/system/consul.service",
    *(f"/etc/systemd/system/{unit}.service.d{end}" for unit in UNITS for end in ("", "/*")),
    "/etc/resolv.conf",
    "/etc/systemd/resolved.conf.d",
    "/etc/systemd/resolved.conf.d/*",
    "/etc/NetworkManager/conf.d/consul.conf",
    "/etc/dhcp/dhclient-enter-hooks.d/consul",
    "/etc/redis",
    "/etc/redis/*",
    "/etc/docker",
    "/etc/docker/daemon.json",
    # Engines beside that of the unit docker: of snap, and of users.
    "/snap/bin/docker",
    "/run/user/*/docker.pid",
    "/etc/docker/certs.d",
    "/etc/docker/certs.d/*",
    "/etc/docker/certs.d/*/*",
    "/etc/docker/registry",
    "/etc/docker/registry/*",
    "/var/lib/docker-registry",
    "/etc/nginx",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/nginx_lb*",
    "/etc/nginx/*.pem",
    "/etc/nginx/*.key",
    "/etc/nginx/conf.d",
    "/etc/nginx/conf.d/*",
    "/etc/nginx/sites-available/default",
    "/etc/nginx/sites-enabled",
    "/etc/nginx/sites-enabled/*",
    "/etc/mydemo",
    "/etc/mydemo/*",
]

HOST_INFO: dict[str, Any] = {
    "paths": PATHS,
    "packages": [
        *(
            "consul",
            "redis-server",
            "docker.io",
            "docker-ce",
            "docker-registry",
            "podman-docker",
            "nginx",
            "nginx-common",
        ),
        *("procps", "libcap2-bin", "gpgv", "python3-requests"),
    ],
    "programs": ["setcap", "gpgv", "nginx", "docker", "dockerd"],
    "units": UNITS,
    "workers_of": ["nginx"],
    "consul_binaries": ["/usr/bin/consul", "/usr/local/bin/consul"],
    "consul_data_dirs": ["/var/lib/consul", "/opt/consul"],
    "consul_config_dirs": ["/etc/consul.d"],
    "resolver": True,
    "docker": True,
    "json_files": ["/etc/docker/daemon.json"],
    "nginx": True,
    "redis": True,
    "certificates": ["/etc/consul.d/*.pem", "/etc/docker/registry/*.pem", "/etc/nginx/*.pem"],
    # The agent on the host itself: it answers at once, or does not run.
    "timeout": 5,
    "retries": 0,
}
