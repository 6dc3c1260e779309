# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import hmac
import stat

import pytest
from ansible import constants
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.plugin_utils import look
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import ABSENT, FACT, Look, matches
from races import race


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ansible's folder for this run."""
    folder = tmp_path / "ansible-local-1"
    folder.mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(folder))
    return folder


def known(**parts):
    """Variables of a host that this run has looked at."""
    return {"ansible_facts": {FACT: {"run": look.run_id(), "id": "0a", **parts}}}


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("/etc/a", "/etc/a", True),
        ("/etc/a", "/etc/*", True),
        ("/etc/.a", "/etc/*", True),
        ("/etc/a/b", "/etc/*", False),
        ("/etc/a/b", "/etc/*/*", True),
        ("/etc/a/b", "/etc/*/c", False),
        ("/etc", "/etc/*", False),
        ("/etc/ab", "/etc/a?", True),
        ("/etc/a", "/etc/a?", False),
        ("/etc/A", "/etc/a", False),
        ("/etc/nginx_lb-shop.pem", "/etc/nginx_lb*", True),
    ],
)
def test_patterns(path, pattern, expected):
    assert matches(path, pattern) is expected


def test_a_look_of_this_run(folder):
    assert look.run_id() == "ansible-local-1"
    assert Look.of(known(os="Debian")).get("os") == "Debian"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ansible_facts": None},
        {"ansible_facts": {"distribution": "Debian"}},
        {"ansible_facts": {FACT: None}},
        {"ansible_facts": {FACT: {"os": "Debian"}}},
        {"ansible_facts": {FACT: {"run": "ansible-local-2", "os": "Debian"}}},
    ],
)
def test_where_nobody_has_looked_in_this_run_nothing_is_known(folder, variables):
    nothing = Look.of(variables)
    assert not nothing
    assert nothing.get("os") is nothing.path("/etc/a") is nothing.unit("consul") is nothing.package("consul") is None
    nothing.note_changed(["/etc/a"])
    assert not nothing.changed and list(folder.iterdir()) == []


LOOKED = {
    "patterns": ["/etc/a/*", "/etc/b"],
    "paths": {"/etc/a/x": {"type": "file"}},
    "units": {"consul": {"active": "active"}},
    "packages": {"consul": "1.8.7", "nginx": ""},
    "docker": {"containers": []},
}


def test_what_is_known(folder):
    of_host = Look.of(known(**LOOKED))
    assert of_host.path("/etc/a/x") == {"type": "file"}
    assert of_host.path("/etc/a/y") == of_host.path("/etc/b") == ABSENT
    assert of_host.path("/etc/c") is None and of_host.path("/etc/a/x/z") is None
    assert of_host.unit("consul") == of_host.unit("consul.service") == {"active": "active"}
    assert of_host.unit("nginx") is None
    assert of_host.package("consul") == "1.8.7" and of_host.package("nginx") == "" and of_host.package("x") is None
    assert of_host.get("docker") == {"containers": []} and of_host.get("cluster") is None


def test_what_runs(folder):
    of_host = Look.of(
        known(units={"consul": {"active": "active"}, "nginx": {"active": "failed"}}, changed=["unit:docker"])
    )
    assert of_host.runs("consul") and of_host.runs("consul.service") and of_host.runs("docker")
    assert not of_host.runs("nginx") and not of_host.runs("unknown") and not Look.of({}).runs("consul")


def test_roles_that_were_prepared(folder):
    variables = known(**LOOKED)
    Look.of(variables).note_prepared(["redis"])
    Look.of(variables).note_prepared(["consul_client", "redis"])
    assert Look.of(variables).prepared == {"consul_client", "redis"}
    assert len(next(folder.glob("dockyard.look.*")).read_text().splitlines()) == 2
    assert Look.of(known(id="another look", **LOOKED)).prepared == set()


def test_what_this_run_has_changed_is_not_known(folder):
    changed = ["/etc/a/x", "/etc/a/y", "unit:consul", "package:nginx", "docker"]
    variables = known(**LOOKED)
    Look.of(variables).note_changed(changed)
    after = Look.of(variables)
    assert after, "the rest is still known"
    assert after.path("/etc/a/x") is after.path("/etc/a/y") is after.unit("consul.service") is None
    assert after.package("nginx") is after.get("docker") is None
    assert after.path("/etc/b") == ABSENT and after.package("consul") == "1.8.7"


def test_changes_add_up(folder):
    variables = known(**LOOKED)
    of_host = Look.of(variables)
    of_host.note_changed(["unit:consul", "/etc/a/x"])
    Look.of(variables).note_changed(["/etc/a/x", "/etc/b"])
    assert Look.of(variables).changed == {"/etc/a/x", "/etc/b", "unit:consul"}
    assert of_host.unit("consul") is None, "the note also holds where it was made"
    assert variables == known(**LOOKED), "the variables are those of before"


def test_the_look_of_another_host_counts_for_nothing(folder):
    """A task with run_once gives its facts to every host of the play."""
    looked = known(os="Debian", host="app1")
    assert Look.of({**looked, "inventory_hostname": "app1"}) and not Look.of({**looked, "inventory_hostname": "app2"})


def test_the_host_that_a_task_acts_on(folder):
    variables = {
        **known(os="app1", host="app1", id="1"),
        "inventory_hostname": "app1",
        "hostvars": {"app2": {**known(os="app2", host="app2", id="2"), "inventory_hostname": "app2"}},
    }
    assert Look.of_target(None, variables).get("os") == "app1"
    assert Look.of_target("app2", variables).get("os") == "app2"
    assert not Look.of_target("192.0.2.1", variables)
    Look.of_target("app2", variables).note_changed(["os"])
    assert Look.of(variables["hostvars"]["app2"]).get("os") is None and Look.of(variables).get("os") == "app1"


def test_the_digest_is_what_the_host_makes(folder):
    assert look.digest(b"secret\n") == keyed(bytes.fromhex(look.digest_key()), b"secret\n")
    assert (
        look.digest(b"secret\n") == hmac.new(bytes.fromhex(look.digest_key()), b"secret\n", hashlib.sha256).hexdigest()
    )
    assert look.digest(b"secret\n") != look.digest(b"secret")


def test_each_run_has_a_key_of_its_own(folder, tmp_path, monkeypatch):
    key = look.digest_key()
    assert look.digest_key() == key and len(bytes.fromhex(key)) == 32
    file = folder / "dockyard.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and list(folder.iterdir()) == [file]
    (tmp_path / "ansible-local-2").mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "ansible-local-2"))
    assert look.digest_key() != key


def test_all_forks_get_the_same_key(folder):
    for _attempt in range(5):
        keys = set(race(look.digest_key))
        assert [file.name for file in folder.iterdir()] == ["dockyard.key"]
        assert keys == {(folder / "dockyard.key").read_text()}
        (folder / "dockyard.key").unlink()


def test_a_fork_that_comes_second_takes_the_key_that_is_there(folder, monkeypatch):
    """The other fork is first between the question whether there is a key, and the answer."""
    monkeypatch.setattr(look.Path, "exists", lambda _path: False)
    (folder / "dockyard.key").write_text("00ff", encoding="ascii")
    assert look.digest_key() == "00ff" and len(list(folder.iterdir())) == 1
