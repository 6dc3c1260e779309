# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from ansible_collections.dockyard.consul.plugins.filter.consul_config_files import consul_config_files

SETTINGS = {"datacenter": "dc1", "retry_join": ["192.0.2.11"], "log_level": "INFO", "encrypt": "GOSSIP"}


def test_each_part_is_a_file_that_only_consul_reads():
    files = consul_config_files(SETTINGS, "1.8.7")
    assert {file["path"]: json.loads(file["content"]) for file in files} == {
        "/etc/consul.d/consul.json": {"datacenter": "dc1"},
        "/etc/consul.d/start.json": {"retry_join": ["192.0.2.11"]},
        "/etc/consul.d/reloadable.json": {"log_level": "INFO"},
        "/etc/consul.d/secrets.json": {"encrypt": "GOSSIP"},
    }
    assert {file["path"] for file in files if file["secret"]} == {"/etc/consul.d/secrets.json"}
    assert {(file["group"], file["mode"]) for file in files} == {("consul", "0640")}


def test_a_part_that_is_empty_is_a_file_too():
    """It takes the place of one that held something."""
    assert [json.loads(file["content"]) for file in consul_config_files({}, "1.21.0", "/opt/consul")] == [
        {},
        {},
        {},
        {},
    ]
