# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module consul_lock for a run of Ansible: says who asks, takes up the lock of a run that was killed on this machine,
and renews the lock until the run ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from ansible_collections.dockyard.consul.plugins.plugin_utils import controller, lock_keeper
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import run_id

DEFAULT_KEY = "dockyard/lock"
DEFAULT_TTL = 60
# While it waits for another run on this machine, it asks every so many seconds whether that run has ended.
ASK_SECONDS = 5
# Both the renewal and a second try fit into the time that a lock lasts.
RENEWALS = 4
OWN = ("owner", "session", "gone")


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        given = [name for name in OWN if name in self._task.args]
        if given:
            raise AnsibleActionFail(f"{', '.join(given)}: the action plugin sets this. Remove it.")
        state = self._task.args.get("state", "acquired")
        if state == "acquired" and not self._task.check_mode:
            return {**result, **self._acquire()}
        key = self._task.args.get("key", DEFAULT_KEY)
        done = self._ask(owner=owner(), session=lock_keeper.session_of(key))
        if state in ("released", "freed") and not self._task.check_mode and not done.get("failed"):
            lock_keeper.forget(key)
        return {**result, **done}

    def _acquire(self) -> dict[str, Any]:
        deadline = time.monotonic() + number(self._task.args, "wait", 0)
        gone = None
        while True:
            left = max(deadline - time.monotonic(), 0)
            done = self._ask(owner=owner(), gone=gone, wait=min(left, ASK_SECONDS))
            holder = done.get("lock")
            if not done.get("failed"):
                break
            if not holder:
                return done
            if holder["session"] != gone and controller.has_ended(holder):
                gone = holder["session"]
            elif left <= 0:
                return done
        self._keep(done["lock"]["session"])
        return done

    def _keep(self, session: str) -> None:
        key = self._task.args.get("key", DEFAULT_KEY)
        lock_keeper.note(key, session)
        host = self._task.delegate_to or self._variables["inventory_hostname"]
        if not lock_keeper.is_wanted(key, session, host):
            return
        options = {name: value for name, value in self._task.args.items() if name in CONNECTION_SPEC or name == "key"}

        def ask(state: str) -> dict[str, Any]:
            self._connection._shell.tmpdir = None
            try:
                return self._execute_module(
                    module_args={**options, "state": state, "session": session}, task_vars=self._variables
                )
            except AnsibleError as error:  # the host cannot be reached
                return {"failed": True, "msg": str(error)}
            finally:
                self._remove_module()

        def renew() -> bool | None:
            done = ask("renewed")
            if not done.get("failed"):
                return True
            return False if done.get("lost") else None

        def free() -> None:
            ask("released")

        lock_keeper.keep(key, session, number(self._task.args, "ttl", DEFAULT_TTL) / RENEWALS, renew, free)

    def _remove_module(self) -> None:
        """Ansible does so after the action. Without pipelining, the file of the module has its options, the token among them."""
        try:
            self.cleanup()
        except AnsibleError:
            pass

    def _ask(self, **more: Any) -> dict[str, Any]:
        return self._execute_module(module_args={**self._task.args, **more}, task_vars=self._variables)


def owner() -> dict[str, Any]:
    return {
        "run": run_id(),
        "by": controller.operator(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **controller.process(controller.main_pid()),
    }


def number(arguments: Mapping[str, Any], name: str, default: float) -> float:
    try:
        return float(arguments.get(name, default))
    except (TypeError, ValueError):
        raise AnsibleActionFail(f"{name}: {arguments[name]!r} is not a number") from None
