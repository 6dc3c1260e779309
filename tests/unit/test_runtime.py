# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""meta/runtime.yml is true to the modules."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_group_has_every_module_that_connects_to_consul():
    modules = (ROOT / "plugins/modules").glob("*.py")
    connecting = {path.stem for path in modules if "  - dockyard.consul.consul\n" in path.read_text(encoding="utf-8")}
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"] == {"consul": sorted(connecting)}
    assert len(connecting) > 5
