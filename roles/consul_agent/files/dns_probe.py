# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a nameserver for names, as the host's own resolver would, before the host is made to rely on it.

    dns_probe.py SERVER PORT NAME [NAME ...]

A name must have an address. Of the root, ".", it is enough that the question was answered: NXDOMAIN, too, comes from a
recursor that works, while Consul says SERVFAIL or REFUSED where none does.
"""

import random
import socket
import struct
import sys

RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def ask(server, port, name, timeout=3.0):
    """Return (rcode, number of answers) for the A records of a name."""
    query_id = random.randrange(1 << 16)
    labels = [label.encode("ascii") for label in name.split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    query = struct.pack(">6H", query_id, 0x0100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((server, port))
        sock.send(query)
        reply = sock.recv(4096)
    reply_id, flags, _questions, answers = struct.unpack(">4H", reply[:8])
    if reply_id != query_id:
        raise OSError("a reply to another question")
    return flags & 0xF, answers


def main():
    server, port, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    failed = False
    for name in names:
        try:
            rcode, answers = ask(server, port, name)
        except OSError as error:
            print(f"{name}: no answer from {server}:{port}: {error}")
            failed = True
            continue
        wanted = rcode in (0, 3) if name == "." else rcode == 0 and answers > 0
        print(f"{name}: {RCODES.get(rcode, rcode)}, {answers} addresses")
        failed = failed or not wanted
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
