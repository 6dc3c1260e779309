# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import secrets
from types import SimpleNamespace

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.dockyard.consul.plugins.action.service_current import (
    ActionModule,
    changed_files,
    covers,
    decide,
    known_files,
    with_placed,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look, run_id

START = 1_764_170_000_000_000
OLD, NEW = START - 1_000_000, START + 1_000_000
UNIT = {
    "load": "loaded",
    "active": "active",
    "sub": "running",
    "enabled": "enabled",
    "result": "success",
    "begun": START,
    "started": START,
    "changed": START,
    "daemon_reload": False,
    "can_reload": True,
    "reload_failed": False,
    "binary_replaced": False,
    "unsteady": False,
}
ARGUMENTS = {"name": "toy.service", "reads": [], "reload_reads": [], "enabled": True, "workers": False, "restart": True}


def seen(unit=None, **known):
    return {
        "run": run_id(),
        "id": secrets.token_hex(8),
        "changed": [],
        "patterns": ["/etc/toy.d/*", "/etc/toy.conf"],
        "paths": {
            "/etc/toy.conf": {"type": "file", "mtime": OLD},
            "/etc/toy.d": {"type": "directory", "mtime": OLD},
            "/etc/toy.d/a.conf": {"type": "file", "mtime": OLD},
            "/etc/toy.d/b.txt": {"type": "file", "mtime": NEW},
        },
        "units": {"toy": {**UNIT, **(unit or {})}},
        **known,
    }


def test_the_files_of_patterns():
    look = Look(seen())
    assert known_files(look, ["/etc/toy.conf", "/etc/toy.d", "/etc/toy.d/*.conf"]) == {
        "/etc/toy.conf": OLD,
        "/etc/toy.d": OLD,
        "/etc/toy.d/a.conf": OLD,
    }
    assert known_files(look, ["/etc/toy.d/none"]) == {}
    assert known_files(look, ["/etc/other"]) is None
    assert known_files(look, ["/etc/other.d/*"]) is None
    assert known_files(Look(None), ["/etc/toy.conf"]) is None


@pytest.mark.parametrize("path", ["/etc/toy.d/a.conf", "/etc/toy.d/new.conf"])
def test_a_file_that_this_run_changed_is_not_known_nor_is_its_folder(path):
    look = Look(seen(changed=[path, "unit:other"]))
    assert known_files(look, ["/etc/toy.d/*.conf"]) is None
    assert known_files(look, ["/etc/toy.d"]) is None
    assert known_files(look, ["/etc/toy.conf"]) == {"/etc/toy.conf": OLD}
    assert changed_files(look, ["/etc/toy.d/*", "/etc/toy.conf"]) == [path]


@pytest.mark.parametrize(
    "theirs, ours, expected",
    [
        ("/etc/a/*", "/etc/a/*", True),
        ("/etc/a/*", "/etc/a/*.conf", True),
        ("/etc/a/*.conf", "/etc/a/x*.conf", True),
        ("/etc/a/*.conf", "/etc/a/*", False),
        ("/etc/*", "/etc/a/*", False),
        ("/etc/a/?", "/etc/a/*", False),
        ("/etc/a/[*]", "/etc/a/*", False),
        ("/etc/a/?", "/etc/a/?", True),
    ],
)
def test_covers(theirs, ours, expected):
    assert covers(theirs, ours) is expected


def test_decisions():
    def decided(look, **arguments):
        return decide(Look(look), {**ARGUMENTS, **arguments})

    assert decided(seen(), reads=["/etc/toy.conf"]).due == "nothing"
    assert decided(seen(), reads=["/etc/toy.d/*"]).due == "restart"
    assert decided(seen(), reload_reads=["/etc/toy.d/*"]).due == "reload"
    assert decided(seen({"active": "failed"})).due == "start"
    assert decided(None) is None
    assert decided(seen(), name="other") is None
    assert decided(seen(changed=["unit:toy"])) is None
    assert decided(seen({"load": "masked"})) is None
    assert decided(seen({"unsteady": True})) is None
    assert decided(seen(), workers=True) is None
    assert decided(seen({"workers_started": START}), workers=True).due == "nothing"


@pytest.fixture
def run(monkeypatch):
    def run(known, result=None, check_mode=False, delegate_to=None, throttle=0, host="web1", **arguments):
        calls = []
        task = SimpleNamespace(
            args={"name": "toy", **arguments},
            check_mode=check_mode,
            delegate_to=delegate_to,
            throttle=throttle,
            async_val=0,
            action="dockyard.consul.service_current",
        )
        action = ActionModule(task, None, None, None, None, None)

        def execute(**call):
            calls.append(call)
            if isinstance(result, Exception):
                raise result
            return dict(result or {"changed": True, "due": "restart", "reasons": ["why"]})

        monkeypatch.setattr(action, "_execute_module", execute)
        monkeypatch.setattr(ActionModule.__mro__[1], "run", lambda *_: {})
        return action.run(task_vars={"inventory_hostname": host, "ansible_facts": {FACT: known}}), calls

    return run


def test_nothing_due_runs_no_module(run):
    result, calls = run(seen(), reads=["/etc/toy.conf"])
    assert result == {"changed": False, "due": "nothing", "reasons": []}
    assert calls == []


def test_a_restart_that_is_held_back_runs_no_module(run):
    result, calls = run(seen(), reads=["/etc/toy.d/b.txt"], restart=False)
    assert (result["changed"], result["due"], calls) == (False, "restart", [])


def test_what_was_done_is_not_known_any_more(run):
    variables = seen(changed=["/x"])
    result, calls = run(variables, reads=["/etc/toy.d/b.txt"])
    assert len(calls) == 1 and calls[0]["module_args"] == {"name": "toy", "reads": ["/etc/toy.d/b.txt"]}
    assert "ansible_facts" not in result
    assert Look(variables).changed == {"/x", "consul", "unit:toy"} and Look(variables).unit("toy") is None


def test_what_was_not_done_remains_known(run):
    result, calls = run(seen(), {"changed": False, "due": "nothing", "reasons": []}, reads=["/etc/other"])
    assert len(calls) == 1 and "ansible_facts" not in result


@pytest.mark.parametrize(
    "known, options",
    [
        (None, {}),
        ({**seen(), "run": "an-earlier-one"}, {}),
        (seen(), {"delegate_to": "other-host"}),
    ],
)
def test_without_a_look_of_this_host_and_run_the_module_decides(run, known, options):
    result, calls = run(known, **options)
    assert len(calls) == 1 and "ansible_facts" not in result


def test_a_failure_is_passed_on(run):
    failure = {"failed": True, "msg": "toy does not run"}
    assert run(seen(), failure, reads=["/etc/toy.d/b.txt"])[0] == failure


@pytest.mark.parametrize("trouble", [{"failed": True, "msg": "toy does not run"}, AnsibleConnectionFailure("gone")])
def test_with_throttle_none_is_restarted_after_a_failure(run, tmp_path, monkeypatch, trouble):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    due = {"reads": ["/etc/toy.d/b.txt"], "throttle": 1}
    assert run(seen(), **due)[0]["changed"]
    if isinstance(trouble, Exception):
        with pytest.raises(AnsibleConnectionFailure):
            run(seen(), trouble, **due)
    else:
        assert run(seen(), trouble, **due)[0] == trouble
    result, calls = run(seen(), host="web2", **due)
    assert result["failed"] and calls == []
    assert result["msg"] == "toy on web2 was not restarted, because that failed on web1. Repair that, then run again."
    assert not run(seen(), throttle=1, reads=["/etc/toy.conf"])[0].get("failed"), "nothing is due there"
    assert run(seen(), check_mode=True, **due)[1], "check mode restarts nothing"
    assert run(seen(), reads=["/etc/toy.d/b.txt"])[0]["changed"], "without throttle every host is on its own"


def test_check_mode_counts_what_would_be_placed(run):
    nothing = {"changed": False, "due": "nothing", "reasons": []}
    known = seen(changed=["/etc/toy.conf"])
    assert run(known, nothing, check_mode=True, reads=["/etc/toy.conf"])[0] == {
        "changed": True,
        "due": "restart",
        "reasons": ["/etc/toy.conf would be placed"],
    }
    assert run(known, nothing, check_mode=True, reload_reads=["/etc/toy.conf"])[0]["due"] == "reload"
    held_back = run(known, nothing, check_mode=True, reads=["/etc/toy.conf"], restart=False)[0]
    assert (held_back["due"], held_back["changed"]) == ("restart", False)
    assert run(known, nothing, reads=["/etc/toy.conf"])[0] == nothing


@pytest.mark.parametrize(
    "due, placed, expected",
    [
        ("start", "restart", "start"),
        ("restart", "reload", "restart"),
        ("reload", "restart", "restart"),
        ("enable", "reload", "reload"),
    ],
)
def test_the_larger_step_wins(due, placed, expected):
    result = {"changed": True, "due": due, "reasons": []}
    files = {"restart": [], "reload": [], placed: ["/a"]}
    assert with_placed(result, files, ARGUMENTS)["due"] == expected


@pytest.mark.parametrize("strategy", ["linear", "ansible.builtin.free"])
def test_a_real_run_stops_at_the_first_failure(local_playbook, strategy):
    """There is no such unit here, nor perhaps systemd, so the first host fails."""
    task = {"dockyard.consul.service_current": {"name": "no-such-unit"}, "throttle": 1}
    done = local_playbook.fails({"tasks": [task], "strategy": strategy}, hosts=["web1", "web2", "web3"])
    assert done.modules == ["dockyard.consul.service_current"], done.output
    assert done.output.count("was not restarted, because that failed on web") == 4, "twice for each of two hosts"
