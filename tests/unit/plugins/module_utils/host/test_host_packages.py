# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.host.packages import versions


def test_versions_of_packages():
    output = (
        "consul\tinstall ok installed\t1.8.7+dfsg1-2\n"
        "held\thold ok installed\t1.0\n"
        "removed\tdeinstall ok config-files\t2.0\n"
        "broken\tinstall ok half-configured\t3.0\n"
        # The same package for two architectures.
        "both\tinstall ok installed\t4.0\n"
        "both\tdeinstall ok config-files\t4.0\n"
    )
    names = ["consul", "held", "removed", "broken", "both", "unknown"]
    assert versions(names, output) == {
        "consul": "1.8.7+dfsg1-2",
        "held": "1.0",
        "removed": "",
        "broken": "",
        "both": "4.0",
        "unknown": "",
    }
    assert versions(["unknown"], "") == {"unknown": ""}
