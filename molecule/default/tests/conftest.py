# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's site, looked at from outside. The files bear the numbers in which they run: the quiet tests come first,
those that break something after them, those that run playbooks last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.load import Load
from lab.testing import Lab, PlaybookRun


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(Path(__file__).resolve().parents[1])


@pytest.fixture(scope="session")
def instances(lab) -> dict[str, str]:
    """The app's instances, as they name themselves, and the host of each."""
    return {f"mydemo-{lab.address(host)}-5000": host for host in lab.hosts("mydemo")}


@pytest.fixture(scope="module")
def nginx(lab) -> Iterator[Callable[..., PlaybookRun]]:
    """Configures the load balancer by its playbook, with other variables; afterwards it is as it was."""

    def configure(**variables: object) -> PlaybookRun:
        return lab.playbook("playbooks/nginx_lb.yml", **variables)

    yield configure
    put_back = configure()
    assert put_back.ok, put_back.output


@pytest.fixture
def nobody_notices(lab, figures) -> Iterator[Callable[[str], None]]:
    """Users who ask from the first line of a test to the call of this; none may have got anything but an answer."""
    with Load(f"http://{lab.address('lb1')}/") as load:

        def see(what: str) -> None:
            load.go_on(1)
            figures.append(
                (what, f"{len(load.requests)} requests, {len(load.failures)} failed, slowest {load.slowest:.2f} s")
            )
            assert not load.failures, load.failures[:5]

        yield see
