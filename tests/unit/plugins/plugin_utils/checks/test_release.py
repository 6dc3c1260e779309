# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

SHOP = {
    "release_name": "shop",
    "release_image": "registry.example.com/shop:1.2.0",
    "release_ports": [7000],
    "release_token": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
}
NO_TOKEN = {**SHOP, "release_token": ""}
ALLOW = {"consul_agent_acl_default_policy": "allow"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"release_image": f"shop@sha256:{'a' * 64}"},
        {"release_ports": [7000, 7001], "release_port_variable": "PORT"},
        {"release_service_id": "shop-%s"},
        {"release_check": {"http": "/health", "interval": "1m30s", "timeout": "500ms"}},
        {"release_drain_seconds": 0, "release_request_seconds": 0},
        {"release_address": "10.9.9.9", "consul_agent_bind_addr": "10.9.9.9"},
    ],
)
def test_right(said, given):
    assert said("release", {**SHOP, **given}) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"release_name": "My_Shop"},
            "release_name is 'My_Shop'. It is looked up in DNS. Use lower-case letters, digits and '-'.",
        ),
        (
            {"release_image": "registry:5000/shop"},
            "release_image is 'registry:5000/shop'. It must be an image with its version",
        ),
        (
            {"release_ports": []},
            "release_ports is []. It must be a list with at least one port (1 to 65535), each only once.",
        ),
        ({"release_ports": [0]}, "release_ports is [0]."),
        ({"release_ports": [7000, 7000], "release_port_variable": "PORT"}, "release_ports is [7000, 7000]."),
        ({"release_ports": "7000"}, "release_ports is '7000'. It must be a list"),
        (
            {"release_ports": ["http"]},
            'release_ports is ["http"]. It must be a list, and each of its elements a whole number.',
        ),
        ({"release_ports": [7000, 7001]}, "release_ports has several ports, and release_port_variable is empty"),
        (
            {"release_service_id": "shop"},
            "release_service_id is 'shop'. It must have one %s, which stands for the port.",
        ),
        ({"release_service_id": "%s-%s"}, "release_service_id is '%s-%s'."),
        ({"release_check": {"http": "health"}}, "release_check.http is 'health'. It must be a path, such as /health."),
        (
            {"release_check": {"interval": "5"}},
            "release_check.interval is '5'. It must be a whole number with the unit",
        ),
        ({"release_check": {"timeout": "0s"}}, "release_check.timeout is '0s'."),
        ({"release_wait_seconds": 0}, "release_wait_seconds is 0. It must be 1 or more."),
        ({"release_stop_seconds": 0}, "release_stop_seconds is 0."),
        ({"release_history_length": 0}, "release_history_length is 0."),
        ({"release_drain_seconds": -1}, "release_drain_seconds is -1. It must be 0 or more."),
        ({"release_request_seconds": -1}, "release_request_seconds is -1."),
        (
            {"release_log_max_size": "10"},
            "release_log_max_size is '10'. It must be a whole number with the unit k, m or g",
        ),
        ({"release_log_max_file": 0}, "release_log_max_file is 0. It must be 1 or more."),
        ({"consul_agent_bind_interface": "eth7"}, "consul_agent_bind_interface is eth7."),
    ],
)
def test_wrong(said, given, text):
    problems = said("release", {**SHOP, **given})
    assert len(problems) == 1 and problems[0].startswith(text), problems


def test_a_missing_token(said, tmp_path):
    assert said("release", NO_TOKEN)[0].startswith(
        f"{tmp_path} has no operator/release-shop.token, and no operator/management"
    )
    assert "operator/shops.token" in said("release", {**NO_TOKEN, "release_token_name": "shops"})[0]


@pytest.mark.parametrize("file", ["operator/release-shop.token", "operator/management.token"])
def test_a_token_that_is_there_or_can_be_made(said, tmp_path, file):
    (tmp_path / "operator").mkdir()
    (tmp_path / file).touch()
    assert said("release", NO_TOKEN) == []
    assert len(said("release", {**NO_TOKEN, "release_acl": False})) == ("management" in file)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (ALLOW, {}),
        ({}, {"check_mode": True}),
        ({}, {"creates_secrets": True}),
        ({"consul_agent_acl_management_token": "x"}, {}),
    ],
)
def test_no_token_is_needed(said, given, options):
    assert said("release", {**NO_TOKEN, **given}, **options) == []
