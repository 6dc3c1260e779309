# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a nameserver answers."""

from __future__ import annotations

import random
import re
import socket
import struct

from ansible.module_utils.common.text.converters import to_native

A = 1
SRV = 33
RCODES = {1: "FORMERR", 2: "SERVFAIL", 5: "REFUSED"}
TRUNCATED = 0x0200


class DNSError(Exception):
    pass


class DNSRefusal(DNSError):
    """The nameserver replied that it has no answer."""


class Resolver:
    """A nameserver, asked as nginx asks: over UDP, and over TCP what is cut short there."""

    def __init__(self, address, timeout):
        with_port = re.match(r"(?:\[(.+)\]|([^:]+)):([0-9]+)\Z", address)
        host, port = (with_port.group(1) or with_port.group(2), with_port.group(3)) if with_port else (address, 53)
        self.place = (host.strip("[]"), int(port))
        self.timeout = timeout

    def ask(self, name, kind):
        """The answers, sorted; none if there is no such name."""
        query_id = random.randrange(1 << 16)
        query = struct.pack(">6H", query_id, 0x0100, 1, 0, 0, 0) + packed(name) + struct.pack(">2H", kind, 1)
        try:
            reply = self._over_udp(query)
            if struct.unpack(">2H", reply[:4])[1] & TRUNCATED:
                reply = self._over_tcp(query)
            if reply[:2] != query[:2]:
                raise DNSError("a reply to another question")
            return answers(reply, kind)
        except socket.timeout:
            raise DNSError(f"no answer within {self.timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            raise DNSError(getattr(error, "strerror", None) or to_native(error)) from error
        except (IndexError, struct.error):
            raise DNSError("a reply that is not whole") from None

    def _over_udp(self, query):
        family = socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(self.timeout)
            sock.connect(self.place)
            sock.send(query)
            return sock.recv(65535)

    def _over_tcp(self, query):
        with socket.create_connection(self.place, timeout=self.timeout) as sock:
            sock.sendall(struct.pack(">H", len(query)) + query)
            stream = sock.makefile("rb")
            return stream.read(struct.unpack(">H", stream.read(2))[0])


def packed(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def answers(reply, kind):
    _id, flags, questions, answered, authorities, additional = struct.unpack(">6H", reply[:12])
    rcode = flags & 0xF
    if rcode == 3:  # no such name
        return []
    if rcode:
        raise DNSRefusal(RCODES.get(rcode, f"rcode {rcode}"))
    at = 12
    for _question in range(questions):
        _name, at = unpacked(reply, at)
        at += 4
    found = {A: [], SRV: []}
    addresses = {}
    for number in range(answered + authorities + additional):
        owner, at = unpacked(reply, at)
        record, _class, _ttl, length = struct.unpack(">2HIH", reply[at : at + 10])
        at += 10
        if record == A:
            addresses[owner] = socket.inet_ntoa(reply[at : at + 4])
            if number < answered:
                found[A].append(addresses[owner])
        elif record == SRV and number < answered:
            port = struct.unpack(">H", reply[at + 4 : at + 6])[0]
            found[SRV].append((unpacked(reply, at + 6)[0], port))
        at += length
    if kind == A:
        return sorted(found[A])
    return sorted(f"{addresses.get(target, target)}:{port}" for target, port in found[SRV])


def unpacked(reply, at):
    """The name that is at this place, and the place after it. A pointer ends a name, and points backwards only."""
    labels, end = [], None
    while reply[at]:
        if reply[at] >= 0xC0:
            target = struct.unpack(">H", reply[at : at + 2])[0] & 0x3FFF
            if target >= at:
                raise DNSError("a reply whose names go round in a circle")
            end = end or at + 2
            at = target
        else:
            labels.append(reply[at + 1 : at + 1 + reply[at]].decode("ascii", "replace").lower())
            at += 1 + reply[at]
    return ".".join(labels), end or at + 1


def look_up(services, domain, resolver):
    found, gone = [], None
    for service in services:
        name = service.get("upstream") or f"{service['name']}.service.{domain}"
        kind = SRV if service.get("port") == "srv" else A
        one = {"service": service["name"], "name": name, "answers": [], "error": gone}
        if not gone:
            try:
                one["answers"] = resolver.ask(name, kind)
            except DNSError as error:
                one["error"] = f"{resolver.place[0]}:{resolver.place[1]}: {error}"
                gone = one["error"] if "within" in one["error"] else None  # who is silent is not asked again
        found.append(one)
    return found
