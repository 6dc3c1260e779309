# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a nameserver gives an instance of a service, or no longer gives it: what a load balancer is told.

    dns_sees.py SERVER[:PORT] NAME ADDRESS:PORT present|absent SECONDS

SERVER is as nginx's `resolver` has it: an IPv6 address stands in brackets.

The question is for SRV, which knows the port, too, and goes over TCP, where no answer is cut. A nameserver that answers
nothing at all would stop every release: it is passed over, and said so.
"""

import random
import re
import socket
import struct
import sys
import time

A, SRV = 1, 33
PAUSE = 0.2
# A nameserver that has not answered for so long is passed over.
PATIENCE = 5.0


def read_name(message, position):
    """Return a name, which may point back into the message, and the position after it."""
    labels, after = [], None
    while True:
        length = message[position]
        if length & 0xC0:
            after = after or position + 2
            target = struct.unpack_from(">H", message, position)[0] & 0x3FFF
            if target >= position:  # a pointer points backwards, otherwise names could go round in a circle
                raise OSError("a reply with a name that never ends")
            position = target
        elif length:
            labels.append(message[position + 1 : position + 1 + length].decode("ascii").lower())
            position += 1 + length
        else:
            return ".".join(labels), after or position + 1


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("the connection ended within the answer")
        data += part
    return data


def ask(server, port, name):
    """Return the answer to a question for SRV records, over TCP."""
    query_id = random.randrange(1 << 16)
    labels = [label.encode("ascii") for label in name.split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack(">2H", SRV, 1)
    query = struct.pack(">6H", query_id, 0x0100, 1, 0, 0, 0) + question
    with socket.create_connection((server, port), timeout=3) as connection:
        connection.sendall(struct.pack(">H", len(query)) + query)
        message = read_exactly(connection, struct.unpack(">H", read_exactly(connection, 2))[0])
    if struct.unpack_from(">H", message)[0] != query_id:
        raise OSError("a reply to another question")
    rcode = message[3] & 0xF
    if rcode not in (0, 3):  # no such name: no instance
        raise OSError(f"rcode {rcode}")
    return message


def instances(message):
    """Return the ADDRESS:PORT of each instance in an answer: SRV records, with the address of each in the rest."""
    questions, *sections = struct.unpack_from(">4H", message, 4)
    position = 12
    for _question in range(questions):
        position = read_name(message, position)[1] + 4
    targets, addresses = [], {}
    for _record in range(sum(sections)):
        name, position = read_name(message, position)
        kind, _class, _ttl, size = struct.unpack_from(">2HIH", message, position)
        position += 10
        if kind == SRV:
            targets.append((read_name(message, position + 6)[0], struct.unpack_from(">H", message, position + 4)[0]))
        elif kind == A and size == 4:
            addresses[name] = socket.inet_ntoa(message[position : position + 4])
        position += size
    return {f"{addresses.get(target, target)}:{port}" for target, port in targets}


def main():
    server, name, instance, wanted, seconds = sys.argv[1:]
    server, port = re.match(r"\[?(.*?)\]?(?::(\d+))?$", server).groups()
    begin = answered = time.monotonic()
    while True:
        now = time.monotonic()
        try:
            found = instances(ask(server, int(port or 53), name))
            answered = now
        except (OSError, IndexError, struct.error) as error:
            if now - answered > PATIENCE:
                print(f"passed over: {server} does not answer: {error}")
                return 0
        else:
            if (instance in found) == (wanted == "present"):
                print(f"{instance} is {wanted} after {now - begin:.1f} s: {' '.join(sorted(found)) or 'none'}")
                return 0
            if now - begin > float(seconds):
                print(f"{instance} is not {wanted} after {seconds} s: {name} has {' '.join(sorted(found)) or 'none'}")
                return 1
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
