# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.catalog_states import worst


@pytest.mark.parametrize(
    "states, expected",
    [
        ([], "passing"),
        (["passing"], "passing"),
        (["passing", "warning"], "warning"),
        (["warning", "critical", "passing"], "critical"),
        (["passing", "unknown", "warning"], "critical"),
        ([""], "critical"),
    ],
)
def test_worst(states, expected):
    assert worst(states) == expected
