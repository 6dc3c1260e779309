# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes in Consul is live on every instance within 5 s, and none is restarted for it."""

from __future__ import annotations

import pytest

from lab.testing import seconds_until

SERVICES = [("app1", "consul"), ("app2", "consul"), ("redis1", "redis-server")]


@pytest.fixture
def settings(lab):
    """The value under the key; afterwards it is as it was."""
    before = lab.http("consul1", 8500, "/v1/kv/redis?raw")
    yield before.json()
    put(lab, before.text.encode())


def put(lab, value: dict | bytes) -> None:
    assert lab.consul("kv/redis", method="PUT", data=value) is True


def answers(lab) -> list:
    return [lab.http(host, 5000) for host in lab.hosts("mydemo")]


def started_at(lab) -> list[str]:
    return [lab.exec(host, "docker inspect --format '{{.State.StartedAt}}' mydemo") for host in lab.hosts("mydemo")]


def redis(lab, password: str, *commands: str) -> str:
    """What Redis says to commands. They go in by stdin: a command line is for all to read."""
    return lab.exec("redis1", ["redis-cli"], stdin="\n".join([f"AUTH {password}", *commands, ""]))


def test_a_changed_message_shows_on_both(lab, settings, figures):
    before = started_at(lab)
    settings["show_message"] = "Ahoy"
    put(lab, settings)
    seconds = seconds_until(
        lambda: all(answer.text.startswith("Ahoy! I have been seen") for answer in answers(lab)), 5, "both say Ahoy"
    )
    assert started_at(lab) == before
    figures.append(("a changed message, on every instance", f"after {seconds:.1f} s"))


def test_a_changed_redis_password_is_taken_up(lab, settings, figures):
    old, new = lab.secret("operator/redis.password"), "a-password-for-this-test-only"
    before = started_at(lab)
    # Connections that are open stay let in: without them gone, nothing would be shown.
    assert "OK" in redis(lab, old, f"CONFIG SET requirepass {new}", "CLIENT KILL TYPE normal SKIPME yes")
    try:
        assert {answer.status for answer in answers(lab)} == {503}
        settings["redis_config"]["redis_password"] = new
        put(lab, settings)
        seconds = seconds_until(lambda: {answer.status for answer in answers(lab)} == {200}, 5, "both count again")
    finally:
        redis(lab, new, f"CONFIG SET requirepass {old}", "CLIENT KILL TYPE normal SKIPME yes")
    assert started_at(lab) == before
    settings["redis_config"]["redis_password"] = old
    put(lab, settings)
    lab.wait_for(lambda: {answer.status for answer in answers(lab)} == {200}, 5, "both count again, with the old one")
    figures.append(("a changed Redis password, on every instance", f"after {seconds:.1f} s"))
