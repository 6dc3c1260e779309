# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stale services: how the look finds them, and how they are removed from the catalog."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient
from ansible_collections.dockyard.consul.plugins.modules.consul_catalog_service import Service

# A node that has no agent, so that nobody but the test changes it.
NODE = "gone"


def absent(identity="web-1", **options):
    task = {"node": NODE, "id": identity, "name": "web", "state": "absent", **options}
    return {"dockyard.consul.consul_catalog_service": task}


def register(agent, *identities, port=80):
    for identity in identities:
        service = {"ID": identity, "Service": "web", "Port": port}
        check = {"CheckID": f"check-{identity}", "Name": "web", "ServiceID": identity, "Status": "passing"}
        body = {"Node": NODE, "Address": "192.0.2.9", "Service": service, "Check": check}
        agent.api("PUT", "/v1/catalog/register", body)


def services(agent, node=NODE):
    """The index of each service of the node."""
    found = (agent.api("GET", f"/v1/catalog/node/{node}") or {}).get("Services") or {}
    return {identity: one["ModifyIndex"] for identity, one in found.items()}


def checks(agent):
    return sorted(one["CheckID"] for one in agent.api("GET", f"/v1/health/node/{NODE}"))


@pytest.fixture(autouse=True)
def node(agent):
    """Two services of one name, with a passing check each, and a check of the node."""
    register(agent, "web-1", "web-2")
    check = {"CheckID": "alive", "Name": "alive", "Status": "passing"}
    agent.api("PUT", "/v1/catalog/register", {"Node": NODE, "Address": "192.0.2.9", "Check": check})
    yield
    agent.api("PUT", "/v1/catalog/deregister", {"Node": NODE})


def test_removal_with_its_checks(playbook, agent):
    index = services(agent)["web-1"]
    foretold = playbook.run(absent(), check=True)
    assert services(agent).keys() == {"web-1", "web-2"}, "check mode wrote"

    removed, again, check_again = playbook.run(absent(), absent(), {**absent(), "check_mode": True})
    assert foretold["changed"] and removed["changed"] and foretold["diff"] == removed["diff"]
    assert removed["service"] is None and foretold["service"] is None
    assert removed["diff"]["after"] == "" and removed["diff"]["before_header"] == "Service web-1 of node gone"
    for line in ("id: web-1", "name: web", "node: gone", "port: 80", f"modify_index: {index}"):
        assert f"{line}\n" in removed["diff"]["before"]
    for one in (again, check_again):
        assert not one["changed"] and one["service"] is None and one["diff"]["before"] == one["diff"]["after"]
    assert services(agent).keys() == {"web-2"} and checks(agent) == ["alive", "check-web-2"]


def test_what_changed_since_it_was_read_stays(in_process, agent):
    before = services(agent)
    register(agent, "web-1", port=81)
    after = services(agent)
    assert after["web-1"] != before["web-1"] and after["web-2"] == before["web-2"]
    tasks = [absent(identity, modify_index=before[identity]) for identity in before]
    for options in ({"check": True}, {}):
        stays, goes = in_process.run(*tasks, **options)
        assert not stays["changed"] and goes["changed"]
        assert stays["service"]["modify_index"] == after["web-1"] and stays["service"]["port"] == 81
    assert services(agent) == {"web-1": after["web-1"]}


def test_what_changes_during_the_task_stays(agent):
    service = Service(ConsulClient(port=agent.http_port, token=agent.token), NODE, "web-1", "web")
    index = service.read()["modify_index"]
    register(agent, "web-1", port=81)
    assert not service.remove(index)
    assert services(agent).keys() == {"web-1", "web-2"}
    assert service.remove(service.read()["modify_index"])
    assert not service.remove(index), "it is gone"
    assert services(agent).keys() == {"web-2"} and checks(agent) == ["alive", "check-web-2"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_another_name_id_or_node(in_process, agent):
    before = services(agent)
    other, unknown, nowhere = in_process.run(absent(name="other"), absent("web-3"), absent(node="nowhere"))
    assert not other["changed"] and other["service"]["name"] == "web"
    assert not unknown["changed"] and not nowhere["changed"] and unknown["service"] is nowhere["service"] is None
    assert services(agent) == before


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("identity", ["http://127.0.0.1/api", "a/../b", "50% ü?&"])
def test_an_id_that_fits_in_no_url(in_process, agent, identity):
    register(agent, identity)
    assert in_process.run(absent(identity))["changed"]
    assert services(agent).keys() == {"web-1", "web-2"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_empty_is_an_error(in_process, agent):
    messages = in_process.failures(*(absent(**{option: ""}) for option in ("node", "identity", "name")))
    assert messages == ["node is empty. Set it.", "id is empty. Set it.", "name is empty. Set it."]
    assert len(services(agent)) == 2


READ = 'node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }'


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    def test_what_the_token_must_be_allowed(self, in_process, agent):
        before = services(agent)
        rules = [
            'service "web" { policy = "read" }',
            'node "gone" { policy = "write" }',
            'service "other" { policy = "write" }',
        ]
        reader, *others = [agent.token_for(one) for one in rules]
        dead = "11111111-2222-3333-4444-555555555555"
        for token, check, words in (
            (reader, False, "do not allow to delete-cas it"),
            *((token, check, "do not allow to read it") for token in (*others, "") for check in (False, True)),
            (dead, False, "the token is unknown to Consul"),
        ):
            (message,) = in_process.failures(absent(token=token), check=check)
            assert words in message and (token == dead or message.startswith("service web-1 of node gone: Perm")), (
                message
            )
        unknown, foretold = in_process.run(absent("web-3", token=reader), {**absent(token=reader), "check_mode": True})
        assert not unknown["changed"] and unknown["service"] is None and foretold["changed"]
        assert services(agent) == before

        writer = agent.token_for('service "web" { policy = "write" }')
        assert in_process.run(absent(token=writer))["changed"]
        assert services(agent).keys() == {"web-2"}

    def test_the_token_is_not_shown(self, playbook, agent):
        playbook.run(absent(token=agent.token), verbose=True)
        assert "changed" in playbook.output and agent.token not in playbook.output


def test_the_look_has_the_catalog_of_the_node(in_process, agent):
    body = {"Name": "web", "ID": "known", "Port": 80}
    agent.api("PUT", "/v1/agent/service/register", body)
    agent.wait_for(lambda: "known" in services(agent, "tester"), "the service in the catalog")
    # As a client's own token, which may not ask the agent for its node.
    token = agent.token_for(READ) if agent.token else ""

    def look(node):
        return {"dockyard.consul.host_info": {"node": node, "token": token, "retries": 0}}

    own, other, unknown, nothing = [
        one["consul"] for one in in_process.run(*map(look, ("tester", NODE, "nowhere", None)))
    ]
    catalog = own["catalog"]
    assert (catalog["node"], catalog["address"]) == ("tester", "127.0.0.1")
    indexes = services(agent, "tester")
    assert catalog["services"] == {
        identity: {"name": name, "modify_index": indexes[identity]}
        for identity, name in (("consul", "consul"), ("known", "web"))
    }
    assert own["services"].keys() == {"known"}
    assert other["catalog"]["services"].keys() == {"web-1", "web-2"} and other["catalog"]["address"] == "192.0.2.9"
    assert unknown["catalog"] is None and "catalog" not in nothing


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_the_same_registration_keeps_the_index(agent):
    """So the index alone does not show that an agent has registered a service again, and the role looks again."""
    before = services(agent)
    register(agent, "web-1")
    assert services(agent) == before
