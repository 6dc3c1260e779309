# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.without_directives import without_directives

DEFAULTS = """
gzip off; # no
proxy_set_header Connection "";
proxy_set_header Host $host;
"""


@pytest.mark.parametrize(
    ("extra", "left"),
    [
        ("", ["gzip off;", 'proxy_set_header Connection "";', "proxy_set_header Host $host;"]),
        ("gzip on;", ['proxy_set_header Connection "";', "proxy_set_header Host $host;"]),
        ("proxy_set_header host a; location / { gzip on; }", ["gzip off;", 'proxy_set_header Connection "";']),
        (
            "proxy_set_header X-Other a;",
            ["gzip off;", 'proxy_set_header Connection "";', "proxy_set_header Host $host;"],
        ),
    ],
)
def test_directives_that_are_set_twice(extra, left):
    assert without_directives(DEFAULTS, extra) == left


def test_other_variables_are_no_reason():
    assert without_directives("set $a b;", "set $c d;") == ["set $a b;"]


def test_what_cannot_be_read():
    with pytest.raises(AnsibleFilterError, match="line 1: '}' closes no block"):
        without_directives("", "}")
