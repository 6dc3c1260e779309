# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a check are documented in two modules. Within a module, a YAML anchor keeps the copies equal."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import CHECK_FIELDS, SINCE
from ansible_collections.dockyard.consul.plugins.module_utils.consul_node_checks import CHECK_OPTIONS, RENAMED
from ansible_collections.dockyard.consul.plugins.modules import consul_check, consul_service

OF_SERVICE = yaml.safe_load(consul_service.DOCUMENTATION)["options"]["checks"]["suboptions"]
OF_NODE = yaml.safe_load(consul_check.DOCUMENTATION)["options"]
DIFFERENT = {"id", "name", *RENAMED}


@pytest.mark.parametrize("option", [name for name in CHECK_OPTIONS if name not in DIFFERENT])
def test_an_option_is_documented_alike_in_both_modules(option):
    assert OF_NODE[option] == OF_SERVICE[option]


@pytest.mark.parametrize("option", RENAMED)
def test_a_renamed_option_has_the_same_type(option):
    documented = OF_NODE[RENAMED[option]], OF_NODE["checks"]["suboptions"][RENAMED[option]]
    assert {one["type"] for one in documented} == {OF_SERVICE[option]["type"]}
    assert documented[1]["aliases"] == [option]


@pytest.mark.parametrize("field", SINCE)
def test_an_option_names_the_versions_that_have_it(field):
    option = next(name for name, api in CHECK_FIELDS.items() if api == field)
    for documented in (OF_SERVICE[option], OF_NODE[RENAMED.get(option, option)]):
        versions = [".".join(str(number) for number in first).removesuffix(".0") for first in SINCE[field]]
        assert f"Consul {', '.join(versions)} and newer" in str(documented["description"])
