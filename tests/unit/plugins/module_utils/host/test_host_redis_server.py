# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.redis_config import PERSISTENCE, look_at_redis
from ansible_collections.dockyard.consul.plugins.module_utils.host.redis_server import address, ask, command

SETTINGS = {"save": "", "appendonly": "no", "dir": "/srv/r\xe9dis"}
KEYSPACE = "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\ndb7:keys=10,expires=1,avg_ttl=0\r\n"


def bulk(text):
    return f"${len(text.encode())}\r\n{text}\r\n".encode()


def redis(*words):
    """What Redis answers."""
    if words == ("AUTH", "with a space"):
        return b"+OK\r\n"
    if words[:2] == ("CONFIG", "GET"):
        pair = [bulk(words[2]), bulk(SETTINGS[words[2]])] if words[2] in SETTINGS else []
        return b"".join([b"*%d\r\n" % len(pair), *pair])
    return bulk(KEYSPACE) if words == ("INFO", "keyspace") else b"-WRONGPASS\r\n"


@contextmanager
def serving(answer, path=None):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline():
                words = []
                for _number in range(int(line[1:])):
                    length = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(length + 2)[:-2].decode())
                self.wfile.write(answer(*words))

    kind = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
    with kind(path or ("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server.server_address
        server.shutdown()


def test_its_settings_and_the_number_of_its_keys(tmp_path):
    expected = {**SETTINGS, "keys": 12}
    with serving(redis) as where:
        assert ask(where, "with a space", PERSISTENCE, 1) == expected
    with serving(redis, str(tmp_path / "socket")) as where:
        assert ask(where, "", PERSISTENCE, 1) == expected


@pytest.mark.parametrize(
    "answer",
    [
        lambda *words: b"-NOAUTH Authentication required.\r\n",
        lambda *words: b"HTTP/1.1 400 Bad Request\r\n",
        lambda *words: b"*1\r\n+OK\r\n",
        lambda *words: b"*x\r\n",
        lambda *words: b"",
    ],
)
def test_what_does_not_answer_as_redis(answer):
    with serving(answer) as where:
        assert ask(where, "secret", PERSISTENCE, 0.2) is None


def test_nothing_listens(tmp_path):
    with serving(redis) as where:
        pass
    assert ask(where, "", PERSISTENCE, 0.2) is None
    assert ask(str(tmp_path / "none"), "", PERSISTENCE, 0.2) is None
    assert ask("", "", PERSISTENCE, 0.2) is None


@pytest.mark.parametrize(
    ("bind", "port", "where"),
    [
        ([], 6379, ("127.0.0.1", 6379)),
        (["*", "::*"], 6379, ("127.0.0.1", 6379)),
        (["10.0.0.1", "127.0.0.1"], 6380, ("10.0.0.1", 6380)),
        (["::*"], 6379, ("::1", 6379)),
        (["127.0.0.1"], 0, "/run/redis.sock"),
    ],
)
def test_where_it_listens(bind, port, where):
    assert address(bind, port, "/run/redis.sock") == where


def test_a_command_is_sent_by_length():
    assert command("AUTH", 'a "b\xe9') == b'*2\r\n$4\r\nAUTH\r\n$6\r\na "b\xc3\xa9\r\n'


def test_what_an_older_redis_does_not_have_is_as_in_the_file(tmp_path):
    with serving(redis) as (host, port):
        (tmp_path / "redis.conf").write_text(f"bind {host}\nport {port}\nappendfilename mine.aof\n")
        seen = look_at_redis(None, runs=True, paths=[str(tmp_path / "redis.conf")])
    assert seen["running"] == {**PERSISTENCE, **SETTINGS, "appendfilename": "mine.aof", "keys": 12}
    assert seen["persistence"]["save"]
