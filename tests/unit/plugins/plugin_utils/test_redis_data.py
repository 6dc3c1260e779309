# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.redis_data import lost_at_restart

DEFAULT = {
    "save": "3600 1 300 100 60 10000",
    "appendonly": "no",
    "dir": "/var/lib/redis",
    "dbfilename": "dump.rdb",
    "appenddirname": "appendonlydir",
    "appendfilename": "appendonly.aof",
    "shutdown-on-sigterm": "default",
}
OFF = {"save": ""}
AOF = {"appendonly": "yes"}
KEEP, LOSE = {"shutdown-on-sigterm": "save now"}, {"shutdown-on-sigterm": "nosave"}


def host(running=(), file=(), keys=3, active="active", answers=True):
    now = {**DEFAULT, **dict(running), "keys": keys} if answers else None
    redis = {"error": None, "persistence": {**DEFAULT, **dict(file)}, "running": now}
    return Look({"redis": redis, "units": {"redis-server": {"active": active}}})


@pytest.mark.parametrize(
    "look",
    [
        host(),
        host(AOF, AOF),
        host({**OFF, **AOF}, AOF),
        host(AOF),  # with save, it writes both files
        host({**OFF, **KEEP}, OFF),
        host({**OFF, **LOSE}, OFF),
        host({**AOF, **OFF, **LOSE}),
        host(OFF, OFF, keys=0),
        host(OFF, OFF, active="inactive"),
        host({}, OFF),  # the file is for the next time
        host({**AOF, "dbfilename": "other"}, AOF),
        host(answers=False),
        host(file={**OFF, **KEEP}, answers=False),
        Look({}),
        Look({"redis": None, "units": {"redis-server": {"active": "active"}}}),
    ],
)
def test_it_has_its_data_again(look):
    assert lost_at_restart(look) == ""


@pytest.mark.parametrize(
    ("look", "says"),
    [
        (host(OFF, OFF), "of Redis (keys: 3), which is in memory only: save and appendonly are off. To keep it, run"),
        (host(OFF), "in memory only"),
        (host({**OFF, **AOF}), "in memory only"),
        (host(file=OFF, answers=False), "A restart would lose the data of Redis, which is in memory only"),
        # Somebody has prepared the file, and it would start with a log that was never written.
        (
            host({}, AOF),
            "Redis (keys: 3): it runs with appendonly no, and /etc/redis/redis.conf has yes. Make both the same",
        ),
        (host(AOF, {**AOF, "appendfilename": "other.aof"}), "it runs with appendfilename appendonly.aof, and"),
        (host({"dir": "/old"}), "it runs with dir /old, and /etc/redis/redis.conf has /var/lib/redis."),
        (
            host({"dir": "/old", "dbfilename": "old.rdb"}),
            "/old, and /etc/redis/redis.conf has /var/lib/redis; with dbfilename old.rdb, and",
        ),
    ],
)
def test_it_would_start_without_its_data(look, says):
    text = lost_at_restart(look)
    assert says in text and "To accept the loss" in text
