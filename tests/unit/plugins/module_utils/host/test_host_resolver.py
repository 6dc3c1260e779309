# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program
from ansible_collections.dockyard.consul.plugins.module_utils.host.resolver import (
    ResolverFiles,
    ask_resolved,
    global_nameservers,
    look_at_resolver,
)


@pytest.fixture
def host(tmp_path):
    """A function that makes a host's files, by path."""

    def make(**files):
        for path, content in files.items():
            path = tmp_path / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return ResolverFiles(str(tmp_path))

    return lambda files: make(**files)


def test_a_plain_host(host):
    files = host({"etc/resolv.conf": "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver\t::1\nsearch x\n"})
    assert ask_resolved(files, 1) is None
    assert look_at_resolver(files) == {
        "error": None,
        "resolv_conf": "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver\t::1\nsearch x\n",
        "nameservers": ["192.0.2.1", "::1"],
        "managers": [],
        "upstream_nameservers": [],
        "global_nameservers": [],
    }


def test_a_host_without_resolv_conf(host):
    seen = look_at_resolver(host({}))
    assert (seen["nameservers"], seen["resolv_conf"]) == ([], "")


def test_the_programs_that_write_resolv_conf(host):
    files = host({"etc/resolv.conf": "", "run/NetworkManager/x": "", "usr/sbin/dhclient": "", "sbin/resolvconf": ""})
    assert look_at_resolver(files)["managers"] == ["NetworkManager", "dhclient", "resolvconf"]
    assert look_at_resolver(host({"usr/sbin/dhcpcd": ""}))["managers"][-1] == "dhcpcd"


def test_systemd_resolved(host):
    files = host(
        {
            "etc/resolv.conf": "nameserver 127.0.0.53\n",
            "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.1\nnameserver 192.0.2.2\n",
            "usr/sbin/dhclient": "",
        }
    )
    assert ask_resolved(files, 1) is not None
    said = Program([sys.executable, "-c", "print('Global: 127.0.0.1')"], 10)
    seen = look_at_resolver(files, said)
    assert seen["managers"] == ["systemd-resolved", "dhclient"]
    assert seen["upstream_nameservers"] == ["192.0.2.1", "192.0.2.2"]
    assert seen["global_nameservers"] == ["127.0.0.1"]


def test_a_resolvectl_that_fails_hides_nothing_else(host):
    seen = look_at_resolver(host({"etc/resolv.conf": "nameserver 127.0.0.53\n"}), Program(["/nonesuch"], 1))
    assert seen["nameservers"] == ["127.0.0.53"] and "/nonesuch" in seen["error"]


def test_a_resolv_conf_that_cannot_be_read(tmp_path):
    (tmp_path / "etc/resolv.conf").mkdir(parents=True)
    files = ResolverFiles(str(tmp_path))
    assert ask_resolved(files, 1) is None and "Is a directory" in look_at_resolver(files)["error"]


def test_global_nameservers():
    assert global_nameservers("Global: 192.0.2.1 192.0.2.2\nLink 2 (eth0): 192.0.2.3\n") == ["192.0.2.1", "192.0.2.2"]
    assert global_nameservers("Global:\nLink 2 (eth0): 192.0.2.3\n") == global_nameservers("") == []
