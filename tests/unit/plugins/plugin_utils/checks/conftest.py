# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.check_variables import CHECKS
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import unique


@pytest.fixture
def said(values):
    """What the checks of a role say."""

    def said(role, given=(), entry_point="", **more):
        check = CHECKS[f"{role}:{entry_point}" if entry_point else role]
        return [problem.text for problem in unique(check(values(role, given, **more)))]

    return said
