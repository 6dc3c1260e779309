# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup consul_kv against real agents: open HTTP, and HTTPS with ACL default policy deny."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins.lookup import consul_kv


def lookup(*terms, **options):
    """An expression that reads the keys."""
    arguments = [f"'{term}'" for term in terms] + [f"{name}={value!r}" for name, value in options.items()]
    return f"query('dockyard.consul.consul_kv', {', '.join(arguments)})"


def show(expression, **keywords):
    return {"ansible.builtin.debug": {"msg": "{{ " + expression + " }}"}, **keywords}


def evaluated(expression, connection):
    """What a lookup returns, in this process."""
    given = "".join(f", {name}={value!r}" for name, value in connection.items())
    template = "{{ " + expression.replace(")", given + ")", 1) + " }}"
    return Templar(DataLoader(), {}).template(trust_as_template(template))


@pytest.fixture
def read(agent):
    """What lookups return."""
    return lambda *expressions: [evaluated(one, agent.connection) for one in expressions]


@pytest.fixture
def stored(agent):
    values = {
        "app/message": b"Hello {{ 1 + 1 }}",
        "app/redis": json.dumps({"host": "é", "port": 6379, "on": True, "none": None}).encode(),
        "app/db/host": b"db.example",
        "app/db/empty": b"",
        "app/logo": b"\xff\x00",
        "app/": b"",
        "application": b"not in the folder",
        "null": b"null",
    }
    for key, value in values.items():
        agent.api("PUT", f"/v1/kv/{key}", value)
    agent.api("PUT", "/v1/txn", [{"KV": {"Verb": "set", "Key": key, "Value": "eA=="}} for key in ("/a\tb", "odd/a//b")])
    return agent.api("GET", "/v1/kv/?recurse")


def test_what_is_read(read, agent, stored):
    folder = {
        "message": "Hello {{ 1 + 1 }}",
        "redis": '{"host": "\\u00e9", "port": 6379, "on": true, "none": null}',
        "db/host": "db.example",
        "db/empty": "",
        "logo": {"$base64": "/wA="},
    }
    answers = read(
        lookup("app/message"),
        lookup("app/db/host", "app/db/empty", "app/logo"),
        lookup("app/redis", json=True),
        lookup("null", json=True),
        lookup("app", recurse=True),
        lookup("app/", "app/db", "app/redis", recurse=True, default={}),
        lookup("/a\tb"),
        lookup("odd", recurse=True),
        lookup("", recurse=True) + "[0] | length",
        lookup("app/none", "app/message", default="blue"),
        lookup("app/none", default=None),
        lookup("app/none", json=True, default="not JSON"),
    )
    assert answers == [
        ["Hello {{ 1 + 1 }}"],
        ["db.example", "", {"$base64": "/wA="}],
        [{"host": "é", "port": 6379, "on": True, "none": None}],
        [None],
        [folder],
        [folder, {"host": "db.example", "empty": ""}, {}],
        ["x"],
        [{"a//b": "x"}],
        10,
        ["blue", "Hello {{ 1 + 1 }}"],
        [None],
        ["not JSON"],
    ]
    assert agent.api("GET", "/v1/kv/?recurse") == stored


def test_what_is_read_can_be_written(read, playbook, agent, stored):
    given = "".join(f", {name}={value!r}" for name, value in agent.connection.items())
    values = "{{ lookup('dockyard.consul.consul_kv', 'app', recurse=true" + given + ") }}"
    copied = playbook.run({"dockyard.consul.consul_kv": {"prefix": "copy", "values": values}})
    assert len(copied["created"]) == 5
    assert agent.raw("copy/logo") == b"\xff\x00" and agent.raw("copy/message") == b"Hello {{ 1 + 1 }}"
    assert read(lookup("copy", recurse=True)) == read(lookup("app", recurse=True))


def failures(playbook, agent, *expressions, connection=None, **options):
    given = "".join(f", {name}={value!r}" for name, value in (connection or agent.connection).items())
    tasks = [show(one[:-1] + given + ")") for one in expressions]
    return playbook.failures(*tasks, **options)


def test_what_is_missing(playbook, agent, stored):
    one, several, folder, text, broken, option = failures(
        playbook,
        agent,
        lookup("app/none"),
        lookup("app/message", "app/none"),
        lookup("app/mess", recurse=True),
        lookup("app/message", json=True),
        lookup("app", recurse=True, json=True),
        lookup("app/message", defualt=1),
    )
    assert "has no key 'app/none': write it, or give a default" in one and "no key 'app/none'" in several
    assert "has no key in the folder 'app/mess'" in folder
    assert "app/message: the value is not JSON" in text and "the value is not JSON" in broken
    assert "defualt: there is no such option" in option
    assert "Hello" not in playbook.output


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
class TestUnderDeny:
    @pytest.mark.parametrize("source", ["CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE"])
    def test_the_environment(self, agent, stored, tmp_path, source):
        """That of the command, which runs the lookup. The file wins, as for the consul command line."""
        token = tmp_path / "token"
        token.write_text(agent.token + "\n", encoding="utf-8")
        environment = {
            "CONSUL_HTTP_ADDR": f"https://127.0.0.1:{agent.ports['https']}",
            "CONSUL_CACERT": agent.connection["ca_path"],
            "CONSUL_HTTP_TOKEN": "11111111-2222-3333-4444-555555555555",
            source: str(token) if source.endswith("FILE") else agent.token,
        }
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible"), "localhost", "-c", "local", "-m", "ansible.builtin.debug",
             "-a", "msg={{ " + lookup("app/db/host", "app/message") + " }}"],
            check=False, capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode == 0 and "db.example" in done.stdout, done.stdout + done.stderr
        assert "Hello {{ 1 + 1 }}" in done.stdout, "a template in a value stays text"

    def test_examples(self, agent, monkeypatch):
        """Of the documentation, with the address and the CA of this agent."""
        agent.api("PUT", "/v1/kv/shop/message", b"Hello")
        agent.api("PUT", "/v1/kv/shop/db/host", b"db.example")
        agent.api("PUT", "/v1/kv/shop/redis", b'{"redis_host": "r.example"}')
        port, ca_path = agent.ports["https"], agent.connection["ca_path"]
        monkeypatch.setenv("CONSUL_HTTP_ADDR", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("CONSUL_CACERT", ca_path)
        monkeypatch.setenv("CONSUL_HTTP_TOKEN", agent.token)
        text = consul_kv.EXAMPLES
        for written, here in (
            ("consul1.example.com", "127.0.0.1"),
            ("8501", str(port)),
            ("/etc/ssl/site-ca.pem", ca_path),
        ):
            assert written in text
            text = text.replace(written, here)
        shown = []
        for task in yaml.safe_load(text):
            message = trust_as_template(task["ansible.builtin.debug"]["msg"])
            templar = Templar(DataLoader(), {"shop_reader_token": agent.token})
            for item in templar.template(trust_as_template(task["loop"])) if "loop" in task else [None]:
                templar.available_variables = {**templar.available_variables, "item": item}
                shown.append(templar.template(message))
        folder = ["db/host is db.example", "message is Hello", 'redis is {"redis_host": "r.example"}']
        assert shown == ["Hello", "Hello", "blue", "r.example", ["Hello", "db.example"], *folder]

    def test_what_may_not_be_read_is_not_missing(self, playbook, agent, stored):
        rules = 'key_prefix "other/" { policy = "write" }'
        reader = {"port": agent.http_port, "token": agent.token_for(rules)}
        dead = {"port": agent.http_port, "token": "11111111-2222-3333-4444-555555555555"}
        asked = [
            lookup("app/message", default="x"),
            lookup("app", recurse=True, default="x"),
            lookup("/a\tb", default=1),
        ]
        for message in failures(playbook, agent, *asked, connection=reader):
            assert "Permission denied" in message
        for message in failures(playbook, agent, *asked, connection=dead):
            assert "ACL not found" in message

    def test_no_token_in_the_loudest_output(self, playbook, agent, stored):
        variables = {"reader": agent.token, "dead": "11111111-2222-3333-4444-555555555555"}
        place = f"port={agent.http_port}, token="
        playbook.run(
            show(f"lookup('dockyard.consul.consul_kv', 'app/db/host', {place}reader)"),
            show(f"lookup('dockyard.consul.consul_kv', 'app/db/host', {place}dead)"),
            variables=variables,
            verbose=True,
            fails=True,
        )
        assert "db.example" in playbook.output and "ACL not found" in playbook.output
        assert not [token for token in variables.values() if token in playbook.output]
