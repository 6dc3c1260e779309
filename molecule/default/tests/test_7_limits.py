# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs with --limit, and runs in which a host is down: what is done once per site is done by a host that is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

SERVICES: list[tuple[str, str]] = []
# Nothing listens there.
DOWN = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


@pytest.fixture
def inventory(tmp_path) -> Callable[..., list[str]]:
    """The options of a run with more in its inventory."""

    def write(**content: object) -> list[str]:
        file: Path = tmp_path / "more.yml"
        file.write_text(json.dumps({"all": content}))
        return ["--inventory", str(file)]

    return write


@pytest.fixture(scope="module")
def written_back(lab):
    """Afterwards the key is that of the inventory."""
    yield
    run = lab.playbook("playbooks/kv.yml")
    assert run.ok, run.output


def hosts_of(output: str, task: str) -> list[tuple[str, str]]:
    """The results of a task: (outcome, host)."""
    (of_task,) = re.findall(rf"^TASK \[.*{task}\] \*+\n(.*?)\n\n", output, re.MULTILINE | re.DOTALL)
    return re.findall(r"^(ok|changed|skipping|fatal): \[([\w-]+)", of_task, re.MULTILINE)


@pytest.mark.usefixtures("written_back")
@pytest.mark.parametrize("away", ["outside the limit", "down"])
def test_another_host_writes_the_key_and_builds_the_image(lab, inventory, away):
    """The first host of the group is not there."""
    first, second, *_others = lab.hosts("mydemo")
    options = ["--limit", second] if away == "outside the limit" else inventory(hosts={first: DOWN})
    message = f"Written while {first} is {away}"
    run = lab.playbook("site.yml", "--tags", "mydemo_kv,mydemo_build", *options, mydemo_show_message=message)
    assert lab.http("consul1", 8500, "/v1/kv/redis?raw").json()["show_message"] == message, run.output
    assert hosts_of(run.output, "Write the app's configuration into Consul") == [("changed", second)]
    # It changes something there once: that host has the image by its digest, and pulls the tag.
    assert [host for _outcome, host in hosts_of(run.output, "Look for the version in the registry")] == [second]
    assert run.changed.keys() == {second}, run.output
    assert run.ok == (away == "outside the limit"), run.output


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/consul_client.yml"])
def test_tokens_are_made_on_a_server_that_runs(lab, inventory, playbook):
    """The first of the servers is down, and none is within the limit."""
    address = lab.address("consul1").rpartition(".")[0] + ".10"
    servers = {
        "consul0": {**DOWN, "consul_agent_bind_addr": address},
        "consul1": {"consul_agent_bind_addr": lab.address("consul1")},
    }
    run = lab.playbook(
        playbook,
        *inventory(children={"servers_of_this_test": {"hosts": servers}}),
        *("--tags", "consul_tokens", "--limit", "redis1"),
        consul_agent_servers_group="servers_of_this_test",
    )
    assert run.ok and not run.changed, run.output
    assert "consul0 cannot be looked at" in run.output, run.output
    assert hosts_of(run.output, "Make the tokens of the agents in this play") == [("ok", "redis1")]
