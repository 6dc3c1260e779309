# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest


@pytest.fixture
def host(tmp_path):
    """Old files, all changed long ago."""
    host = tmp_path / "host"
    (host / "gone").mkdir(parents=True)
    for name in ("a", "b", "c", "gone/d", "kept"):
        (host / name).write_text(f"old {name}\n")
        (host / name).chmod(0o640)
    (host / "link").symlink_to("kept")
    for path in [*host.rglob("*"), host]:
        os.utime(path, (10**9, 10**9), follow_symlinks=False)
    return host
