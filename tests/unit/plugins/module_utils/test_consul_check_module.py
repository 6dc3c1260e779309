# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dockyard.consul.plugins.module_utils.consul_check_module import CheckModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import SERVICE_ARGUMENTS

SECRETS = {
    "token": "S3CRET-call",
    "service_token": "S3CRET-service",
    "connect": {
        "sidecar_service": {
            "Token": "S3CRET-sidecar",
            "check": {"header": {"Authorization": ["S3CRET-check"]}},
            "checks": [{"Header": {"Authorization": ["S3CRET-checks"]}}],
        }
    },
    "checks": [{"ttl": "1h", "header": {"Authorization": "S3CRET-header"}}],
}


def run(monkeypatch, capsys, execute=None, **options):
    """The result of a module with these options, and all that it logged."""
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, message, **_options: logged.append(str(message)))
    internal = {"_ansible_remote_tmp": "/tmp"}
    if "inject_invocation" in PASS_VARS:  # older versions of ansible-core always return it
        internal["_ansible_inject_invocation"] = True
    with patch_module_args({**options, **internal}), pytest.raises(SystemExit):
        CheckModule(argument_spec=SERVICE_ARGUMENTS).run(execute or (lambda module, _client: {"changed": False}))
    return json.loads(capsys.readouterr().out), logged


def test_no_secret_is_logged_or_returned(monkeypatch, capsys):
    result, logged = run(monkeypatch, capsys, name="web", **SECRETS)
    assert logged and "S3CRET" not in str(result) and "S3CRET" not in str(logged)
    shown = result["invocation"]["module_args"]
    assert shown["connect"]["sidecar_service"]["Token"] == "(hidden)"
    assert shown["checks"][0]["header"] == {"Authorization": "(hidden)"} and shown["name"] == "web"


def test_no_secret_is_shown_when_a_task_fails(monkeypatch, capsys):
    result, logged = run(monkeypatch, capsys, name={"not": "a text"}, **SECRETS)
    assert result["failed"] and "where a text is required" in result["msg"]
    assert "S3CRET" not in str(result) and "S3CRET" not in str(logged)


def test_the_module_itself_gets_the_secrets(monkeypatch, capsys):
    found = []
    run(monkeypatch, capsys, lambda module, _client: found.append(module.params) or {"changed": False}, **SECRETS)
    (params,) = found
    assert params["connect"] == SECRETS["connect"] and params["checks"][0]["header"] == SECRETS["checks"][0]["header"]


def test_values_are_written_as_json(monkeypatch, capsys):
    found = []
    checks = [{"ttl": "1h", "body": {"a": True}, "notes": 1}]
    run(
        monkeypatch,
        capsys,
        lambda module, _client: found.append(module.params) or {"changed": False},
        name=True,
        tags=[False, 2],
        checks=checks,
    )
    (params,) = found
    assert params["name"] == "true" and params["tags"] == ["false", "2"]
    assert (params["checks"][0]["body"], params["checks"][0]["notes"]) == ('{"a": true}', "1")
