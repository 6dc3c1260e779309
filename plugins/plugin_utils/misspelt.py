# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of roles that are misspelt. Ansible ignores them in silence."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator

# Of the part after the name of the role: servics and services are alike, serial and services are not.
ALIKE = 0.8


def misspelt(role: str, options: Collection[str], defined: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each defined variable that no role has, with the variable of the role that it resembles."""
    prefix = f"{role}_"
    known = {name[len(prefix) :]: name for name in options if name.startswith(prefix)}
    for name in sorted(defined):
        rest = name[len(prefix) :]
        if not name.startswith(prefix) or rest in known:
            continue
        alike = [*_swapped(rest, known), *difflib.get_close_matches(rest, known, n=1, cutoff=ALIKE)]
        if alike:
            yield name, known[alike[0]]


def _swapped(name: str, known: Collection[str]) -> Iterator[str]:
    """The names with two neighbouring letters in another order. In a short name, the rest is too little for difflib."""
    swapped = (name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(len(name) - 1))
    return (one for one in swapped if one in known)
