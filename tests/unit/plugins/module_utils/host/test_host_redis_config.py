# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.module_utils.host.redis_config import look_at_redis

KEY = b"key"


def test_settings_of_redis(tmp_path):
    (tmp_path / "more.conf").write_text("PORT 6380\nuser alice on >secret\n")
    (tmp_path / "redis.conf").write_text(
        "# port 1\nport 6379\nbind 127.0.0.1 -::1\n requirepass \"my secret\"\nsave ''\nbroken 'x\ninclude more.conf\n"
    )
    seen = look_at_redis(KEY, str(tmp_path / "redis.conf"))
    assert seen == {
        "error": None,
        "bind": ["127.0.0.1", "::1"],
        "port": 6380,
        "password": True,
        "password_digest": keyed(KEY, b"my secret"),
        "users": True,
    }
    assert look_at_redis(None, str(tmp_path / "redis.conf"))["password_digest"] is None


def test_no_password_and_no_redis(tmp_path):
    (tmp_path / "redis.conf").write_text('requirepass ""\n')
    seen = look_at_redis(KEY, str(tmp_path / "redis.conf"))
    assert (seen["password"], seen["password_digest"], seen["bind"], seen["port"]) == (False, None, [], 6379)
    assert look_at_redis(KEY, str(tmp_path / "none")) is None
