# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module consul_acl, unless this run has already ensured everything that is listed, or check mode finds no server
that could be asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, digest

LISTS = ("policies", "roles", "tokens")


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self._task.args
        host = self._task.delegate_to or variables.get("inventory_hostname", "")
        objects = digests_of(host, arguments)
        ensured = Ensured()
        if objects and objects.items() <= ensured.read().items():
            return {**result, "changed": False, "operations": {}}
        if self._task.check_mode and is_stopped(Look.of_target(self._task.delegate_to, variables)):
            return {**result, "changed": True, "operations": {}, "msg": f"Consul does not run on {host} yet."}
        result.update(self._execute_module(task_vars=variables))
        if not result.get("failed") and not (self._task.check_mode and result.get("changed")):
            ensured.add(objects)
        return result


def is_stopped(look: Look) -> bool:
    """Whether this run has seen that the agent of the host does not run."""
    unit = look.unit("consul")
    return unit is not None and unit["active"] != "active"


def digests_of(host: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the listed objects with their secrets, by the digest of agent and object."""
    secrets = arguments.get("secrets") or {}
    agent = {name: arguments[name] for name in CONNECTION_SPEC if name in arguments and name != "token"}
    found = {}
    for kind in LISTS:
        for one in arguments.get(kind) or []:
            secret = secrets.get(one.get("accessor_id")) if kind == "tokens" else None
            which = [host, agent, kind, one.get("accessor_id") or one.get("name")]
            found[digest_of(which)] = digest_of([one, secret])
    return found


def digest_of(value: Any) -> str:
    return digest(json.dumps(value, sort_keys=True, default=str).encode())


class Ensured:
    """What consul_acl has ensured in this run, in Ansible's own folder for the run, which all forks share. Of an object that was
    ensured twice the last state counts."""

    def __init__(self) -> None:
        self._file = Path(constants.DEFAULT_LOCAL_TMP) / "dockyard.acls"

    def read(self) -> dict[str, str]:
        try:
            lines = self._file.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split() for line in lines)

    def add(self, digests: Mapping[str, str]) -> None:
        with self._file.open("a", encoding="ascii") as file:
            file.write("".join(f"{which} {what}\n" for which, what in digests.items()))
