# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import meta_text


@pytest.mark.parametrize("value, text", [("x", "x"), (1, "1"), (True, "true"), (None, ""), ({"b": 1}, '{"b": 1}')])
def test_meta_is_text(value, text):
    assert meta_text(value) == text
