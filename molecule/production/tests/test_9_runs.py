# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole site once more, after all that the tests did to it."""

from __future__ import annotations


def test_a_run_changes_nothing_and_shows_no_secret(lab):
    run = lab.playbook("site.yml", "-vvv", "--diff")
    assert run.ok, run.output
    assert run.recap.keys() >= set(lab.hosts())
    assert not run.changed, run.changes
    assert lab.secrets_in(run.output) == []
