# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis on app1 was configured by hand (by_hand/redis.yml). Nothing of it changes unless the inventory says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from lab.load import Writer

SERVICES = [("app1", "redis-server")]
PASSWORD = "by-hand-4711"
CLI = f"REDISCLI_AUTH={PASSWORD} redis-cli"
ASK = f"{CLI} get by-hand"
PID = "systemctl show --property MainPID --value redis-server"
LONGEST = 5  # seconds, on a busy machine. Usually it is 0.2 s.


@pytest.fixture
def writer(lab) -> Iterator[Writer]:
    """Users on the LAN, who write a value and read an old one 20 times a second, each on a connection of its own."""
    address = lab.address("app1")
    # In the file, it listens on loopback only. What an earlier test has written must be nowhere.
    lab.exec("app1", f"{CLI} config set bind '127.0.0.1 {address}' && {CLI} del written && {CLI} save")

    def put(number: int) -> bool:
        with socket.create_connection((address, 6379), timeout=5) as connection:
            connection.sendall(f"AUTH {PASSWORD}\r\nHSET written {number} {number}\r\nGET by-hand\r\nQUIT\r\n".encode())
            return connection.makefile("rb").read() == b"+OK\r\n:1\r\n$4\r\nkept\r\n+OK\r\n"

    with Writer(put, rate=20) as writer:
        yield writer


def test_its_settings_are_not_overridden(lab):
    if lab.exec("app1", "ls /etc/redis").count("site.conf"):
        lab.exec("app1", "rm /etc/redis/site.conf /etc/systemd/system/redis-server.service.d/site.conf")
        lab.exec("app1", "systemctl daemon-reload && systemctl restart redis-server")
    what_runs = f"{PID}; sha256sum /etc/redis/*"
    before = lab.exec("app1", what_runs)
    done = lab.playbook("playbooks/redis.yml", "--limit", "app1")
    words = " ".join(done.output.split())
    assert not done.ok and "Nothing was changed. 2 problems with the variables of app1" in words, done.output
    assert "listens on 127.0.0.1. The role would change that to 127.0.0.1" in words
    assert "has a password of its own (requirepass)" in words and PASSWORD not in done.output
    assert not done.changed and lab.exec("app1", what_runs) == before
    assert lab.exec("app1", ASK) == "kept"


def given(lab) -> dict[str, Any]:
    return {"redis_password": PASSWORD, "redis_bind": ["127.0.0.1", lab.address("app1")]}


def test_data_that_a_restart_would_lose_is_named(lab):
    """Somebody has switched saving off, in the running Redis only."""
    keys, _ok, pid = lab.exec("app1", f"{CLI} dbsize && {CLI} config set save '' && {PID}").split()
    done = lab.playbook("playbooks/redis.yml", "--limit", "app1", **given(lab))
    words = " ".join(done.output.split())
    assert not done.ok and "Nothing was changed" in words, done.output
    assert f"A restart would lose the data of Redis (keys: {keys}), which is in memory only" in words
    assert not done.changed and lab.exec("app1", PID) == pid
    # As the message says. The next test shows that it keeps the data.
    assert "redis-cli config set shutdown-on-sigterm save" in words
    lab.exec("app1", f"{CLI} config set shutdown-on-sigterm save")


def test_its_users_notice_one_restart_and_lose_nothing(lab, writer, figures):
    """The settings of the inventory are taken over."""
    pid = lab.exec("app1", PID)
    lab.wait_for(lambda: len(writer.acknowledged) > 20, 10, "users write")
    done = lab.playbook("playbooks/redis.yml", "--limit", "app1", **given(lab))
    assert done.ok and PASSWORD not in done.output, done.output
    acknowledged = len(writer.acknowledged)
    lab.wait_for(lambda: len(writer.acknowledged) > acknowledged + 20, 10, "users write again")
    writer.stop()
    figures.append(("Redis taken over", f"{writer}; not for {', '.join(f'{s:.1f} s' for s in writer.outages)}"))
    written = lab.exec("app1", f"{CLI} --raw hgetall written").split()
    assert writer.lost(dict(zip(map(int, written[::2]), written[1::2], strict=True))) == set()
    assert lab.exec("app1", PID) != pid
    assert len(writer.outages) <= 1 and sum(writer.outages) < LONGEST, writer.outages
    assert lab.exec("app1", ASK) == "kept"
    assert lab.exec("app1", f"{CLI} config get maxmemory").split()[-1] == str(77 << 20)
    lab.wait_for(lambda: lab.dns("redis.service.consul", "app1") == {lab.address("app1")}, 20, "Redis is in DNS")
    again = lab.playbook("playbooks/redis.yml", "--limit", "app1", **given(lab))
    assert again.ok and not again.changed, again.changes
