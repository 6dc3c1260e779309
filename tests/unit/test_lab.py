# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says where it cannot help itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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
