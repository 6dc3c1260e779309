# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import placed_files, placing_former
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import Places, place
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry
from ansible_collections.dockyard.consul.plugins.module_utils.placing_former import matching
from ansible_collections.dockyard.consul.plugins.module_utils.removed_files import remove_placed
from placing_sets import GROUP, OWNER, absent, directory, file, snapshot


@pytest.fixture
def places(tmp_path):
    return Places(str(tmp_path / "root"))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(placed_files, "conffile_sums", lambda paths: {})
    host = tmp_path / "host"
    host.mkdir()
    (host / "theirs.conf").write_text("theirs\n")
    (host / "theirs.conf").chmod(0o640)
    (host / "link.conf").symlink_to("theirs.conf")
    (host / "in_the_way.conf").write_text("in the way\n")
    return host


def contents(host):
    """What is there, without times."""
    return {path: what[:4] for path, what in snapshot(host).items()}


def placed(host, places):
    return place(
        [
            file(host / "theirs.conf", "ours\n"),
            file(host / "link.conf", "ours\n"),
            file(host / "ours.conf", "ours\n"),
            absent(host / "in_the_way.conf"),
            directory(host / "sub"),
            file(host / "sub/ours.conf", "ours\n"),
        ],
        places=places,
    )


def removed(host, places, *more, **options):
    patterns = [f"{host}/*", f"{host}/sub/*", *more]
    return remove_placed(patterns, folders=[f"{host}/su?", str(host)], places=places, **options)


def test_the_host_is_as_it_was(host, places):
    before = contents(host)
    placed(host, places)
    placed(host, places)
    rehearsed = removed(host, places, check_mode=True)
    assert (host / "ours.conf").exists()
    result = removed(host, places)
    assert contents(host) == before
    assert rehearsed == result
    assert result["removed"] == [str(host / name) for name in ("ours.conf", "sub", "sub/ours.conf")]
    assert result["restored"] == [str(host / name) for name in ("in_the_way.conf", "link.conf", "theirs.conf")]
    assert result["kept"] == [] and result["changed"]


def test_a_second_time_changes_nothing(host, places):
    placed(host, places)
    removed(host, places)
    before = snapshot(host)
    result = removed(host, places)
    assert not result["changed"] and not result["removed"] and not result["restored"]
    assert snapshot(host) == before


def test_placed_again_and_removed_again(host, places):
    before = contents(host)
    placed(host, places)
    removed(host, places)
    (host / "theirs.conf").write_text("theirs, newer\n")
    placed(host, places)
    removed(host, places)
    assert (host / "theirs.conf").read_text() == "theirs, newer\n"
    assert contents(host).keys() == before.keys()


def test_what_somebody_has_changed_since_stays(host, places):
    placed(host, places)
    (host / "ours.conf").write_text("ours, changed\n")
    (host / "sub/ours.conf").unlink()
    result = removed(host, places)
    assert result["kept"] == [str(host / "ours.conf")]
    assert (host / "ours.conf").read_text() == "ours, changed\n"
    assert not (host / "sub").exists()


def test_a_changed_file_that_was_placed_again_goes_back_to_the_first(host, places):
    placed(host, places)
    (host / "theirs.conf").write_text("ours, changed\n")
    placed(host, places)
    removed(host, places)
    assert (host / "theirs.conf").read_text() == "theirs\n"


def test_only_what_matches(host, places):
    placed(host, places)
    result = remove_placed([str(host / "sub/*")], places=places)
    assert result["removed"] == [str(host / "sub/ours.conf")]
    assert (host / "ours.conf").exists() and (host / "sub").is_dir()


def test_a_folder_that_holds_something_of_others_stays(host, places):
    placed(host, places)
    (host / "sub/theirs").touch()
    removed(host, places)
    assert os.listdir(host / "sub") == ["theirs"]


def test_a_folder_that_gets_its_only_file_back_stays(host, places):
    (host / "sub").mkdir()
    (host / "sub/theirs.conf").write_text("theirs\n")
    before = contents(host)
    place([absent(host / "sub/theirs.conf")], places=places)
    result = remove_placed([], put_back=[f"{host}/sub/*"], folders=[f"{host}/sub"], places=places)
    assert contents(host) == before
    assert result["removed"] == [] and result["restored"] == [str(host / "sub/theirs.conf")]


def test_a_folder_that_somebody_has_removed_comes_back_with_its_files(host, places):
    """As after systemctl revert, which removes the folder of the drop-ins."""
    (host / "sub/deep").mkdir(parents=True)
    (host / "sub/theirs.conf").write_text("theirs\n")
    (host / "sub/deep/link.conf").symlink_to("theirs.conf")
    before = contents(host)
    place([absent(host / "sub/theirs.conf"), absent(host / "sub/deep/link.conf")], places=places)
    (host / "sub/deep").rmdir()
    (host / "sub").rmdir()
    patterns = [f"{host}/sub/*", f"{host}/sub/deep/*"]
    rehearsed = remove_placed([], patterns, [f"{host}/sub"], places=places, check_mode=True)
    assert not (host / "sub").exists()
    result = remove_placed([], patterns, [f"{host}/sub"], places=places)
    assert contents(host) == before
    assert result["restored"] == rehearsed["restored"] == [f"{host}/sub/deep/link.conf", f"{host}/sub/theirs.conf"]
    assert not remove_placed([], patterns, [f"{host}/sub"], places=places)["changed"]


def interrupted(*_paths):
    raise KeyboardInterrupt


def test_a_run_that_was_cut_short_is_taken_up(host, places, monkeypatch):
    before = contents(host)
    placed(host, places)
    with monkeypatch.context() as broken:
        broken.setattr("os.symlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            removed(host, places)
    assert (host / "theirs.conf").read_text() == "theirs\n"
    assert not (host / "link.conf").exists()
    result = removed(host, places)
    assert contents(host) == before
    assert result["kept"] == []


def test_a_run_that_was_killed_is_undone_first(host, places, monkeypatch):
    """So that nothing which it had removed is forgotten."""
    before = contents(host)
    placed(host, places)
    with monkeypatch.context() as broken:
        broken.setattr(placed_files, "_update_records", lambda *_arguments: os._exit(7))
        pid = os.fork()
        if not pid:
            removed(host, places)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert not (host / "ours.conf").exists()
    result = removed(host, places)
    assert str(host / "ours.conf") in result["recovered"] and str(host / "ours.conf") in result["removed"]
    assert contents(host) == before
    assert places.record.read() == {}


@pytest.mark.parametrize("lost", ["backup", "note"])
def test_a_file_stays_if_it_is_not_known_what_was_there(host, places, lost):
    placed(host, places)
    if lost == "note":
        places.former.remove()
    else:
        os.unlink(places.former.read()[str(host / "theirs.conf")])
    result = removed(host, places)
    assert str(host / "theirs.conf") in result["kept"]
    assert (host / "theirs.conf").read_text() == "ours\n"
    assert str(host / "theirs.conf") in places.record.read()


def test_a_note_of_a_change_that_was_undone_is_replaced(host, places):
    places.former.write({str(host / "theirs.conf"): str(host / "no-such-backup")})
    placed(host, places)
    removed(host, places)
    assert (host / "theirs.conf").read_text() == "theirs\n"


def test_what_is_only_put_back(host, places):
    placed(host, places)
    result = remove_placed([], [f"{host}/*"], places=places)
    assert result["restored"] == [str(host / "in_the_way.conf")] and result["removed"] == []
    assert (host / "ours.conf").read_text() == (host / "theirs.conf").read_text() == "ours\n"
    assert str(host / "ours.conf") in places.record.read()


def test_what_a_program_wrote_last_comes_back(host, places, monkeypatch):
    monkeypatch.setattr(placing_former, "WRITTEN_BY_PROGRAMS", (str(host / "theirs.conf"),))
    placed(host, places)
    (host / "theirs.conf").write_text("theirs, of the next network\n")
    placed(host, places)
    removed(host, places)
    assert (host / "theirs.conf").read_text() == "theirs, of the next network\n"


def test_settings_are_taken_out_of_a_file_of_others(host, places):
    path = host / "daemon.json"
    path.write_text('{\n  "bip": "192.0.2.1/24"\n}\n')
    place([merged(path)], places=places)
    assert json.loads(path.read_text())["live-restore"]
    path.write_text(path.read_text().replace("}", ', "theirs": 1}', 1))
    result = removed(host, places)
    assert json.loads(path.read_text()) == {"bip": "192.0.2.1/24", "theirs": 1}
    assert result["merged"] == [str(path)]


def test_a_file_that_held_our_settings_alone_is_removed(host, places):
    place([merged(host / "daemon.json")], places=places)
    removed(host, places)
    assert not (host / "daemon.json").exists()


def merged(path):
    settings = {"json": {"live-restore": True}, "json_defaults": {}}
    return Entry(str(path), "file", OWNER, GROUP, 0o644, merge=settings)


def test_patterns_stop_at_a_slash():
    paths = ["/etc/a", "/etc/b/c", "/etc/.hidden"]
    assert matching(paths, ["/etc/*"]) == ["/etc/.hidden", "/etc/a"]
    assert matching(paths, ["/etc/b/?"]) == ["/etc/b/c"]
    assert matching(paths, []) == []
