# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks in this process, with templates and real modules, as ansible-playbook takes half a second for each task.

Of the keywords, it knows those that change what these tests see: C(register), C(loop), C(block) and C(always).
"""

from __future__ import annotations

import importlib

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from in_process import Module

DEBUG = "ansible.builtin.debug"


def module_of(task):
    return next(key for key in task if "." in key)


class Tasks:
    """Tasks against one agent. Call it with a list of them."""

    def __init__(self, agent, **variables):
        self.agent = agent
        self.variables = {"inventory_hostname": "localhost", **variables}

    def __call__(self, tasks):
        """The results, in order. A task must not fail."""
        results = []
        for task in tasks:
            if "block" in task:
                results += self([*task["block"], *task.get("always", [])])
                continue
            items = self.rendered(task["loop"]) if "loop" in task else [None]
            for item in items:
                self.variables[task.get("loop_control", {}).get("loop_var", "item")] = item
                results.append(self.result(task))
            if "register" in task:
                self.variables[task["register"]] = results[-1]
        return results

    def result(self, task):
        name = module_of(task)
        options = self.rendered(task[name] or {})
        if name == DEBUG:
            return options
        collection, _dot, module = name.rpartition(".")
        module = importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{module}")
        found = Module(module, self.agent)(**options)
        assert not found.get("failed"), (task, found)
        return found

    def rendered(self, value):
        if isinstance(value, dict):
            return {key: self.rendered(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.rendered(item) for item in value]
        return self.template(value) if isinstance(value, str) else value

    def template(self, text):
        return Templar(loader=DataLoader(), variables=self.variables).template(trust_as_template(text))
