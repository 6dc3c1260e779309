# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.dns import (
    SRV,
    A,
    DNSError,
    Resolver,
    answers,
    look_up,
    packed,
)


def reply(records, flags=0x8180, additional=()):
    """A reply to a question for web.service.consul, each record as (type, data), the names as pointers to the question's."""
    question = packed("web.service.consul") + struct.pack(">2H", A, 1)
    whole = struct.pack(">6H", 7, flags, 1, len(records), 0, len(additional)) + question
    for kind, content in records:
        whole += b"\xc0\x0c" + struct.pack(">2HIH", kind, 1, 0, len(content)) + content
    for owner, content in additional:
        whole += packed(owner) + struct.pack(">2HIH", A, 1, 0, len(content)) + content
    return whole


def srv(port, target):
    return SRV, struct.pack(">3H", 1, 1, port) + packed(target)


def test_answers_of_a_nameserver():
    two = [(A, bytes([192, 0, 2, 32])), (A, bytes([192, 0, 2, 31]))]
    assert answers(reply(two), A) == ["192.0.2.31", "192.0.2.32"]
    assert answers(reply([]), A) == []
    assert answers(reply([], flags=0x8183), A) == []  # no such name
    with pytest.raises(DNSError, match="SERVFAIL"):
        answers(reply([], flags=0x8182), A)


def test_answers_with_ports():
    given = reply(
        [srv(5001, "c000021f.addr.dc1.consul"), srv(5002, "other.consul")],
        additional=[("c000021f.addr.dc1.consul", bytes([192, 0, 2, 31]))],
    )
    assert answers(given, SRV) == ["192.0.2.31:5001", "other.consul:5002"]


def test_a_reply_that_goes_round_in_a_circle():
    with pytest.raises(DNSError, match="circle"):
        answers(struct.pack(">6H", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0c" + b"\0" * 4, A)


@pytest.fixture
def nameserver():
    """A nameserver whose replies over UDP are cut short."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())

        def serve():
            query, client = udp.recvfrom(512)
            udp.sendto(query[:2] + reply([], flags=0x8380)[2:], client)
            connection, _client = tcp.accept()
            with connection:
                query = connection.recv(512)[2:]
                whole = query[:2] + reply([(A, bytes([192, 0, 2, 31]))])[2:]
                connection.sendall(struct.pack(">H", len(whole)) + whole)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{tcp.getsockname()[1]}"


def test_what_is_cut_short_over_udp_is_asked_for_over_tcp(nameserver):
    assert Resolver(nameserver, 2).ask("web.service.consul", A) == ["192.0.2.31"]


@pytest.mark.parametrize(
    "address, place",
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("10.20.0.11:8600", ("10.20.0.11", 8600)),
        ("[::1]:8600", ("::1", 8600)),
        ("::1", ("::1", 53)),
    ],
)
def test_where_a_nameserver_is(address, place):
    assert Resolver(address, 1).place == place


class FakeResolver:
    place = ("127.0.0.1", 53)

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    def ask(self, name, kind):
        self.asked.append((name, kind))
        one = self.replies.pop(0)
        if isinstance(one, Exception):
            raise one
        return one


def test_the_names_are_those_that_nginx_has():
    resolver = FakeResolver(["192.0.2.31"], [], ["192.0.2.31:5001"])
    services = [
        {"name": "web", "port": 80},
        {"name": "blue", "port": 80, "upstream": "blue.web.service.consul"},
        {"name": "many", "port": "srv"},
    ]
    found = look_up(services, "example", resolver)
    assert resolver.asked == [("web.service.example", A), ("blue.web.service.consul", A), ("many.service.example", SRV)]
    assert found[0] == {"service": "web", "name": "web.service.example", "answers": ["192.0.2.31"], "error": None}


def test_who_is_silent_is_asked_once():
    resolver = FakeResolver(DNSError("no answer within 3 s"))
    found = look_up([{"name": "a"}, {"name": "b"}], "consul", resolver)
    assert [one["error"] for one in found] == ["127.0.0.1:53: no answer within 3 s"] * 2
    resolver = FakeResolver(DNSError("SERVFAIL"), ["192.0.2.31"])
    found = look_up([{"name": "a"}, {"name": "b"}], "consul", resolver)
    assert [one["error"] for one in found] == ["127.0.0.1:53: SERVFAIL", None]
