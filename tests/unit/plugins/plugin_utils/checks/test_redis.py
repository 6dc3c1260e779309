# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import digest

BIND = "List the addresses to listen on."
PASSWORD = 'It must have 8 or more printable ASCII characters, without spaces, quotation marks (") and backslashes.'


@pytest.mark.parametrize(
    "given",
    [{}, {"redis_port": 65535}, {"redis_port": "6380"}, {"redis_bind": ["10.0.0.11"]}, {"redis_password": "12345678"}],
)
def test_right(said, given):
    assert said("redis", given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"redis_port": 0}, "redis_port is 0. A port is a number from 1 to 65535."),
        ({"redis_port": 65536}, "redis_port is 65536. A port is a number from 1 to 65535."),
        ({"redis_bind": []}, f"redis_bind is empty. {BIND}"),
        ({"redis_bind": "10.0.0.11"}, "redis_bind is '10.0.0.11'. It must be a list."),
        ({"redis_password": "1234567"}, f"redis_password has 7 characters. {PASSWORD}"),
        ({"redis_password": "with a space"}, f"redis_password has 12 characters. {PASSWORD}"),
        (
            {"consul_agent_bind_addr": "10.0.0.99"},
            "consul_agent_bind_addr is 10.0.0.99. The host does not have that IPv4 address. It has eth0: 10.0.0.11.",
        ),
    ],
)
def test_wrong(said, given, text):
    assert said("redis", given) == [text]


@pytest.mark.parametrize("role", ["redis", "registry", "docker_host", "nginx_lb"])
def test_another_system(said, role):
    given = {"nginx_lb_services": [{"name": "shop", "port": 80}], "consul_agent_bind_addr": "10.0.0.11"}
    system = {"os_family": "RedHat", "distribution": "Fedora"}
    text = f"This host runs Fedora. The role {role} needs Debian or a derivative of it."
    assert said(role, given, facts=system) == [text]
    assert said(role, given, facts={}) == [
        "The facts of this host are missing. Gather facts first (gather_facts: true)."
    ]


def test_a_password_that_is_not_on_this_controller(said, tmp_path):
    """A second controller without the folder of secrets: a new password would lock out the apps."""
    there = {"paths": {"/etc/redis/site.conf": {"type": "file"}}}
    (text,) = said("redis", {}, look=there)
    assert "operator/redis.password does not exist, and Redis on this host has a password already" in text
    assert said("redis", {}, look={"paths": {}}) == []
    assert said("redis", {"redis_password": "12345678"}, look=there) == []
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/redis.password").touch()
    assert said("redis", {}, look=there) == []


BY_HAND = {
    "redis": {
        "error": None,
        "bind": ["127.0.0.1", "::1"],
        "port": 6380,
        "password": True,
        "password_digest": "0123",
        "users": False,
        "persistence": {"save": "", "appendonly": "no", "shutdown-on-sigterm": "default"},
        "running": None,
    },
    "packages": {"redis-server": "5:7.0"},
    "origins": {},
    "paths": {},
    "patterns": ["/etc/redis/*"],
}
SAID = {"redis_port": 6379, "redis_bind": ["127.0.0.1"], "redis_password": "a-new-password"}


def test_a_redis_that_somebody_has_configured(said, tmp_path):
    texts = said("redis", {}, look=BY_HAND)
    start = "Redis on web1 was configured in /etc/redis/redis.conf and"
    assert [text.partition(".")[0] for text in (text.replace("redis.conf", "redis:conf") for text in texts)] == [
        start.replace("redis.conf", "redis:conf") + end
        for end in (" has the port 6380", " listens on 127", " has a password of its own (requirepass)")
    ]
    assert f"{tmp_path}/operator/redis.password" in texts[2] and "ansible-vault" in texts[2]
    assert all("set redis_replace_settings to true" in text for text in texts)
    assert said("redis", SAID, look=BY_HAND) == [], "said, though the port is the default"
    assert said("redis", {"redis_replace_settings": True}, look=BY_HAND) == []


@pytest.mark.parametrize(
    "differs",
    [
        {"origins": {"/etc/redis/redis.conf": "package"}},
        {"packages": {"redis-server": ""}},
        {"redis": None},
    ],
)
def test_a_redis_of_the_package(said, differs):
    assert said("redis", {}, look={**BY_HAND, **differs}) == []


def test_a_redis_that_this_role_has_configured(said):
    there = {"/etc/redis/site.conf": {"type": "file"}}
    assert said("redis", SAID, look={**BY_HAND, "paths": there}) == []


def test_a_redis_that_has_the_settings_of_the_site(said, tmp_path):
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/redis.password").write_text("site-password\n")
    same = {**BY_HAND["redis"], "port": 6379, "bind": ["10.0.0.11", "127.0.0.1"]}
    given = {"redis_bind": ["127.0.0.1", "10.0.0.11"]}
    assert len(said("redis", given, look={**BY_HAND, "redis": same})) == 1
    same["password_digest"] = digest(b"site-password")
    assert said("redis", given, look={**BY_HAND, "redis": same}) == []
    for password in ({"password": False, "password_digest": None}, {"users": True, "password_digest": None}):
        (text,) = said("redis", given, look={**BY_HAND, "redis": {**same, **password}})
        assert ("users of its own" in text) == ("users" in password)


@pytest.mark.parametrize("there", [{}, {"/etc/redis/site.conf": {"type": "file"}}], ids=["before", "after"])
def test_a_redis_that_would_lose_its_data(said, there):
    """Also one that the role has taken over: a new password restarts it, too."""
    runs = {**BY_HAND, "paths": there, "units": {"redis-server": {"active": "active"}}}
    (text,) = said("redis", {**SAID, "redis_replace_settings": True}, look=runs)
    assert text.startswith("A restart would lose the data of Redis, which is in memory only")
    assert said("redis", SAID, look={**runs, "units": {"redis-server": {"active": "inactive"}}}) == []
