# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.json_files import look_at_json_files
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import digest


@pytest.fixture
def looked(tmp_path):
    file = tmp_path / "daemon.json"

    def look(text=None, record=None, key=b"key"):
        if text is not None:
            file.write_text(text)
        record_file = tmp_path / "merged.json"
        record_file.write_text(record if isinstance(record, str) else json.dumps({str(file): record or {}}))
        return look_at_json_files([str(file)], key, str(record_file))[str(file)]

    look.file = file
    return look


def test_a_file_that_is_not_there(looked):
    assert looked() == {"error": None, "settings": {}, "changed": {}}


def test_values_are_not_returned(looked):
    record = {"placed": {"/b/c": digest([1]), "/d": digest("former")}, "changed": {"/b/c": 5}}
    found = looked('{"a": "secret", "b": {"c": [1]}, "d": "now"}', record)
    assert found["settings"] == {
        "/a": {"digest": keyed(b"key", b'"secret"'), "placed": False},
        "/b/c": {"digest": keyed(b"key", b"[1]"), "placed": True},
        "/d": {"digest": keyed(b"key", b'"now"'), "placed": False},
    }
    assert found["changed"] == {"/b/c": 5} and "secret" not in str(found)
    assert looked(record=record, key=b"")["settings"]["/b/c"] == {"digest": None, "placed": True}


@pytest.mark.parametrize("record", ["", "[]", "{"])
def test_without_a_record_nothing_is_ours(looked, record):
    assert not looked('{"a": 1}', record)["settings"]["/a"]["placed"]


def test_files_that_cannot_be_read(looked, tmp_path):
    assert looked('{"a": secret}')["error"] == "is not JSON (line 1, column 7: Expecting value)"
    looked.file.unlink()
    looked.file.mkdir()
    assert looked()["error"] == "cannot be read (Is a directory)"
    looked.file.rmdir()
    looked.file.symlink_to(tmp_path / "other")
    assert looked()["error"] == f"is a link to {tmp_path}/other"
