# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site under deny, looked at from outside. The files run in the order of their numbers: first those that only look,
then the strangers, last those that run playbooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.testing import ROOT, LockedLab, PlaybookRun


@pytest.fixture(scope="session")
def lab() -> LockedLab:
    scenario = Path(__file__).resolve().parents[1]
    return LockedLab(scenario, [ROOT / "lab" / "hosts.yml", scenario / "hosts.yml"])


@pytest.fixture(scope="session")
def run(lab) -> Callable[..., PlaybookRun]:
    """Runs a playbook, as talkative as can be: whatever a test runs it for, no secret may show."""

    def run(playbook: str, *options: str, **variables: object) -> PlaybookRun:
        done = lab.playbook(playbook, "-vvv", "--diff", *options, **variables)
        assert lab.secrets_in(done.output) == []
        return done

    return run


@pytest.fixture(scope="session")
def converge(run) -> Callable[..., PlaybookRun]:
    """Runs a playbook that has to succeed."""

    def converge(playbook: str, *options: str, **variables: object) -> PlaybookRun:
        done = run(playbook, *options, **variables)
        assert done.ok, done.output
        return done

    return converge
