# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import MAX_SHOWN, Problem, report, shown, unique

PORT = Problem("redis_port", "redis_port is 0.")
BIND = Problem("redis_bind", "redis_bind is empty.")
FOLLOWS = Problem("redis_bind", "redis_bind cannot be evaluated.", is_consequence=True)


def test_report():
    assert report("web1", [PORT]) == "Nothing was changed. 1 problem with the variables of web1:\n- redis_port is 0."
    assert report("web1", [PORT], "A file was placed.").startswith("A file was placed. 1 problem with")
    assert report("web1", [PORT, BIND]).splitlines() == [
        "Nothing was changed. 2 problems with the variables of web1:",
        "- redis_port is 0.",
        "- redis_bind is empty.",
    ]


def test_each_once_in_their_order():
    assert unique([PORT, BIND, PORT]) == [PORT, BIND]


def test_a_consequence_is_said_only_where_no_cause_is():
    assert unique([FOLLOWS, PORT]) == [PORT]
    assert unique([FOLLOWS, FOLLOWS]) == [FOLLOWS]


def test_shown():
    assert [shown(value) for value in ("a", 5, True, ["a"])] == ["'a'", "5", "true", '["a"]']
    assert len(shown("a" * 1000)) == MAX_SHOWN + 3
