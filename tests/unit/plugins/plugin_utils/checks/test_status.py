# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

ALLOW = {"consul_agent_acl_default_policy": "allow"}


@pytest.mark.parametrize(
    "given",
    [{}, {"status_certificate_days": 0, "status_timeout": 1}, {"status_services": {}}, {"status_services": {"a": "b"}}],
)
def test_right(said, tmp_path, given):
    assert said("status", {**ALLOW, "status_json": f"{tmp_path}/new.json", **given}) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"groups": {}}, "The inventory's group 'consul_server' (consul_agent_servers_group) is empty"),
        (
            {"status_json": "/nowhere/status.json"},
            "status_json is '/nowhere/status.json', and there is no such folder on the controller.",
        ),
        ({"status_json": "/etc"}, "status_json: '/etc' is a folder. Use the path of a file."),
        (
            {"status_services": {"mydemo": ["app"]}},
            "status_services has [\"app\"] for the service 'mydemo'. It must be the name of an inventory group.",
        ),
        (
            {"status_services": {"mydemo": None}},
            "status_services has null for the service 'mydemo'. It must be the name of an inventory group.",
        ),
        (
            {"status_services": {"mydemo": ""}},
            "status_services has '' for the service 'mydemo'. It must be the name of an inventory group.",
        ),
        (
            {"status_services": {5: "app"}},
            "status_services has 5, which is not the name of a service. Put it in quotes.",
        ),
        ({"status_certificate_days": -1}, "status_certificate_days is -1. It must be 0 or more days."),
        ({"status_secret_days": -1}, "status_secret_days is -1. It must be 0 or more days."),
        ({"status_timeout": 0}, "status_timeout is 0. It must be 1 or more seconds."),
    ],
)
def test_wrong(said, given, text):
    problems = said("status", {**ALLOW, **given})
    assert len(problems) == 1 and problems[0].startswith(text), problems


def test_a_token_is_needed_under_deny(said, tmp_path):
    text = f"Consul shows nothing without a token (ACL deny), and {tmp_path}/operator/monitoring.token does not exist."
    assert said("status")[0].startswith(text)
    for name in ("status_token", "consul_server_monitoring_token"):
        assert said("status", {name: "x"}) == []
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/monitoring.token").touch()
    assert said("status") == []
