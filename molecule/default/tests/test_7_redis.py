# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis goes and comes back."""

from __future__ import annotations

import re

from lab.testing import seconds_until

SERVICES = [("redis1", "redis-server"), ("redis1", "consul"), ("lb1", "nginx")]
REDIS = "redis.service.consul"


def test_redis_goes_and_comes_back(lab, figures):
    before = lab.http("lb1")
    assert before.status == 200

    lab.exec("redis1", "systemctl stop redis-server")
    try:
        away = lab.wait_for(lambda: _unless(200, lab.http("lb1")), 5, "the app notices")
        assert (away.status, away.text) == (503, "Redis does not answer. Please try again.")
        assert away.headers["Retry-After"]
        # A check every 10 s that may take 3 s.
        left = seconds_until(lambda: not lab.dns(REDIS), 18, "Redis is out of DNS")
        assert all(lab.http(host, 5000, "/health").status == 200 for host in lab.hosts("mydemo"))
    finally:
        lab.exec("redis1", "systemctl start redis-server")

    back = seconds_until(lambda: lab.dns(REDIS) == {lab.address("redis1")}, 18, "Redis is in DNS again")
    first = lab.wait_for(lambda: _unless(503, lab.http("lb1")), 15, "the app recovers by itself")
    assert first.status == 200 and _count(first) == _count(before) + 1, "the counter is intact"
    # Each instance has to find out for itself.
    lab.wait_for(
        lambda: all(lab.http(host, 5000).status == 200 for host in lab.hosts("mydemo")), 10, "both instances recover"
    )
    assert "Traceback" not in "".join(lab.exec(host, "docker logs mydemo 2>&1") for host in lab.hosts("mydemo"))
    figures.append(("Redis stopped and started", f"out of DNS after {left:.1f} s, back after {back:.1f} s"))


def _unless(status, answer):
    return None if answer.status == status else answer


def _count(answer):
    return int(re.search(r"seen (\d+) times", answer.text).group(1))
