# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret in a value is in no diff, no result and no log of consul_kv, whatever form the value has."""

from __future__ import annotations

import base64
import itertools
import json

import pytest
from ansible_collections.dockyard.consul.plugins.modules import consul_kv
from in_process import Module
from test_kv import kv as task


def text(secret):
    return json.dumps({"password": secret, "port": 6379})


def nested(secret):
    return {"redis": [{"password": secret}], "port": 6379}


def in_base64(content):
    return {"$base64": base64.encodebytes(content).decode()}


# What a value can look like, of a secret.
FORMS = {
    "text": text,
    "text after a line break": lambda secret: "\n" + text(secret),
    "text after white space": lambda secret: " \t\r\n" + text(secret) + "\n\n",
    "text after white space that JSON does not have": lambda secret: "\u00a0\u2028\x0b" + text(secret),
    "text after a byte order mark": lambda secret: "\ufeff" + text(secret),
    "text of a list": lambda secret: " [" + text(secret) + "]",
    "text in text": lambda secret: json.dumps({"config": "\n" + text(secret), "port": 6379}),
    "text in text in text": lambda secret: json.dumps({"config": json.dumps(["", "\n" + text(secret)])}),
    "text in quotes": lambda secret: json.dumps(text(secret)),
    "text with a comma too many": lambda secret: '{"password": "' + secret + '", "port": 6379,}',
    "text with something after it": lambda secret: text(secret) + "\n" + text(secret),
    "text with a comment": lambda secret: '{ // see "password"\n' + text(secret)[1:],
    "text with a field twice": lambda secret: '{"password": "' + secret + '", "password": "(hidden)"}',
    "text in text with an object twice": lambda secret: json.dumps({"config": '{"a": ' + text(secret) + ', "a": 1}'}),
    "text with NaN": lambda secret: '{"password": "' + secret + '", "port": NaN}',
    "text with a long number": lambda secret: '{"password": "' + secret + '", "port": ' + "9" * 5000 + "}",
    "deep text": lambda secret: '{"a":' * 5000 + text(secret) + "}" * 5000,
    "somewhat deep text": lambda secret: '{"a":' * 300 + text(secret) + "}" * 300,
    "mapping": lambda secret: {"password": secret, "port": 6379},
    "nested mapping": nested,
    "list": lambda secret: [1, [{"password": secret}]],
    "text in a mapping": lambda secret: {"config": text(secret)},
    "$json": lambda secret: {"$json": nested(secret)},
    "$json of text": lambda secret: {"$json": text(secret)},
    "$base64": lambda secret: in_base64(text(secret).encode()),
    "$base64 of white space first": lambda secret: in_base64(b"\n " + text(secret).encode()),
    "$base64 of UTF-16": lambda secret: in_base64(text(secret).encode("utf-16")),
    "$base64 of UTF-8 with a mark": lambda secret: in_base64(text(secret).encode("utf-8-sig")),
    "$base64 of Latin-1": lambda secret: in_base64(b'{"password": "' + secret.encode() + b'", "name": "\xe9"}'),
}


def spellings(secret):
    """A secret as it is, and wherever it may stand in base64."""
    found = [secret]
    for content, before in itertools.product((secret.encode(), secret.encode("utf-16-le")), range(3)):
        coded = base64.b64encode(b"x" * before + content).decode().rstrip("=")
        found.append(coded[(before * 8 + 5) // 6 + 1 : -1])
    return found


def shows(seen, *secrets):
    everything = "".join(seen).replace("\\n", "").replace("\\u0000", "").replace("\n", "")
    return [part for secret in secrets for part in spellings(secret) if part in everything]


SECRETS = ["S3cret-one-long-enough", "S3cret-two-long-enough"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "place",
    [
        lambda value: {"key": "redis", "value": value},
        lambda value: {"prefix": "app", "values": {"deep": {"er": value}, "er/redis": value}},
    ],
    ids=["key", "values"],
)
def test_fields_of_any_form(agent, form, place):
    run = Module(consul_kv, agent)
    options = {"secret_keys": ["pass*"]}
    first, second = (FORMS[form](secret) for secret in SECRETS)
    assert shows([repr(place(first))], SECRETS[0]), "the test does not know what it looks for"
    for check, value in itertools.product((True, False), (first, second)):
        assert run(check_mode=check, **options, **place(value))["changed"]
    run(**options, key="", recurse=True)
    if "key" in place(first):
        run(**options, key="redis")
        run(check_mode=True, **options, key="redis", state="absent")
    run(check_mode=True, **options, key="", recurse=True, state="absent", force=True)
    run(**options, **place(first), nonsense=1)
    assert not shows(run.seen, *SECRETS)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_is_not_secret_stays_in_sight(agent):
    run = Module(consul_kv, agent)
    for value in ("\n" + text("S3cret"), {"redis": text("S3cret")}, in_base64(text("S3cret").encode())):
        result = run(key="redis", value=value, secret_keys=["password"], flags=1)
        assert "6379" in result["diff"]["after"] and "6379" in result["data"]["Value"]
        assert "6379" in str(result["invocation"]) or "$base64" in value
    result = run(key="plain", value="just {text}", secret_keys=["password"])
    assert result["data"]["Value"] == "just {text}" and "just {text}" in result["diff"]["after"]
    assert run(key="binary", value=in_base64(b"\xff\x00"), secret_keys=["password"])["data"]["Base64"] == "/wA="
    # Without secret_keys, a value is shown as it is.
    assert run(key="broken", value='{"port": 6379,}')["data"]["Value"] == '{"port": 6379,}'


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("patterns", ["password", "user,pass*", ["password"], {"password": 1}, [5, "password"]])
@pytest.mark.parametrize("options", [{"nonsense": 1}, {"flags": "many"}, {"values": "S3cret-words"}, {"state": "lost"}])
def test_arguments_that_are_wrong(agent, patterns, options):
    """They are refused before the module runs, and the invocation is returned nevertheless."""
    run = Module(consul_kv, agent)
    result = run(key="redis", value=text("S3cret-text"), secret_keys=patterns, **options)
    assert result["failed"] and "S3cret-text" not in "".join(run.seen)
    if "values" in options:
        result = run(prefix="app", secret_keys=patterns, **options)
        assert result["failed"] and "S3cret" not in "".join(run.seen)


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_templates(playbook, agent, tmp_path):
    """Forms that a playbook gives: templates, block scalars, files; and no line of them in the loudest output."""
    variables = {
        "redis": [{"password": f"S3cret-{number}", "port": 6379, "name": f"shown-{number}"} for number in range(8)],
        "password": "S3cret-9",
    }
    (tmp_path / "redis.json.j2").write_text('\n{"password": "{{ password }}", "name": "shown-9"}\n', encoding="utf-8")
    some = {"key": "redis", "secret_keys": ["password"]}
    playbook.run(
        task(**some, value="{{ redis[0] }}"),
        task(**some, value="{{ redis[1] | to_json }}"),
        task(**some, value="\n\n{{ redis[2] | to_nice_json }}\n"),
        task(**some, value="{{ [redis[3]] }}"),
        task(**some, value={"$json": "{{ redis[4] }}"}),
        task(**some, value={"$base64": "{{ redis[5] | to_json | b64encode }}"}),
        task(**some, value={"password": "{{ redis[6].password }}", "name": "{{ redis[6].name }}"}),
        task(prefix="many", values={"redis": "{{ redis[7] | to_json }}"}, secret_keys=["password"]),
        task(**some, value="{{ lookup('ansible.builtin.template', 'redis.json.j2') }}"),
        variables=variables,
        verbose=True,
    )
    assert not shows([playbook.output], *(f"S3cret-{number}" for number in range(10)))
    for number in (*range(8), 9):
        assert f"shown-{number}" in playbook.output
