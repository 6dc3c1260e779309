# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module's EXAMPLES, in their order, as its reader would copy them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from conftest import ROOT_TOKEN
from tasks_in_process import Tasks

# Their examples need a host with systemd, an inventory, or their action plugin (test_lock.py).
ELSEWHERE = {
    "check_variables",
    "consul_lock",
    "consul_restart",
    "files",
    "remove_files",
    "look",
    "service_current",
    "site_certificates",
    "site_secrets",
}
MODULES = sorted((Path(__file__).parents[2] / "plugins/modules").glob("[!_]*.py"))


def block(path, name):
    """A documentation block of a module."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == name:
            return yaml.safe_load(ast.literal_eval(statement.value))
    return []


def examples(path):
    return block(path, "EXAMPLES")


def run_examples(agent, path, **variables):
    tasks = examples(path)
    assert any(f"dockyard.consul.{path.stem}" in task for task in tasks), f"{path.stem} has no example of itself"
    Tasks(agent, **variables)(tasks)


HERE = [path for path in MODULES if path.stem not in ELSEWHERE]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
@pytest.mark.parametrize("path", [path for path in HERE if path.stem != "consul_acl"], ids=lambda path: path.stem)
def test_examples(agent, path):
    run_examples(agent, path, management_token=ROOT_TOKEN)


def test_ansible_knows_all_keywords(tmp_path):
    """And all modules of the examples."""
    play = tmp_path / "play.yml"
    tasks = [task for path in HERE for task in examples(path)]
    play.write_text(yaml.safe_dump([{"hosts": "localhost", "tasks": tasks}]), encoding="utf-8")
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "--syntax-check", play]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_examples_that_need_a_host_have_options_that_exist(name):
    path = next(path for path in MODULES if path.stem == name)
    found = examples(path)
    tasks = [task for one in found for task in one.get("tasks", [one])]
    options = [task[f"dockyard.consul.{name}"] or {} for task in tasks if f"dockyard.consul.{name}" in task]
    known = {*block(path, "DOCUMENTATION")["options"], *CONNECTION_SPEC}
    assert options and set().union(*options) <= known


def test_examples_of_consul_acl(running_agent, tmp_path):
    """On an agent of their own, as they give rights to requests without a token."""
    variables = {
        "management_token": ROOT_TOKEN,
        "app1_agent_token": "99999999-2222-3333-4444-555555555551",
        "app1_shop_token": "99999999-2222-3333-4444-555555555552",
    }
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}}
    with running_agent(tmp_path, config={"acl": acl}, token=ROOT_TOKEN) as agent:
        path = next(path for path in MODULES if path.stem == "consul_acl")
        run_examples(agent, path, **variables)
