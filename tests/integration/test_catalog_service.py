# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stale services: how the look finds them, and how they are removed from the catalog."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient
from ansible_collections.dockyard.consul.plugins.modules.consul_catalog_service import Catalog

# A node that has no agent, so that nobody but the test changes it.
NODE = "gone"


def absent(identity="web-1", **options):
    task = {"node": NODE, "id": identity, "name": "web", "state": "absent", **options}
    return {"dockyard.consul.consul_catalog_service": task}


def register(agent, *identities, node=NODE, address="192.0.2.9", port=80, name="web"):
    for identity in identities:
        service = {"ID": identity, "Service": name, "Port": port}
        check = {"CheckID": f"check-{identity}", "Name": "web", "ServiceID": identity, "Status": "passing"}
        body = {"Node": node, "Address": address, "Service": service, "Check": check}
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
    assert removed["diff"]["after"] == "{}\n" and removed["diff"]["before_header"] == "Service web-1 of node gone"
    for line in ("id: web-1", "name: web", "node: gone", "port: 80", f"modify_index: {index}"):
        assert f"{line}\n" in removed["diff"]["before"]
    for one in (again, check_again):
        assert not one["changed"] and one["service"] is None and one["diff"]["before"] == one["diff"]["after"]
    assert services(agent).keys() == {"web-2"} and checks(agent) == ["alive", "check-web-2"]


def test_what_changed_since_it_was_read_stays(playbook, agent):
    before = services(agent)
    register(agent, "web-1", port=81)
    after = services(agent)
    assert after["web-1"] != before["web-1"] and after["web-2"] == before["web-2"]
    tasks = [absent(identity, modify_index=before[identity]) for identity in before]
    for options in ({"check": True}, {}):
        stays, goes = playbook.run(*tasks, **options)
        assert not stays["changed"] and goes["changed"]
        assert stays["service"]["modify_index"] == after["web-1"] and stays["service"]["port"] == 81
    assert services(agent) == {"web-1": after["web-1"]}


def test_what_changes_during_the_task_stays(agent):
    catalog = Catalog(ConsulClient(port=agent.http_port, token=agent.token), NODE)
    read = catalog.read("web-1")
    register(agent, "web-1", port=81)
    assert not catalog.remove("web-1", "web", read["modify_index"])
    assert services(agent).keys() == {"web-1", "web-2"}
    assert catalog.remove("web-1", "web", catalog.read("web-1")["modify_index"])
    assert not catalog.remove("web-1", "web", read["modify_index"]), "it is gone"
    assert services(agent).keys() == {"web-2"} and checks(agent) == ["alive", "check-web-2"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_another_name_id_or_node(playbook, agent):
    before = services(agent)
    other, unknown, nowhere = playbook.run(absent(name="other"), absent("web-3"), absent(node="nowhere"))
    assert not other["changed"] and other["service"]["name"] == "web"
    assert not unknown["changed"] and not nowhere["changed"] and unknown["service"] is nowhere["service"] is None
    assert services(agent) == before


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("identity", ["http://127.0.0.1/api", "a/../b", "50% ü?&"])
def test_an_id_that_fits_in_no_url(playbook, agent, identity):
    register(agent, identity)
    assert playbook.run(absent(identity))["changed"]
    assert services(agent).keys() == {"web-1", "web-2"}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_empty_is_an_error(playbook, agent):
    messages = playbook.failures(*(absent(**{option: ""}) for option in ("node", "identity", "name")))
    assert messages == ["node is empty. Set it.", "id is empty. Set it.", "name is empty. Set it."]
    assert len(services(agent)) == 2


READ = 'node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }'


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    def test_what_the_token_must_be_allowed(self, playbook, agent):
        before = services(agent)
        node = 'node "gone" { policy = "write" }'
        tokens = [agent.token_for(rules) for rules in (READ, node, 'service "other" { policy = "write" }')]
        for message in playbook.failures(*(absent(token=token) for token in [*tokens, ""])):
            assert message.startswith("service web-1 of node gone: Permission denied"), message
        (message,) = playbook.failures(absent("web-3", token=tokens[0]))
        assert "service web-3 of node gone: Permission denied" in message, "it is not reported as absent"
        (message,) = playbook.failures(absent(token="11111111-2222-3333-4444-555555555555"))
        assert "the token is unknown to Consul" in message
        assert services(agent) == before

        writer = agent.token_for('node "gone" { policy = "read" } service "web" { policy = "write" }')
        assert playbook.run(absent(token=writer))["changed"]
        assert services(agent).keys() == {"web-2"}

    def test_the_token_is_not_shown(self, playbook, agent):
        playbook.run(absent(token=agent.token), verbose=True)
        assert "changed" in playbook.output and agent.token not in playbook.output


def test_the_look_has_the_catalog_of_the_node(playbook, agent):
    body = {"Name": "web", "ID": "known", "Port": 80}
    agent.api("PUT", "/v1/agent/service/register", body)
    agent.wait_for(lambda: "known" in services(agent, "tester"), "the service in the catalog")
    # As a client's own token, which may not ask the agent for its node.
    token = agent.token_for(READ) if agent.token else ""
    address = agent.api("GET", "/v1/catalog/node/tester")["Node"]["Address"]

    def look(node):
        return {"dockyard.consul.host_info": {"node": node, "token": token, "retries": 0}}

    register(agent, "stale", node="tester", address=address)
    try:
        own, other, unknown, nothing = [
            one["consul"] for one in playbook.run(*map(look, ("tester", NODE, "nowhere", None)))
        ]
        indexes = services(agent, "tester")
    finally:
        agent.api("PUT", "/v1/catalog/deregister", {"Node": "tester", "ServiceID": "stale"})
    catalog = own["catalog"]
    assert catalog["node"] == "tester"
    assert catalog["node_id"] == (agent.folder / "data/node-id").read_text().strip()
    assert catalog["services"] == {
        identity: {"name": "consul" if identity == "consul" else "web", "modify_index": index}
        for identity, index in indexes.items()
    }
    assert catalog["services"].keys() == {"consul", "known", "stale"} and own["services"].keys() == {"known"}
    assert other["catalog"]["services"].keys() == {"web-1", "web-2"} and other["catalog"]["node_id"] == ""
    assert unknown["catalog"] is None and "catalog" not in nothing


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_the_same_registration_keeps_the_index(agent):
    """So the index alone does not show that an agent has registered a service again, and the role looks again."""
    before = services(agent)
    register(agent, "web-1")
    assert services(agent) == before
