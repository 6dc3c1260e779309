# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import hmac
import os

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.host import paths
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import expand, look_at_paths
from ansible_collections.dockyard.consul.plugins.plugin_utils import look

KEY = bytes(range(32))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a.d").mkdir(0o750)
    (tmp_path / "a.d" / "one.json").write_text("secret")
    (tmp_path / "a.d" / ".hidden").write_text("")
    (tmp_path / "a.d" / "deeper").mkdir()
    (tmp_path / "a.d" / "deeper" / "far").touch()
    return str(tmp_path)


def test_a_file(root):
    path = f"{root}/a.d/one.json"
    os.chmod(path, 0o4640)
    os.utime(path, ns=(0, 1764170000123456789))
    found, looked_for, errors = look_at_paths([path], KEY)
    status = os.stat(path)
    assert (looked_for, errors) == ([path], {})
    assert found == {
        path: {
            "type": "file",
            "size": 6,
            "digest": hmac.new(KEY, b"secret", hashlib.sha256).hexdigest(),
            "mode": "4640",
            "owner": user_name(status.st_uid),
            "group": group_name(status.st_gid),
            "mtime": 1764170000123456,
        }
    }
    assert "secret" not in str(found)


def test_the_digest_is_that_of_the_controller(root, monkeypatch):
    monkeypatch.setattr(look, "digest_key", KEY.hex)
    found, _looked_for, _errors = look_at_paths([f"{root}/a.d/*"], KEY)
    assert found[f"{root}/a.d/one.json"]["digest"] == look.digest(b"secret")


def test_no_digest_without_a_key_or_of_a_large_file(root, monkeypatch):
    path = f"{root}/a.d/one.json"
    assert look_at_paths([path])[0][path]["digest"] is None
    monkeypatch.setattr(paths, "LARGEST_DIGESTED", 5)
    assert look_at_paths([path], KEY)[0][path]["digest"] is None


def test_a_folder_and_other_kinds(root):
    os.symlink("one.json", f"{root}/a.d/link")
    os.symlink("nowhere", f"{root}/a.d/dangling")
    os.mkfifo(f"{root}/a.d/fifo")
    os.utime(f"{root}/a.d/one.json", (5000000000, 5000000000))
    found, _looked_for, _errors = look_at_paths([f"{root}/a.d", f"{root}/a.d/*"], KEY)
    assert found[f"{root}/a.d"]["type"] == "directory" and found[f"{root}/a.d"]["mode"] == "0750"
    link = found[f"{root}/a.d/link"]
    # The target is newer than the link: whoever reads the link has to read it again.
    assert (link["type"], link["target"], link["mtime"]) == ("link", "one.json", 5000000000 * 1000000)
    assert "folder" not in link
    os.symlink("a.d", f"{root}/to-folder")
    folder = look_at_paths([f"{root}/to-folder"])[0][f"{root}/to-folder"]["folder"]
    assert folder == {name: found[f"{root}/a.d"][name] for name in ("mode", "owner", "group")}
    assert found[f"{root}/a.d/dangling"]["target"] == "nowhere"
    assert found[f"{root}/a.d/fifo"]["type"] == "other"


def test_a_path_that_matches_and_was_not_found_does_not_exist(root):
    """Whatever look.matches takes for a match must have been found if it is there."""
    patterns = [f"{root}/a.d/*", f"{root}/?.d", f"{root}/none/*", f"{root}/a.d/one.json/*", f"{root}/a.d/x"]
    found, looked_for, errors = look_at_paths(patterns, KEY)
    assert (looked_for, errors) == (patterns, {})
    there = [f"{root}/a.d", f"{root}/a.d/.hidden", f"{root}/a.d/deeper", f"{root}/a.d/one.json"]
    assert sorted(found) == there
    every = [os.path.join(folder, name) for folder, folders, files in os.walk(root) for name in folders + files]
    assert sorted(path for path in every if any(look.matches(path, pattern) for pattern in patterns)) == there


def test_patterns(root):
    assert expand(f"{root}/*/*.json") == [f"{root}/a.d/one.json"]
    assert expand("/etc/[::1]:5000/*") == []
    assert look_at_paths(["/", "/tmp/"])[1] == ["/", "/tmp"]
    assert look_at_paths(["/"])[0]["/"]["type"] == "directory"


def test_a_name_that_is_not_text_is_left_out(root):
    open(os.fsencode(f"{root}/a.d/") + b"\xff", "w").close()
    assert all(name.isascii() for name in look_at_paths([f"{root}/a.d/*"])[0])


def test_what_could_not_be_looked_for_is_not_said_to_be_absent(root, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    found, looked_for, errors = look_at_paths([f"{root}/a.d/*", f"{root}/a.d"], KEY)
    assert looked_for == [f"{root}/a.d"] and list(found) == looked_for
    assert "Permission denied" in errors[f"{root}/a.d/*"]


def test_a_file_that_cannot_be_read_has_no_digest(root, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(paths, "open", refuse, raising=False)
    path = f"{root}/a.d/one.json"
    assert look_at_paths([path], KEY)[0][path]["digest"] is None
