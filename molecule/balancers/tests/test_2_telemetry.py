# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scraper may see with its token, and nobody without."""

from __future__ import annotations

import pytest

PORT = 8082
STRANGER = "00000000-1111-2222-3333-444444444444"

pytestmark = pytest.mark.parametrize("host", ["lb1", "lb2"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def token(lab) -> str:
    return lab.secret("operator/monitoring.token")


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(STRANGER), bearer(""), {"Authorization": STRANGER}],
    ids=["none", "wrong", "empty", "no bearer"],
)
def test_nginx_says_nothing_without_the_token(lab, host, headers):
    answer = lab.http(host, PORT, "/nginx_status", headers=headers)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Active connections" not in answer.text


def test_nginx_says_how_it_is_to_who_has_the_token(lab, host, token):
    answer = lab.http(host, PORT, "/nginx_status", headers=bearer(token))
    assert answer.status == 200 and "Active connections" in answer.text


def test_consul_judges_the_token_by_itself(lab, host, token):
    answer = lab.http(host, PORT, "/consul/metrics", headers=bearer(STRANGER))
    assert answer.status == 403 and "ACL not found" in answer.text, answer
    answer = lab.http(host, PORT, "/consul/metrics", headers=bearer(token))
    assert answer.status == 200 and "# TYPE consul_" in answer.text


@pytest.mark.parametrize("path", ["/", "/v1/agent/self", "/consul/metrics/../self", "/consul/", "/v1/kv/?recurse"])
def test_nothing_else_of_consul_is_reached(lab, host, path):
    assert lab.http(host, PORT, path, headers=bearer(lab.secret("operator/management.token"))).status == 404


def test_what_is_asked_is_not_passed_on(lab, host):
    metrics = lab.http(host, PORT, "/consul/metrics?format=pretty")
    assert metrics.text.startswith("# HELP")
    assert lab.http(host, PORT, "/consul/metrics", method="PUT").status == 403


def test_the_token_is_roots_alone(lab, host, token):
    assert lab.exec(host, "stat --format '%U:%G %a' /etc/nginx/nginx_lb.token") == "root:root 600"
    assert lab.exec(host, f"grep --recursive --files-with-matches {token} /etc /var/log") == "/etc/nginx/nginx_lb.token"
    assert token not in lab.exec(host, "ps -ef")


def test_the_old_place_is_still_loopbacks(lab, host):
    assert "Active connections" in lab.exec(host, "curl --fail --silent http://127.0.0.1:8081/nginx_status")
    with pytest.raises(OSError):
        lab.http(host, 8081, "/nginx_status")
