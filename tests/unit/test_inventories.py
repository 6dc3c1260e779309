# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that users start from load, and set nothing that no role knows; and what says how a run went."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GROUPS = {"consul_server", "consul_client", "redis", "registry", "docker_host", "mydemo", "nginx_lb"}


def variables_of_the_roles():
    specs = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}


@pytest.mark.parametrize("name", ["demo", "production", "single"])
def test_inventory_has_the_groups_and_known_variables(name):
    command = [Path(sys.executable).parent / "ansible-inventory", "-i", ROOT / "inventories" / name, "--list"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    inventory = json.loads(done.stdout)
    # The one machine is a server, so it needs no client.
    assert inventory.keys() >= GROUPS - ({"consul_client"} if name == "single" else set())
    every = {variable for of in inventory["_meta"]["hostvars"].values() for variable in of}
    own = {"site_secrets_dir", "lab_number"}
    assert {one for one in every if not one.startswith("ansible_")} <= variables_of_the_roles() | own


def test_what_the_inventory_only_suggests_is_known_too():
    text = (ROOT / "inventories/production/group_vars/all.yml").read_text()
    suggested = set(re.findall(r"^# (\w+): ", text, re.MULTILINE))
    assert suggested
    assert suggested <= variables_of_the_roles()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ([0, 0], "Converged: this run found nothing to change on 2 hosts.\n"),
        ([3, 1], "This run made 4 changes on 2 hosts. Run it again: it will find nothing to do.\n"),
        ([0, 1], "This run made 1 change on 2 hosts. Run it again: it will find nothing to do.\n"),
    ],
)
def test_the_demo_says_whether_it_changed_anything(changed, sentence):
    recap = "".join(f"host{number} : ok=5    changed={count}    failed=0\n" for number, count in enumerate(changed))
    done = subprocess.run(
        [ROOT / "lab/changes"], check=True, input=f"PLAY RECAP ***\n{recap}", capture_output=True, text=True
    )
    assert done.stdout == sentence
