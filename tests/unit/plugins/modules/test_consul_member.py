# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.modules.consul_member import Member, is_there, refusal

SERVER = Member("old1", "failed", True, True, True)
THREE = {"192.0.2.1:8300", "192.0.2.2:8300", "192.0.2.3:8300"}


def test_a_client_is_never_refused():
    assert refusal(Member("app1", "failed", False, False, True), set(), [], 3) == ""


def test_a_server_that_is_no_peer_any_more_is_not_refused():
    assert refusal(Member("old1", "failed", True, False, True), THREE, [], 3) == ""


@pytest.mark.parametrize("accepting", [3, 4])
def test_a_server_of_which_enough_remain(accepting):
    assert refusal(SERVER, THREE, sorted(THREE)[:accepting], 3) == ""


def test_too_few_would_remain():
    said = refusal(SERVER, sorted(THREE)[:2], sorted(THREE)[:2], 3)
    assert said == (
        "old1 is a server, and 2 would remain, fewer than min_servers (3). Add another server to the cluster first."
    )


def test_too_few_answer_to_agree_on_the_removal():
    said = refusal(SERVER, THREE, ["192.0.2.2:8300", "192.0.2.1:8300"], 3)
    assert "3 of the other 3 servers must answer, and only 2 do (192.0.2.1:8300, 192.0.2.2:8300)" in said


@pytest.mark.parametrize(
    ("member", "there"),
    [
        (Member("a", "failed", False, False, False), True),
        (Member("a", "alive", False, False, True), True),
        (Member("a", "left", False, False, False), False),
        (Member("a", "left", True, True, False), True),
        (Member("a", "left", False, False, True), True),
        (Member("a", None, False, False, True), True),
        (Member("a", None, False, False, False), False),
    ],
)
def test_what_is_still_in_the_way(member, there):
    assert is_there(member) is there
