# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_kv_info import read


@pytest.mark.parametrize(
    "given, words",
    [
        ({"key": ""}, "key is empty"),
        ({"key": "a", "recurse": True, "separator": "/"}, "set keys as well"),
        ({"key": "a", "recurse": True, "keys": True}, "set one of the two"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_asked(given, words):
    params = {"recurse": False, "keys": False, "separator": None, **given}
    with pytest.raises(ConsulError, match=words):
        read(params, store=None)
