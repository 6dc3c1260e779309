# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.listeners import look_at_dns_listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LOOPBACK, ANY, STUB, LIBVIRT = "0100007F", "00000000", "3500007F", "017AA8C0"
MAPPED, ANY6 = "0000000000000000FFFF00000100007F", "0" * 32


@pytest.fixture
def proc(tmp_path):
    """Functions that add a socket and a process to a folder like /proc, and that folder."""

    def socket(table, address, port, state, inode):
        file = tmp_path / "net" / table
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if file.exists() else HEAD
        file.write_text(f"{before}  1: {address}:{port:04X} 0:0 {state} 0:0 0:0 0 0 0 {inode} 2 0 0\n")

    def process(pid, comm, *inodes):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(comm + "\n")
        for number, inode in enumerate(inodes):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    return socket, process, tmp_path


def test_other_programs_on_the_port_of_dns(proc):
    socket, process, folder = proc
    socket("udp", ANY, 53, "07", 1)
    socket("tcp", ANY, 53, "0A", 2)
    socket("udp", LIBVIRT, 53, "07", 3)
    socket("udp6", ANY6, 53, "07", 4)
    socket("udp", STUB, 53, "07", 5)
    socket("tcp6", MAPPED, 53, "0A", 6)
    socket("tcp", LOOPBACK, 53, "01", 7)  # a connection
    socket("udp", LOOPBACK, 5353, "07", 8)
    process(10, "dnsmasq", 1, 2, 3, 7, 8)
    process(11, "systemd-resolve", 5)
    process(12, "consul", 6)
    assert look_at_dns_listeners(str(folder)) == [
        {"address": "0.0.0.0", "program": "dnsmasq"},
        {"address": "192.168.122.1", "program": "dnsmasq"},
        {"address": "::", "program": None},
    ]


def test_a_host_where_only_consul_answers(proc):
    socket, process, folder = proc
    assert look_at_dns_listeners(str(folder)) == []
    socket("udp", LOOPBACK, 53, "07", 1)
    process(12, "consul", 1)
    assert look_at_dns_listeners(str(folder)) == []
    shutil.rmtree(folder / "12" / "fd")
    assert look_at_dns_listeners(str(folder)) == [], "not known"
