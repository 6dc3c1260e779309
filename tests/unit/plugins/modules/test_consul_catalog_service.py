# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.modules.consul_catalog_service import is_due

WEB = {"name": "web", "modify_index": 12}


@pytest.mark.parametrize(
    ("found", "name", "index", "expected"),
    [
        (WEB, "web", None, True),
        (WEB, "web", 12, True),
        (WEB, "web", 11, False),
        (WEB, "web", 0, False),
        (WEB, "other", 12, False),
        (None, "web", None, False),
        (None, "web", 12, False),
    ],
)
def test_what_is_due(found, name, index, expected):
    assert is_due(found, name, index) is expected
