# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's configuration in Consul's KV store."""

from __future__ import annotations

import yaml

from lab.testing import ROOT

SERVICES = [("consul1", "consul")]


def test_the_value_read_back_is_what_was_given(lab):
    site = yaml.safe_load((ROOT / "inventories" / "demo" / "group_vars" / "all.yml").read_text())
    assert lab.consul("kv/redis?raw") == {
        "redis_config": {
            "redis_host": "redis.service.consul",
            "redis_port": 6379,
            "redis_db": 0,
            "redis_password": lab.secret("operator/redis.password"),
        },
        "show_message": site["mydemo_show_message"],
    }
