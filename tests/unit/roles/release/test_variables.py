# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role works out from the variables that it is given, by Ansible's own templates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[4] / "roles" / "release"
BIN = Path(sys.executable).parent


def worked_out(tmp_path: Path, wanted: dict[str, str], variables: dict, balancers: dict | None = None) -> dict:
    """{name: what the expression gives} on a site with these load balancers and their variables."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        # In the order in which Ansible lets the one go before the other.
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [{"ansible.builtin.copy": {"dest": str(tmp_path / "worked_out"), "content": json.dumps(wanted)}}],
    }
    hosts = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    inventory = {"all": {"hosts": hosts, "children": {"nginx_lb": {"hosts": balancers or {}}}}}
    for name, content in {"play.yml": [play], "inventory.yml": inventory, "variables.json": variables}.items():
        (tmp_path / name).write_text(json.dumps(content))
    command = [BIN / "ansible-playbook", "-i", "inventory.yml", "-e", "@variables.json", "play.yml"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path / "worked_out").read_text())


def ttl(value: str) -> dict:
    return {"consul_agent_config_extra": {"dns_config": {"service_ttl": {"*": value}}}}


@pytest.mark.parametrize(
    ("balancers", "kept"),
    [
        pytest.param({"lb1": {}}, 1, id="nothing set"),
        pytest.param({"lb1": ttl("10s")}, 10, id="a TTL"),
        pytest.param({"lb1": {"nginx_lb_resolver_valid": "500ms"}}, 1, id="less than a second"),
        pytest.param({"lb1": {"nginx_lb_resolver_valid": 30}}, 30, id="without a unit"),
        pytest.param({"lb1": {"nginx_lb_resolver_valid": "5s"} | ttl("3s"), "lb2": ttl("10s")}, 10, id="the longest"),
    ],
)
def test_it_drains_for_as_long_as_an_answer_is_kept_and_a_request_takes(tmp_path, balancers, kept):
    wanted = {"kept": "{{ __release_kept_seconds }}", "drain": "{{ release_drain_seconds }}"}
    found = worked_out(tmp_path, wanted, {"release_request_seconds": 7}, balancers)
    assert {name: int(value) for name, value in found.items()} == {"kept": kept, "drain": kept + 2 + 7}


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        ("registry.service.consul:5000/shop:1", "registry.service.consul:5000/shop@sha256:aa"),
        # Docker Hub's go by their short names.
        ("docker.io/acme/shop:1", "acme/shop@sha256:aa"),
        ("index.docker.io/acme/shop:1", "acme/shop@sha256:aa"),
        ("docker.io/library/shop:1", "shop@sha256:aa"),
    ],
)
def test_what_was_pulled_is_run_by_its_digest(tmp_path, image, digest):
    pulled = {"image": {"RepoDigests": ["another.example.com/shop@sha256:bb", digest]}}
    variables = {"release_name": "shop", "release_image": image, "__release_pull": pulled}
    found = worked_out(tmp_path, {"digest": "{{ __release_digest }}"}, variables)
    assert found == {"digest": digest}
