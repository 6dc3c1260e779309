# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""consul_lock: real runs of ansible-playbook that ask for the same lock, and what becomes of it when one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_lock import LockHeld, LockLost, SiteLock
from ansible_collections.dockyard.consul.plugins.modules import consul_lock
from conftest import Playbook
from in_process import Module

KEY = "test/lock"
TTL = 10  # the shortest that Consul takes


def someone(run, **more):
    return {"run": run, "by": f"{run}@control", "purpose": "a test", "since": "2026-11-27T08:00:00Z", **more}


@pytest.fixture
def lock(open_agent):
    """A lock that nobody has."""
    made = SiteLock(ConsulClient(port=open_agent.http_port), KEY)
    yield made
    made.release()


def test_one_holds_it_and_the_next_hears_who(lock):
    held, is_new = lock.acquire(someone("anna"), TTL)
    assert is_new and held["by"] == "anna@control" and not held["frozen"]
    again, is_new = lock.acquire(someone("anna"), TTL)
    assert not is_new and again["session"] == held["session"]
    with pytest.raises(LockHeld, match=r"held by anna@control since 2026-11-27T08:00:00Z, for: a test"):
        lock.acquire(someone("ben"), TTL)
    lock.release(held["session"])
    assert lock.read() is None
    assert lock.acquire(someone("ben"), TTL)[1]


def test_of_many_at_once_one_gets_it(open_agent, lock):
    got, refused = [], []

    def ask(number):
        own = SiteLock(ConsulClient(port=open_agent.http_port), KEY)
        try:
            got.append(own.acquire(someone(f"run{number}"), TTL)[0])
        except LockHeld as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1 and len(refused) == 11
    sessions = open_agent.api("GET", "/v1/session/list")
    assert [one["ID"] for one in sessions if one["Name"] == KEY] == [got[0]["session"]]


def test_the_hosts_of_one_run_share_it(open_agent, lock):
    found = []

    def ask():
        found.append(SiteLock(ConsulClient(port=open_agent.http_port), KEY).acquire(someone("anna"), TTL)[0]["session"])

    threads = [threading.Thread(target=ask) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1


def test_who_waits_gets_it_when_it_is_free(open_agent, lock):
    held, _is_new = lock.acquire(someone("anna"), TTL)
    timer = threading.Timer(1, SiteLock(ConsulClient(port=open_agent.http_port), KEY).release, [held["session"]])
    timer.start()
    began = time.monotonic()
    assert lock.acquire(someone("ben"), TTL, wait=20)[1]
    assert 0.9 < time.monotonic() - began < 5


def test_who_lost_it_must_not_go_on(lock):
    held, _is_new = lock.acquire(someone("anna"), TTL)
    assert lock.renew(held["session"])["run"] == "anna"
    stolen, _is_new = lock.acquire(someone("ben"), TTL, steal=True)
    assert stolen["taken_from"] == "anna@control"
    with pytest.raises(ConsulError, match=r"has lost the lock .* held by ben@control .*taken over from anna@control"):
        lock.renew(held["session"])
    lock.release(held["session"])
    assert lock.read()["run"] == "ben"
    lock.release()
    with pytest.raises(ConsulError, match="The lock is free"):
        lock.renew(stolen["session"])


def test_frozen_it_stays_until_somebody_frees_it(lock, open_agent):
    lock.freeze(someone("anna", purpose="holidays"))
    with pytest.raises(LockHeld, match=r"frozen by anna@control since .*, for: holidays"):
        lock.acquire(someone("ben"), TTL)
    assert lock.freeze(someone("anna", purpose="holidays"))[1] is False
    assert lock.freeze(someone("anna", purpose="until the 7th"))[1] is True
    with pytest.raises(LockHeld):
        lock.freeze(someone("ben"))
    assert lock.release()["frozen"]
    assert open_agent.raw(KEY) is None
    held, _is_new = lock.acquire(someone("ben"), TTL)
    with pytest.raises(LockHeld):
        lock.freeze(someone("anna"))
    assert lock.read()["session"] == held["session"]


def test_a_key_of_somebody_else_is_not_replaced(lock, open_agent):
    open_agent.api("PUT", f"/v1/kv/{KEY}", b"not ours")
    with pytest.raises(LockHeld, match="frozen by somebody who did not say since an unknown time"):
        lock.acquire(someone("ben"), TTL)
    assert open_agent.raw(KEY) == b"not ours"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 9}, "ttl: 9 is out of range. Set 10 to 86400 seconds"),
        ({"ttl": 86401}, "ttl: 86401 is out of range"),
        ({"wait": -1}, "wait: -1 is below 0"),
        ({"key": ""}, "key: '' cannot be part of a path"),
        ({"key": "a//b"}, "key: 'a//b' cannot be part of a path"),
        ({}, "owner is not set"),
    ],
)
def test_bad_options_are_refused(open_agent, options, words):
    assert words in Module(consul_lock, open_agent).refusal(**options)


def test_rights(deny_agent, lock):
    """The right to write the key and sessions of the node is enough. With less, nothing is left behind."""
    enough = deny_agent.token_for(f'key "{KEY}" {{ policy = "write" }} session "tester" {{ policy = "write" }}')
    few = deny_agent.token_for(f'key "{KEY}" {{ policy = "read" }} session "tester" {{ policy = "write" }}')
    with pytest.raises(ConsulError, match="denied"):
        SiteLock(ConsulClient(port=deny_agent.http_port, token=few), KEY).acquire(someone("anna"), TTL)
    assert [one for one in deny_agent.api("GET", "/v1/session/list") if one["Name"] == KEY] == []
    own = SiteLock(ConsulClient(port=deny_agent.http_port, token=enough), KEY)
    held, is_new = own.acquire(someone("anna"), TTL)
    assert is_new and own.renew(held["session"])
    # A lock with a session of a node on which the token has no right.
    other = deny_agent.token_for(f'key "{KEY}" {{ policy = "write" }}')
    client = ConsulClient(port=deny_agent.http_port, token=other)
    assert SiteLock(client, KEY).release()["run"] == "anna"
    with pytest.raises(LockLost, match="The lock is free"):
        own.renew(held["session"])
    held, is_new = own.acquire(someone("anna"), TTL)
    own.release(held["session"])
    assert own.read() is None


# Runs of ansible-playbook

PLAYBOOK = """
- hosts: all
  gather_facts: false
  connection: local
  module_defaults:
    dockyard.consul.consul_lock: {{key: {key}, port: {port}, ttl: "{{{{ ttl | default({ttl}) }}}}"}}
  tasks:
    - dockyard.consul.consul_lock:
        purpose: "{{{{ purpose }}}}"
        wait: "{{{{ lock_wait | default(0) }}}}"
        steal: "{{{{ lock_steal | default(false) }}}}"
    - ansible.builtin.wait_for: {{path: "{{{{ until }}}}", timeout: 60}}
    - dockyard.consul.consul_lock: {{state: renewed}}
    - ansible.builtin.fail: {{msg: for a test}}
      when: fails | default(false)
    - dockyard.consul.consul_lock: {{state: released}}
      when: releases | default(true)
    - ansible.builtin.wait_for: {{path: "{{{{ end }}}}", timeout: 60}}
      when: end is defined
"""


class Runs:
    def __init__(self, agent, folder):
        self.agent = agent
        self.folder = folder
        self.playbook = folder / "lock.yml"
        self.playbook.write_text(PLAYBOOK.format(key=KEY, port=agent.http_port, ttl=TTL), encoding="utf-8")
        self.remote_tmp = folder / "remote_tmp"
        self.started = []

    def start(self, purpose, hosts="one,", **variables):
        values = {"purpose": purpose, "until": str(self.folder), **variables}
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", hosts, str(self.playbook)]
        run = subprocess.Popen(
            [*command, "-e", json.dumps(values)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_REMOTE_TMP": str(self.remote_tmp),
                "ANSIBLE_PIPELINING": "false",
            },
        )
        self.started.append(run)
        return run

    def done(self, *arguments, **variables):
        """Whether a run went through, and what it said. Its output ends with it: nobody else holds it."""
        run = self.start(*arguments, **variables)
        output, _error = run.communicate(timeout=60)
        return run.returncode == 0, output

    def holder(self):
        value = self.agent.raw(KEY)
        return json.loads(value)["purpose"] if value else None

    def wait_for_holder(self, purpose, seconds=20):
        self.agent.wait_for(lambda: self.holder() == purpose or None, f"the lock of {purpose}", seconds)

    def modules_on_hosts(self):
        """The files of modules on the hosts, which hold the token."""
        return sorted(self.remote_tmp.glob("ansible-tmp-*"))

    def wait_until_free(self, seconds=10):
        self.agent.wait_for(lambda: self.agent.raw(KEY) is None, "a free lock", seconds)


@pytest.fixture
def runs(open_agent, lock, tmp_path):
    made = Runs(open_agent, tmp_path)
    yield made
    for run in made.started:
        if run.poll() is None:
            run.kill()
            run.communicate(timeout=20)


def test_the_examples_of_the_module(open_agent, tmp_path):
    results = Playbook(tmp_path, open_agent).run(*yaml.safe_load(consul_lock.EXAMPLES))
    assert [one["changed"] for one in results] == [False, False, False, True, True]
    assert open_agent.raw("dockyard/lock") is None


def test_a_run_keeps_the_lock_as_long_as_it_goes_on(runs, tmp_path):
    """Longer than twice the TTL, in one task that knows nothing of the lock. Meanwhile another run is refused."""
    first = runs.start("first", hosts="one,two,three,four,", until=str(tmp_path / "go"))
    runs.wait_for_holder("first")
    began = time.monotonic()
    went_on, output = runs.done("second")
    assert not went_on and "The lock test/lock is held by " in output, output
    assert ", for: first. Wait for it with -e lock_wait=600" in output
    while time.monotonic() - began < 2 * TTL + 3:
        assert runs.holder() == "first"
        time.sleep(0.2)
    (tmp_path / "go").touch()
    output, _error = first.communicate(timeout=30)
    assert first.returncode == 0, output
    assert runs.holder() is None
    runs.agent.wait_for(lambda: not runs.modules_on_hosts() or None, "hosts without files of modules", 20)


def test_a_run_that_fails_leaves_no_lock(runs):
    went_on, output = runs.done("failing", fails=True)
    assert not went_on and "for a test" in output
    runs.wait_until_free()


def test_a_run_that_does_not_release_leaves_no_lock(runs):
    assert runs.done("forgetful", releases=False)[0]
    runs.wait_until_free()


def test_the_lock_is_free_before_the_run_ends(runs, tmp_path):
    first = runs.start("first", end=str(tmp_path / "end"))
    runs.wait_for_holder("first")
    runs.wait_until_free()
    assert first.poll() is None
    assert runs.done("second")[0]
    (tmp_path / "end").touch()
    assert first.wait(20) == 0


def test_after_a_kill_the_next_run_of_this_machine_has_it_at_once(runs, tmp_path):
    first = runs.start("first", until=str(tmp_path / "never"), ttl=120)
    runs.wait_for_holder("first")
    first.kill()
    first.wait(20)
    began = time.monotonic()
    went_on, output = runs.done("second")
    assert went_on, output
    assert time.monotonic() - began < 60


def test_after_a_kill_others_get_it_in_twice_the_ttl(runs, lock, tmp_path):
    first = runs.start("first", until=str(tmp_path / "never"))
    runs.wait_for_holder("first")
    first.kill()
    first.wait(20)
    began = time.monotonic()
    assert lock.acquire(someone("elsewhere"), TTL, wait=4 * TTL)[1]
    assert time.monotonic() - began < 2 * TTL + 3


def test_a_run_that_was_stopped_for_long_does_not_go_on(runs, lock, tmp_path):
    """As a controller that sleeps, or loses its network: another run has the lock when it is back."""
    first = runs.start("first", until=str(tmp_path / "go"))
    runs.wait_for_holder("first")
    stopped = [first.pid, *keepers_of(first.pid, runs)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        held, _is_new = lock.acquire(someone("other"), TTL, wait=4 * TTL)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    (tmp_path / "go").touch()
    output, _error = first.communicate(timeout=30)
    assert first.returncode != 0 and "this run has lost the lock test/lock, and must not go on" in output, output
    assert "The lock is held by other@control" in output
    assert lock.read()["session"] == held["session"]


def keepers_of(pid, runs):
    """The processes that renew the lock of a run: those with its command line and a session of their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        number = int(folder.name)
        if str(runs.playbook).encode() in arguments and number != pid and os.getsid(number) == number:
            found.append(number)
    assert found, "no process renews the lock"
    return found


def test_one_run_takes_the_lock_from_another(runs, tmp_path):
    first = runs.start("first", until=str(tmp_path / "go"))
    runs.wait_for_holder("first")
    assert runs.done("second", lock_steal=True)[0]
    (tmp_path / "go").touch()
    output, _error = first.communicate(timeout=30)
    assert first.returncode != 0 and "has lost the lock" in output


def test_a_run_waits_for_another(runs, tmp_path):
    first = runs.start("first", until=str(tmp_path / "go"))
    runs.wait_for_holder("first")
    second = runs.start("second", lock_wait=60)
    time.sleep(3)
    assert runs.holder() == "first"
    (tmp_path / "go").touch()
    output, _error = second.communicate(timeout=30)
    assert second.returncode == 0, output
    assert first.wait(20) == 0
