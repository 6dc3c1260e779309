# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app host is taken out of the site under load. The run is killed at each of its steps, and the next one goes on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.chaos
PLAYBOOK = "playbooks/retire_host.yml"
STEPS = [
    "Take its services out of DNS",
    "Wait for the drain time",
    "Remove its containers",
    "Stop the agent",
    "Forget the maintenance mode",
    "Remove the node from the cluster",
    "Revoke its tokens",
    "Remove its secrets",
]


def test_retire_is_killed_at_each_step(lab, users, writer, nobody_notices):
    (host,) = (name for name in lab.inventory_names("mydemo") if name.startswith("app3"))
    short = host.partition(".")[0]
    lab.wait_for(lambda: len(writer.acknowledged) > 20, 30, "the load is on")
    for step in STEPS:
        lab.interrupted_playbook(f": {step}]", PLAYBOOK, "--limit", host)
    done = lab.playbook(PLAYBOOK, "--limit", host)
    assert done.ok, done.output
    assert short not in {node["Node"] for node in lab.consul("catalog/nodes")}
    assert short not in lab.members()
    assert short not in str([token["Description"] for token in lab.consul("acl/tokens")])
    assert not (lab.secrets / "node" / short).exists()
    assert lab.exec(short, "docker ps --quiet --filter label=dockyard_service") == ""
    nobody_notices("an app host taken out of the site, killed at each step")

    back = lab.playbook("site.yml", "--limit", host)
    assert back.ok, back.output
    lab.wait_for(lambda: lab.address(short) in lab.dns("mydemo.service.consul", "lb1"), 60, "the host serves again")
