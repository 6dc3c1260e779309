# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's CA, which signs the certificates of the Consul servers and of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import found, is_file
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def absolute_folder(v: Values) -> Iterator[Problem]:
    name = "site_tls_dir" if v.is_set("site_tls_dir") else "site_secrets_dir"
    if not Path(_folder(v)).is_absolute():
        yield Problem(
            name,
            f"{name} is {shown(_folder(v))}. It must be an absolute path, such as '{{{{ inventory_dir }}}}/.secrets'.",
        )


def whole_ca(v: Values) -> Iterator[Problem]:
    names = ["site_tls_ca_certificate", "site_tls_ca_private_key"]
    given = [name for name in names if v.is_set(name)]
    if len(given) == 1:
        (missing,) = set(names) - set(given)
        yield Problem(given[0], f"{missing} is not set, and {given[0]} is. Set both of them, or neither.")
    elif not given:
        ca, key = (Path(_folder(v)) / name for name in ("ca.pem", "ca.key"))
        if is_file(ca) and not is_file(key):
            yield Problem(
                "site_tls_ca_private_key",
                f"{ca} exists, and its private key {key} does not. The CA cannot sign a certificate. Copy the key to that"
                " file, or set site_tls_ca_certificate and site_tls_ca_private_key.",
            )


def _folder(v: Values) -> str:
    return v["site_tls_dir"] if v.is_set("site_tls_dir") else v.site.secrets_dir


CHECKS = [absolute_folder, whole_ca]
