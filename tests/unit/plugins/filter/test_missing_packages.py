# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.missing_packages import missing_packages

FOUND = {"nginx": "1.22.1-9", "docker.io": "", "consul": "1.8.7"}


@pytest.mark.parametrize(
    ("installed", "packages", "missing"),
    [
        (FOUND, ["nginx", "consul"], []),
        (FOUND, ["docker.io", "nginx"], ["docker.io"]),
        (FOUND, ["redis-server", "docker.io"], ["redis-server", "docker.io"]),  # not looked for counts as missing
        (FOUND, [], []),
        ({}, ["nginx"], ["nginx"]),
        (None, ["nginx"], ["nginx"]),
    ],
)
def test_missing_packages(installed, packages, missing):
    assert missing_packages(installed, packages) == missing
