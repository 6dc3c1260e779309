# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis on app1 was configured by hand (by_hand/redis.yml). Nothing of it changes unless the inventory says so."""

from __future__ import annotations

SERVICES = [("app1", "redis-server")]
PASSWORD = "by-hand-4711"
ASK = f"REDISCLI_AUTH={PASSWORD} redis-cli get by-hand"


def test_its_settings_are_not_overridden(lab):
    if lab.exec("app1", "ls /etc/redis").count("site.conf"):
        lab.exec("app1", "rm /etc/redis/site.conf /etc/systemd/system/redis-server.service.d/site.conf")
        lab.exec("app1", "systemctl daemon-reload && systemctl restart redis-server")
    what_runs = "systemctl show --property MainPID redis-server; sha256sum /etc/redis/*"
    before = lab.exec("app1", what_runs)
    done = lab.playbook("playbooks/redis.yml", "--limit", "app1")
    words = " ".join(done.output.split())
    assert not done.ok and "Nothing was changed. 2 problems with the variables of app1" in words, done.output
    assert "listens on 127.0.0.1. The role would change that to 127.0.0.1" in words
    assert "has a password of its own (requirepass)" in words and PASSWORD not in done.output
    assert not done.changed and lab.exec("app1", what_runs) == before
    assert lab.exec("app1", ASK) == "kept"


def test_it_is_taken_over_with_the_settings_of_the_inventory(lab):
    given = {"redis_password": PASSWORD, "redis_bind": ["127.0.0.1", lab.address("app1")]}
    done = lab.playbook("playbooks/redis.yml", "--limit", "app1", **given)
    assert done.ok and PASSWORD not in done.output, done.output
    assert lab.exec("app1", ASK) == "kept"
    assert lab.exec("app1", f"REDISCLI_AUTH={PASSWORD} redis-cli config get maxmemory").split()[-1] == str(77 << 20)
    lab.wait_for(lambda: lab.dns("redis.service.consul", "app1") == {lab.address("app1")}, 20, "Redis is in DNS")
    again = lab.playbook("playbooks/redis.yml", "--limit", "app1", **given)
    assert again.ok and not again.changed, again.changes
