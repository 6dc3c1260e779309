# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible.plugins.filter.core import to_uuid
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_acls import (
    SERVER_POLICY,
    Agent,
    accessor,
    agent_acls,
)

CONSUL1 = Agent("consul1", "dc1", "token-of-consul1", True)
WEB1 = Agent("web1", "dc1", "token-of-web1", False)


def test_each_agent_writes_its_own_node():
    acls = agent_acls([CONSUL1, WEB1])
    identities = [accessor("dc1", f"node/{node}/agent") for node in ("consul1", "web1")]
    assert acls["tokens"] == [
        {
            "accessor_id": identities[0],
            "description": "Agent of consul1",
            "node_identities": [{"node_name": "consul1", "datacenter": "dc1"}],
            "policies": ["server"],
        },
        {
            "accessor_id": identities[1],
            "description": "Agent of web1",
            "node_identities": [{"node_name": "web1", "datacenter": "dc1"}],
            "policies": [],
        },
    ]
    assert acls["secrets"] == dict(zip(identities, ["token-of-consul1", "token-of-web1"], strict=True))
    assert acls["policies"] == [SERVER_POLICY]


def test_the_policy_of_servers_is_listed_where_there_is_one():
    assert agent_acls([WEB1])["policies"] == []
    assert agent_acls([]) == {"policies": [], "tokens": [], "secrets": {}}


def test_a_token_shows_in_no_list():
    acls = agent_acls([CONSUL1, WEB1])
    assert "token-of" not in str(acls["tokens"]) + str(acls["policies"])


def test_the_accessor_is_the_same_in_every_run_and_another_for_each_token():
    known = accessor("dc1", "node/web1/agent")
    assert known == "0969d623-f739-5b56-8ebe-fcf7687e4114"
    others = [
        accessor("dc2", "node/web1/agent"),
        accessor("dc1", "node/web2/agent"),
        accessor("dc1", "node/web1/service-x"),
    ]
    assert len({known, *others}) == 4


def test_the_accessor_is_what_ansible_makes_of_the_path():
    """Roles make it with the filter to_uuid."""
    assert accessor("dc1", "node/web1/agent") == to_uuid("dc1/token/node/web1/agent")
