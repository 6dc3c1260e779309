# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says where it cannot help itself, and how it kills a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from lab.testing import kill_with_children, wait_for

ENGINE = Path(__file__).resolve().parents[2] / "lab" / "engine"


def test_without_root_and_without_an_engine_it_says_which_packages_to_install():
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    done = subprocess.run(
        # Such a user may not read a clone that is root's; the file that $0 names is only locked.
        [*as_nobody, "bash", "-c", ENGINE.read_text(), "/etc/hostname"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "USER": "somebody", "DOCKER_HOST": "unix:///nowhere/docker.sock"},
    )
    assert done.returncode == 1 and not done.stdout
    assert "apt-get install docker.io debootstrap" in done.stderr and "sudo make demo" in done.stderr


def test_a_program_is_killed_with_what_it_has_started():
    """As Ansible's workers, each of which has a session of its own."""
    command = "import os, time\nif not os.fork(): os.setsid(); print(os.getpid(), flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True) as program:
        worker = int(program.stdout.readline())
        kill_with_children(program.pid)
        wait_for(lambda: is_dead(worker), 5, "the end of the worker")
    assert program.returncode == -signal.SIGKILL


def is_dead(pid):
    """Or a zombie: nobody may reap it here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
