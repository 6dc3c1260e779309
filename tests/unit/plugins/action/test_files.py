# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action decides, with a module that is only told of."""

from __future__ import annotations

import base64
import secrets
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar
from ansible_collections.dockyard.consul.plugins.action.files import ActionModule
from ansible_collections.dockyard.consul.plugins.filter.nginx_certificates import nginx_certificates
from ansible_collections.dockyard.consul.plugins.modules.files import entry_of
from ansible_collections.dockyard.consul.plugins.plugin_utils import look

CHANGED = {"changed": True, "changed_paths": ["/etc/a/b"], "backups": {}, "diff": [], "invocation": {"x": "secret"}}


class Action:
    """The action in a folder, and what it called its module with."""

    def __init__(self, folder):
        self.folder = folder
        self.result = CHANGED
        self.calls = []
        self.loader = DataLoader()
        self.loader.set_basedir(str(folder))

    def run(self, files, variables=None, validate=None, delegate_to=None, check_mode=False):
        task = SimpleNamespace(
            args={"files": files, **({"validate": validate} if validate else {})},
            action="dockyard.consul.files",
            async_val=0,
            check_mode=check_mode,
            delegate_to=delegate_to,
            get_search_path=lambda: [str(self.folder)],
        )
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
        variables = {"ansible_search_path": [str(self.folder)], **(variables or {})}
        templar = Templar(self.loader, variables)
        action = ActionModule(task, connection, None, self.loader, templar, None)
        action._execute_module = self._execute
        return action.run(None, variables)

    def _execute(self, module_name, module_args, task_vars):
        assert module_name == "dockyard.consul.files"
        self.calls.append(module_args)
        return dict(self.result)

    def content(self, path):
        return base64.b64decode(self.calls[-1]["contents"][path].removeprefix("base64:"))


@pytest.fixture
def action(tmp_path):
    return Action(tmp_path)


def looked(**paths):
    """Variables of a host of which this run knows /etc/a/b."""
    known = {
        "run": look.run_id(),
        "id": secrets.token_hex(8),
        "changed": ["unit:x"],
        "patterns": ["/etc/a/*"],
        "paths": {},
    }
    file = {"type": "file", "mode": "0644", "owner": "root", "group": "root", "digest": look.digest(b"text\n")}
    known["paths"]["/etc/a/b"] = file | paths
    return {"ansible_facts": {look.FACT: known}}


WANTED = [{"path": "/etc/a/b", "content": "text\n"}, {"path": "/etc/a/c", "state": "absent"}]


def test_no_module_where_the_look_has_it_all(action):
    result = action.run(WANTED, looked(), validate="false")
    assert (
        result == {"changed": False, "changed_paths": [], "backups": {}, "merged": {}, "diff": []} and not action.calls
    )


@pytest.mark.parametrize(
    "variables",
    [
        {},
        looked(mode="0600"),
        looked(digest=look.digest(b"other")),
        {"ansible_facts": {look.FACT: {**looked()["ansible_facts"][look.FACT], "run": "another"}}},
        {"ansible_facts": {look.FACT: {**looked()["ansible_facts"][look.FACT], "changed": ["/etc/a/b"]}}},
    ],
    ids=["no look", "mode", "content", "another run", "changed"],
)
def test_the_module_gets_the_whole_set_where_anything_differs_or_is_not_known(action, variables):
    action.run(WANTED, variables, validate="nginx -t")
    (call,) = action.calls
    assert [file["path"] for file in call["files"]] == ["/etc/a/b", "/etc/a/c"]
    assert call["validate"] == "nginx -t" and action.content("/etc/a/b") == b"text\n"


def test_a_delegated_task_asks_its_host(action):
    result = action.run(WANTED, looked(), delegate_to="another")
    assert action.calls and "ansible_facts" not in result


def test_after_a_run_that_was_killed_the_module_runs(action):
    variables = looked()
    known = variables["ansible_facts"][look.FACT]
    known["paths"]["/var/lib/dockyard/placing.json"] = {"type": "file"}
    assert action.run(WANTED, variables)["changed"] and action.calls


def test_what_was_changed_counts_as_not_looked_at(action):
    action.result = {**CHANGED, "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3"}}
    variables = looked(mode="0600")
    facts = action.run(WANTED, variables)["ansible_facts"]
    assert look.Look.of(variables).changed == {"/etc/a", "/etc/a/b", "unit:x"}
    assert facts == {"discovered_interpreter_python": "/usr/bin/python3"}


def test_a_delegated_task_decides_from_the_look_at_its_host(action):
    hosts = {"hostvars": {"app2": looked(), "app3": looked(mode="0600")}}
    assert not action.run(WANTED, hosts, delegate_to="app2")["changed"] and not action.calls
    assert action.run(WANTED, hosts, delegate_to="app3")["changed"] and action.calls
    assert "/etc/a/b" in look.Look.of(hosts["hostvars"]["app3"]).changed


def test_a_failure_is_handed_on_and_forgets_nothing(action):
    action.result = {"failed": True, "msg": "Nothing was changed: ...", "invocation": {}}
    assert action.run(WANTED, looked(mode="0600")) == {"failed": True, "msg": "Nothing was changed: ..."}


def test_no_content_but_in_the_option_that_is_not_logged(action):
    secret = "-----BEGIN KEY-----\nsecret\n"
    result = action.run([{"path": "/k", "content": secret, "secret": True}, {"path": "/p", "content": "plain"}])
    (call,) = action.calls
    assert "invocation" not in result
    assert "BEGIN" not in str(call["files"]) and "plain" not in str(call["files"])
    assert action.content("/k") == secret.encode()


def test_settings_that_are_merged(action):
    action.run([{"path": "/d.json", "json": {"a": {"b": "value"}}, "json_defaults": {"c": 1}}])
    (call,) = action.calls
    assert "value" not in str(call["files"])
    entry = entry_of(
        {"path": "/d.json", "state": "file", "owner": None, "group": None, "mode": None, "secret": False}
        | call["files"][0],
        call["contents"]["/d.json"],
    )
    assert entry.merge == {"json": {"a": {"b": "value"}}, "json_defaults": {"c": 1}}
    assert (entry.content, entry.owner, entry.group, entry.mode) == (None, None, None, None)


def test_contents_of_files_and_templates(action, tmp_path):
    for folder in ("files", "templates"):
        (tmp_path / folder).mkdir()
    (tmp_path / "files" / "f").write_bytes(b"\xff\0binary {{ a }}")
    (tmp_path / "templates" / "part.j2").write_text("part {{ a }}")
    (tmp_path / "templates" / "t.j2").write_text(
        "# {{ ansible_managed }}\n{% if a %}\n{{ a }} {{ 1 }}\n{% endif %}\n{% include 'part.j2' %}\n"
    )
    (tmp_path / "templates" / "one.j2").write_text("{{ 5 }}")
    (tmp_path / "templates" / "nothing.j2").write_text("")
    files = [{"path": "/f", "src": "f"}, {"path": "/abs", "src": str(tmp_path / "files" / "f")}]
    files += [{"path": f"/{name}", "template": f"{name}.j2"} for name in ("t", "one", "nothing")]
    action.run(files, {"a": "{{ 'é' }}", "b": "x"})
    assert action.content("/f") == action.content("/abs") == b"\xff\0binary {{ a }}"
    assert action.content("/one") == b"5" and action.content("/nothing") == b""
    expected = "# Ansible managed\n{{ 'é' }} 1\npart {{ 'é' }}\n"
    assert action.content("/t").decode() == expected, "a value that nobody vouches for is not templated"


def test_several_files_as_one(action, tmp_path):
    (tmp_path / "shop.pem").write_text("certificate")
    (tmp_path / "ca.pem").write_text("ca\n")
    (tmp_path / "shop.key").write_text("key")
    action.run([{"path": "/shop.pem", "src": ["shop.pem", str(tmp_path / "ca.pem"), "shop.key"], "secret": True}])
    assert action.content("/shop.pem") == b"certificate\nca\nkey"


def test_the_certificates_of_a_load_balancer(action, tmp_path):
    """What the filter nginx_certificates returns is what this action takes."""
    for name in ("all.pem", "all.key", "shop.pem", "shop.key"):
        (tmp_path / name).write_text(f"{name}\n")
    shop = {"name": "shop", "tls_certificate_file": "shop.pem", "tls_key_file": f"{tmp_path}/shop.key"}
    files = nginx_certificates([shop, {"name": "demo"}], "all.pem", "all.key", {"/etc/nginx/nginx_lb-old.pem": {}})
    action.run(files)
    assert action.content("/etc/nginx/nginx_lb.pem") == b"all.pem\nall.key\n"
    assert action.content("/etc/nginx/nginx_lb-shop.pem") == b"shop.pem\nshop.key\n"
    (call,) = action.calls
    assert [(file["path"], file["state"], file["mode"], file["secret"]) for file in call["files"]] == [
        ("/etc/nginx/nginx_lb.pem", "file", "0600", True),
        ("/etc/nginx/nginx_lb-shop.pem", "file", "0600", True),
        ("/etc/nginx/nginx_lb-old.pem", "absent", "0000", False),
    ]


def test_check_mode_stands_in_for_a_file_that_is_made_by_the_run(action, tmp_path):
    (tmp_path / "there.pem").write_text("there")
    files = [{"path": "/a", "src": ["there.pem", "missing.key"]}]
    action.run(files, check_mode=True)
    assert action.content("/a") == b"there\n(made by a run without check mode)\n"
    with pytest.raises(AnsibleActionFail, match="/a: src missing.key was not found on the controller"):
        action.run(files)
    with pytest.raises(AnsibleActionFail, match="template missing.j2 was not found"):
        action.run([{"path": "/a", "template": "missing.j2"}], check_mode=True)


def test_entries_that_are_left_out(action):
    assert not action.run([{"path": "/a", "src": "missing", "when": False}])["changed"] and not action.calls
    action.run([{"path": "/a", "src": "missing", "when": False}, {"path": "/b", "state": "absent", "src": "missing"}])
    assert [file["path"] for file in action.calls[0]["files"]] == ["/b"] and not action.calls[0]["contents"]


def test_a_template_sees_the_users_own_ansible_managed(action, tmp_path):
    (tmp_path / "t.j2").write_text("{{ ansible_managed }}")
    action.run([{"path": "/t", "template": "t.j2"}], {"ansible_managed": "Ours"})
    assert action.content("/t") == b"Ours"


def test_a_file_of_the_vault_is_decrypted(action, tmp_path):
    secrets = [("default", VaultSecret(b"password"))]
    (tmp_path / "v").write_bytes(VaultLib(secrets).encrypt(b"\xffof the vault\n"))
    action.loader.set_vault_secrets(secrets)
    action.run([{"path": "/v", "src": "v"}])
    assert action.content("/v") == b"\xffof the vault\n"


@pytest.mark.parametrize(
    "files, sentence",
    [
        ([{"path": "a", "content": "x"}], "a: path must be absolute."),
        ([{"path": "/a", "src": "nowhere"}], "/a: src nowhere was not found on the controller"),
        ([{"path": "/a", "template": "nowhere.j2"}], "/a: template nowhere.j2 was not found on the controller"),
        ([{"path": "/a", "template": "undefined.j2"}], "/a: template undefined.j2: 'nobody' is undefined"),
        ([{"path": "/a", "src": "files"}], "is a folder, not a file"),
    ],
)
def test_short_errors(action, tmp_path, files, sentence):
    (tmp_path / "files").mkdir()
    (tmp_path / "undefined.j2").write_text("{{ nobody }}")
    with pytest.raises(AnsibleActionFail) as error:
        action.run(files)
    assert sentence in str(error.value) and not action.calls
