# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import (
    CHECK_FIELDS,
    CHECK_SPEC,
    CHECK_TYPES,
    SINCE,
    normalised_checks,
    shown_check,
    type_of,
    version_of,
    what_an_agent_lacks,
    without_secrets,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError


def checks(*given):
    return normalised_checks(list(given), "web", "service")


@pytest.mark.parametrize(
    "check, words",
    [
        ({}, "exactly one of .* found: none"),
        ({"tcp": "a:1", "ttl": "1m"}, "found: tcp, ttl"),
        ({"tcp": "a:1"}, "tcp needs an interval"),
        ({"udp": "a:1"}, "udp needs an interval"),
        ({"h2ping": "a:1"}, "h2ping needs an interval"),
        ({"tcp": "a:1", "interval": "1"}, "interval: '1' is not a duration"),
        ({"ttl": "0s"}, "must be longer than zero"),
        ({"ttl": "1m", "deregister_critical_service_after": "soon"}, "deregister_critical_service_after"),
        ({"ttl": "1m", "interval": "1m"}, "a check with ttl has no interval"),
        ({"ttl": "0.9ns"}, "shorter than one microsecond"),
        ({"ttl": "2500001h"}, "longer than 2500000h"),
        ({"ttl": "9" * 400 + "h"}, "longer than 2500000h"),
        ({"ttl": "1m", "output_max_size": -1}, "output_max_size: -1 is not between"),
        ({"ttl": "1m", "failures_before_warning": 2}, "failures_before_warning: 2 is higher than"),
        ({"ttl": "1m", "id": "a/../b"}, "the check id 'a/../b' has the path segment"),
        ({"ttl": "1m", "id": "_node_maintenance"}, "is Consul's own"),
        ({"ttl": "1m", "header": {"X": {"a": 1}}}, "header X: a dictionary is given"),
        ({"os_service": "nginx"}, "os_service needs an interval"),
    ],
)
def test_checks_that_cannot_be(check, words):
    with pytest.raises(ConsulError, match=f"service: check 1: .*{words}"):
        checks(check)


def test_every_option_of_a_check_has_its_name_in_the_api():
    assert list(CHECK_FIELDS) == list(CHECK_SPEC)


def test_an_explicit_no_is_sent():
    (check,) = checks({"h2ping": "a:1", "h2ping_use_tls": False, "interval": "1m"})
    assert (check["H2PING"], check["H2PingUseTLS"]) == ("a:1", False)
    assert "H2PingUseTLS" not in checks({"h2ping": "a:1", "h2ping_use_tls": None, "interval": "1m"})[0]


def test_two_checks_of_one_id():
    with pytest.raises(ConsulError, match="same id"):
        checks({"id": "x", "ttl": "1m"}, {"id": "x", "ttl": "1m"})


def test_alias_of_a_service_on_another_node():
    assert checks({"alias_service": "db", "alias_node": "n"})[0]["AliasNode"] == "n"


def test_headers_are_lists_of_texts():
    (check,) = checks(
        {"http": "x", "interval": "1m", "header": {"A": True, "B": None, "C": ["a", None, 1], "D": [None]}}
    )
    assert check["Header"] == {"A": ["true"], "C": ["a", "1"]}
    assert shown_check(check)["Header"] == {"A": "(hidden)", "C": "(hidden)"}


@pytest.mark.parametrize("header", ["header", "Header", "HEADER", "head_er"])
@pytest.mark.parametrize("token", ["token", "Token", "TOKEN"])
def test_secrets_are_hidden_at_any_depth(header, token):
    options = {"connect": {"sidecar_service": {token: "S3CRET", "Checks": [{header: {"A": ["S3CRET2"]}, "name": "y"}]}}}
    hidden = {token: "(hidden)", "Checks": [{header: {"A": "(hidden)"}, "name": "y"}]}
    assert without_secrets([options]) == [{"connect": {"sidecar_service": hidden}}]
    assert "S3CRET" in str(options)


@pytest.mark.parametrize("nothing", [None, "", {}, []])
def test_what_is_not_given_is_not_hidden(nothing):
    assert without_secrets({"header": nothing, "token": nothing}) == {"header": nothing, "token": nothing}


def test_secrets_of_a_wrong_type_are_hidden():
    assert without_secrets({"Connect": "S3CRET", "checks": ["S3CRET"]}) == {
        "Connect": "(hidden)",
        "checks": ["(hidden)"],
    }
    assert without_secrets({"header": ["S3CRET"], "token": {"S3CRET": 1}}) == {
        "header": "(hidden)",
        "token": "(hidden)",
    }


@pytest.mark.parametrize("kind", CHECK_TYPES)
def test_types_are_those_that_consul_shows(kind):
    types = {"args": "script", "alias_service": "alias", "alias_node": "alias"}
    value = ["true"] if kind == "args" else "1m"
    interval = {} if kind in ("ttl", "alias_service", "alias_node") else {"interval": "1m"}
    (check,) = checks({kind: value, **interval})
    assert type_of(check) == types.get(kind, kind)
    if kind == "args":
        assert type_of({**check, "DockerContainerID": "x"}) == "docker"


def test_what_an_agent_lacks():
    assert set(SINCE) <= set(CHECK_FIELDS.values())
    check = {"OSService": "nginx", "Interval": "1m"}
    assert what_an_agent_lacks(check, (1, 13, 9), True) == (
        "os_service requires Consul 1.14.0 or newer, and this agent is 1.13.9"
    )
    assert not what_an_agent_lacks(check, (1, 14, 0), False) and not what_an_agent_lacks(check, None, None)
    assert "disable_redirects" in what_an_agent_lacks({"DisableRedirects": False}, (1, 9, 0), None)
    assert "enable_script_checks" in what_an_agent_lacks({"Args": ["x"]}, None, False)
    assert not what_an_agent_lacks({"Args": ["x"]}, (1, 8, 7), None)


# Whether an agent of a version has a field. A backport is in the later versions of its series only.
HAS = {
    "DisableRedirects": {
        (1, 8, 19): False,
        (1, 9, 16): False,
        (1, 9, 17): True,
        (1, 10, 9): False,
        (1, 10, 10): True,
        (1, 11, 2): False,
        (1, 11, 5): True,
        (1, 12, 0): True,
        (2, 0, 0): True,
    },
    "TCPUseTLS": {(1, 15, 9): False, (1, 16, 1): False, (1, 16, 2): True, (1, 17, 0): True},
    "TLSServerName": {(1, 9, 17): False, (1, 10, 0): True},
}


@pytest.mark.parametrize(
    ("field", "version", "has"), [(field, *one) for field, versions in HAS.items() for one in versions.items()]
)
def test_fields_of_backported_versions(field, version, has):
    assert bool(what_an_agent_lacks({field: True}, version, None)) != has


def test_an_error_names_each_version_that_got_a_field():
    words = "disable_redirects requires Consul 1.9.17, 1.10.10, 1.11.5, 1.12.0 or newer, and this agent is 1.11.2"
    assert what_an_agent_lacks({"DisableRedirects": True}, (1, 11, 2), None) == words


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.8.7", (1, 8, 7)),
        ("1.10.11+ent", (1, 10, 11)),
        ("1.21.0-dev", (1, 21, 0)),
        ("2.0", (2, 0, 0)),
        ("", None),
        (None, None),
    ],
)
def test_version(text, version):
    assert version_of(text) == version
