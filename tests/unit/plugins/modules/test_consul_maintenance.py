# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.modules.consul_maintenance import (
    NONE,
    Maintenance,
    State,
    shown,
    wanted_after,
)


@pytest.mark.parametrize(
    "before, options, expected",
    [
        (NONE, {"state": "enabled"}, State(True, None)),
        (NONE, {"state": "enabled", "reason": "a"}, State(True, "a")),
        (State(True, "a"), {"state": "enabled"}, State(True, "a")),
        (State(True, "a"), {"state": "enabled", "reason": ""}, State(True, "a")),
        (State(True, "a"), {"state": "enabled", "reason": "b"}, State(True, "b")),
        (State(True, "a"), {"state": "disabled", "reason": "b"}, NONE),
    ],
)
def test_what_is_wanted(before, options, expected):
    assert wanted_after(before, {"reason": None, **options}) == expected


def test_whose_maintenance():
    node, web = Maintenance(None, None), Maintenance(None, "web-1")
    assert (node.path, node.check, node.of_node) == ("agent/maintenance", "_node_maintenance", True)
    assert (web.path, web.check) == ("agent/service/maintenance/web-1", "_service_maintenance:web-1")


def test_what_a_diff_shows():
    assert shown(NONE) == {"enabled": False}
    assert shown(State(True, "a")) == {"enabled": True, "reason": "a"}
