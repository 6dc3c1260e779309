# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and clients have in common, by the checks of a client."""

from __future__ import annotations

import base64

import pytest

ADDRESS = {"consul_agent_bind_addr": "10.0.0.11"}
PAIR = {"consul_agent_tls_certificate_file": "/etc/hostname", "consul_agent_tls_key_file": "/etc/hostname"}
ARCHIVE = {"consul_agent_install_method": "archive", "consul_agent_version": "1.21.4"}
LOCAL = {"consul_agent_install_method": "local", "consul_agent_local_file": "/etc/hostname"}
KEY = "consul_agent_repository_key"
RESOLVED = {"resolver": {"global_nameservers": ["127.0.0.1", "192.0.2.53"]}}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"consul_agent_dns_port": 8600, "consul_agent_resolver": False, "consul_agent_recursors": []},
        {"consul_agent_gossip_key": base64.b64encode(bytes(32)).decode()},
        {"consul_agent_gossip_key": base64.b64encode(bytes(16)).decode()},
        ARCHIVE,
        LOCAL,
        {KEY: "https://example.com/gpg"},
        {KEY: "/etc/hostname"},
        {KEY: "/no/key", "consul_agent_install_method": "package"},
        {"consul_agent_archive_key": "/etc/hostname", "consul_agent_tls_ca_file": "/etc/hostname"},
        PAIR,
        {"consul_agent_recursors": ["192.0.2.1", "[2001:db8::1]:53"]},
        {"consul_agent_metrics_retention": "1h30m"},
        {"consul_agent_restart_serial": 5},
        {"consul_agent_node_name": "ca"},
        {"consul_agent_datacenter": "dc_1"},
        {"consul_agent_client_addr": "10.0.0.11 127.0.0.1"},
        {"consul_agent_client_addr": "0.0.0.0"},
        {"consul_agent_dns_addresses": ["127.0.0.1", "10.0.0.11"]},
        {"consul_agent_dns_addresses": ["10.0.0.11"], "consul_agent_resolver": False},
    ],
)
def test_right(said, given):
    assert said("consul_client", given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"groups": {"consul_server": ["web1"], "consul_client": ["web1"]}},
            "web1 is in the group 'consul_server', so it is a server. A host runs one agent",
        ),
        (
            {"groups": {"consul_client": ["web1"]}},
            "The inventory's group 'consul_server' (consul_agent_servers_group) is empty",
        ),
        (
            {"consul_agent_servers_group": "nobody"},
            "The inventory's group 'nobody' (consul_agent_servers_group) is empty",
        ),
        (
            {"consul_agent_gossip_key": "c2hvcnQ="},
            "consul_agent_gossip_key has 8 characters. It must be 32 (or 16) bytes",
        ),
        (
            {"consul_agent_dns_port": 0, "consul_agent_resolver": False},
            "consul_agent_dns_port is 0. A port is a number from 1 to 65535.",
        ),
        (
            {**LOCAL, "consul_agent_local_file": "/no/zip"},
            "consul_agent_local_file: '/no/zip' is not a file on the controller.",
        ),
        ({**LOCAL, "consul_agent_local_file": ""}, "consul_agent_local_file: '' is not a file on the controller."),
        (
            {**ARCHIVE, "consul_agent_version": "1.21"},
            "consul_agent_version is '1.21'. consul_agent_install_method 'archive'",
        ),
        ({KEY: "example.com/gpg"}, f"{KEY} is 'example.com/gpg'. It must be a URL (https://...) or a file"),
        (
            {"consul_agent_archive_key": "/no/key"},
            "consul_agent_archive_key: '/no/key' is not a file on the controller.",
        ),
        ({"consul_agent_tls_ca_file": "/no/ca"}, "consul_agent_tls_ca_file: '/no/ca' is not a file on the controller."),
        (
            {**PAIR, "consul_agent_tls_certificate_file": "/no/pem"},
            "consul_agent_tls_certificate_file: '/no/pem' is not a file on the controller.",
        ),
        (
            {**PAIR, "consul_agent_tls_key_file": "/no/key"},
            "consul_agent_tls_key_file: '/no/key' is not a file on the controller.",
        ),
        (
            {**PAIR, "consul_agent_tls_key_file": ""},
            "consul_agent_tls_key_file is not set, and consul_agent_tls_certificate_file is. Set both of them, or neither.",
        ),
        (
            {"consul_agent_recursors": ["dns.example.com"]},
            'consul_agent_recursors is ["dns.example.com"]. It must be a list of IP',
        ),
        (
            {"consul_agent_recursors": []},
            "consul_agent_recursors is empty, and the host has no nameserver other than itself.",
        ),
        (
            {"consul_agent_dns_port": 8600},
            "consul_agent_dns_port is 8600, and consul_agent_resolver is true. resolv.conf cannot name a port.",
        ),
        (
            {"consul_agent_metrics_retention": "60"},
            "consul_agent_metrics_retention is '60'. It must be a duration, such as 60s",
        ),
        (
            {"consul_agent_restart_serial": 0},
            "consul_agent_restart_serial is 0. It must be a number of clients, 1 or more, or a percentage, such as 25%.",
        ),
        ({"consul_agent_restart_wait_seconds": 0}, "consul_agent_restart_wait_seconds is 0. It must be 1 or more."),
        (
            {"consul_agent_node_name": "web1.example.com"},
            "consul_agent_node_name: 'web1.example.com' is not a valid node name. Use lower-case letters, digits and '-'.",
        ),
        ({"consul_agent_node_name": "Web"}, "'Web' is not a valid node name."),
        (
            {"consul_agent_datacenter": "DC 1"},
            "consul_agent_datacenter is 'DC 1'. Use lower-case letters, digits, '-' and '_'.",
        ),
        (
            {"consul_agent_client_addr": "10.0.0.11"},
            "consul_agent_client_addr is '10.0.0.11'. The roles call the API at",
        ),
        (
            {"consul_agent_dns_addresses": ["10.0.0.11"]},
            'consul_agent_dns_addresses is ["10.0.0.11"]. resolv.conf will name 127.0.0.1.',
        ),
        (
            {"consul_agent_bind_addr": "10.0.0.9", "consul_agent_bind_cidr": "10.0.0.0/8"},
            "consul_agent_bind_addr and consul_agent_bind_cidr are set. Set only one of them.",
        ),
    ],
)
def test_wrong(said, given, text):
    problems = said("consul_client", given)
    assert len(problems) == 1 and text in problems[0], problems


@pytest.mark.parametrize(
    ("serial", "count"), [(1, 0), ("3", 0), ("25%", 0), ("100%", 0), ("0%", 1), ("101%", 1), ("a few", 1), ([1], 1)]
)
def test_clients_restart_by_number_or_percentage(said, serial, count):
    assert len(said("consul_client", {"consul_agent_restart_serial": serial})) == count


def test_nameservers_of_all_interfaces(said):
    text = "systemd-resolved has nameservers for all interfaces (192.0.2.53, from DNS= in resolved.conf)."
    problems = said("consul_client", look=RESOLVED)
    assert len(problems) == 1 and problems[0].startswith(text)
    assert said("consul_client", {"consul_agent_resolver": False}, look=RESOLVED) == []
    assert said("consul_client", look={"resolver": {"global_nameservers": ["127.0.0.1", "::1"]}}) == []


def test_systemd_resolved_has_port_53(said):
    look, everywhere = {"resolver": {"managers": ["systemd-resolved"]}}, {"consul_agent_dns_addresses": ["0.0.0.0"]}
    (problem,) = said("consul_client", everywhere, look=look)
    assert problem.startswith('consul_agent_dns_addresses is ["0.0.0.0"]. systemd-resolved has port 53 of 127.0.0.53')
    assert said("consul_client", everywhere) == []
    assert said("consul_client", {"consul_agent_dns_addresses": ["127.0.0.1", "10.0.0.11"]}, look=look) == []


@pytest.mark.parametrize(
    "given, address, is_refused",
    [
        ({}, "127.0.0.1", True),
        ({}, "0.0.0.0", True),
        ({}, "::", True),
        ({}, "192.168.122.1", False),
        ({"consul_agent_client_addr": "0.0.0.0"}, "192.168.122.1", True),
        ({"consul_agent_dns_addresses": ["127.0.0.1", "10.0.0.11"]}, "10.0.0.11", True),
        ({"consul_agent_dns_port": 8600, "consul_agent_resolver": False}, "0.0.0.0", False),
    ],
)
def test_another_program_has_port_53(said, given, address, is_refused):
    listener = {"address": address, "program": "dnsmasq"}
    texts = said("consul_client", given, look={"resolver": {"other_dns_listeners": [listener]}})
    assert bool(texts) is is_refused
    assert all(text.startswith(f"dnsmasq listens on port 53 of {address}, ") for text in texts)


def test_a_resolv_conf_that_cannot_be_read(said):
    look = {"resolver": {"error": "Is a directory"}}
    assert said("consul_client", look=look) == [
        "/etc/resolv.conf could not be read: Is a directory. Repair it, or set consul_agent_resolver to false."
    ]
    assert said("consul_client", {"consul_agent_resolver": False}, look=look) == []
    assert said("consul_client", look={"resolver": {"error": "resolvectl failed", "resolv_conf": ""}}) == []


SERVER = {"groups": {"consul_server": ["consul1", "consul2"], "consul_client": ["web1", "web2"]}}


def test_the_address_of_a_server_that_is_down(said):
    text = "The LAN address of the server consul2 is not known: this run has no facts of it"
    problems = said("consul_client", SERVER, hostvars={"consul2": {}, "web2": {}})
    assert len(problems) == 1 and problems[0].startswith(text)
    for known in ({"consul_agent_bind_addr": "10.0.0.2"}, {"ansible_facts": {"interfaces": ["eth0"]}}):
        assert said("consul_client", SERVER, hostvars={"consul2": known, "web2": {}}) == []


@pytest.mark.parametrize(
    ("servers", "left", "lost"),
    [
        (["consul1"], ["web1"], True),
        (["consul1", "consul2"], ["web1"], True),
        (["consul1", "consul2"], ["consul2", "web1"], False),
    ],
)
def test_a_client_requires_a_server_that_is_not_lost(said, servers, left, lost):
    hostvars = {server: {"consul_agent_bind_addr": "10.0.0.2"} for server in servers}
    given = {
        "groups": {"consul_server": servers},
        "ansible_play_hosts_all": [*servers, "web1"],
        "ansible_play_hosts": left,
    }
    problems = said("consul_client", given, hostvars=hostvars)
    text = f"This run has lost every server of the site ({', '.join(servers)}), and a client requires one."
    assert [problem[: len(text)] for problem in problems] == ([text] if lost else [])
    # A play of clients only has lost no server.
    assert (
        said(
            "consul_client",
            {**given, "ansible_play_hosts_all": ["web1"], "ansible_play_hosts": ["web1"]},
            hostvars=hostvars,
        )
        == []
    )


@pytest.mark.parametrize("name", ["web1", "consul1"])
def test_namesakes(said, name):
    groups = {"groups": {"consul_server": ["consul1"], "consul_client": ["web1", "web2"]}}
    hostvars = {"web2": {"consul_agent_node_name": name}}
    assert said("consul_client", groups, hostvars=hostvars) == [
        f"consul_agent_node_name is '{name}' for more than one host ({name}, web2). Give each host a name of its own."
    ]
    assert said("consul_client", groups, hostvars={"web2": {"consul_agent_node_name": "web9"}}) == []
    # Another host of the play speaks for the site.
    others = {**groups, "ansible_play_hosts": ["lonely", "web2", "web1"]}
    assert said("consul_client", others, hostvars=hostvars) == []


def test_the_agent_alone_takes_its_face(said):
    groups = {"groups": {"consul_server": ["web1"]}}
    assert said("consul_agent", {**groups, "consul_agent_face_config": {"server": True}}) == []
    assert len(said("consul_agent", {**groups, "consul_agent_face_config": {}})) == 1
