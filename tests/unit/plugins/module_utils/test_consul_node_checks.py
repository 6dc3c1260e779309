# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_checks import (
    INCOMPLETE,
    NODE_CHECK_ARGUMENTS,
    NODE_CHECK_SPEC,
    checks_to_remove,
    described,
    is_registered,
    is_replaced,
    marked,
    node_check,
    node_checks,
    refuse_checks_of_services,
    shown,
    shown_wanted,
    without_mark,
)


def options(**given):
    return {**dict.fromkeys(NODE_CHECK_SPEC), **given}


def body(token=None, **given):
    return node_check(options(**{"name": "disk", "ttl": "1h", **given}), "check", token)


def test_no_option_is_one_of_the_connection():
    assert not set(NODE_CHECK_ARGUMENTS) & set(CONNECTION_SPEC)


def test_a_body_is_what_the_api_takes():
    assert body(check_timeout="3s", id="d")["ID"] == "d" and body(check_timeout="3s")["Timeout"] == "3s"
    assert "CheckID" not in body() and body()["Notes"].startswith("[dockyard_consul_digest=")


def test_the_digest_sees_meaning_and_nothing_else():
    assert body() == body(ttl="1h", notes="") and body()["Notes"] == body(ttl="60m")["Notes"]
    assert len({body(**given)["Notes"] for given in ({}, {"ttl": "2h"}, {"notes": "x"}, {"token": "t"})}) == 4


@pytest.mark.parametrize("notes", ["", "for people", "ends with [a=b]"])
def test_notes_and_mark_are_told_apart(notes):
    assert without_mark(marked({"Notes": notes}, "abc")["Notes"]) == notes
    assert shown_wanted(body(notes=notes))["Notes"] == notes


def test_a_check_is_known_by_name_type_and_digest():
    found = {"disk": {**described(body()), "Status": "passing"}}
    assert is_registered(body(), found)
    assert not is_registered(body(), {})
    for other in ({"Name": "x"}, {"Notes": "x"}, {"Type": "http"}):
        assert not is_registered(body(), {"disk": {**found["disk"], **other}})
    assert is_replaced(body(), {**found["disk"], "Type": "http"}) and not is_replaced(body(), found["disk"])
    assert is_replaced(body(), described(marked(body(), INCOMPLETE)))
    assert shown(found["disk"]) == {"Name": "disk", "Notes": "", "Type": "ttl"}


def test_what_cannot_be():
    with pytest.raises(ConsulError, match="check: name is needed"):
        node_check(options(id="x", ttl="1h"), "check")
    with pytest.raises(ConsulError, match="more than once: x"):
        node_checks({"checks": [options(name="a", id="x", ttl="1h"), options(name="x", ttl="1h")]})
    with pytest.raises(ConsulError, match="check x: it is a check of service web"):
        refuse_checks_of_services(["x"], {"x": {"ServiceID": "web"}})
    refuse_checks_of_services(["x", "y"], {"x": {"ServiceID": ""}})


def on_agent(**owners_of):
    """The checks of an agent, from the name of each and the service that it belongs to, by id."""
    return {
        identity: {"CheckID": identity, "Name": name, "ServiceID": owner, "Type": "ttl"}
        for identity, (name, owner) in owners_of.items()
    }


AGENT = on_agent(ssh=("SSH", ""), other=("SSH", ""), web=("SSH", "web"), backup=("backup", ""), disk=("ssh", ""))


@pytest.mark.parametrize(
    ("given", "removed", "unknown"),
    [
        ({"id": "ssh"}, ["ssh"], []),
        ({"id": "ssh", "name": "SSH"}, ["ssh"], []),
        ({"id": "SSH"}, [], ["SSH"]),
        ({"name": "SSH"}, ["ssh", "other"], []),
        ({"name": "backup"}, ["backup"], []),
        ({"name": "nothing"}, [], ["nothing"]),
        ({"name": "/x"}, [], ["/x"]),
        # The ID of a check with another name.
        ({"name": "web"}, [], []),
    ],
)
def test_what_is_removed(given, removed, unknown):
    assert checks_to_remove({"checks": [options(**given)] * 2}, AGENT) == (removed, unknown)


def test_what_cannot_be_removed():
    for given, words in (
        ({}, "id or name is needed"),
        ({"id": "/x"}, "the check id '/x' starts with"),
        ({"id": "web"}, "check web: it is a check of service web"),
        ({"name": "odd"}, "the check id 'a//b' has '//'"),
    ):
        with pytest.raises(ConsulError, match=words):
            checks_to_remove({"checks": None, **options(**given)}, {**AGENT, **on_agent(**{"a//b": ("odd", "")})})


def test_maintenance_is_no_check_to_remove_by_its_name():
    maintenance = {"_node_maintenance": {"Name": "Node Maintenance Mode", "ServiceID": "", "Type": "maintenance"}}
    assert checks_to_remove({"checks": [options(name="Node Maintenance Mode")]}, maintenance)[0] == []
