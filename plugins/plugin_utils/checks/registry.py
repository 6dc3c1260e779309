# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role registry."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import site_tls
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    debian,
    found,
    has_secret,
    lan_address,
    matching,
    port,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def lost_ca(v: Values) -> Iterator[Problem]:
    """On a controller without the folder of secrets, a new CA would be made, which no Docker host trusts."""
    if has_certificate(v) and not v.is_set("site_tls_ca_certificate") and not has_secret(v, "ca.pem"):
        yield Problem(
            "site_tls_ca_certificate",
            f"{v.site.secrets_dir}/ca.pem does not exist, and the registry on this host has a certificate already. Copy ca.pem and"
            " ca.key from the controller that set up the site, or set site_tls_ca_certificate and site_tls_ca_private_key.",
        )


def has_certificate(v: Values) -> bool:
    """Whether the role has set up the registry of the host."""
    return (v.look.path("/etc/docker/registry/registry.pem") or {}).get("type") == "file"


def set_by_hand(v: Values) -> Iterator[Problem]:
    """A registry that somebody has configured keeps its settings, such as where its images are, unless the inventory says otherwise."""
    file = "/etc/docker/registry/config.yml"
    there = (v.look.path(file) or {}).get("type") == "file"
    # With the certificate of the role, the registry is the site's, and a change by hand is undone.
    if not there or has_certificate(v) or file in (v.look.get("origins") or {}) or v["registry_replace_settings"]:
        return
    yield Problem(
        "registry_replace_settings",
        f"The registry on {v.host} was configured in {file}, which the role would replace. Its images would be missing if they are"
        " in another folder than registry_data_dir. Set registry_data_dir and registry_port to what they are there, and"
        " registry_replace_settings to true. The file is backed up.",
    )


CHECKS = [
    debian,
    lan_address,
    port("registry_port"),
    matching("registry_data_dir", r"/.+", "It must be the absolute path of a folder on the host."),
    *site_tls.CHECKS,
    lost_ca,
    set_by_hand,
]
