# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as templates use it. Its values are tested in plugin_utils/test_site_values.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HOSTS = {
    "web1": {"consul_agent_bind_addr": "{{ '10.0.0.' ~ number }}", "number": 1},
    "web2": {"consul_agent_node_name": "node2", "nginx_lb_resolver_valid": "5s"},
}
ALL = "groups.all | sort | map('extract', hostvars) | map('dockyard.consul.site_values')"
TRUE = [
    "(hostvars.web1 | dockyard.consul.site_values).lan_address == '10.0.0.1'",
    "(hostvars.web2 | dockyard.consul.site_values)['node_name'] == 'node2'",
    "(hostvars.web1 | dockyard.consul.site_values).acl_enabled",
    "(hostvars.web1 | dockyard.consul.site_values).secrets_dir == inventory_dir ~ '/.secrets'",
    "(hostvars.web1 | dockyard.consul.site_values).servers == ['web2']",
    f"{ALL} | map(attribute='node_name') == ['web1', 'node2']",
    f"{ALL} | map(attribute='dns_cache_seconds') | max == 5",
]


def test_in_templates(tmp_path):
    children = {"consul_server": {"hosts": {"web2": {}}}}
    tasks = [
        {"ansible.builtin.assert": {"that": TRUE}},
        {"ansible.builtin.debug": {"msg": "{{ (hostvars.web2 | dockyard.consul.site_values).lan_address }}"}},
    ]
    play = {"hosts": "web1", "gather_facts": False, "tasks": tasks}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": HOSTS, "children": children}}))
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "play.yml"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert "ok=1 " in done.stdout and "failed=1 " in done.stdout, done.stdout
    said = " ".join((done.stdout + done.stderr).split())
    assert "The network facts of the host are missing. Gather facts first" in said, "the reason of the second task"
