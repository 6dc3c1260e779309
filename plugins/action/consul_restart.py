# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module consul_restart, unless a restart has failed in this run: then the agents that are left stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.turns import failed_on, note_failure, turn


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        kind = "server" if self._task.args.get("server_address") else "client"
        with turn(Path(constants.DEFAULT_LOCAL_TMP), kind, self._task.throttle):
            return self._restart(tmp, task_vars)

    def _restart(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = self._task.delegate_to or variables.get("inventory_hostname", "")
        failed = failed_on("consul")
        if failed:
            message = f"Consul on {host} was not restarted, because the restart on {failed} failed. Repair that, then run again."
            return {**result, "failed": True, "msg": message}
        if self._task.check_mode:
            return {**result, **self._execute_module(task_vars=variables)}
        try:
            result.update(self._execute_module(task_vars=variables))
        except Exception:  # the host was lost, perhaps by the restart
            note_failure("consul", host)
            raise
        if result.get("failed"):
            note_failure("consul", host)
        elif result.get("changed"):
            Look.of_target(self._task.delegate_to, variables).note_changed(["unit:consul", "consul"])
        return result
