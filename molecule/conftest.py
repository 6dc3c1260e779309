# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share. A scenario's own conftest.py has its `lab`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# For `lab`, whose tests are these.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FIGURES = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def figures(pytestconfig) -> list[tuple[str, str]]:
    """What is measured on the way: (what, figure) for the table at the end."""
    return pytestconfig.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter, config) -> None:
    measured = config.stash.get(FIGURES, [])
    if measured:
        width = max(len(what) for what, _figure in measured)
        terminalreporter.section("figures")
        for what, figure in measured:
            terminalreporter.write_line(f"{what:<{width}}  {figure}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the services said that its file names in SERVICES, else what the lab deems worth it."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab:
        for host, unit in getattr(item.module, "SERVICES", lab.talkative):
            report.sections.append((f"{unit} on {host}", lab.journal(host, unit)))
    return report
