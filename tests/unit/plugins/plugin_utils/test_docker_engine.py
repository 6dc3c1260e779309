# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.docker_engine import docker_engine
from ansible_collections.dockyard.consul.plugins.filter.docker_engine_reads import docker_engine_reads
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import canonical, leaves
from ansible_collections.dockyard.consul.plugins.plugin_utils import look
from ansible_collections.dockyard.consul.plugins.plugin_utils.docker_engine import DAEMON_JSON

DNS = ["10.0.0.11"]
DEFAULTS = {"docker_host_log_max_size": "10m", "docker_host_log_max_file": 3}
LIMITS = {"max-size": "10m", "max-file": "3"}
START = 1_764_170_000_000_000


def known(users=(), ours=(), changed=(), mtime=START - 5, engine=(), **more):
    settings = {
        name: {"digest": look.digest(canonical(value)), "placed": placed}
        for placed, part in ((False, users), (True, ours))
        for name, value in leaves(dict(part)).items()
    }
    return {
        "run": look.run_id(),
        "programs": {"dockerd": "/usr/sbin/dockerd", "docker": "/usr/bin/docker"},
        "packages": {"python3-requests": "2.28", "docker.io": "26.1.5+dfsg1-9+b1"},
        "docker": {"error": None, "version": "26.1.5+dfsg1", "live_restore": False, "flags": [], **dict(engine)},
        "json_files": {DAEMON_JSON: {"error": None, "settings": settings, "changed": dict(changed)}},
        "units": {"docker": {"begun": START}},
        "paths": {DAEMON_JSON: {"type": "file", "mtime": mtime}},
        **more,
    }


def plan(looked, extra=(), facts=(), **limits):
    return docker_engine({look.FACT: looked, **dict(facts)}, DNS, {**DEFAULTS, **limits}, dict(extra))


def merged(looked, extra=(), **limits):
    found = plan(looked, extra, **limits)
    return found["settings"], found["defaults"]


def test_a_fresh_host():
    assert merged(known()) == (
        {"live-restore": True, "dns": DNS},
        {"log-driver": "json-file", "log-opts": LIMITS},
    )


def test_what_the_inventory_sets_is_no_default():
    assert merged(known(), {"dns": ["10.0.0.53"], "bip": "172.31.7.1/24"}, docker_host_log_max_size="50m") == (
        {"live-restore": True, "dns": ["10.0.0.53"], "bip": "172.31.7.1/24", "log-opts": {"max-size": "50m"}},
        {"log-driver": "json-file", "log-opts": {"max-file": "3"}},
    )
    settings, _defaults = merged(known(), {"log-opts": {"tag": "x"}}, docker_host_log_max_file=5)
    assert settings["log-opts"] == {"max-file": "5", "tag": "x"}


@pytest.mark.parametrize(
    "engine, extra, is_due",
    [
        ({"live_restore": True}, {}, False),
        ({"live_restore": False}, {}, True),
        ({"live_restore": False}, {"live-restore": False}, False),
        # not known: a reload too many does no harm
        ({"live_restore": None, "error": "no answer"}, {}, True),
        ({"live_restore": True, "flags": ["live-restore"]}, {}, False),
    ],
)
def test_when_live_restore_is_switched_on(engine, extra, is_due):
    assert plan(known(engine=engine), extra)["live_restore_due"] is is_due


@pytest.mark.parametrize(
    "driver, has_limits", [("journald", False), ("splunk", False), ("local", True), ("json-file", True)]
)
def test_a_log_driver_without_limits_gets_none(driver, has_limits):
    """The engine refuses options that its log driver does not have."""
    _settings, defaults = merged(known(users={"log-driver": driver}))
    assert ("log-opts" in defaults) == has_limits
    settings, defaults = merged(known(), {"log-driver": driver})
    assert ("log-opts" in defaults) == has_limits and settings["log-driver"] == driver
    assert "log-opts" in merged(known(ours={"log-driver": driver}))[1], "ours is about to be replaced"


def test_what_the_command_line_sets_is_not_set_twice():
    flags = ["containerd", "host", "live-restore", "log-opt"]
    settings, defaults = merged(known(engine={"flags": flags, "live_restore": True}))
    assert (settings, defaults) == ({"dns": DNS}, {"log-driver": "json-file"})
    assert merged(known(engine={"flags": ["log-driver"]}))[1] == {}


@pytest.mark.parametrize(
    "programs, packages, release, due",
    [
        ({}, {}, "12", ["docker.io", "python3-requests"]),
        ({}, {}, "13", ["docker.io", "docker-cli", "python3-requests"]),
        # docker-ce, or an engine that was unpacked
        ({"dockerd": "/usr/bin/dockerd", "docker": "/usr/bin/docker"}, {}, "13", ["python3-requests"]),
        ({"dockerd": "/usr/sbin/dockerd"}, {"python3-requests": "2"}, "13", ["docker-cli"]),
        ({"dockerd": "/usr/sbin/dockerd"}, {"python3-requests": "2"}, "12", []),
    ],
)
def test_an_engine_that_is_there_stays(programs, packages, release, due):
    facts = {"distribution": "Debian", "distribution_major_version": release}
    assert plan(known(programs=programs, packages=packages), facts=facts)["packages"] == due


@pytest.mark.parametrize(
    "packages, version, can",
    [
        ({}, "26.1.5+dfsg1", True),
        ({}, "23.0.0", True),
        ({}, "20.10.24+dfsg1", False),
        ({"docker.io": "26.1.5+dfsg1-9+b1"}, None, True),
        ({"docker-ce": "5:24.0.5-1~debian.12~bookworm"}, None, True),
        ({"docker-ce": "5:20.10.5"}, None, False),
        ({}, None, False),
    ],
)
def test_the_engine_judges_its_file_where_it_can(packages, version, can):
    command = plan(known(packages=packages, engine={"version": version}))["validate"]
    assert command == ("dockerd --validate --config-file=%s/etc/docker/daemon.json" if can else None)


def reads(looked, placed=(), extra=()):
    return docker_engine_reads(looked, {"merged": {DAEMON_JSON: list(placed)}} if placed else {}, plan(looked, extra))


RESTART, RELOAD = [DAEMON_JSON], []


@pytest.mark.parametrize(
    "placed, extra, expected",
    [
        ([], {}, RELOAD),
        (["/live-restore"], {}, RELOAD),
        (["/live-restore", "/labels"], {"labels": ["a"]}, RELOAD),
        (["/labels"], {}, RESTART),  # a reload does not take it away
        (["/dns"], {}, RESTART),
        (["/live-restore", "/log-opts/max-size"], {}, RESTART),
    ],
)
def test_which_changes_need_a_restart(placed, extra, expected):
    assert reads(known(), placed, extra) == expected


def test_a_restart_that_an_earlier_run_left_out():
    assert reads(known(changed={"/dns": START + 5}, mtime=START + 4)) == RESTART
    assert reads(known(changed={"/dns": START - 5})) == RELOAD
    assert reads(known(changed={"/live-restore": START + 5}, mtime=START + 4)) == RELOAD


def test_what_somebody_else_has_changed_needs_a_restart():
    assert reads(known(changed={"/live-restore": START + 5}, mtime=START + 6)) == RESTART
    assert reads(known(mtime=START + 6)) == RESTART
    assert reads(known(mtime=START - 6)) == RELOAD


def test_without_a_look():
    assert docker_engine_reads({}, {}, plan({})) == RELOAD
    assert plan({}, facts={"distribution": "Debian", "distribution_major_version": "12"})["packages"]
