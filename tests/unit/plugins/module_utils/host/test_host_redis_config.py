# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.module_utils.host.redis_config import PERSISTENCE, look_at_redis

KEY = b"key"


def look(file, key=KEY, **more):
    return look_at_redis(key, paths=[str(file.with_name("site.conf")), str(file)], **more)


def test_settings_of_redis(tmp_path):
    (tmp_path / "more.conf").write_text("PORT 6380\nuser alice on >secret\n")
    (tmp_path / "redis.conf").write_text(
        "# port 1\nport 6379\nbind 127.0.0.1 -::1\n requirepass \"my secret\"\nsave ''\nbroken 'x\ninclude more.conf\n"
    )
    seen = look(tmp_path / "redis.conf")
    assert seen == {
        "error": None,
        "bind": ["127.0.0.1", "::1"],
        "port": 6380,
        "password": True,
        "password_digest": keyed(KEY, b"my secret"),
        "users": True,
        "persistence": {**PERSISTENCE, "save": ""},
        "running": None,
    }
    assert look(tmp_path / "redis.conf", key=None)["password_digest"] is None


def test_no_password_and_no_redis(tmp_path):
    (tmp_path / "redis.conf").write_text('requirepass ""\n')
    seen = look(tmp_path / "redis.conf")
    assert (seen["password"], seen["password_digest"], seen["bind"], seen["port"]) == (False, None, [], 6379)
    assert look(tmp_path / "none") is None


def test_the_file_of_the_role_counts(tmp_path):
    (tmp_path / "redis.conf").write_text("port 6380\nsave 60 1\n")
    (tmp_path / "site.conf").write_text(f"include {tmp_path}/redis.conf\nport 6381\n")
    seen = look(tmp_path / "redis.conf")
    assert (seen["port"], seen["persistence"]["save"]) == (6381, "60 1")


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "site.conf").mkdir()
    seen = look(tmp_path / "redis.conf", runs=True)
    assert seen["error"] == f"{tmp_path}/site.conf: Is a directory" and seen["running"] is None


@pytest.mark.parametrize(
    ("text", "differs"),
    [
        ("", {}),
        ("save 60 1\nSAVE 10 2", {"save": "60 1 10 2"}),
        ("save 60 1\nsave ''\nsave 10 2", {"save": "10 2"}),
        ("save 60 1 10 2\nsave ''", {"save": ""}),
        ("appendonly YES\nappendonly no\nappendonly Yes", {"appendonly": "yes"}),
        ("dir /var/../srv/redis/\ndbfilename r.rdb", {"dir": "/srv/redis", "dbfilename": "r.rdb"}),
        ("shutdown-on-sigterm save now", {"shutdown-on-sigterm": "save now"}),
    ],
)
def test_what_it_does_with_its_data(tmp_path, text, differs):
    (tmp_path / "redis.conf").write_text(text)
    assert look(tmp_path / "redis.conf")["persistence"] == {**PERSISTENCE, **differs}
