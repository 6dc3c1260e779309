# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of the playbooks and roles. molecule/default/tests/test_7_tags.py runs each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INCLUDES = ("ansible.builtin.include_tasks", "ansible.builtin.include_role")
FILES = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/**/*.yml")]


def tagged_includes(node: Any) -> Iterator[tuple[str, Any, Any]]:
    """The name of each include with a tag of its own, the tags, and those that it gives to the tasks inside."""
    if isinstance(node, list):
        for one in node:
            yield from tagged_includes(one)
    elif isinstance(node, dict):
        for include in set(INCLUDES) & node.keys():
            if "tags" in node:
                arguments = node[include] if isinstance(node[include], dict) else {}
                yield node["name"], node["tags"], arguments.get("apply", {}).get("tags")
        for value in node.values():
            yield from tagged_includes(value)


def includes() -> Iterator[Any]:
    for file in FILES:
        for name, own, inside in tagged_includes(yaml.safe_load(file.read_text(encoding="utf-8"))):
            yield pytest.param(own, inside, id=f"{file.relative_to(ROOT)}: {name}")


@pytest.mark.parametrize(("own", "inside"), includes())
def test_an_include_with_a_tag_passes_it_on(own, inside):
    """Otherwise --tags of it runs the include, and nothing inside."""
    assert own == inside


def test_there_are_such_includes():
    assert len([*includes()]) > 10
