# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action look in real runs of ansible-playbook on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TOKEN = "0f0f0f0f-0000-4000-8000-00000000aaaa"
LOOK = {"dockyard.consul.look": {"token": TOKEN}}
SHOW = {"ansible.builtin.debug": {"msg": "{{ ansible_facts }}"}}


@pytest.fixture
def run(tmp_path):
    """A function that runs plays, each a list of tasks, and returns the results of all their tasks."""

    def run_plays(*plays, verbose=False, **settings):
        path = tmp_path / "site.yml"
        gather = settings.pop("gather", False)
        path.write_text(
            yaml.dump(
                [
                    {"hosts": "localhost", "connection": "local", "tasks": tasks}
                    | ({} if gather is None else {"gather_facts": gather})
                    for tasks in plays
                ]
            )
        )
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", str(path)),
                *(["-vvv"] if verbose else []),
                *("-e", f"ansible_python_interpreter={os.environ.get('MODULE_PYTHON', sys.executable)}"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={
                **os.environ,
                "ANSIBLE_STDOUT_CALLBACK": "default" if verbose else "ansible.posix.json",
                "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
                "ANSIBLE_INJECT_INVOCATION": "true",
                **settings,
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        if verbose:
            return done.stdout
        return [task["hosts"]["localhost"] for play in json.loads(done.stdout)["plays"] for task in play["tasks"]]

    return run_plays


@pytest.mark.parametrize("pipelining", ["0", "1"])
def test_one_look_in_a_run(run, tmp_path, pipelining):
    (tmp_path / "mine").write_text("secret")
    first = {"dockyard.consul.look": {"token": TOKEN, "paths": [f"{tmp_path}/*"]}}
    results = run([first, LOOK], [LOOK, SHOW], ANSIBLE_PIPELINING=pipelining)
    assert [one["looked"] for one in results[:3]] == [True, False, False]
    facts = results[3]["msg"]
    assert "distribution" in facts and "interfaces" in facts and "default_ipv4" in facts
    known = facts["dockyard_host"]
    assert known["paths"][f"{tmp_path}/mine"]["size"] == 6 and "secret" not in str(known)
    assert known["host"] == "localhost" and known["run"] and "digest_key" not in str(known)


@pytest.mark.parametrize("gathering", ["implicit", "explicit", "smart"])
def test_whatever_the_setting_gathering_is(run, gathering):
    results = run([LOOK, SHOW], gather=None, ANSIBLE_GATHERING=gathering)
    facts = results[-1]["msg"]
    assert results[-2]["looked"] and "interfaces" in facts and "dockyard_host" in facts


def test_a_subset_of_the_facts_does_not_pass_for_all_of_them(run):
    """Under smart gathering, a later play of the user still gets all facts."""
    results = run([LOOK], gather=False, ANSIBLE_GATHERING="smart")
    assert "_ansible_facts_gathered" not in results[0]["ansible_facts"]


def test_a_look_of_another_run_does_not_count(run):
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_GATHERING": "smart"}
    first = run([LOOK, SHOW], **cache)
    second = run([SHOW, LOOK, SHOW], **cache)
    kept, again = second[0]["msg"]["dockyard_host"], second[2]["msg"]["dockyard_host"]
    assert kept["run"] == first[1]["msg"]["dockyard_host"]["run"] != again["run"]
    assert second[1]["looked"]


def test_the_token_is_not_shown(run):
    assert "TASK [dockyard.consul.look]" in run([LOOK], verbose=True)
