# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_rights import may, require


class Client:
    place = "http://127.0.0.1:8500"

    def __init__(self, answer, **query):
        self.answer, self.query, self.asked = answer, query, []

    def post(self, path, params=None, data=None):
        self.asked.append((path, params, data))
        if isinstance(self.answer, ConsulError):
            raise self.answer
        return Answer(200, self.answer, None)


ALLOWED, DENIED = [{"Allow": True}], [{"Allow": False}]


def test_what_is_asked():
    client = Client(ALLOWED, dc="dc2")
    assert may(client, "node", "write", "app1")
    question = [{"Resource": "node", "Access": "write", "Segment": "app1"}]
    assert client.asked == [("internal/acl/authorize", {"dc": "dc2"}, question)]
    assert not may(Client(DENIED), "node", "write", "app1")
    assert not may(Client(ALLOWED + DENIED), "node", "write", "app1")


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_an_agent_that_cannot_tell_does_not_deny(status):
    assert may(Client(ConsulError("ACL support disabled", status=status)), "node", "read", "")


@pytest.mark.parametrize("status", [403, 500, None])
def test_another_error_is_an_error(status):
    with pytest.raises(ConsulError, match="no such token"):
        may(Client(ConsulError("no such token", status=status)), "node", "read", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("app1", "may not read session 'app1' at http://127.0.0.1:8500: it requires the rule session \"app1\""),
        ("", 'may not read every session at http://127.0.0.1:8500: it requires the rule session_prefix ""'),
    ],
)
def test_an_error_names_the_rule(name, words):
    with pytest.raises(ConsulError) as caught:
        require(Client(DENIED), "session", "read", name)
    assert f'the token {words} {{ policy = "read" }}' == str(caught.value) and caught.value.status == 403
    require(Client(ALLOWED), "session", "read", name)
