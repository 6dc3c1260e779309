# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task that restarts the servers. One host runs it for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[4] / "roles" / "consul_agent"
FIRST = {
    "consul_agent_data_dir": "/var/lib/consul",
    "consul_agent_dns_port": 53,
    "consul_agent_config_extra": {},
}
OTHER = {
    "consul_agent_data_dir": "/opt/consul",
    "consul_agent_dns_port": 8600,
    "consul_agent_config_extra": {"ports": {"server": 9300}},
}


def argument(name: str, host: str, hostvars: dict[str, Any]) -> Any:
    task = yaml.safe_load((ROLE / "tasks" / "restart.yml").read_text(encoding="utf-8"))[0]
    item = {"host": host, "address": "192.0.2.2"}
    templar = Templar(loader=DataLoader(), variables={**FIRST, "hostvars": hostvars, "item": item})
    return templar.template(trust_as_template(task["dockyard.consul.consul_restart"][name]))


@pytest.mark.parametrize(
    ("name", "of_other", "of_first"),
    [
        ("data_dir", "/opt/consul", "/var/lib/consul"),
        ("dns_port", 8600, 53),
        ("server_address", "192.0.2.2:9300", "192.0.2.2:8300"),
    ],
)
def test_each_server_is_restarted_with_its_own_settings(name, of_other, of_first):
    """Defaults of the role are no hostvars."""
    assert argument(name, "b", {"a": {}, "b": OTHER}) == of_other
    assert argument(name, "b", {"a": {}, "b": {}}) == of_first


@pytest.mark.parametrize(
    ("replaced", "owner"),
    [([], "consul"), ([{"user": "hashi"}], "hashi"), ([{"user": None}], "consul")],
)
def test_the_data_folder_belongs_to_the_agent_that_still_runs(replaced, owner):
    files = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["__consul_agent_files"]
    templar = Templar(loader=DataLoader(), variables={**FIRST, "__consul_agent_replaced": replaced})
    folder = templar.template(trust_as_template(files[0]["owner"]))
    assert folder == owner


def test_what_the_agent_will_read_is_judged_as_a_whole():
    task = yaml.safe_load((ROLE / "tasks" / "configure.yml").read_text(encoding="utf-8"))[1]
    variables = {"__consul_agent_binary": "/usr/bin/consul", "__consul_agent_kept_config": ["/etc/consul.d/my web.hcl"]}
    command = Templar(loader=DataLoader(), variables=variables).template(
        trust_as_template(task["dockyard.consul.files"]["validate"])
    )
    assert command == "/usr/bin/consul validate %s/etc/consul.d '/etc/consul.d/my web.hcl'"
