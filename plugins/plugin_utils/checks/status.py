# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import at_least, found, has_secret
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.consul_agent import servers
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

TOKEN = "operator/monitoring.token"


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def token(v: Values) -> Iterator[Problem]:
    if not v.site.acl_enabled or v.is_set("status_token") or v.is_set("consul_server_monitoring_token"):
        return
    if not has_secret(v, TOKEN):
        yield Problem(
            "status_token",
            f"Consul shows nothing without a token (ACL deny), and {v.site.secrets_dir}/{TOKEN} does not exist. Run the playbook"
            " consul_server to make it, or set status_token.",
        )


def services(v: Values) -> Iterator[Problem]:
    name = "status_services"
    for service, group in v[name].items():
        if not isinstance(service, str):
            yield Problem(name, f"{name} has {shown(service)}, which is not the name of a service. Put it in quotes.")
        elif not isinstance(group, str) or not group:
            yield Problem(
                name,
                f"{name} has {shown(group)} for the service {shown(service)}. It must be the name of an inventory group.",
            )


def json_file(v: Values) -> Iterator[Problem]:
    if not v["status_json"]:
        return
    path = Path(v["status_json"]).expanduser().resolve()
    if path.is_dir():
        yield Problem("status_json", f"status_json: {shown(v['status_json'])} is a folder. Use the path of a file.")
    elif not path.parent.is_dir():
        yield Problem(
            "status_json",
            f"status_json is {shown(v['status_json'])}, and there is no such folder on the controller. Create it, or use"
            " another path.",
        )


CHECKS = [
    servers,
    token,
    services,
    json_file,
    at_least(0, "status_certificate_days", "status_secret_days", unit="days"),
    at_least(1, "status_timeout", unit="seconds"),
]
