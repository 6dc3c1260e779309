# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import os

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_id, group_name, user_id, user_name

NOBODY = 2**31 - 7
ROOT_GROUP = grp.getgrgid(0).gr_name


def test_names_of_numbers():
    assert (user_name(0), group_name(0)) == ("root", ROOT_GROUP)
    assert user_name(NOBODY) == group_name(NOBODY) == str(NOBODY)
    assert user_name(os.geteuid()) != ""


@pytest.mark.parametrize("number_of", [user_id, group_id])
def test_numbers_of_names(number_of):
    assert number_of("root") == 0
    assert number_of(str(NOBODY)) == NOBODY, "a number need not have a name"
    assert number_of("nobody-here") is None
