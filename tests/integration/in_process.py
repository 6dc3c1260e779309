# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process, against a real agent: for tests of many values, as ansible-playbook takes a second a run."""

from __future__ import annotations

import contextlib
import importlib
import io
import json

import pytest
from ansible.module_utils.testing import patch_module_args

MODULES = "ansible_collections.dockyard.consul.plugins.modules"


class Module:
    """A module by its name. Call it with the options of a task."""

    def __init__(self, name, agent):
        self.main = importlib.import_module(f"{MODULES}.{name}").main
        self.connection = agent.connection

    def __call__(self, check_mode=False, **options):
        """The result of a task, failed or not."""
        arguments = {**self.connection, **options, "_ansible_check_mode": check_mode, "_ansible_remote_tmp": "/tmp"}
        output = io.StringIO()
        with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
            self.main()
        return json.loads(output.getvalue())

    def refusal(self, **options):
        """The message of a task that must fail, in check mode as in a run, before Consul is asked to write."""
        foretold, real = self(check_mode=True, **options), self(**options)
        assert foretold["failed"] and real["failed"], (foretold, real)
        assert foretold["msg"] == real["msg"] and "\n" not in real["msg"] and " PUT " not in real["msg"]
        return real["msg"]
