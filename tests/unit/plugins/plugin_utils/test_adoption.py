# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.kept_config_files import kept_config_files
from ansible_collections.dockyard.consul.plugins.filter.moved_files import moved_files
from ansible_collections.dockyard.consul.plugins.filter.moved_from import moved_from
from ansible_collections.dockyard.consul.plugins.filter.node_id import node_id
from ansible_collections.dockyard.consul.plugins.filter.replaced_agents import replaced_agents
from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, Look, run_id

MAIN = "/etc/consul.d/consul.json"
DERIVED, ON_DISK = "derived", "on disk"
AGENT = {
    "pid": 42,
    "started": 7,
    "unit": "consul",
    "user": "root",
    "config_dirs": ["/etc/consul.d/"],
    "config_files": [],
    "options": {},
    "data_dir": "/opt/consul",
}


def facts(**look):
    return {FACT: {"run": run_id(), **look}}


def file(*keys, error=None, **settings):
    return {"keys": list(keys), "error": error, "settings": settings, "services": [], "checks": []}


def data(identity, folder="/opt/consul"):
    return {folder: {"node_id_on_disk": identity}}


@pytest.mark.parametrize(
    "look, wanted",
    [
        ({}, DERIVED),
        ({"consul_data": {}}, DERIVED),
        ({"consul_data": data(None)}, DERIVED),
        ({"consul_data": data(ON_DISK)}, ON_DISK),
        ({"consul_data": data(ON_DISK, "/srv/consul")}, DERIVED),
        # The package has started an agent before the role came: its id was never that of the node.
        ({"consul_data": data(ON_DISK), "placed": [MAIN], "consul_config": {MAIN: file(node_id=DERIVED)}}, DERIVED),
        ({"consul_data": data(ON_DISK), "placed": [MAIN], "consul_config": {MAIN: file(node_id=ON_DISK)}}, ON_DISK),
        # One that was made by hand.
        ({"consul_data": data(ON_DISK), "consul_config": {MAIN: file(node_id=DERIVED)}}, ON_DISK),
    ],
)
def test_the_id_of_a_node(look, wanted):
    assert node_id(facts(**look), "/opt/consul", DERIVED) == wanted


def test_a_data_folder_with_a_slash_at_its_end():
    look = {"consul_data": data(ON_DISK, "/srv/consul")}
    assert node_id(facts(**look), "/srv/consul/", DERIVED) == ON_DISK
    assert adoption.data_of(Look(look), {"data_dir": "/srv/consul/"})["node_id_on_disk"] == ON_DISK


def test_the_id_of_a_node_that_nobody_has_looked_at():
    assert node_id(None, "/opt/consul", DERIVED) == DERIVED
    assert node_id({FACT: {"run": "another", "consul_data": data(ON_DISK)}}, "/opt/consul", DERIVED) == DERIVED


@pytest.mark.parametrize(
    "agent, placed, is_foreign",
    [
        ({}, [MAIN], False),
        ({}, [], True),
        ({}, None, False),
        ({"unit": "consul-server"}, [MAIN], True),
        ({"unit": None}, [MAIN], True),
        ({"config_dirs": ["/etc/consul"]}, [MAIN], True),
        ({"config_files": ["/etc/consul.hcl"]}, [MAIN], True),
        ({"options": {"server": True}}, [MAIN], True),
    ],
)
def test_agents_of_others(agent, placed, is_foreign):
    look = {"consul": {"running": [{**AGENT, **agent}]}, **({} if placed is None else {"placed": placed})}
    replaced = [{"pid": 42, "started": 7, "unit": agent.get("unit", "consul"), "user": "root"}]
    assert replaced_agents(facts(**look)) == (replaced if is_foreign else [])
    assert replaced_agents(facts(**look, changed=["consul"])) == [], "it was restarted by this run"


ALL_FILES = {f"/etc/consul.d/{name}.json": file() for name in ("consul", "start", "reloadable", "secrets")}
START, OWN_UNIT = "/etc/consul.d/start.json", "/etc/systemd/system/consul.service"


@pytest.mark.parametrize(
    "look, is_ours",
    [
        ({"placed": [MAIN], "origins": {MAIN: "placed"}}, True),
        # Consul was removed by hand, and somebody wrote a new consul.json.
        ({"placed": [MAIN, START, OWN_UNIT], "origins": {OWN_UNIT: "placed"}}, False),
        # Somebody has changed consul.json. The role puts it right.
        ({"placed": [MAIN, START], "origins": {START: "placed"}}, True),
        # No dpkg on the host.
        ({"placed": [MAIN]}, True),
        # The record of what was placed is lost, or cannot be read.
        ({"placed": [], "origins": {}, "consul_config": ALL_FILES, "paths": {OWN_UNIT: {"type": "file"}}}, True),
        ({"placed": [], "origins": {}, "consul_config": {MAIN: file()}}, False),
        ({"placed": None, "origins": {}}, True),
    ],
)
def test_what_counts_as_placed_by_the_collection(look, is_ours):
    known = Look({"consul": {"running": [AGENT]}, **look})
    assert (adoption.foreign_agents(known) == []) is is_ours
    assert not is_ours or adoption.foreign_files(known) == []


OWN_DROP_IN = "/etc/systemd/system/consul.service.d/own.conf"


@pytest.mark.parametrize(
    "agent", [{"options": {"advertise_addr": "192.0.2.1"}}, {"config_dirs": ["/etc/consul.d", "/srv/consul"]}]
)
@pytest.mark.parametrize(
    "placed, drop_ins, is_ours",
    [
        ([MAIN], [OWN_DROP_IN], True),
        ([MAIN], ["/etc/systemd/system/service.d/all.conf"], False),
        ([], [OWN_DROP_IN], False),
    ],
)
def test_a_drop_in_may_change_the_command_line(agent, placed, drop_ins, is_ours):
    """A drop-in that the user has not listed is named by itself."""
    known = {"consul": {"running": [{**AGENT, **agent}]}, "placed": placed, "units": {"consul": {"drop_ins": drop_ins}}}
    assert (adoption.foreign_agents(Look(known)) == []) is is_ours


def test_an_agent_of_another_beside_that_of_the_role_stays():
    look = {"consul": {"running": [AGENT, {**AGENT, "unit": "other"}]}, "placed": [MAIN]}
    assert replaced_agents(facts(**look)) == []
    assert adoption.site_agents(Look(look)) == [AGENT]


@pytest.mark.parametrize(
    "path, mtime, is_left_over",
    [
        ("consul.d/server.hcl.20261127T034157Z", 8, True),
        ("consul.d/server.hcl.20261127T034157Z.2", 8, True),
        ("consul.d/consul.json.20261127T034157Z", 8, True),
        ("systemd/system/consul.service.20261127T034157Z", 8, True),
        ("systemd/system/consul.service.d/own.conf.20261127T034157Z", 8, True),
        ("consul.d/server.hcl.20261127T034157Z", 6, False),
        ("consul.d/reloadable.json.20261127T034157Z", 8, False),
        ("consul.d/ca.pem.20261127T034157Z", 8, False),
    ],
)
def test_an_agent_that_a_killed_run_has_left(path, mtime, is_left_over):
    """Its files were moved, and it was not restarted. At SIGTERM it may still leave the cluster."""
    paths = {f"/var/backups/dockyard/etc/{path}": {"type": "file", "mtime": mtime}}
    look = facts(consul={"running": [AGENT]}, placed=[MAIN], paths=paths)
    assert bool(replaced_agents(look)) is is_left_over
    assert adoption.foreign_agents(Look(look[FACT])) == []


UNIT = "/etc/systemd/system/consul.service"
DROP_INS = [f"{UNIT}.d/own.conf", f"{UNIT}.d/ours.conf", "/etc/systemd/system/service.d/all.conf"]
FOREIGN = {
    "placed": ["/etc/consul.d/start.json", DROP_INS[1]],
    "paths": {path: {"type": "file"} for path in [UNIT, *DROP_INS]},
    "units": {"consul": {"drop_ins": DROP_INS}},
    "consul_config": {
        MAIN: file("server"),
        "/etc/consul.d/start.json": file("retry_join"),
        "/etc/consul.d/a.hcl": file("server"),
        "/etc/consul.d/kept.hcl": file("server"),
        "/etc/consul.d/web.hcl": file("service"),
        "/etc/consul.d/00-log_level.hcl": file("log_level"),
        "/srv/consul.hcl": file("server"),
    },
}


def test_files_that_are_moved():
    """consul.json and the unit are replaced."""
    moved = moved_files(facts(**FOREIGN), ["/etc/consul.d/kept.hcl"])
    assert moved == [{"path": path, "state": "absent"} for path in ("/etc/consul.d/a.hcl", DROP_INS[0])]
    assert moved_from(facts(**FOREIGN)) == []

    later = facts(**FOREIGN, changed=["/etc/consul.d/a.hcl", DROP_INS[0], "/etc/consul.d/start.json", "/etc/consul.d"])
    assert moved_files(later, ["/etc/consul.d/kept.hcl"]) == []
    assert moved_from(later) == ["/etc/consul.d", f"{UNIT}.d"]


def test_files_that_come_after_the_takeover_stay():
    look = {**FOREIGN, "placed": [MAIN, UNIT], "consul": {"running": [AGENT]}}
    assert adoption.foreign_files(Look(look)) != []
    assert moved_files(facts(**look), []) == [] and moved_files(facts(**{**look, "consul": {"running": []}}), []) == []
    assert moved_files(facts(**{**look, "consul": {"running": [{**AGENT, "unit": "old"}]}}), []) != []


def test_files_that_the_agent_of_the_role_goes_on_to_read():
    """consul.json is replaced, and /srv/consul.hcl is not read."""
    looked = facts(**FOREIGN)
    stay = ["/etc/consul.d/00-log_level.hcl", "/etc/consul.d/kept.hcl", "/etc/consul.d/web.hcl"]
    assert kept_config_files(looked, moved_files(looked, ["/etc/consul.d/kept.hcl"])) == stay
    later = facts(**FOREIGN, changed=["/etc/consul.d/a.hcl"])
    assert kept_config_files(later, []) == stay, "it has been moved"
    assert kept_config_files({}, []) == []


@pytest.mark.parametrize(
    "digests, leader, server, is_gone",
    [
        ([], None, False, True),
        (["a"], None, False, False),
        (None, None, False, False),
        ([], "192.0.2.1:8300", False, False),
        ([], None, True, False),
    ],
)
def test_a_keyring_that_a_killed_run_has_removed(digests, leader, server, is_gone):
    """The client still has the key that was in it. An agent that has started with a key has a keyring."""
    look = facts(
        consul={"running": [{**AGENT, "server": server}], "leader": leader},
        consul_data={"/opt/consul": {"gossip_key_digests": digests, "error": None}},
        placed=[MAIN],
    )
    assert moved_from(look) == (["/opt/consul/serf"] if is_gone else [])
    assert moved_from({FACT: {**look[FACT], "changed": ["consul"]}}) == [], "this run has restarted it"


def test_settings_under_their_newest_names():
    settings = {"ui": True, "ca_file": "/ca", "verify_server_hostname": True, "ports.dns": 53}
    assert adoption.current({"settings": settings}) == {
        **adoption.DEFAULTS,
        "ui_config.enabled": True,
        "tls.defaults.ca_file": "/ca",
        "tls.internal_rpc.verify_server_hostname": True,
        "ports.dns": 53,
    }


def test_settings_that_change_and_settings_that_go():
    ours = adoption.flat(
        {"ports": {"dns": 53, "grpc": None}, "domain": "consul", "recursors": ["192.0.2.1"], "data_dir": "/a"}
    )
    agent = {"settings": {"recursors": ["192.0.2.2"], "data_dir": "/b", "ui": True}}
    assert adoption.changed_settings(agent, ours) == [
        ("ports.dns", 8600, 53),
        ("recursors", ["192.0.2.2"], ["192.0.2.1"]),
    ]
    keys = ["ports.grpc", "ports.dns", "ui", "services", "acl.tokens.agent", "cert_file", "limits.rpc_rate"]
    assert adoption.unset_settings(keys, ours) == ["limits.rpc_rate", "ports.grpc", "ui_config.enabled"]


@pytest.mark.parametrize(
    "consul, settings, policy",
    [
        ({"acl_default_policy": "deny"}, {}, "deny"),
        ({}, {}, "disabled"),
        ({}, {"acl.enabled": True}, "allow"),
        ({}, {"acl.enabled": True, "acl.default_policy": "deny"}, "deny"),
        ({}, {"acl.enabled": False, "acl.default_policy": "deny"}, "disabled"),
        ({}, {"acl_datacenter": "dc1"}, "allow"),
        ({}, {"acl_datacenter": "dc1", "acl_default_policy": "deny"}, "deny"),
    ],
)
def test_the_acl_policy_of_an_agent(consul, settings, policy):
    assert adoption.acl_policy(Look({"consul": consul}), {"settings": settings}) == policy
