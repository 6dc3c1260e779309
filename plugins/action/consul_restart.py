# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module consul_restart, unless a restart has failed in this run: then the agents that are left stay as they are.

C(throttle) holds here whatever the strategy: under C(free), Ansible counts the tasks of each included file by themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

PAUSE = 0.2


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
        # In Ansible's folder for this run, which all its forks share, whatever the strategy.
        note = Path(constants.DEFAULT_LOCAL_TMP) / "dockyard.restart_failed"
        if note.exists():
            failed = note.read_text(encoding="utf-8")
            message = f"Consul on {host} was not restarted, because the restart on {failed} failed. Repair that, then run again."
            return {**result, "failed": True, "msg": message}
        if self._task.check_mode:
            return {**result, **self._execute_module(task_vars=variables)}
        try:
            result.update(self._execute_module(task_vars=variables))
        except Exception:  # the host was lost, perhaps by the restart
            note.write_text(host, encoding="utf-8")
            raise
        if result.get("failed"):
            note.write_text(host, encoding="utf-8")
        elif result.get("changed"):
            Look.of_target(self._task.delegate_to, variables).note_changed(["unit:consul", "consul"])
        return result


@contextlib.contextmanager
def turn(folder: Path, kind: str, at_a_time: int) -> Iterator[None]:
    """Wait until fewer than so many restart. The locks end with the process that holds them."""
    if not at_a_time:
        yield
        return
    while True:
        for number in range(at_a_time):
            with (folder / f"dockyard.restart_{kind}_{number}").open("w") as file:
                if is_locked(file):
                    yield
                    return
        time.sleep(PAUSE)


def is_locked(file: IO[str]) -> bool:
    """Whether this process has the lock of the file now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
