# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.modules import host_info as module
from ansible_collections.dockyard.consul.plugins.modules.host_info import name_of_system


class FakeClient:
    """An agent that does not answer."""

    def __init__(self):
        self.asked = []

    def get(self, path):
        self.asked.append(path)
        raise ConsulError(f"GET {path}: no answer within 5 s")


def test_the_name_of_the_system(tmp_path):
    (tmp_path / "os").write_text('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    assert name_of_system(str(tmp_path / "os")) == "Debian GNU/Linux 12 (bookworm)"
    assert name_of_system(str(tmp_path / "none")) == "unknown"


class FakeModule:
    def __init__(self, **params):
        lists = ("services", "certificates", "ages", "consul_binaries", "consul_data_dirs", "paths", "packages")
        lists += ("consul_config_dirs",)
        more_lists = ("programs", "units", "workers_of", "docker_images", "json_files")
        self.params = {
            "agent": True, "node": None, "management": False, "checks": False, "cluster": False, "docker": False, "nginx": False, "nginx_status_port": 0,
            "nameserver": "127.0.0.1", "domain": "consul", "timeout": 1.0, "resolver": False, "digest_key": None, "redis": False,
            **{name: [] for name in lists + more_lists},
            **params,
        }  # fmt: skip

    def run_command(self, command, **_options):
        raise FileNotFoundError(2, "No such file or directory", command[0])


def test_an_agent_that_is_silent_is_not_asked_for_the_cluster():
    client = FakeClient()
    known = module.execute(FakeModule(cluster=True), client)
    assert known["consul"]["error"] == known["cluster"]["error"] == "GET agent/self: no answer within 5 s"
    assert client.asked == ["agent/self"]
    assert not known["changed"]


def test_only_what_is_asked_for():
    known = module.execute(FakeModule(agent=False), FakeClient())
    assert known.keys() == {"changed", "os", "hostname", "dns", "certificates", "ages", "errors"}
    assert "checks" in module.execute(FakeModule(agent=False, checks=True), FakeClient())


@pytest.mark.parametrize(
    "params, message",
    [
        ({"services": [{"port": 80}]}, "one has no name"),
        ({"paths": ["etc/consul.d"]}, "'etc/consul.d' is not absolute"),
        ({"digest_key": "secret"}, "digest_key is not hexadecimal"),
    ],
)
def test_options_that_are_wrong(params, message):
    with pytest.raises(ConsulError, match=message) as caught:
        module.execute(FakeModule(agent=False, **params), FakeClient())
    assert "secret" not in str(caught.value)


def test_a_host_without_systemd_or_dpkg(monkeypatch):
    monkeypatch.setattr(module.packages, "find_program", lambda name: "")
    known = module.execute(FakeModule(agent=False, packages=["consul"], units=["consul"]), FakeClient())
    assert "packages" not in known and "units" not in known
    assert "systemctl cannot be run" in known["errors"]["units"]


def test_a_dpkg_that_fails(tmp_path, monkeypatch):
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho 'status database is locked' >&2\nexit 2\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setattr(module.packages, "find_program", lambda name: str(tmp_path / name))
    known = module.execute(FakeModule(agent=False, packages=["consul"]), FakeClient())
    assert "packages" not in known and "status database is locked" in known["errors"]["packages"]


def test_paths_and_programs(tmp_path):
    (tmp_path / "one").write_text("secret")
    options = {"paths": [f"{tmp_path}/*"], "programs": ["sh", "none"], "digest_key": "00ff"}
    known = module.execute(FakeModule(agent=False, **options), FakeClient())
    assert known["patterns"] == [f"{tmp_path}/*"] and known["paths"].keys() == {f"{tmp_path}/one"}
    assert known["programs"]["sh"].endswith("/sh") and known["programs"]["none"] == ""
    assert len(known["paths"][f"{tmp_path}/one"]["digest"]) == 64


def test_the_data_folder_of_a_running_agent_is_looked_at_as_well(tmp_path, monkeypatch):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "node-id").write_text(name)
    running = [{"data_dir": str(tmp_path / "theirs"), "unit": None}, {"data_dir": None, "unit": None}]
    monkeypatch.setattr(module.consul_process, "look_at_processes", lambda: running)
    known = module.execute(FakeModule(consul_data_dirs=[str(tmp_path / "ours")]), FakeClient())
    assert [one["node_id_on_disk"] for one in known["consul_data"].values()] == ["ours", "theirs"]


def test_whether_an_agent_is_all_that_its_unit_runs(monkeypatch):
    """A unit that the look reads anyway is not read twice, and one agent of the role costs nothing."""
    running = [{"pid": 1, "unit": "consul", "data_dir": None}]
    asked = []

    def read_units(_run_command, names, _workers=()):
        asked.append(list(names))
        return {name: {"pid": 1} for name in names}

    monkeypatch.setattr(module.consul_process, "look_at_processes", lambda: running)
    monkeypatch.setattr(module, "read_units", read_units)
    known = module.execute(FakeModule(units=["consul"]), FakeClient())
    assert known["consul"]["running"][0]["main"] is True and asked == [["consul"]]

    running[0]["unit"] = "cron"
    running[0]["pid"] = 2
    known = module.execute(FakeModule(units=["consul"]), FakeClient())
    assert known["consul"]["running"][0]["main"] is False and asked[1:] == [["consul"], ["cron"]]
    assert list(known["units"]) == ["consul"]


def test_the_program_of_a_running_agent(tmp_path, monkeypatch):
    """It may be elsewhere than where the role installs it. That of a container is not on this host."""
    for name in ("consul", "contained", "other"):
        (tmp_path / name).write_text("#!/bin/sh\necho Consul v1.17.0\n")
        (tmp_path / name).chmod(0o755)
    agent = {"unit": None, "data_dir": None}
    running = [
        {**agent, "binary": f"{tmp_path}/consul", "contained": False},
        {**agent, "binary": f"{tmp_path}/contained", "contained": True},
        {**agent, "binary": f"{tmp_path}/gone (deleted)", "contained": False},
        {**agent, "binary": None, "contained": False},
    ]
    monkeypatch.setattr(module.consul_process, "look_at_processes", lambda: running)
    known = module.execute(FakeModule(consul_binaries=[f"{tmp_path}/other"]), FakeClient())
    assert list(known["consul_binaries"]) == [f"{tmp_path}/other", f"{tmp_path}/consul"]
    assert known["consul_binaries"][f"{tmp_path}/consul"]["version"] == "1.17.0"
    assert "consul_binaries" not in module.execute(FakeModule(), FakeClient())


def test_the_configuration_of_a_running_agent(tmp_path, monkeypatch):
    (tmp_path / "a.hcl").write_text(f'data_dir = "{tmp_path}/data" ca_file = "{tmp_path}/ca.pem"')
    (tmp_path / "data").mkdir()
    (tmp_path / "ca.pem").write_text("no certificate")
    agent = {"unit": None, "data_dir": None, "config_dirs": [str(tmp_path)], "config_files": [], "options": {}}
    monkeypatch.setattr(module.consul_process, "look_at_processes", lambda: [agent])
    monkeypatch.setattr(module.origins, "placed_digests", lambda: {"/etc/consul.d/consul.json": "0"})
    options = {"consul_config_dirs": ["/none"], "consul_data_dirs": ["/none"]}
    known = module.execute(FakeModule(**options), FakeClient())
    (running,) = known["consul"]["running"]
    assert running["files"] == [f"{tmp_path}/a.hcl"] == list(known["consul_config"])
    assert running["settings"]["data_dir"] == f"{tmp_path}/data" and running["ca_fingerprints"] == []
    assert list(known["consul_data"]) == [f"{tmp_path}/data"] and known["placed"] == ["/etc/consul.d/consul.json"]
