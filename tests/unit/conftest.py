# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook on this machine, by the ansible-core that runs the tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

# For `lab`, which test_lab_load.py tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

CALLBACKS = Path(__file__).parents[1] / "callback"


class Done:
    """What a run said and did."""

    def __init__(self, process, calls):
        self.output, errors = process.communicate(timeout=120)
        self.output += errors
        self.ok = process.returncode == 0
        self.modules = [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []
        recap = re.findall(r"^(\S+) +: ok=(\d+) +changed=(\d+).* failed=(\d+)", self.output, re.MULTILINE)
        self.changed = {host: int(changed) for host, _ok, changed, _failed in recap if int(changed)}
        assert "Traceback" not in self.output, self.output


class LocalPlaybook:
    """Plays over host names that all stand for this machine."""

    def __init__(self, folder):
        self.folder = folder
        self._runs = 0

    def start(self, play, hosts=("web1",), check=False, variables=None, options=()):
        """Begin a run. Call the result to wait for its end."""
        self._runs += 1
        files = [self.folder / f"{self._runs}-{name}" for name in ("play.yml", "hosts.yml", "calls")]
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": dict.fromkeys(hosts), "vars": {**local, **(variables or {})}}}
        files[0].write_text(yaml.dump([{"hosts": "all", "gather_facts": False, **play}]), encoding="utf-8")
        files[1].write_text(json.dumps(inventory), encoding="utf-8")
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", files[1], files[0], "--diff"]
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "module_calls",
            "MODULE_CALLS": str(files[2]),
            "ANSIBLE_INJECT_INVOCATION": "true",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
        }
        (self.folder / "ansible.cfg").touch()
        process = subprocess.Popen(
            [*command, *(["--check"] if check else []), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, **environment},
        )
        return lambda: Done(process, files[2])

    def __call__(self, play, **options):
        done = self.start(play, **options)()
        assert done.ok, done.output
        return done

    def fails(self, play, **options):
        done = self.start(play, **options)()
        assert not done.ok, done.output
        return done


@pytest.fixture
def local_playbook(tmp_path):
    folder = tmp_path / "playbook"
    folder.mkdir()
    return LocalPlaybook(folder)
