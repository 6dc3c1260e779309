# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_transactions import refusal


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('{"Results":null,"Errors":[{"OpIndex":0,"What":"Permission denied"}]}', "Permission denied"),
        ('{"Results":null,"Errors":null}', ""),
        ('{"Results":null,"Errors":[]}', ""),
        ("ACL not found", ""),
        (None, ""),  # there was no answer
    ],
)
def test_why_a_transaction_is_refused(words, expected):
    assert refusal(words) == expected
