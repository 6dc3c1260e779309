# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import placed_files
from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import Places, place
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry, PlacingError

USERS = '{\n  "bip": "172.31.7.1/24",\n  "http-proxy": "http://user:password@proxy",\n  "log-opts": {"max-size": "50m"}\n}\n'


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(placed_files, "conffile_sums", lambda paths: {})
    return Places(str(tmp_path / "root"))


@pytest.fixture
def daemon(tmp_path):
    file = tmp_path / "daemon.json"
    file.write_text(USERS)
    file.chmod(0o600)
    return file


def merging(file, json=(), defaults=(), **attributes):
    attributes = {"owner": None, "group": None, "mode": None, **attributes}
    return Entry(
        str(file), "file", content=None, merge={"json": dict(json), "json_defaults": dict(defaults)}, **attributes
    )


def settings(file):
    return json.loads(file.read_text())


def test_merge(daemon, places):
    before = time.time_ns() // 1000
    result = place(
        [merging(daemon, {"dns": ["10.0.0.1"]}, {"log-opts": {"max-size": "10m", "max-file": "3"}})], places=places
    )
    assert result["merged"] == {str(daemon): ["/dns", "/log-opts/max-file"]}
    assert settings(daemon) == {
        **json.loads(USERS),
        "log-opts": {"max-size": "50m", "max-file": "3"},
        "dns": ["10.0.0.1"],
    }
    assert stat.S_IMODE(daemon.stat().st_mode) == 0o600
    assert Path(result["backups"][str(daemon)]).read_text() == USERS
    (diff,) = result["diff"]
    assert diff["before"].splitlines() == ["/log-opts/max-size: (stays as it is on the host)", "(2 other settings)"]
    assert diff["after"].splitlines() == [
        "/log-opts/max-size: (stays as it is on the host)",
        "(2 other settings)",
        '/dns: ["10.0.0.1"]',
        '/log-opts/max-file: "3"',
    ]
    record = places.merged.read()[str(daemon)]
    assert record["placed"].keys() == record["changed"].keys() == {"/dns", "/log-opts/max-file"}
    assert all(at >= max(before, daemon.stat().st_mtime_ns // 1000) for at in record["changed"].values())


def test_a_second_run_changes_nothing_and_a_third_has_no_backup(daemon, places):
    place([merging(daemon, {"dns": ["10.0.0.1"]})], places=places)
    text, record = daemon.read_text(), places.merged.read()
    result = place([merging(daemon, {"dns": ["10.0.0.1"]})], places=places)
    assert (result["changed"], result["merged"], daemon.read_text()) == (False, {}, text)
    assert places.merged.read() == record
    result = place([merging(daemon, {})], places=places)
    assert result["merged"] == {str(daemon): ["/dns"]} and result["backups"] == {}
    assert settings(daemon) == json.loads(USERS)
    assert result["diff"][0]["before"].splitlines()[-1] == '/dns: ["10.0.0.1"]'
    assert places.merged.read()[str(daemon)]["placed"] == {}


def test_a_file_that_the_user_has_changed_since_is_backed_up_again(daemon, places):
    place([merging(daemon, {"a": 1})], places=places)
    daemon.write_text(json.dumps({**settings(daemon), "labels": ["theirs"]}))
    result = place([merging(daemon, {"a": 2})], places=places)
    assert result["backups"] and settings(daemon)["labels"] == ["theirs"] and settings(daemon)["a"] == 2


def test_where_nothing_changes_the_file_stays_the_users(daemon, places):
    daemon.write_text('{"a":1}')
    assert not place([merging(daemon, {"a": 1})], places=places)["changed"]
    assert daemon.read_text() == '{"a":1}' and places.record.read() == {} == places.merged.read()
    assert place([merging(daemon, {"a": 2})], places=places)["backups"]


def test_the_old_value_of_the_user_is_not_in_the_diff(daemon, places):
    result = place([merging(daemon, {"http-proxy": "http://new"})], None, True, places)
    assert "password" not in str(result["diff"]) and "http://new" in result["diff"][0]["after"]
    assert "/http-proxy: (hidden)" in result["diff"][0]["before"]
    result = place([merging(daemon, {"http-proxy": "http://new"}, secret=True)], None, True, places)
    assert "http://new" not in str(result["diff"]) and daemon.read_text() == USERS


def test_a_new_file(tmp_path, places):
    owner, group = user_name(os.geteuid()), group_name(os.getegid())
    result = place([merging(tmp_path / "new.json", {"a": 1}, owner=owner, group=group)], places=places)
    assert result["changed"] and result["backups"] == {}
    assert (tmp_path / "new.json").read_text() == '{\n    "a": 1\n}\n'
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o644


def test_the_mode_that_is_listed(daemon, places):
    result = place([merging(daemon, {}, mode=0o640)], places=places)
    assert result["changed"] and result["merged"] == {} and daemon.read_text() == USERS
    assert stat.S_IMODE(daemon.stat().st_mode) == 0o640 and places.record.read() == {}


def test_the_merged_file_is_judged(daemon, places):
    command = "sh -c 'grep -q 172.31.7.1 %s{0} && grep dns %s{0} && exit 1'".replace("{0}", str(daemon))
    with pytest.raises(PlacingError, match='"dns"'):
        place([merging(daemon, {"dns": []})], command, places=places)
    assert daemon.read_text() == USERS and places.merged.read() == {}


@pytest.mark.parametrize("text", ["[]", '{"a": 1,}', '{"a": 1, "a": 1}'])
def test_a_file_that_cannot_be_merged_into(daemon, places, text):
    daemon.write_text(text)
    for check_mode in (True, False):
        with pytest.raises(PlacingError, match="Correct that first"):
            place([merging(daemon, {"a": 2})], None, check_mode, places)
    assert daemon.read_text() == text


def test_a_link_is_not_merged_into(daemon, tmp_path, places):
    (tmp_path / "link").symlink_to(daemon)
    with pytest.raises(PlacingError, match="is no file but a link"):
        place([merging(tmp_path / "link", {"a": 2})], places=places)


def test_a_file_that_is_removed_is_not_recorded_any_more(daemon, places):
    place([merging(daemon, {"a": 1})], places=places)
    place([Entry(str(daemon), "absent", "root", "root", 0)], places=places)
    assert places.merged.read() == {} == places.record.read()
