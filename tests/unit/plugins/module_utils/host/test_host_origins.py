# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.origins import look_at_origins


def test_where_files_come_from(tmp_path):
    files = {name: str(tmp_path / name) for name in ("placed", "edited", "package", "modified", "other", "gone")}
    for name in files:
        if name != "gone":
            (tmp_path / name).write_text(name)
    digests = {files["placed"]: hashlib.sha256(b"placed").hexdigest(), files["edited"]: "0", files["gone"]: "0"}
    (tmp_path / "record").write_text(json.dumps(digests))
    md5s = {files["package"]: hashlib.md5(b"package").hexdigest(), files["modified"]: "0"}
    assert look_at_origins(files.values(), md5s, str(tmp_path / "record")) == {
        files["placed"]: "placed",
        files["package"]: "package",
    }


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_a_host_without_a_record(tmp_path, text):
    if text is not None:
        (tmp_path / "record").write_text(text)
    assert look_at_origins([str(tmp_path)], {}, str(tmp_path / "record")) == {}
