# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import itertools
import os
import re
import stat
import uuid
from pathlib import Path

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import SecretError, make, missing, read
from races import race

DOCS = Path(__file__).parents[4] / "docs/production.md"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "site" / "secrets"


@pytest.fixture
def kept(folder):
    """A folder with one file, to be given content and mode."""
    folder.mkdir(parents=True, mode=0o700)

    def keep(content, file_mode=0o600):
        file = folder / "kept"
        file.write_bytes(content)
        file.chmod(file_mode)
        return file

    return keep


def test_gossip_key(folder):
    assert make(folder, {"gossip.key": "gossip_key"}) == ["gossip.key"]
    assert len(base64.b64decode(read(folder, "gossip.key", "gossip_key"), validate=True)) == 32


def test_uuid(folder):
    make(folder, {"token": "uuid"})
    assert uuid.UUID(read(folder, "token", "uuid")).version == 4


def test_password(folder):
    make(folder, {"redis": "password"})
    assert re.fullmatch("[A-Za-z0-9]{32}", read(folder, "redis", "password"))


def test_a_secret_is_made_once(folder):
    wanted = {"one": "password", "two": "password"}
    assert make(folder, wanted) == ["one", "two"]
    values = [read(folder, name, "password") for name in wanted]
    assert values[0] != values[1]
    assert make(folder, wanted) == []
    assert [read(folder, name, "password") for name in wanted] == values
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]


def test_only_what_is_missing_is_named(folder):
    assert missing(folder, {"one": "uuid", "a/two": "password"}) == ["one", "a/two"]
    assert not folder.parent.exists(), "it only looks"
    make(folder, {"one": "uuid"})
    assert missing(folder, {"one": "uuid", "a/two": "password"}) == ["a/two"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_read(folder, umask):
    before = os.umask(umask)
    try:
        make(folder, {"node/dc1/web1": "password"})
    finally:
        os.umask(before)
    assert [mode(path) for path in (folder, folder / "node", folder / "node/dc1")] == [0o700] * 3
    assert mode(folder / "node/dc1/web1") == 0o600


def make_and_read(folder):
    return make(folder, {"node/shared": "uuid"}), read(folder, "node/shared", "uuid")


def test_eight_processes_get_one_value(tmp_path):
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        results = race(make_and_read, folder)
        assert {value for _made, value in results} == {(folder / "node/shared").read_text().strip()}
        assert sorted(made for made, _value in results) == [[]] * 7 + [["node/shared"]], "one process made it"
        assert os.listdir(folder / "node") == ["shared"]


def test_an_interrupted_write_leaves_nothing_under_the_name(folder, monkeypatch):
    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(site_secrets.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(folder, {"redis": "password"})
    assert list(folder.iterdir()) == []


def test_an_interrupted_replacement_leaves_the_old_content(kept, folder, monkeypatch):
    file = kept(b"old\n")

    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(site_secrets.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        site_secrets.replace(folder, "kept", "new\n")
    assert os.listdir(folder) == ["kept"] and file.read_bytes() == b"old\n"


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../../out", "a//b", "a/", ".", "", "a/./b", "a\0b", None, 7]
)
@pytest.mark.parametrize("use", [missing, make])
def test_names_that_lead_elsewhere(folder, name, use):
    with pytest.raises(SecretError, match="is not a valid name of a secret"):
        use(folder, {name: "uuid"})
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("gossip_key", base64.b64encode(b"k" * 16) + b"\n"),
        ("gossip_key", base64.b64encode(b"k" * 24)),
        ("uuid", b"8ca9b1b9-1c6b-4e0e-b0a1-2f7d1d0c7c1e\r\n"),
        ("password", b"passw0rd-with+signs"),
    ],
)
def test_a_secret_made_elsewhere_is_used(folder, kept, kind, content):
    kept(content)
    assert missing(folder, {"kept": kind}) == []
    assert read(folder, "kept", kind) == content.decode().strip()


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("password", b"", "secrets/kept is empty. It must hold 8 or more printable ASCII characters"),
        ("password", b"\n", "secrets/kept is empty"),
        ("password", b"two words", "has the wrong content. It must hold 8 or more"),
        ("password", b"two\nlines", "without spaces, quotation marks"),
        ("password", b'quotation"mark', "without spaces, quotation marks"),
        ("password", "pässwörd".encode(), "printable ASCII"),
        ("password", b"\xff\xfe", "has the wrong content"),
        ("uuid", b"not-a-uuid", "a UUID in lower-case letters"),
        ("gossip_key", base64.b64encode(b"k" * 20), "16, 24 or 32 bytes in base64"),
        ("gossip_key", b"no base64 at all!", "16, 24 or 32 bytes in base64"),
    ],
)
def test_content_that_does_not_fit(folder, kept, kind, content, message):
    file = kept(content)
    with pytest.raises(SecretError, match=message) as error:
        missing(folder, {"kept": kind})
    assert file.read_bytes() == content
    assert not content.strip() or content.decode(errors="replace") not in str(error.value)


@pytest.mark.parametrize("file_mode", [0o640, 0o604, 0o660])
def test_a_file_open_to_others(folder, kept, file_mode):
    file = kept(b"secret", file_mode)
    with pytest.raises(SecretError, match=f"kept is open to other users .mode {file_mode:04o}.*chmod 600 .*kept"):
        read(folder, "kept", "password")
    assert mode(file) == file_mode


def test_a_folder_open_to_others(folder):
    folder.mkdir(parents=True, mode=0o755)
    with pytest.raises(SecretError, match="secrets is open to other users .*chmod 700"):
        missing(folder, {"redis": "password"})


def test_every_problem_is_reported(folder, kept):
    kept(b"")
    (folder / "node").mkdir(mode=0o750)
    wanted = {"kept": "uuid", "node/a": "uuid", "node/b": "uuid", "new": "uuid"}
    with pytest.raises(SecretError) as error:
        missing(folder, wanted)
    first, second = str(error.value).split("\n")
    assert first.startswith(f"{folder}/kept is empty.") and second.startswith(f"{folder}/node is open to other users")


def test_a_folder_in_place_of_the_file(folder):
    make(folder, {"node/web1": "uuid"})
    with pytest.raises(SecretError, match="secrets/node: Is a directory"):
        read(folder, "node", "uuid")


def test_a_file_in_place_of_the_folder(folder):
    make(folder, {"node": "uuid"})
    with pytest.raises(SecretError, match="secrets/node"):
        missing(folder, {"node/web1": "uuid"})


@pytest.mark.parametrize("directory", ["secrets", "~/secrets", ""])
def test_a_relative_folder_is_refused(directory):
    with pytest.raises(SecretError, match="is not an absolute path"):
        site_secrets.checked_folder(directory)


def test_names_of_nodes_and_services_may_be_the_same_and_none_is_reserved():
    names = ["agent", "server", "redis", "dns", "deployer", "management", "release", "service-redis", "ca"]
    paths = [site_secrets.service_token(name) for name in names] + [site_secrets.release_token(name) for name in names]
    for node in names:
        certificates = [site_secrets.node_certificate(node)]
        certificates += [site_secrets.node_service_certificate(node, service) for service in names]
        paths += [f"{one}.{suffix}" for one, suffix in itertools.product(certificates, ("pem", "key"))]
        paths += [site_secrets.node_token(node)] + [site_secrets.node_service_token(node, name) for name in names]
    paths += [file.path for file in site_secrets.FILES.values() if "{" not in file.path]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\0b"])
def test_a_name_that_is_no_file_name(name):
    with pytest.raises(SecretError, match="is not a valid name of a node"):
        site_secrets.node_token(name)


def test_the_kinds_in_the_table_exist():
    assert {file.kind for file in site_secrets.FILES.values()} - {""} <= set(site_secrets.KINDS)


def test_the_documentation_has_the_same_table():
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = [
        row for row in rows if row[0] in ("ca.pem", "ca.key") or row[0].startswith(("operator/", "node/", "service/"))
    ]
    ours = [(re.sub(r"{(\w+)}", r"<\1>", file.path), file.meaning) for file in site_secrets.FILES.values()]
    assert documented == ours
