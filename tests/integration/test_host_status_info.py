# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time

import pytest

READ_ALL = """
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
"""


def look(**options):
    return {"dockyard.consul.host_status_info": {"cluster": True, "retries": 0, "consistency": "stale", **options}}


def test_a_whole_cluster(playbook, agent):
    check = {"CheckID": "c", "Name": "reports", "TTL": "1h", "Notes": "for people"}
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "ID": "web-1", "Port": 80, "Check": check})
    agent.wait_for(lambda: agent.api("GET", "/v1/catalog/service/web"), "web in the catalog")
    nameserver = f"127.0.0.1:{agent.dns_port}"
    token = agent.token_for(READ_ALL) if agent.token else ""
    found = playbook.run(
        look(token=token, nameserver=nameserver, services=[{"name": "web", "port": 80}, {"name": "web", "port": "srv"}])
    )
    assert not found["changed"]

    own = found["consul"]
    assert own["error"] is None and own["node"] == "tester" and own["server"]
    assert own["version"] == agent.api("GET", "/v1/agent/self")["Config"]["Version"]
    assert own["outputs"].keys() == {"c"}

    cluster = found["cluster"]
    assert cluster["error"] is None
    leader = f"127.0.0.1:{agent.ports['server']}"
    assert cluster["leader"] == leader and cluster["peers"] == [leader]
    (member,) = cluster["members"]
    assert (member["name"], member["state"], member["server"]) == ("tester", "alive", True)
    assert member["version"].startswith(own["version"])
    web = {"service": "web", "id": "web-1", "node": "tester", "address": "127.0.0.1", "port": 80}
    assert web in cluster["instances"]
    (seen,) = [one for one in cluster["checks"] if one["id"] == "c"]
    assert (seen["service_id"], seen["status"], seen["notes"]) == ("web-1", "critical", "for people")

    # Critical: DNS does not give it out.
    assert [one["answers"] for one in found["dns"]] == [[], []]
    agent.api("PUT", "/v1/agent/check/pass/c")
    if not agent.token:  # under deny, the agent's own DNS has no token that may read
        questions = look(nameserver=nameserver, services=[{"name": "web"}, {"name": "web", "port": "srv"}])
        agent.wait_for(lambda: agent.api("GET", "/v1/health/service/web?passing"), "web passing")
        assert [one["answers"] for one in playbook.run(questions)["dns"]] == [["127.0.0.1"], ["127.0.0.1:80"]]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_tokens(playbook, agent):
    nothing, unknown = playbook.run(look(token=""), look(token="0f0f0f0f-0000-4000-8000-000000000000"))
    assert "the token's policies do not allow this, or no token was given" in nothing["consul"]["error"]
    assert "the token is unknown to Consul" in unknown["cluster"]["error"]
    playbook.run(look(), verbose=True)
    assert agent.token not in playbook.output


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_agent_that_stands_still_is_not_waited_for(playbook, agent):
    os.kill(agent.process.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        found = playbook.run(look(timeout=1, nameserver=f"127.0.0.1:{agent.dns_port}", services=[{"name": "web"}] * 3))
        assert time.monotonic() - start < 10
    finally:
        os.kill(agent.process.pid, signal.SIGCONT)
    assert "no answer within 1 s" in found["consul"]["error"]
    assert found["cluster"]["error"] == found["consul"]["error"]
    assert ["no answer within 1 s" in one["error"] for one in found["dns"]] == [True] * 3


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_nothing_listens(playbook, agent):
    found = playbook.run(look(port=1))
    assert "connection refused: no agent listens there" in found["consul"]["error"]
