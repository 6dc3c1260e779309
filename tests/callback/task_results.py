# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes each result of a task to the file in TASK_RESULTS, one JSON object a line: host, outcome, task, action and tags.

The outcome is "ok", "changed" or "skipped". An include that runs is left out: only the tasks inside count."""

from __future__ import annotations

import json
import os

from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_results
type: aggregate
short_description: Writes each result of a task to a file
description: One result a line, to the file in the environment variable E(TASK_RESULTS).
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        if isinstance(result.task, TaskInclude):
            return
        self._write(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result):
        self._write(result, "skipped")

    def _write(self, result, outcome):
        task = result.task
        line = {
            "host": result.host.get_name(),
            "outcome": outcome,
            "task": task.get_name(),
            "action": task.action,
            "tags": sorted(task.tags),
        }
        with open(os.environ["TASK_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
