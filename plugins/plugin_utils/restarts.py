# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order, and how many at a time, agents are restarted."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def restart_order(
    hosts: Sequence[str], due: Mapping[str, bool], leads: Mapping[str, bool], undecided: Collection[str] = ()
) -> list[str]:
    """The hosts that are due, in the order of the inventory, the leader last. While it is not known whether another host is
    due, the leader is left out."""
    waiting = [host for host in hosts if due.get(host)]
    followers = [host for host in waiting if not leads.get(host)]
    return followers if undecided else followers + [host for host in waiting if leads.get(host)]


def batch_size(wanted: Any, hosts: int) -> int:
    """A number of hosts, or a percentage of all of them, as in Ansible's C(serial): at least one. ValueError otherwise."""
    found = re.fullmatch(r"([0-9]+)(%?)", str(wanted).strip())
    if not found or int(found[1]) == 0:
        raise ValueError(f"{wanted!r} is neither a number of hosts, 1 or more, nor a percentage such as '25%'")
    number = int(found[1])
    return max(1, math.floor(hosts * number / 100)) if found[2] else number
