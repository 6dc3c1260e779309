# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Unusable
from ansible_collections.dockyard.consul.plugins.plugin_utils.role_files import ROLES, RoleFiles, exists, load
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

ROLE = RoleFiles(
    name="demo",
    path="/roles/demo",
    defaults={
        "demo_port": 80,
        "demo_url": trust_as_template("http://{{ demo_host }}:{{ demo_port }}"),
        "demo_file": trust_as_template("{{ role_path }}/files"),
        "demo_password": trust_as_template("{{ no_such_lookup }}"),
    },
    variables={"__demo": "internal"},
    options={"demo_port": {"type": "int"}, "demo_url": {}, "demo_password": {"no_log": True}},
    sets={"demo_set": trust_as_template("{{ demo_port }}")},
)
HOST = {"inventory_hostname": "web1", "groups": {}, "demo_host": "web1"}


class Rendered:
    """Ansible's own templates, and which of them were asked for."""

    def __init__(self):
        self.raws = []

    def __call__(self, variables):
        templar = Templar(loader=DataLoader(), variables=variables)

        def render(raw):
            self.raws.append(raw)
            return templar.template(raw)

        return render


def values(given=(), **options):
    given = {name: trust_as_template(one) if isinstance(one, str) else one for name, one in dict(given).items()}
    return Values(ROLE, {**HOST, **given}, options.pop("renderer", Rendered()), **options)


def test_only_what_is_read_is_templated_and_once():
    renderer = Rendered()
    v = values(renderer=renderer)
    assert v["demo_port"] == 80 and v["demo_host"] == "web1" and renderer.raws == []
    assert v["demo_url"] == v["demo_url"] == "http://web1:80"
    assert len(renderer.raws) == 1


def test_the_order_of_the_layers():
    assert values({"demo_port": "81"})["demo_url"] == "http://web1:81"
    assert values({"__demo": "x"})["__demo"] == "internal"
    assert values({"demo_set": "x"})["demo_set"] == 80
    extra = values({"demo_port": "81"}, extra_vars={"demo_port": "82", "demo_set": 1, "__demo": "x"})
    assert (extra["demo_port"], extra["demo_set"], extra["__demo"]) == (82, 1, "x")
    assert values()["demo_file"] == "/roles/demo/files"


def test_converted_by_the_argument_spec():
    assert values({"demo_port": "{{ 8000 + 80 }}"})["demo_port"] == 8080
    assert values({"demo_port": "81"}).as_given("demo_port") == "81"


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        ({"demo_port": "abc"}, "demo_port", "demo_port is 'abc'. It must be a whole number."),
        (
            {"demo_url": "{{ nobody.port }}"},
            "demo_url",
            "demo_url cannot be evaluated: 'nobody' is undefined. Correct its value, or define what it refers to.",
        ),
    ],
)
def test_what_cannot_be_read(given, name, text):
    v = values(given)
    for _again in range(2):
        with pytest.raises(Unusable) as error:
            v[name]
        assert error.value.problem.text == text and not error.value.problem.is_consequence


def test_a_default_that_cannot_be_read_follows_from_something_else():
    with pytest.raises(Unusable) as error:
        values({"demo_host": "{{ nobody }}"})["demo_url"]
    assert error.value.problem.is_consequence


def test_what_does_not_exist():
    v = values()
    assert "nothing" not in v and v.get("nothing", 5) == 5
    with pytest.raises(KeyError):
        v["nothing"]


def test_what_the_user_set():
    v = values({"demo_port": 80, "demo_url": "x", "demo_password": ROLE.defaults["demo_password"], "empty": ""})
    assert [
        name for name in ("demo_port", "demo_url", "demo_password", "demo_set", "no") if not v.is_default(name)
    ] == ["demo_url"]
    assert v.is_set("demo_url") and not v.is_set("empty")
    assert not v.is_set("demo_password"), "a default secret is not read"
    assert not values({"demo_port": 81}, extra_vars={"demo_port": 80}).is_set("demo_port")


def test_what_the_user_set_be_it_to_the_default():
    """Inside of a role, its defaults are among the variables."""
    load = DataLoader().load
    of_role = load("demo_port: 80\ndemo_url: x\n", file_name="/somewhere/roles/demo/defaults/main.yml")
    of_user = load("demo_port: 80\n", file_name="/site/group_vars/all.yml")
    assert values(of_user).is_given("demo_port") and not values(of_role).is_given("demo_port")
    assert not values().is_given("demo_port") and not values().is_given("nothing")
    assert values(of_role, extra_vars=of_user).is_given("demo_port")


def test_origin():
    written = DataLoader().load("---\ndemo_port: abc\nflag: true\n", file_name="/site/group_vars/all.yml")
    v = values(written)
    assert str(v.origin("demo_port")) == "/site/group_vars/all.yml:2:12"
    assert v.origin("flag") is None and v.origin("nothing") is None and v.origin("demo_file") is None


class HostVars(dict):
    """As Ansible has them: raw, or templated."""

    def __init__(self, hosts):
        super().__init__(hosts)
        self.templated = []

    def raw_get(self, host):
        return super().__getitem__(host)

    def __getitem__(self, host):
        self.templated.append(host)
        return {"demo_name": f"templated {host}"}


def test_other_hosts_are_templated_only_where_they_have_to_be():
    hostvars = HostVars({"a": {"demo_name": "a"}, "b": {"demo_name": "{{ b }}"}, "c": {}})
    v = values({"hostvars": hostvars})
    assert [v.of_host(host, "demo_name", "none") for host in "abc"] == ["a", "templated b", "none"]
    assert hostvars.templated == ["b"]


@pytest.mark.parametrize(
    ("hosts", "speaks"),
    [(["web1", "web2"], True), (["web2", "web1"], False), (["lb", "web1"], True), (["web1", "lb"], True)],
)
def test_one_host_of_the_play_speaks_for_the_site(hosts, speaks):
    assert (
        values({"groups": {"consul_client": ["web1", "web2"]}, "ansible_play_hosts": hosts}).speaks_for_site is speaks
    )


def test_the_files_of_a_role_are_those_of_its_base_too():
    server, mydemo = load("consul_server"), load("mydemo")
    assert {"consul_server_ui", "consul_agent_data_dir"} <= server.defaults.keys() & server.options.keys()
    assert "consul_agent_face_config" not in server.options, "the role sets it"
    assert "release_serial" in mydemo.defaults and "release_serial" not in mydemo.options
    assert all(exists(path.name) for path in ROLES.iterdir() if path.is_dir())
    assert not exists("nginx") and not exists("../roles/redis")
