# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

CA = "docker_host_registry_ca_file"
REGISTRY = {"docker_host_registry": "registry:5000"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"docker_host_dns": ["10.0.0.11"]},
        {"docker_host_log_max_size": "1g"},
        {**REGISTRY, CA: "/etc/hostname"},
        REGISTRY,
    ],
)
def test_right(said, given):
    assert said("docker_host", given) == []


def test_the_sites_ca_may_be_made_later(said, tmp_path):
    assert said("docker_host", {**REGISTRY, CA: f"{tmp_path}/../{tmp_path.name}/ca.pem"}) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"docker_host_dns": ["10.0.0.11", "127.0.0.1"]},
            (
                "docker_host_dns contains '127.0.0.1'. A container cannot reach the loopback addresses of its host. Use the host's"
                " LAN address."
            ),
        ),
        ({"docker_host_dns": "10.0.0.11"}, "docker_host_dns is '10.0.0.11'. It must be a list."),
        (
            {"docker_host_log_max_size": "10M"},
            "docker_host_log_max_size is '10M'. It must be a whole number with the unit k, m or g, such as 10m.",
        ),
        ({"docker_host_log_max_file": 0}, "docker_host_log_max_file is 0. It must be 1 or more."),
        ({**REGISTRY, CA: "/no/ca.pem"}, f"{CA}: '/no/ca.pem' is not a file on the controller."),
        (
            {CA: "/etc/hostname"},
            (
                f"docker_host_registry is not set, and {CA} is. Set docker_host_registry to the host:port of the registry with a"
                " certificate from that CA."
            ),
        ),
        (
            {"consul_agent_bind_cidr": "192.0.2.0/24"},
            "consul_agent_bind_cidr is 192.0.2.0/24. In that network the host has no IPv4 address. It has eth0: 10.0.0.11.",
        ),
    ],
)
def test_wrong(said, given, text):
    assert said("docker_host", given) == [text]
