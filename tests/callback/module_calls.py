# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes each call of a module to the file in MODULE_CALLS, one a line: the module, the host and the task.

Callbacks see results of tasks only, and an action can call no module or several. So this wraps the call itself, before
Ansible forks."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_calls
type: aggregate
short_description: Writes each call of a module to a file
description: One call a line, to the file in the environment variable E(MODULE_CALLS).
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_calls"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, _playbook):
        execute = ActionBase._execute_module

        def counted(action, *args, **options):
            name = options.get("module_name") or (args[0] if args else None) or action._task.action
            with open(os.environ["MODULE_CALLS"], "a", encoding="utf-8") as file:
                file.write(
                    f"{name} {options.get('task_vars', {}).get('inventory_hostname')} {action._task.get_name()}\n"
                )
            return execute(action, *args, **options)

        ActionBase._execute_module = counted
