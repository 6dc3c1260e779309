# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module's EXAMPLES, in their order, as its reader would copy them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

MODULES = sorted((Path(__file__).parents[2] / "plugins/modules").glob("[!_]*.py"))


def examples(path):
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "EXAMPLES":
            return yaml.safe_load(ast.literal_eval(statement.value))
    return []


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples(playbook, path):
    tasks = examples(path)
    assert any(f"dockyard.consul.{path.stem}" in task for task in tasks), f"{path.stem} has no example of itself"
    playbook.run(*tasks)
