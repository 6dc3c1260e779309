# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that listen on the port of DNS, as /proc shows them."""

from __future__ import annotations

import ipaddress
import os

from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_process import consul_pids, files_of

DNS = 53
# The stub of systemd-resolved, which has these for itself.
STUBS = ("127.0.0.53", "127.0.0.54")
# States of a socket that waits for requests, https://github.com/torvalds/linux/blob/v6.12/include/net/tcp_states.h#L12
TABLES = {"udp": "07", "udp6": "07", "tcp": "0A", "tcp6": "0A"}


def look_at_dns_listeners(proc="/proc"):
    """Address and program of what listens there, without Consul and the stub of systemd-resolved."""
    sockets = {inode: address for inode, address in listening(proc, DNS) if address not in STUBS}
    try:
        own = {inode for pid in consul_pids(proc) for inode in sockets_of(f"{proc}/{pid}")} if sockets else set()
    except OSError:
        return []  # which of them are Consul's is not known
    others = {inode: address for inode, address in sockets.items() if inode not in own}
    names = programs_with(proc, others) if others else {}
    found = {(address, names.get(inode)) for inode, address in others.items()}
    return [{"address": address, "program": name} for address, name in sorted(found, key=str)]


def listening(proc, port):
    for table, state in TABLES.items():
        try:
            with open(f"{proc}/net/{table}", encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except FileNotFoundError:  # no IPv6
            continue
        for line in lines:
            fields = line.split()
            address, _colon, number = fields[1].rpartition(":")
            if int(number, 16) == port and fields[3] == state:
                yield fields[9], address_of(address)


def address_of(text):
    """Of 32-bit words, each as the processor has them in memory: least byte first."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)


def programs_with(proc, inodes):
    """The names of the programs that have these sockets."""
    found = {}
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            mine = inodes.keys() & sockets_of(f"{proc}/{pid}")
            if mine:
                with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    found.update(dict.fromkeys(mine, file.read().strip()))
        except OSError:  # it has ended
            continue
    return found


def sockets_of(folder):
    return {name[len("socket:[") : -1] for name in files_of(folder) if name.startswith("socket:[")}
