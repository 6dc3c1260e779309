# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.stale_keyrings import stale_keyrings
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, digest, run_id

RIGHT, WRONG, FOLDER = "right", "wrong", "/var/lib/consul"
KEYRING = f"{FOLDER}/serf/local.keyring"


def facts(*keys, leader=None, runs=True, **more):
    consul = {"leader": leader, "running": [{"data_dir": FOLDER}] if runs else []}
    data = {FOLDER: {"gossip_key_digests": [digest(key.encode()) for key in keys]}}
    return {FACT: {"run": run_id(), "consul": consul, "consul_data": data, **more}}


SERVER = facts(RIGHT, leader="192.0.2.1:8300")


@pytest.mark.parametrize(
    "client, server, is_stale",
    [
        (facts(WRONG), SERVER, True),
        (facts(WRONG, runs=False), SERVER, True),
        (facts(WRONG), facts("another", RIGHT), True),
        (facts(WRONG), facts(RIGHT, changed=["consul", "unit:consul"]), True),  # restarted by this run
        (facts(RIGHT), SERVER, False),
        (facts(WRONG, RIGHT), SERVER, False),
        (facts(), SERVER, False),
        (facts(WRONG, leader="192.0.2.1:8300"), SERVER, False),
        (facts(WRONG, changed=[KEYRING]), SERVER, False),
        (facts(WRONG), facts(WRONG, leader="192.0.2.1:8300"), False),
        (facts(WRONG), facts(RIGHT, runs=False), False),
        (facts(WRONG), {}, False),
    ],
)
def test_a_client_that_was_given_a_wrong_key(client, server, is_stale):
    hostvars = {"consul1": {"ansible_facts": server}}
    stale = stale_keyrings(client, FOLDER + "/", RIGHT, ["consul1", "consul2"], hostvars)
    assert stale == ([{"path": KEYRING, "state": "absent"}] if is_stale else [])
