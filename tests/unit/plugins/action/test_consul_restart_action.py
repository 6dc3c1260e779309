# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.dockyard.consul.plugins.action.consul_restart import ActionModule, turn
from ansible_collections.dockyard.consul.plugins.plugin_utils import look

DONE = {"changed": True, "reasons": ["x is newer"]}
NOTHING = {"changed": False, "reasons": []}
FAILED = {"failed": True, "msg": "no quorum"}


@pytest.fixture(autouse=True)
def run_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


@pytest.fixture
def restart():
    """A function that runs the action for a host, whose module returns (or raises) what is given."""

    def restart(host, answer, delegate_to=None, check=False):
        task = SimpleNamespace(
            async_val=0, check_mode=check, delegate_to=delegate_to, action="x", diff=False, args={}, throttle=0
        )
        plugin = ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp")), None, None, None, None)

        def execute(task_vars):
            assert task_vars["inventory_hostname"] == host
            restart.asked.append(delegate_to or host)
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)

        plugin._execute_module = execute
        facts = {look.FACT: {"run": look.run_id(), "id": "0a", "changed": ["/etc/x"]}}
        restart.look = look.Look(facts[look.FACT])
        return plugin.run(task_vars={"inventory_hostname": host, "ansible_facts": facts})

    restart.asked = []
    return restart


def test_what_was_restarted_is_not_known_any_more(restart):
    restart("web1", NOTHING)
    assert restart.look.changed == {"/etc/x"}
    assert "ansible_facts" not in restart("web1", DONE)
    assert restart.look.changed == {"/etc/x", "consul", "unit:consul"}


def test_a_delegated_restart_leaves_the_facts_of_the_plays_host(restart):
    restart("web1", DONE, delegate_to="consul2")
    assert restart.look.changed == {"/etc/x"}


def test_check_mode_restarts_nothing(restart):
    assert restart("web1", FAILED, check=True)["failed"]
    assert restart("web2", DONE, check=True) == DONE, "the look still holds, and no restart has failed"


@pytest.mark.parametrize("trouble", [FAILED, AnsibleConnectionFailure("gone")])
def test_after_a_failure_no_other_agent_is_restarted(restart, trouble):
    assert restart("web1", DONE)["changed"]
    if trouble is FAILED:
        assert restart("web2", trouble)["msg"] == "no quorum"
    else:
        with pytest.raises(AnsibleConnectionFailure):
            restart("web2", trouble)
    for _attempt in range(2):
        result = restart("web3", DONE)
        assert result["failed"] and result["msg"] == (
            "Consul on web3 was not restarted, because the restart on web2 failed. Repair that, then run again."
        )
    assert restart.asked == ["web1", "web2"]


def test_delegated_hosts_are_named(restart):
    """A loop over servers: every restart runs for the first host of the play."""
    restart("consul1", FAILED, delegate_to="consul2")
    message = restart("consul1", DONE, delegate_to="consul3")["msg"]
    assert message.startswith("Consul on consul3 was not restarted, because the restart on consul2 failed.")
    assert restart.asked == ["consul2"]


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_no_more_at_a_time_than_throttle_says(run_folder, at_a_time):
    """Whatever the strategy and however the task was included."""
    running, most, lock = 0, 0, threading.Lock()

    def restart_one():
        nonlocal running, most
        with turn(run_folder, "server", at_a_time):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.3)
            with lock:
                running -= 1

    hosts = [threading.Thread(target=restart_one) for _host in range(5)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert most == at_a_time


def test_a_failure_gives_the_turn_back(run_folder):
    with pytest.raises(AnsibleConnectionFailure), turn(run_folder, "server", 1):
        raise AnsibleConnectionFailure("gone")
    with turn(run_folder, "server", 1), turn(run_folder, "client", 1), turn(run_folder, "client", 0):
        pass


def test_another_run_begins_afresh(restart, tmp_path, monkeypatch):
    restart("web1", FAILED)
    (tmp_path / "next").mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "next"))
    assert restart("web1", DONE)["changed"]


RESTART = {"dockyard.consul.consul_restart": {"name": "no-such-unit", "port": 1, "wait_seconds": 0, "retries": 0}}


@pytest.mark.parametrize("keywords", [{"throttle": 1}, {"strategy": "ansible.builtin.free", "throttle": 1}])
def test_a_real_run_stops_at_the_first_failure(local_playbook, keywords):
    """There is no such unit here, nor perhaps systemd, so the first restart fails."""
    strategy = {"strategy": keywords.pop("strategy")} if "strategy" in keywords else {}
    done = local_playbook.fails({"tasks": [{**RESTART, **keywords}], **strategy}, hosts=["web1", "web2", "web3"])
    assert done.modules == ["dockyard.consul.consul_restart"], done.output
    assert done.output.count("was not restarted, because the restart on web") == 4, "twice for each of two hosts"


def test_a_real_run_over_servers(local_playbook):
    loop = {
        "loop": ["consul2", "consul3", "consul1"],
        "delegate_to": "{{ item }}",
        "run_once": True,
        "throttle": 1,
        "register": "restarted",
        "ignore_errors": True,
    }
    show = {"ansible.builtin.debug": {"msg": "{{ restarted.results | map(attribute='msg') | join(' | ') }}"}}
    done = local_playbook({"tasks": [RESTART | loop, show]}, hosts=["consul1", "consul2", "consul3"])
    assert done.modules == ["dockyard.consul.consul_restart"], done.output
    for host in ("consul3", "consul1"):
        assert f"Consul on {host} was not restarted, because the restart on consul2 failed." in done.output
