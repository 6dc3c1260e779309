# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host import consul_binary
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_binary import (
    ask_versions,
    capabilities,
    capability_text,
    look_at_binaries,
    version,
)

BIND = 1 << 10
RAW = 1 << 13


def attribute(permitted, inheritable=0, effective=False, revision=2):
    words = [permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF, permitted >> 32, inheritable >> 32]
    data = struct.pack("<5I", revision << 24 | effective, *words)
    return data + struct.pack("<I", 1000) if revision == 3 else data


@pytest.mark.parametrize(
    "data, text",
    [
        (attribute(BIND, effective=True), "cap_net_bind_service=ep"),
        (attribute(BIND), "cap_net_bind_service=p"),
        (attribute(BIND, BIND, effective=True), "cap_net_bind_service=eip"),
        (attribute(BIND | RAW, effective=True), "cap_net_bind_service,cap_net_raw=ep"),
        (attribute(BIND, RAW), "cap_net_bind_service=p cap_net_raw=i"),
        (attribute(1 << 40 | 1 << 63, effective=True), "cap_checkpoint_restore,cap_63=ep"),
        (attribute(BIND, effective=True, revision=3), "cap_net_bind_service=ep"),
        (struct.pack("<3I", 1 << 24 | 1, BIND, 0), "cap_net_bind_service=ep"),
        (attribute(0), ""),
    ],
)
def test_capabilities_as_getcap_writes_them(data, text):
    assert capability_text(data) == text


@pytest.mark.parametrize("data", [attribute(BIND, revision=9), attribute(BIND)[:-1]])
def test_capabilities_in_an_unknown_form(data):
    with pytest.raises(ValueError, match="a form that is not known"):
        capability_text(data)


def test_a_file_without_capabilities(tmp_path):
    (tmp_path / "consul").touch()
    assert capabilities(str(tmp_path / "consul")) == ""
    with pytest.raises(FileNotFoundError):
        capabilities(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "output, expected",
    [
        ("Consul v1.8.7\nProtocol 2 spoken by default\n", "1.8.7"),
        ("Consul v1.21.4+ent\nRevision 1\n", "1.21.4+ent"),
    ],
)
def test_the_version(output, expected):
    assert version(output) == expected


def program(tmp_path, name, script):
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_programs_on_the_disk(tmp_path, monkeypatch):
    good = program(tmp_path, "consul", 'echo "Consul v1.8.7 $1"')
    bad = program(tmp_path, "other", "echo no program of ours")
    hangs = program(tmp_path, "hangs", "exec sleep 60")
    plain = tmp_path / "plain"
    plain.touch()
    monkeypatch.setattr(consul_binary.os, "getxattr", lambda path, name: attribute(BIND, effective=True))
    seen = look_at_binaries(ask_versions([good, bad, hangs, str(plain), str(tmp_path / "none"), good], 1))
    assert seen[good] == {"error": None, "version": "1.8.7", "capabilities": "cap_net_bind_service=ep"}
    assert "not in what it prints: 'no program of ours" in seen[bad]["error"] and seen[bad]["version"] is None
    assert "no result within 1 s" in seen[hangs]["error"]
    assert "Permission denied" in seen[str(plain)]["error"]
    assert seen.keys() == {good, bad, hangs, str(plain)}
