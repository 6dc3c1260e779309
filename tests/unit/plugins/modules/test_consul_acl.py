# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dockyard.consul.plugins.module_utils.consul_acls import Change
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.modules.consul_acl import (
    ConsulACLModule,
    carry_out,
    main,
    refuse,
    tokens_after,
)

ONE, TWO, THREE = (f"11111111-2222-3333-4444-55555555555{number}" for number in (1, 2, 3))
SECRET = "99999999-2222-3333-4444-555555555551"


@pytest.mark.parametrize("secret", [SECRET, SECRET + "\n"])
def test_the_journal_has_no_secret(monkeypatch, secret):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, text, log_args=None: logged.append((text, log_args)))
    masked = []
    monkeypatch.setattr(ConsulACLModule, "run", lambda self, execute: masked.extend(self.no_log_values))
    options = {"tokens": [{"accessor_id": ONE, "description": "shown"}], "secrets": {ONE: secret}}
    with patch_module_args(options):
        main()
    assert masked == [secret]
    assert ONE in str(logged) and "shown" in str(logged)
    assert SECRET not in str(logged)


def test_a_secret_in_the_wrong_place_is_not_shown():
    """As for the answer to a task whose options are refused."""
    params = {"tokens": [{"accessor_id": ONE, "secret_id": SECRET}], "secrets": SECRET, "wait": 1}
    shown = ConsulACLModule.shown_params(SimpleNamespace(params=params))
    assert shown == {
        "tokens": [{"accessor_id": ONE, "secret_id": "(hidden)"}],
        "secrets": "(hidden)",
        "wait": 1,
    }


def test_problems_are_one_message():
    refuse([])
    with pytest.raises(ConsulError, match=r"^Nothing was changed\. a\. b\.$"):
        refuse(["a.", "b."])


def test_what_was_written_before_a_failure():
    def apply(change):
        if change.name == "b":
            raise ConsulError("no", 500, "PUT", "/v1/acl/policy", "words")

    changes = [Change("create", "policy", name, None, {}, None, {}) for name in "abc"]
    with pytest.raises(ConsulError, match="^policy/b: no$") as raised:
        carry_out(SimpleNamespace(apply=apply), changes)
    assert raised.value.written == ["policy/a"] and raised.value.status == 500


def test_which_tokens_there_are_afterwards():
    items = [{"accessor_id": accessor, "description": None} for accessor in (ONE, TWO, THREE)]
    acls = SimpleNamespace(tokens={ONE: {"Description": "one"}, TWO: {"Description": "two"}})
    changes = [
        Change("remove", "token", TWO, {}, None, {}, None),
        Change("create", "token", THREE, None, {}, None, {}),
    ]
    expected = [{"accessor_id": ONE, "description": "one"}, {"accessor_id": THREE, "description": ""}]
    assert tokens_after({"tokens": items}, acls, changes) == expected
