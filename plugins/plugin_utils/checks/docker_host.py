# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role docker_host."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    at_least,
    debian,
    found,
    if_set,
    is_file,
    lan_address,
    log_size,
    not_a_file,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def dns(v: Values) -> Iterator[Problem]:
    loopback = [address for address in v["docker_host_dns"] if address.startswith("127.")]
    if loopback:
        yield Problem(
            "docker_host_dns",
            f"docker_host_dns contains {', '.join(map(shown, loopback))}. A container cannot reach the loopback addresses of"
            " its host. Use the host's LAN address.",
        )


def registry_ca(v: Values) -> Iterator[Problem]:
    ca = v["docker_host_registry_ca_file"]
    # A first run creates the site's CA before it comes to this role.
    to_be_made = os.path.join(v.site.secrets_dir, "ca.pem")
    if ca and not is_file(ca) and os.path.realpath(ca) != os.path.realpath(to_be_made):
        yield not_a_file(v, "docker_host_registry_ca_file")
    if ca and not v["docker_host_registry"]:
        yield Problem(
            "docker_host_registry_ca_file",
            "docker_host_registry is not set, and docker_host_registry_ca_file is. Set docker_host_registry to the host:port"
            " of the registry with a certificate from that CA.",
        )


CHECKS = [
    debian,
    lan_address,
    if_set("docker_host_dns", dns),
    log_size("docker_host_log_max_size"),
    at_least(1, "docker_host_log_max_file"),
    registry_ca,
]
