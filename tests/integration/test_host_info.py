# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import hmac
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Agent, consul_binary

READ_ALL = """
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
"""


def look(**options):
    asked = {"cluster": True, "checks": True, "retries": 0, "consistency": "stale", **options}
    return {"dockyard.consul.host_info": asked}


def test_a_whole_cluster(playbook, in_process, agent):
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
    assert found["checks"] == {"error": None, "passing": [], "outputs": own["outputs"]}

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
        assert [one["answers"] for one in in_process.run(questions)["dns"]] == [["127.0.0.1"], ["127.0.0.1:80"]]


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_tokens(playbook, in_process, agent):
    nothing, unknown = in_process.run(look(token=""), look(token="0f0f0f0f-0000-4000-8000-000000000000"))
    assert "the token's policies do not allow this, or no token was given" in nothing["consul"]["error"]
    assert "the token is unknown to Consul" in unknown["cluster"]["error"]
    playbook.run(look(), verbose=True)
    assert agent.token not in playbook.output


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_a_token_that_may_not_read_the_agent_reads_its_services(in_process, agent):
    """As a node's own token."""
    check = {"CheckID": "c", "Name": "reports", "TTL": "1h", "Status": "passing"}
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "ID": "web-1", "Port": 80, "Check": check})
    token = agent.token_for('node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }')
    own = in_process.run(look(token=token, cluster=False))["consul"]
    assert own["errors"].keys() == {"self"} and own["error"] == own["errors"]["self"] and "HTTP 403" in own["error"]
    assert own["services"].keys() == {"web-1"} and own["services"]["web-1"]["Port"] == 80
    assert own["checks"]["c"] == {
        "service_id": "web-1", "name": "reports", "type": "ttl", "status": "passing", "output": "",
    }  # fmt: skip
    assert own["leader"] == f"127.0.0.1:{agent.ports['server']}" and "node" not in own


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_the_process_and_its_data(in_process, running_agent, tmp_path):
    gossip_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    binary = consul_binary()
    with running_agent(tmp_path, config={"encrypt": gossip_key}) as agent:
        found = in_process.run(
            look(
                port=agent.http_port,
                consul_config_dirs=["/none"],
                consul_data_dirs=["/none"],
                digest_key="00ff",
                consul_binaries=[binary, "/none"],
            )
        )
        (process,) = [one for one in found["consul"]["running"] if one["pid"] == agent.process.pid]
        with open(f"/proc/{agent.process.pid}/cmdline", encoding="utf-8") as file:
            assert "agent.json" in file.read()
        node_id = agent.api("GET", "/v1/agent/self")["Config"]["NodeID"]
        version = agent.api("GET", "/v1/agent/self")["Config"]["Version"]
    data = str(tmp_path / "data")
    assert process["config_files"] == [str(tmp_path / "agent.json")] and process["config_dirs"] == []
    assert (process["data_dir"], process["server"], process["error"]) == (data, True, None)
    assert 0 < time.time() - process["started"] / 1e6 < 60
    assert found["consul"]["node_id"] == node_id and found["consul"]["datacenter"] == "dc1"
    digest = hmac.new(bytes.fromhex("00ff"), gossip_key.encode(), hashlib.sha256).hexdigest()
    assert found["consul_data"][data]["gossip_key_digests"] == [digest] and gossip_key not in str(found)
    assert found["consul"]["encrypted"] is True and found["consul"]["domain"] == "consul"
    file = found["consul_config"][str(tmp_path / "agent.json")]
    assert "encrypt" in file["keys"] and file["gossip_key_digest"] == digest and not file["placed"]
    assert process["settings"]["data_dir"] == data and process["settings"]["ports.http"] == agent.http_port
    assert "/none" not in found["consul_data"] and found["consul_binaries"].keys() == {binary}
    assert found["consul_binaries"][binary]["version"].startswith(version)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_agent_that_stands_still_is_not_waited_for(in_process, agent):
    os.kill(agent.process.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        found = in_process.run(
            look(timeout=1, nameserver=f"127.0.0.1:{agent.dns_port}", services=[{"name": "web"}] * 3)
        )
        assert time.monotonic() - start < 60
    finally:
        os.kill(agent.process.pid, signal.SIGCONT)
    assert "no answer within 1 s" in found["consul"]["error"]
    assert found["cluster"]["error"] == found["consul"]["error"]
    assert ["no answer within 1 s" in one["error"] for one in found["dns"]] == [True] * 3


@pytest.fixture
def three_servers(tmp_path):
    agents = []
    for number in range(3):
        folder = tmp_path / f"s{number}"
        folder.mkdir()
        agents.append(Agent(folder, config={"node_name": f"s{number}", "bootstrap_expect": 3}))
    for agent in agents:
        agent.config["retry_join"] = [f"127.0.0.1:{one.ports['serf_lan']}" for one in agents if one is not agent]
    try:
        with ThreadPoolExecutor() as pool:  # none of them is ready before it has a leader
            list(pool.map(Agent.start, agents))
        yield agents
    finally:
        for agent in agents:
            if agent.process:
                agent.process.kill()
                agent.process.wait()


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_without_a_leader_what_a_server_holds_is_told(in_process, agent, three_servers):
    last, *others = three_servers
    question = look(port=last.http_port)
    last.wait_for(lambda: len(last.api("GET", "/v1/health/service/consul?passing")) == 3, "three servers")
    cluster = in_process.run(question)["cluster"]
    assert cluster["leader"] in cluster["peers"] and len(cluster["peers"]) == 3

    for other in others:
        other.process.kill()
        other.process.wait()
    last.wait_for(lambda: last.api("GET", "/v1/status/leader") == "", "no leader")
    cluster = in_process.run(question)["cluster"]
    assert cluster["error"] is None and cluster["leader"] == "" and len(cluster["peers"]) == 3
    assert {one["node"] for one in cluster["instances"]} == {"s0", "s1", "s2"}
    assert {one["name"] for one in cluster["members"]} == {"s0", "s1", "s2"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_nothing_listens(in_process, agent):
    found = in_process.run(look(port=1))
    assert "connection refused: no agent listens there" in found["consul"]["error"]
