# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks in this process, with templates and real modules, as ansible-playbook takes half a second for each task.

Of the keywords, it knows those that change what these tests see: C(register), C(loop), C(block), C(always),
C(check_mode), C(ignore_errors) and C(environment).
"""

from __future__ import annotations

import importlib
import os
from unittest import mock

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from conftest import Runner
from in_process import Module

DEBUG = "ansible.builtin.debug"


def module_of(task):
    return next(key for key in task if "." in key)


class Tasks(Runner):
    """Tasks against one agent. Call it with a list of them."""

    def __init__(self, agent, **variables):
        self.agent = agent
        self.variables = {"inventory_hostname": "localhost", **variables}
        self.seen = []  # all that was returned or logged, as text
        self.check = False
        self.connection = agent.connection

    @property
    def output(self):
        """All that the tasks have returned or logged."""
        return "".join(self.seen)

    def run(self, *tasks, check=False, fails=False, connection=None):
        """As C(Playbook.run()): results of the tasks, in order. A failing task ends the run, and C(fails) awaits one."""
        self.check = check
        self.connection = self.agent.connection if connection is None else connection
        results = self(tasks, fails)
        return results[0] if len(tasks) == 1 else results

    def __call__(self, tasks, fails=False):
        """The results, in order. A task must not fail, or one of them must."""
        results = []
        for task in tasks:
            if "block" in task:
                results += self([*task["block"], *task.get("always", [])])
                continue
            items = self.rendered(task["loop"]) if "loop" in task else [None]
            for item in items:
                self.variables[task.get("loop_control", {}).get("loop_var", "item")] = item
                results.append(self.result(task))
                if results[-1].get("failed") and not task.get("ignore_errors"):
                    assert fails, (task, results[-1])
                    return results
            if "register" in task:
                self.variables[task["register"]] = results[-1]
        assert not fails, results
        return results

    def result(self, task):
        name = module_of(task)
        options = self.rendered(task[name] or {})
        if name == DEBUG:
            return options
        collection, _dot, short = name.rpartition(".")
        module = Module(
            importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{short}"), self.agent
        )
        module.connection = self.connection
        with mock.patch.dict(os.environ, task.get("environment", {})):
            found = module(check_mode=task.get("check_mode", self.check), **options)
        self.seen += module.seen
        return found

    def rendered(self, value):
        if isinstance(value, dict):
            return {key: self.rendered(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.rendered(item) for item in value]
        return self.template(value) if isinstance(value, str) and "{{" in value else value

    def template(self, text):
        return Templar(loader=DataLoader(), variables=self.variables).template(trust_as_template(text))
