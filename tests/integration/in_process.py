# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process, against a real agent: for tests of many inputs, as ansible-playbook takes a second a run."""

from __future__ import annotations

import contextlib
import io
import json
import re
from unittest import mock

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args


class Module:
    """A module against one agent. Call it with the options of a task."""

    def __init__(self, module, agent):
        self.main = module.main
        self.connection = agent.connection
        self.seen = []  # all that was returned or logged, as text

    def __call__(self, check_mode=False, **options):
        """The result of a task, failed or not."""
        arguments = {
            **self.connection,
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
            "_ansible_inject_invocation": True,
            "_ansible_remote_tmp": "/tmp",
        }
        output = io.StringIO()
        with (
            patch_module_args(arguments),
            contextlib.redirect_stdout(output),
            mock.patch.object(AnsibleModule, "log", lambda _self, message, **_options: self.seen.append(str(message))),
            pytest.raises(SystemExit),
        ):
            self.main()
        self.seen.append(output.getvalue())
        return json.loads(output.getvalue())

    def refusal(self, rehearsed=False, **options):
        """The message of a task that fails in check mode and in a real run, in the same words, before Consul is asked to
        write. C(rehearsed) is for what Consul refuses itself, in check mode in a transaction that cannot succeed."""
        foretold, failed = self(check_mode=True, **options), self(**options)
        assert foretold.get("failed") and failed.get("failed"), (options, foretold, failed)
        assert foretold["msg"] == failed["msg"] and "\n" not in failed["msg"]
        assert rehearsed or not re.search(r"\bPUT /|Consul refused", failed["msg"])
        return failed["msg"]
