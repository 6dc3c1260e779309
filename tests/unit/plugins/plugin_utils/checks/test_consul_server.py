# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

THREE = {"groups": {"consul_server": ["web1", "consul1", "consul2"]}}
ADDRESSES = {"consul2": {"consul_agent_bind_addr": "10.0.0.2"}}
OWN_CERTIFICATE = {"consul_agent_tls_certificate_file": "/etc/hostname", "consul_agent_tls_key_file": "/etc/hostname"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"consul_agent_dns_port": 8600, "consul_agent_resolver": False},
        {"consul_server_https_port": 8501},
        {**THREE, "consul_server_bootstrap_expect": 3},
        {"consul_agent_resolver": False, "consul_agent_tls_ca_file": "/etc/hostname", **OWN_CERTIFICATE},
        {"consul_server_monitoring_token": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"},
        {
            "consul_agent_tls_ca_file": "/etc/hostname",
            "site_tls_ca_certificate": "PEM",
            "site_tls_ca_private_key": "PEM",
        },
    ],
)
def test_right(said, given):
    assert said("consul_server", given, hostvars=ADDRESSES) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"consul_agent_dns_port": 8600},
            "consul_agent_dns_port is 8600, and consul_agent_resolver is true. resolv.conf cannot name a port.",
        ),
        (
            {"consul_server_https_port": -1},
            "consul_server_https_port is -1. A port is a number from 1 to 65535, and 0 closes",
        ),
        (
            {"consul_server_bootstrap_expect": 3},
            (
                "consul_server_bootstrap_expect is 3. The inventory has 1 server, and the servers elect no leader before that many"
                " run. Use 1."
            ),
        ),
        (
            {**THREE, "consul_server_bootstrap_expect": 0},
            (
                "consul_server_bootstrap_expect is 0. The inventory has 3 servers, and the servers elect no leader before that many"
                " run. Use 1 to 3."
            ),
        ),
        (
            {"consul_server_monitoring_token": "secret"},
            "consul_server_monitoring_token has 6 characters. It must be a UUID in lower-case letters.",
        ),
        (
            {"consul_agent_tls_ca_file": "/etc/hostname"},
            "consul_agent_tls_ca_file is set, but this server has no certificate, and no key of the CA to sign one.",
        ),
        ({"site_secrets_dir": "secrets"}, "site_secrets_dir is 'secrets'. It must be an absolute path"),
        # Checked as a client's.
        ({"consul_agent_datacenter": "DC"}, "consul_agent_datacenter is 'DC'."),
    ],
)
def test_wrong(said, given, text):
    problems = said("consul_server", given, hostvars=ADDRESSES)
    assert len(problems) == 1 and problems[0].startswith(text), problems


def test_a_server_with_its_own_certificate_needs_no_ca_of_the_site(said):
    assert said("consul_server", {"site_secrets_dir": "x", **OWN_CERTIFICATE}) == []
