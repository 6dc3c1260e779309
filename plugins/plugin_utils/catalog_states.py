# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of checks in the catalog."""

from __future__ import annotations

from collections.abc import Iterable

# From the best to the worst.
STATES = ("passing", "warning", "critical")


def worst(states: Iterable[str]) -> str:
    """The worst of the states of checks. Without a check, passing.

    Consul takes any text as the status of a check of an external node. Such a status is critical.
    """
    ranks = (STATES.index(state) if state in STATES else len(STATES) - 1 for state in states)
    return STATES[max(ranks, default=0)]
