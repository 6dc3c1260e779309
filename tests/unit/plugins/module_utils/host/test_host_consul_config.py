# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_config import look_at_config
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed

KEY = bytes(range(32))
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"
SERVER = f"""
server = true
data_dir = "/opt/consul"
encrypt = "{SECRET}"
retry_join = ["192.0.2.1", "consul.example.com"]
ports {{ dns = 8600 }}
acl = {{ enabled = true tokens {{ agent = "{SECRET}" }} }}
recursors = ["192.0.2.53"]
limits {{ http_max_conns_per_client = 500 }}
node_meta {{ owner = "{SECRET}" }}
"""


def agent(config_dirs=(), config_files=(), **options):
    return {"config_dirs": list(config_dirs), "config_files": list(config_files), "options": options, "data_dir": None}


def write(folder, **files):
    for name, content in files.items():
        name = name.replace("_", ".")
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


def test_names_of_all_settings_and_harmless_values(tmp_path):
    folder = write(tmp_path, server_hcl=SERVER)
    found = look_at_config([], [folder], KEY)
    assert SECRET not in str(found)
    assert found == {
        f"{folder}/server.hcl": {
            "error": None,
            "keys": [
                *("acl.enabled", "acl.tokens.agent", "data_dir", "encrypt", "limits.http_max_conns_per_client"),
                *("node_meta.owner", "ports.dns", "recursors", "retry_join", "server"),
            ],
            "settings": {
                "server": True,
                "data_dir": "/opt/consul",
                "retry_join": ["192.0.2.1", "consul.example.com"],
                "ports.dns": 8600,
                "acl.enabled": True,
                "recursors": ["192.0.2.53"],
            },
            "services": [],
            "checks": [],
            "gossip_key_digest": keyed(KEY, SECRET.encode()),
        }
    }


@pytest.mark.parametrize(
    "join", [["provider=aws secret_access_key=secret"], ["192.0.2.1", "provider=x secret=secret"], "a b", [1]]
)
def test_addresses_that_may_hold_credentials(tmp_path, join):
    folder = write(tmp_path, a_json={"retry_join": join})
    (found,) = look_at_config([], [folder]).values()
    assert found["keys"] == ["retry_join"] and found["settings"] == {}


@pytest.mark.parametrize("value", ["x" * 201, "two\nlines", {"a": 1}, None, [{"a": 1}]])
def test_values_that_are_no_setting_of_that_name(tmp_path, value):
    folder = write(tmp_path, a_json={"domain": value})
    assert look_at_config([], [folder])[f"{folder}/a.json"]["settings"] == {}


def test_services_and_checks(tmp_path):
    secret = {"header": {"x-secret": [SECRET]}, "http": "http://secret"}
    services = [
        {"name": "web", "token": SECRET, "check": secret, "meta": {"secret": "1"}},
        {"Name": "api", "ID": "api-1"},
        "no service",
    ]
    files = {
        "a_json": {"services": services, "checks": [secret]},
        "b_hcl": 'service { name = "shop" id = "shop-1" token = "" }',
        "c_hcl": 'service "x" { name = "labelled" }',
    }
    folder = write(tmp_path, **files)
    found = look_at_config([], [folder])
    assert SECRET not in str(found) and "secret" not in str(found).replace(folder, "")
    assert found[f"{folder}/a.json"]["keys"] == ["checks", "services"]
    assert [one for file in found.values() for one in file["services"]] == [
        {"id": "web", "name": "web", "token": True},
        {"id": "api-1", "name": "api", "token": False},
        {"id": "shop-1", "name": "shop", "token": False},
        {"id": "labelled", "name": "labelled", "token": False},
    ]


def test_checks_beside_services(tmp_path):
    """Those in a service have its token."""
    files = {
        "a_json": {
            "checks": [{"id": "disk", "name": "Disk", "token": SECRET}, {"Name": "load"}, {"ttl": "5s"}, "no check"]
        },
        "b_hcl": 'check { id = "web-up" name = "up" service_id = "web-1" header { x = ["secret"] } }',
        "c_hcl": 'check "x" { name = "labelled" } service { name = "web" id = "web-1" check { name = "in" ttl = "5s" } }',
        "d_hcl": 'check { check_id = "old" name = "Old" }',
    }
    found = look_at_config([], [write(tmp_path, **files)])
    assert [one for file in found.values() for one in file["checks"]] == [
        {"id": "disk", "name": "Disk", "token": True},
        {"id": "load", "name": "load", "token": False},
        {"id": "web-up", "name": "up", "token": False},
        {"id": "labelled", "name": "labelled", "token": False},
        {"id": "old", "name": "Old", "token": False},
    ]


def test_what_cannot_be_read(tmp_path):
    files = {"a_hcl": f'x = "{SECRET}', "b_json": f'{{"x": {SECRET}', "c_json": "[1]", "d_hcl": '{"server": true}'}
    folder = write(tmp_path, **files)
    (tmp_path / "e.hcl").write_bytes(b"\xff")
    (tmp_path / "f.hcl").symlink_to("nowhere")
    found = {path.rpartition("/")[2]: one["error"] for path, one in look_at_config([], [folder]).items()}
    assert found == {
        "a.hcl": "line 1: the end of a string is expected",
        "b.json": "line 1: it is not valid JSON",
        "c.json": "it holds no settings",
        "d.hcl": None,
        "e.hcl": "it is not text in UTF-8",
        "f.hcl": "No such file or directory",
    }


def test_the_settings_of_an_agent_are_those_of_its_files_and_options(tmp_path):
    folder = write(
        tmp_path,
        a_hcl='domain = "a" datacenter = "one" recursors = ["192.0.2.1"]',
        b_json={"domain": "b", "recursors": ["192.0.2.2"]},
        notes_txt="x",
    )
    (tmp_path / "sub.hcl").mkdir()
    one = agent([folder + "/"], [f"{folder}/a.hcl"], datacenter="two")
    look_at_config([one], [])
    assert one["files"] == [f"{folder}/a.hcl", f"{folder}/b.json"]
    assert one["settings"] == {"domain": "b", "datacenter": "two", "recursors": ["192.0.2.1", "192.0.2.2"]}


def test_a_folder_that_does_not_exist(tmp_path):
    one = agent([str(tmp_path / "none")])
    assert look_at_config([one], [str(tmp_path / "none")]) == {} and one["files"] == []


def test_a_data_folder_that_is_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    for configured, wanted in {"link": "link", "disk": "disk", "other": "disk"}.items():
        one = {**agent(data_dir=str(tmp_path / configured)), "data_dir": str(tmp_path / "disk")}
        look_at_config([one], [])
        assert one["data_dir"] == str(tmp_path / wanted)
