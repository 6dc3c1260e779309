# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of another type than that of their variable. With C(-e status_services={}), Ansible makes a text of the value."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.check_variables import CHECKS, problems
from ansible_collections.dockyard.consul.plugins.plugin_utils import role_files

WRONG = {
    "dict": ("a=b", [], ["a"], 5, True, None),
    "list": ("[]", "a,b", {}, 5, True, None),
    "int": ("5s", [], {}, [5], True, None),
    "float": ("x", [], None),
    "bool": ("maybe", [], {"a": 1}, None),
    "str": ([], ["a"], {}, {"a": 1}, 1.5, None),
    "path": ([], ["a"], {}, {"a": 1}, None),
}
ROLES = sorted(role for role in CHECKS if ":" not in role)
# The other options of the role have a default.
REQUIRED = {"release": {"release_name": "shop", "release_image": "shop:1", "release_ports": [5000]}}
OPTIONS = [(role, name) for role in ROLES for name in role_files.load(role).options]


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_a_sentence_names_the_variable(values, role, name):
    spec = role_files.load(role).options[name]
    for value in WRONG.get(spec.get("type", "str"), ()):
        texts = [
            one.text
            for one in problems(values(role, {**REQUIRED.get(role, {}), name: value}), "")
            if one.variable == name
        ]
        assert any(text.startswith(name) and " It must be " in text for text in texts), (value, texts)
