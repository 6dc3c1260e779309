# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.resolver import (
    complaints,
    resolver_state,
    with_agent_first,
)

USERS = """# Ours, see ticket 7
; and another
search lab.example
nameserver 192.0.2.1
nameserver ::1
nameserver 192.0.2.2  # the old one
options timeout:2 rotate attempts:3
sortlist 192.0.2.0
"""
RIGHT = """# Ours, see ticket 7
; and another
search lab.example
nameserver 127.0.0.1
nameserver 192.0.2.1
nameserver 192.0.2.2  # the old one
options timeout:2 attempts:3
sortlist 192.0.2.0
"""


def test_what_the_user_wrote_stays_but_for_rotate():
    assert with_agent_first(USERS.splitlines()) == RIGHT.splitlines()
    assert with_agent_first(RIGHT.splitlines()) == RIGHT.splitlines(), "a second run changes nothing"


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        ([], ["nameserver 127.0.0.1"]),
        (["options rotate", "nameserver 192.0.2.1"], ["nameserver 127.0.0.1", "nameserver 192.0.2.1"]),
        (["options rotated"], ["options rotated", "nameserver 127.0.0.1"]),
        (["# options rotate", "nameserver\t127.0.0.53"], ["# options rotate", "nameserver 127.0.0.1"]),
        (["nameserver 192.0.2.1", "nameserver 127.0.0.1"], ["nameserver 127.0.0.1", "nameserver 192.0.2.1"]),
        (["optionsrotate rotate"], ["optionsrotate rotate", "nameserver 127.0.0.1"]),
    ],
)
def test_the_agent_first(lines, right):
    assert with_agent_first(lines) == right


def looked(text, **more):
    nameservers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")]
    return {"error": None, "resolv_conf": text, "nameservers": nameservers, "managers": [], **more}


def test_with_rotate_the_agent_is_not_always_asked():
    state = resolver_state(looked("nameserver 127.0.0.1\nnameserver 192.0.2.1\noptions rotate\n"))
    assert state["rotates"] and not state["asks_agent"]
    assert state["lines"] == ["nameserver 127.0.0.1", "nameserver 192.0.2.1"]
    stub = looked("nameserver 127.0.0.53\noptions rotate\n", managers=["systemd-resolved"])
    assert not resolver_state(stub)["rotates"], "it is one nameserver"


AGAIN = (
    " Names in Consul do not always resolve there. Something has changed it since the last run. Run the site again, which"
    " repairs it."
)
STUB = looked("nameserver 127.0.0.53\n", managers=["systemd-resolved"])


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            looked("nameserver 192.0.2.1\nnameserver 127.0.0.1\n"),
            f"the first nameserver in resolv.conf is 192.0.2.1 and not the Consul agent.{AGAIN}",
        ),
        (
            looked("", managers=["resolvconf", "dhcpcd"]),
            (
                f"the first nameserver in resolv.conf is missing and not the Consul agent.{AGAIN} resolvconf and dhcpcd can write it"
                " again: configure it to put 127.0.0.1 first"
            ),
        ),
        (
            looked("nameserver 127.0.0.1\noptions rotate\n"),
            f"resolv.conf has the option rotate, so the host asks its nameservers in turn.{AGAIN}",
        ),
        (
            {**STUB, "managers": ["systemd-resolved", "resolvconf"]},
            f"systemd-resolved does not ask the Consul agent.{AGAIN}",
        ),
        ({**STUB, "global_nameservers": ["192.0.2.1"]}, f"systemd-resolved does not ask the Consul agent.{AGAIN}"),
        ({"error": "Is a directory"}, "its resolver could not be read: Is a directory"),
    ],
)
def test_a_host_that_does_not_ask_its_agent(found, text):
    assert list(complaints(found)) == [text]


@pytest.mark.parametrize(
    "found", [looked("nameserver 127.0.0.1\nnameserver 192.0.2.1\n"), {**STUB, "global_nameservers": ["127.0.0.1"]}]
)
def test_a_host_that_asks_its_agent(found):
    assert list(complaints(found)) == []
