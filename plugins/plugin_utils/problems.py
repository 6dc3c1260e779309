# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a variable, for the user."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MAX_SHOWN = 160


class Problem(NamedTuple):
    variable: str  # the variable to correct; Ansible shows the file and line that set it
    text: str  # one sentence or two: what is wrong, and what to do
    is_consequence: bool = False  # shown only if nothing else is wrong
    is_warning: bool = False  # the run goes on


class Unusable(Exception):
    """A variable cannot be read: it cannot be templated, or it has another type."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def shown(value: Any) -> str:
    """A value as a user writes it."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def report(host: str, problems: Iterable[Problem], first: str = "Nothing was changed.") -> str:
    """All problems of a host, one per line."""
    lines = [problem.text for problem in problems]
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    heading = f"{first} {count} with the variables of {host}:"
    return "\n".join([heading, *(f"- {line}" for line in lines)])


def unique(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, and consequences only where no other problem explains them."""
    once: Mapping[str, Problem] = {problem.text: problem for problem in problems}
    causes = [problem for problem in once.values() if not problem.is_consequence]
    return causes or list(once.values())
