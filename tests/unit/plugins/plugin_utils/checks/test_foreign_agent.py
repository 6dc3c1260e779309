# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent that this collection did not set up, and files beside those of the role."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, run_id

FOLDER = "/opt/consul"
SERVER_FILE = "/etc/consul.d/server.hcl"
ADDRESS = "10.0.0.11"
SETTINGS = {
    "acl.enabled": True,
    "acl.default_policy": "deny",
    "bind_addr": ADDRESS,
    "ca_file": "/etc/consul.d/ca.crt",
    "data_dir": FOLDER,
    "datacenter": "dc1",
    "server": True,
    "verify_outgoing": True,
}
TOKEN = "33333333-3333-4333-8333-333333333333"
NODE_ID = "44444444-4444-4444-8444-444444444444"
CLIENT = "consul_client"
# What the user has set for a takeover that has nothing in its way.
RIGHT = {
    "consul_agent_acl_management_token": TOKEN,
    "consul_agent_adopt": True,
    "consul_agent_data_dir": FOLDER,
    "consul_agent_resolver": False,
}


def file(*keys, **more):
    found = {
        "error": None,
        "keys": list(keys),
        "settings": {},
        "services": [],
        "checks": [],
        "gossip_key_digest": None,
    }
    return {**found, **more}


def looked(**more):
    """A server that was set up by hand. A test replaces a part."""
    agent = {
        "pid": 42,
        "started": 1,
        "unit": "consul",
        "user": "consul",
        "binary": "/usr/bin/consul",
        "contained": False,
        "config_dirs": ["/etc/consul.d"],
        "config_files": [],
        "options": {},
        "files": [SERVER_FILE],
        "settings": SETTINGS,
        "data_dir": FOLDER,
        "server": True,
    }
    look = {
        "hostname": "web1",
        "placed": [],
        "patterns": ["/etc/consul.d/*"],
        "paths": {SERVER_FILE: {"type": "file", "mode": "0640", "owner": "consul", "group": "consul"}},
        "consul": {"running": [agent], "encrypted": True, "errors": {"checks": "403"}},
        "consul_config": {SERVER_FILE: file(*sorted(SETTINGS), "encrypt", settings=SETTINGS)},
        "consul_binaries": {"/usr/bin/consul": {"version": "1.8.7"}},
        "consul_data": {FOLDER: {"node_id_on_disk": NODE_ID, "gossip_key_digests": None, "services_without_token": []}},
        "units": {"consul": {"active": "active", "drop_ins": []}},
    }
    look = copy.deepcopy(look)
    for path, value in more.items():
        part = look
        *names, last = path.split("__")
        for name in names:
            part = part[0] if isinstance(part, list) else part
            part = part[name]
        part = part[0] if isinstance(part, list) else part
        part[last] = {**part[last], **value} if isinstance(value, dict) and isinstance(part.get(last), dict) else value
    return look


@pytest.fixture
def says(said):
    """What the checks of the role say of a host."""

    def says(look, role="consul_server", **given):
        return said(role, {**RIGHT, **given}, look=look)

    return says


@pytest.fixture
def one(says):
    def one(look, role="consul_server", **given):
        (text,) = says(look, role, **given)
        return text

    return one


def test_nothing_is_in_the_way(says):
    assert says(looked()) == []


def test_an_agent_of_the_role(says):
    ours = {"/etc/consul.d/consul.json": file("data_dir")}
    look = looked(placed=["/etc/consul.d/consul.json"])
    look["consul_config"] = ours
    assert says(look, consul_agent_adopt=False) == []


def test_without_the_word_of_the_user(says):
    unit = "/etc/systemd/system/consul.service"
    drop_in = f"{unit}.d/override.conf"
    look = looked(
        paths={unit: {"type": "file"}, drop_in: {"type": "file"}},
        units__consul={"drop_ins": [drop_in, "/usr/lib/systemd/system/service.d/10-all.conf"]},
        consul__running__unit="old",
        consul__running__server=False,
        consul__running__settings={"client_addr": "0.0.0.0", "log_level": "debug"},
        consul_config={SERVER_FILE: file("client_addr", "limits.rpc_rate", "ui", "acl.tokens.agent", "cert_file")},
    )
    texts = says(look, CLIENT, consul_agent_adopt=False)
    assert len(texts) == 4 and all("With consul_agent_adopt: true, it is " in text for text in texts)
    agent, file_, unit_, drop_in_ = texts
    assert (
        "(process 42, the unit old)" in agent
        and "client_addr: '0.0.0.0' becomes '127.0.0.1'; ports.dns: 8600 becomes 53." in agent
    )
    assert file_.startswith(
        f"{SERVER_FILE} was not placed by this collection, and it sets client_addr, limits.rpc_rate"
    )
    assert "The role sets none of limits.rpc_rate, ui_config.enabled:" in file_
    assert unit_.startswith(f"{unit} was") and "replaced, with a backup" in unit_
    assert drop_in_.startswith(f"{drop_in} was") and "moved to /var/backups/dockyard" in drop_in_
    kept = {"consul_agent_kept_files": [SERVER_FILE, drop_in, unit]}
    assert says(look, CLIENT, consul_agent_adopt=False, **kept) == [agent, unit_]
    assert says(look, CLIENT) == []


def test_a_file_that_comes_later(one, says):
    """Beside an agent of the role."""
    look = looked(placed=["/etc/consul.d/consul.json"], consul_config={SERVER_FILE: file("client_addr")})
    for running in ([], look["consul"]["running"]):
        look["consul"]["running"] = running
        for agreed in (False, True):  # the line may still be in the inventory
            text = one(look, CLIENT, consul_agent_adopt=agreed)
            assert text.startswith(f"{SERVER_FILE} was not placed") and "is taken over already" in text
        assert says(look, CLIENT, consul_agent_kept_files=[SERVER_FILE]) == []
        assert says({**look, "changed": [SERVER_FILE]}, CLIENT, consul_agent_adopt=False) == []


@pytest.mark.parametrize(
    "path, keys",
    [
        ("/etc/consul.d/web.hcl", ["service"]),
        ("/etc/consul.d/web.json", ["checks", "services", "watches"]),
        ("/etc/consul.d/00-log_level.hcl", ["log_level"]),
        ("/etc/consul.d/consul.hcl", ["data_dir"]),
        ("/etc/consul.d/comments.hcl", []),
        ("/srv/consul/old.hcl", ["client_addr"]),
    ],
)
def test_files_that_stay(says, path, keys):
    look = looked(placed=["/etc/consul.d/consul.json"])
    look["consul_config"] = {path: file(*keys)}
    assert says(look, consul_agent_adopt=False) == []


def test_a_file_with_services_and_settings(one):
    assert "Move the services and checks" in one(looked(consul_config={SERVER_FILE: file("service", "ports.dns")}))


def test_a_file_that_cannot_be_read(one, says):
    look = looked(consul_config={SERVER_FILE: file(error="line 3: a value is expected")})
    assert f"{SERVER_FILE} was not placed by this collection, and cannot be read (line 3: a value" in one(look)
    assert says(look, consul_agent_kept_files=[SERVER_FILE]) == []


def test_a_file_elsewhere_that_cannot_be_read(one, says):
    path = "/srv/consul/old.hcl"
    look = looked(consul__running__files=[path], consul_config={path: file(error="Permission denied")})
    assert one(look).startswith(f"{path}, which the agent of this host uses, cannot be read (Permission denied)")
    assert says(look, consul_agent_kept_files=[path]) == []


def test_a_file_with_services_that_the_agent_of_the_role_cannot_read(one, says):
    path = "/etc/consul.d/web.hcl"
    root = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
    look = looked(paths={path: root}, consul_config={path: file("service")})
    assert f"{path} cannot be read by the user consul" in one(look)
    for more in ({"mode": "0644"}, {"mode": "0640", "group": "consul"}, {"owner": "consul"}):
        look["paths"][path] = {**root, **more}
        assert says(look) == []


def test_services_in_files_elsewhere(one, says):
    path, services = "/srv/consul/web.json", [{"id": "web-1", "name": "web", "token": True}]
    more = {
        "consul__running__files": [SERVER_FILE, path],
        "consul__running__config_dirs": ["/etc/consul.d", "/srv/consul"],
    }
    look = looked(consul_config={path: file("services", services=services)}, **more)
    assert one(look).startswith(f"The service web-1 is registered by {path}")
    look["consul_config"]["/etc/consul.d/web.json"] = file("services", services=services)
    assert says(look) == []


@pytest.mark.parametrize("agent", [{}, {"config_dirs": ["/srv"]}, {"options": {"server": True}}, {"unit": None}])
def test_data_elsewhere(one, agent):
    look = looked(**{f"consul__running__{name}": value for name, value in agent.items()})
    text = one(look, consul_agent_data_dir="/var/lib/consul")
    assert "has its data in /opt/consul" in text and text.endswith("Set consul_agent_data_dir to /opt/consul.")


def test_data_elsewhere_of_an_agent_of_the_role(one):
    look = looked(placed=["/etc/consul.d/consul.json"], consul_config={SERVER_FILE: file("services")})
    assert "has its data in /opt/consul" in one(look, consul_agent_data_dir="/var/lib/consul")


def test_a_data_folder_with_a_slash_at_its_end(says):
    given = {"consul_agent_data_dir": f"{FOLDER}/", "consul_agent_node_id": NODE_ID}
    assert says(looked(consul__running__data_dir=f"{FOLDER}/"), **given) == []


def test_data_of_an_agent_that_does_not_run(one, says):
    look = looked(consul={"running": []}, consul_config={SERVER_FILE: file()}, units={"consul": {}})
    assert "the data of an agent that does not run is in /opt/consul" in one(
        look, consul_agent_data_dir="/var/lib/consul"
    )
    assert says(look) == []
    look["consul_data"]["/var/lib/consul"] = {"node_id_on_disk": NODE_ID}
    assert says(look, consul_agent_data_dir="/var/lib/consul") == []


@pytest.mark.parametrize(
    "more, given, text",
    [
        ({"hostname": "old"}, {}, "consul_agent_node_name is 'web1', and the node of this host is 'old'."),
        ({"consul__running__settings": {"node_name": "old"}}, {}, "Set consul_agent_node_name to old."),
        ({"consul": {"node": "old"}}, {}, "Set consul_agent_node_name to old."),
        ({"consul": {"datacenter": "dc2"}}, {}, "Set consul_agent_datacenter to dc2."),
        ({"consul__running__settings": {"datacenter": "dc2"}}, {}, "Set consul_agent_datacenter to dc2."),
        ({}, {"consul_agent_node_id": TOKEN}, f"Set consul_agent_node_id to {NODE_ID}. Or remove"),
        ({"consul__running__settings": {"domain": "lan."}}, {}, "Set {domain: lan} in consul_agent_config_extra."),
        (
            {"consul__running__server": False},
            {},
            "The agent of this host is a client, and the inventory makes the host a server",
        ),
        ({"consul": {"address": "10.0.0.9"}}, {}, "Set consul_agent_bind_addr to 10.0.0.9."),
        ({"consul__running__settings": {"advertise_addr": "10.0.0.9"}}, {}, "Set consul_agent_bind_addr to 10.0.0.9."),
        ({"consul__running__settings": {"ports.serf_lan": 9301}}, {}, "Set {ports: {serf_lan: 9301}}"),
        ({"consul__running__contained": True}, {}, "runs in a container"),
        ({"consul": {"errors": {"self": "refused"}}}, {}, "does not answer at 127.0.0.1:8500"),
        (
            {"consul__running__main": False, "consul__running__unit": "cron"},
            {},
            "The agent of this host (process 42, the unit cron) was started by a program that is not Consul",
        ),
    ],
)
def test_what_the_cluster_knows_the_node_by(one, more, given, text):
    assert text in one(looked(**more), **given)


@pytest.mark.parametrize(
    "more, given, text",
    [
        ({"node": "web9"}, {}, "Set consul_agent_node_name to web9."),
        ({"datacenter": "dc9"}, {}, "Set consul_agent_datacenter to dc9."),
        ({"address": "10.0.0.9"}, {}, "Set consul_agent_bind_addr to 10.0.0.9."),
        ({"errors": {"self": "refused"}}, {}, "does not answer at 127.0.0.1:8500"),
        ({}, {"consul_agent_acl_management_token": ""}, "The site needs a management token of this cluster"),
    ],
)
def test_an_agent_that_a_killed_run_has_left(one, says, more, given, text):
    """Its files were moved and it has not restarted: the inventory may have been changed since."""
    main = "/etc/consul.d/consul.json"
    look = looked(placed=[main], consul=more, consul__running__files=[main])
    look["consul_config"] = {main: file("server", "encrypt", placed=True, settings=SETTINGS)}
    backup = "/var/backups/dockyard/etc/consul.d/server.hcl.20261127T034157Z"
    assert says(look, consul_agent_adopt=False, **given) == [], "the agent of the role"
    look["paths"][backup] = {"type": "file", "mtime": 8}
    assert text in one(look, consul_agent_adopt=False, **given)


@pytest.mark.parametrize(
    "errors, role, server",
    [
        ({"self": "no answer"}, CLIENT, False),
        ({"self": "403", "leader": "500 No cluster leader"}, "consul_server", True),
    ],
)
def test_an_agent_that_need_not_be_asked_for_the_quorum(says, errors, role, server):
    """A client is no part of it, and a server without a leader has answered."""
    assert says(looked(consul={"errors": errors}, consul__running__server=server), role) == []


def test_an_agent_that_its_own_unit_starts_by_a_script(says):
    """The unit of the role takes the place of this one."""
    assert says(looked(consul__running__main=False)) == []


@pytest.mark.parametrize(
    "more, given",
    [
        ({"hostname": "old", "consul": {"node": "web1"}}, {}),
        ({"consul__running__settings": {"bind_addr": "0.0.0.0"}}, {}),
        ({"consul__running__settings": {"bind_addr": '{{ GetInterfaceIP "eth0" }}'}}, {}),
        ({"consul__running__server": None}, {}),
        (
            {"consul__running__settings": {"ports.server": 9300}},
            {"consul_agent_config_extra": {"ports": {"server": 9300}}},
        ),
        ({}, {"consul_agent_node_id": NODE_ID}),
    ],
)
def test_what_is_as_the_cluster_knows_it(says, more, given):
    assert says(looked(**more), **given) == []


@pytest.mark.parametrize("name", ["app1.example.com", "App1"])
def test_a_node_name_that_the_role_cannot_keep(one, name):
    """A node identity of a token takes no such name."""
    text = one(looked(consul={"node": name}))
    assert f"the node of this host is '{name}', which the role cannot keep" in text
    assert text.endswith("Set node_name to 'web1' in the configuration of the agent and restart it, then run again.")


def test_two_agents(one):
    look = looked()
    look["consul"]["running"].append({**look["consul"]["running"][0], "pid": 43, "unit": None})
    assert "(process 42, the unit consul, process 43, without a unit)" in one(look)


# Version

OLD, NEW = "1.8.7", "1.17.0"


@pytest.mark.parametrize(
    "binary, known, method, wanted, text",
    [
        # Consul 1.17 by hand, beside the package of the distribution.
        (
            "/usr/local/bin/consul",
            None,
            "package",
            "",
            f"Consul {NEW} runs on this host, and the role would start Consul {OLD}",
        ),
        ("/usr/local/bin/consul", None, "repository", "1.16", "would start Consul 1.16 with its data"),
        ("/usr/local/bin/consul", None, "package", NEW, ""),
        ("/usr/local/bin/consul", None, "repository", "1.17", ""),
        ("/usr/local/bin/consul", None, "archive", "", ""),
        ("/usr/bin/consul", None, "package", "", ""),
        ("/opt/consul", "1.7.0", "package", "", ""),
        ("/opt/consul", NEW, "package", "", f"would start Consul {OLD}"),
        ("/usr/local/bin/consul", None, "local", "1.16.3", "would start Consul 1.16.3 with its data"),
        ("/usr/local/bin/consul", None, "local", "1.17.1", ""),
    ],
)
def test_the_version_of_consul(says, binary, known, method, wanted, text):
    binaries = {"/usr/bin/consul": {"version": OLD}, "/usr/local/bin/consul": {"version": NEW}}
    look = looked(consul__running__binary=binary, consul={"version": known})
    look["consul_binaries"] = binaries
    given = {"consul_agent_install_method": method, "consul_agent_version": wanted, "consul_agent_local_file": __file__}
    if method == "archive":
        given["consul_agent_version"] = NEW
    found = says(look, **given)
    assert [text in one for one in found] == ([True] if text else [])
    assert all(one.endswith(f"Set consul_agent_version to {NEW} or a later one.") for one in found)


def test_a_version_that_is_not_known_before(one, says):
    look = looked(consul__running__binary="/usr/local/bin/consul", consul={"version": NEW})
    look["consul_binaries"] = {"/usr/local/bin/consul": {"version": NEW}}
    text = one(look, consul_agent_install_method="repository")
    assert "would install another Consul, of a version that is not known yet" in text
    assert "consul_agent_version: 1.17.0" in text and "consul_agent_install_method: archive" in text
    look["placed"] = ["/etc/consul.d/consul.json"]
    look["consul_config"] = {SERVER_FILE: file()}
    assert says(look, consul_agent_install_method="repository") == [], "an agent of the role"


def test_the_version_of_a_file_on_the_controller(one):
    """It may be a program for another processor, which the controller cannot run."""
    look = looked(consul={"version": NEW}, consul__running__binary="/usr/local/bin/consul")
    text = one(look, consul_agent_install_method="local", consul_agent_local_file=__file__)
    assert (
        f"Consul {NEW} runs on this host, and the version of {__file__} (consul_agent_local_file) is not known" in text
    )
    assert text.endswith(f"Set consul_agent_version to its version, which must be {NEW} or a later one.")


@pytest.mark.parametrize("method", ["package", "repository", "local", "archive"])
@pytest.mark.parametrize("binary", ["/opt/consul", "/usr/bin/consul (deleted)", None])
def test_an_agent_of_an_unknown_version(one, says, binary, method):
    """It does not tell without a token, and its program is gone or cannot be run."""
    look = looked(consul__running__binary=binary, consul={"version": None})
    look["consul_binaries"] = {"/usr/bin/consul": {"version": OLD}}
    given = {"consul_agent_install_method": method, "consul_agent_local_file": __file__}
    if method != "archive":  # which requires a version
        text = one(look, **given)
        assert "The version of the agent that runs on this host is not known, so neither is whether" in text
        assert text.endswith("Set consul_agent_version to the version to start, which must not be older.")
    assert says(look, **given, consul_agent_version="1.21.4") == [], "the user knows"


def test_another_version_is_named(says):
    look = looked(consul={"version": OLD})
    agent, _file = says(look, consul_agent_version=NEW, consul_agent_adopt=False)
    assert f"These settings would change: version: '{OLD}' becomes '{NEW}'" in agent


# Encryption


@pytest.fixture
def plain():
    """Of a cluster without gossip encryption."""
    files = {SERVER_FILE: file("server")}
    return looked(consul={"encrypted": None}, consul_config=files, consul_data={FOLDER: {"gossip_key_digests": []}})


def test_a_cluster_without_gossip_encryption(one, says, plain):
    assert "does not encrypt its gossip" in one(plain)
    first = {"encrypt_verify_incoming": False, "encrypt_verify_outgoing": False}
    assert says(plain, consul_agent_config_extra=first) == []
    assert "does not encrypt" in one(plain, consul_agent_config_extra={"encrypt_verify_incoming": False})
    assert says({**plain, "consul": {**plain["consul"], "encrypted": True}}) == []
    plain["consul_config"][SERVER_FILE]["error"] = "line 1: a value is expected"
    assert "gossip" not in one(plain)


def test_a_cluster_without_tls(one, says):
    look = looked(consul__running__settings={"verify_outgoing": False})
    assert "does not use TLS" in one(look)
    first = {"tls": {"defaults": {"verify_incoming": False, "verify_outgoing": False}}}
    assert says(look, consul_agent_config_extra=first) == []
    assert says(looked(consul__running__settings={"verify_outgoing": False, "auto_encrypt.tls": True})) == []


@pytest.mark.parametrize(
    "agent, is_known",
    [
        # All is on the command line, which can set no TLS.
        ({"config_dirs": []}, True),
        # An empty folder.
        ({}, True),
        # Relative to the folder in which the agent was started, so the look did not find it.
        ({"config_dirs": ["conf"]}, False),
        ({"config_dirs": [], "config_files": ["consul.hcl"], "files": ["consul.hcl"]}, False),
    ],
)
def test_tls_of_an_agent_without_files(says, agent, is_known):
    agent = {"files": [], "settings": {}, "options": {"server": True}, **agent}
    look = looked(**{f"consul__running__{name}": value for name, value in agent.items()})
    look["consul"]["running"][0]["settings"] = {"acl.enabled": True, "acl.default_policy": "deny"}
    look["consul_config"]["consul.hcl"] = file(error="No such file or directory")
    assert any("does not use TLS" in text for text in says(look)) is is_known


# ACLs


def test_no_management_token(one, tmp_path, said):
    given = {name: value for name, value in RIGHT.items() if name != "consul_agent_acl_management_token"}
    (text,) = said("consul_server", given, look=looked())
    assert f"{tmp_path}/operator/management.token does not exist" in text and "does not make one" in text
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "management.token").write_text(TOKEN)
    assert said("consul_server", given, look=looked()) == []


@pytest.mark.parametrize(
    "consul, text",
    [
        (
            {"errors": {"management": "GET acl/token/self: HTTP 403: ACL not found"}},
            "does not know the token in consul_agent_acl",
        ),
        ({"management": False}, "is not a management token"),
    ],
)
def test_a_wrong_management_token(one, consul, text):
    message = one(looked(consul=consul))
    assert text in message and TOKEN not in message


def test_no_acls(one, says):
    look = looked(consul__running__settings={"acl.enabled": False})
    assert "the agent of this host has no ACLs" in one(look)
    assert says(look, consul_agent_acl_default_policy="allow") == []


@pytest.fixture
def of_three(said):
    """What the checks say of a server without ACLs, one of three in the inventory."""

    def of_three(hosts, hostvars=(), leader="10.0.0.3:8300", **given):
        look = looked(consul__running__settings={"acl.enabled": False}, consul={"address": ADDRESS, "leader": leader})
        groups = {"consul_server": ["web1", "old2", "old3"], "consul_client": []}
        site = {"consul_agent_acl_default_policy": "allow", "consul_server_bootstrap_expect": 3, "groups": groups}
        addresses = {
            host: {"consul_agent_bind_addr": f"10.0.0.{number}"}
            for number, host in enumerate(groups["consul_server"], 1)
        }
        known = {host: {**addresses[host], **dict(hostvars).get(host, {})} for host in ("old2", "old3")}
        given = {**RIGHT, **site, "ansible_play_hosts": hosts, **given}
        return said("consul_server", given, look=look, hostvars=known)

    return of_three


def test_one_of_several_servers_gets_no_acls_alone(of_three):
    (text,) = of_three(["web1", "old2"])
    assert "without old3" in text and "Run the site over all servers" in text
    (text,) = of_three(["web1"])
    assert "without old2, old3" in text
    (text,) = of_three(["web1", "old2", "old3"])
    assert text.startswith("This server gets ACLs. It refuses all requests") and "Run the site" not in text
    assert of_three(["web1", "old2", "old3"], leader=f"{ADDRESS}:8300") == [], "the leader comes last"


def test_the_other_servers_may_have_acls_already(of_three):
    ours = {"run": run_id(), **looked(placed=["/etc/consul.d/consul.json"]), "consul_config": {}}
    known = {host: {"ansible_facts": {FACT: ours}} for host in ("old2", "old3")}
    (text,) = of_three(["web1"], known)
    assert text.startswith("This server gets ACLs.")


def test_a_single_server_gets_acls_without_a_warning(says):
    look = looked(consul__running__settings={"acl.enabled": False})
    assert says(look, consul_agent_acl_default_policy="allow") == []


def test_from_deny_to_allow(one, says):
    allow = {"consul_agent_acl_default_policy": "allow"}
    text = one(looked(), **allow)
    assert text.startswith("consul_agent_acl_default_policy is 'allow', and the agent of this host has 'deny'.")
    assert text.endswith("Set consul_agent_acl_default_policy to deny.")
    ours = looked(placed=["/etc/consul.d/consul.json"], consul_config={SERVER_FILE: file()})
    ours["consul"]["acl_default_policy"] = "deny"
    assert says(ours, **allow) == [], "the user may change what the role has set up"


WITHOUT = {"services_without_token": ["api-1"]}
BY_FILE = {"/etc/consul.d/web.hcl": file("service", services=[{"id": "web-1", "name": "web", "token": False}])}


def test_services_without_a_token_from_allow_to_deny(one, says):
    look = looked(consul={"acl_default_policy": "allow"}, consul_config=BY_FILE)
    look["consul_data"][FOLDER].update(WITHOUT)
    text = one(look)
    assert "were registered without a token: api-1, web-1 (/etc/consul.d/web.hcl)." in text
    assert says(look, consul_agent_acl_default_policy="allow") == []


def test_checks_without_a_token_from_allow_to_deny(one, says):
    """The catalog would keep their last state."""
    path = "/etc/consul.d/disk.hcl"
    checks = [{"id": "load", "name": "load", "token": False}, {"id": "up", "name": "up", "token": True}]
    look = looked(consul={"acl_default_policy": "allow"}, consul_config={path: file("check", checks=checks)})
    look["consul_data"][FOLDER].update(checks_without_token=["disk"])
    text = one(look)
    assert f"these checks of this host were registered without a token: disk, load ({path})." in text
    assert "the catalog would keep their last state" in text
    assert says(look, consul_agent_acl_default_policy="allow") == []
    look["consul"]["acl_default_policy"] = "deny"
    assert says(look) == [], "Consul refuses them today"


def test_services_that_use_the_default_token_of_the_agent(one, says):
    look = looked()
    look["consul_data"][FOLDER].update(WITHOUT)
    assert says(look) == [], "Consul refuses them today"
    look["consul_config"][SERVER_FILE]["keys"].append("acl.tokens.default")
    assert "without a token: api-1." in one(look)


@pytest.mark.parametrize("policy, refused", [("allow", True), ("deny", False), (None, False)])
def test_services_without_a_token_on_a_host_of_the_role(says, policy, refused):
    main = "/etc/consul.d/consul.json"
    look = looked(placed=[main], consul_config={SERVER_FILE: file()})
    look["consul_config"][main] = file("acl.default_policy", settings={"acl.default_policy": policy})
    look["consul_data"][FOLDER].update(WITHOUT)
    assert bool(says(look)) is refused
