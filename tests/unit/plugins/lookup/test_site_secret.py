# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import multiprocessing
import os
import re
import stat
import uuid

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.dockyard.consul.plugins.lookup import site_secret

CHECK_MODE = {"ansible_check_mode": True}

# What Ansible's plugin loader does before it hands out a plugin.
OPTIONS = yaml.safe_load(site_secret.DOCUMENTATION)["options"]
constants.config.initialize_plugin_configuration_definitions("lookup", site_secret.__name__, OPTIONS)


def lookup(folder, *names, kind="password", variables=None, basedir="/", **options):
    loader = DataLoader()
    loader.set_basedir(str(basedir))
    plugin = site_secret.LookupModule(loader=loader)
    plugin._load_name = site_secret.__name__
    return plugin.run(list(names), variables or {}, kind=kind, directory=str(folder), **options)


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
    [key] = lookup(folder, "gossip.key", kind="gossip_key")
    assert len(base64.b64decode(key, validate=True)) == 32


def test_uuid(folder):
    [token] = lookup(folder, "token", kind="uuid")
    assert uuid.UUID(token).version == 4


def test_password(folder):
    [password] = lookup(folder, "redis")
    assert re.fullmatch("[A-Za-z0-9]{32}", password)


def test_a_secret_is_made_once(folder):
    first = lookup(folder, "one", "two")
    assert first[0] != first[1]
    assert lookup(folder, "two", "one") == first[::-1]
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_read(folder, umask):
    before = os.umask(umask)
    try:
        lookup(folder, "tokens/dc1/web1")
    finally:
        os.umask(before)
    assert [mode(path) for path in (folder, folder / "tokens", folder / "tokens/dc1")] == [0o700] * 3
    assert mode(folder / "tokens/dc1/web1") == 0o600


def race(folder, barrier, answers):
    barrier.wait()
    answers.put(lookup(folder, "tokens/shared", kind="uuid")[0])


def test_eight_processes_get_one_value(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        folder, barrier, answers = tmp_path / str(attempt), context.Barrier(8), context.Queue()
        processes = [context.Process(target=race, args=(folder, barrier, answers)) for _process in range(8)]
        for process in processes:
            process.start()
        values = {answers.get(timeout=10) for _process in processes}
        for process in processes:
            process.join()
        assert values == {(folder / "tokens/shared").read_text().strip()}
        assert os.listdir(folder / "tokens") == ["shared"]


def test_an_interrupted_write_leaves_nothing_under_the_name(folder, monkeypatch):
    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(site_secret.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lookup(folder, "redis")
    assert list(folder.iterdir()) == []


def test_check_mode_writes_nothing(folder):
    [throwaway] = lookup(folder, "tokens/web1", kind="uuid", variables=CHECK_MODE)
    assert uuid.UUID(throwaway)
    assert not folder.parent.exists()


def test_check_mode_reads_what_is_there(folder):
    kept = lookup(folder, "redis")
    assert lookup(folder, "redis", variables=CHECK_MODE) == kept


@pytest.mark.parametrize("variables", [{}, CHECK_MODE])
def test_create_false(folder, variables):
    with pytest.raises(AnsibleLookupError, match="secrets/redis is missing, and create=false"):
        lookup(folder, "redis", create=False, variables=variables)
    assert not folder.exists()
    kept = lookup(folder, "redis")
    assert lookup(folder, "redis", create=False, variables=variables) == kept


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../../out", "a//b", "a/", ".", "", "a/./b", "a\0b", None, 7]
)
def test_names_that_lead_elsewhere(folder, name):
    with pytest.raises(AnsibleLookupError, match="is not the name of a secret"):
        lookup(folder, name)
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("gossip_key", base64.b64encode(b"k" * 16) + b"\n"),
        ("gossip_key", base64.b64encode(b"k" * 24)),
        ("uuid", b"8ca9b1b9-1c6b-4e0e-b0a1-2f7d1d0c7c1e\r\n"),
        ("password", "pässwörd-with+signs".encode()),
    ],
)
def test_a_secret_made_elsewhere_is_used(folder, kept, kind, content):
    kept(content)
    assert lookup(folder, "kept", kind=kind) == [content.decode().strip()]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("password", b"", "secrets/kept is empty; put the right value there"),
        ("password", b"\n", "secrets/kept is empty"),
        ("password", b"two words", "one word without white space"),
        ("password", b"two\nlines", "one word without white space"),
        ("password", b"\xff\xfe", "does not hold what it should"),
        ("uuid", b"not-a-uuid", "a UUID in small letters"),
        ("gossip_key", base64.b64encode(b"k" * 20), "base64 of 16, 24 or 32 bytes"),
        ("gossip_key", b"no base64 at all!", "base64 of 16, 24 or 32 bytes"),
    ],
)
@pytest.mark.parametrize("variables", [{}, CHECK_MODE])
def test_content_that_does_not_fit(folder, kept, kind, content, message, variables):
    file = kept(content)
    with pytest.raises(AnsibleLookupError, match=message) as error:
        lookup(folder, "kept", kind=kind, variables=variables)
    assert file.read_bytes() == content
    assert not content.strip() or content.decode(errors="replace") not in str(error.value)


@pytest.mark.parametrize("file_mode", [0o640, 0o604, 0o660])
def test_a_file_open_to_others(folder, kept, file_mode):
    file = kept(b"secret", file_mode)
    with pytest.raises(AnsibleLookupError, match=f"kept is open to others .*mode {file_mode:04o}.*chmod 600 .*kept"):
        lookup(folder, "kept")
    assert mode(file) == file_mode


def test_a_folder_open_to_others(folder):
    folder.mkdir(parents=True, mode=0o755)
    with pytest.raises(AnsibleLookupError, match="secrets is open to others .*chmod 700"):
        lookup(folder, "redis")


def test_a_folder_in_place_of_the_file(folder):
    lookup(folder, "tokens/web1")
    with pytest.raises(AnsibleLookupError, match="secrets/tokens: Is a directory"):
        lookup(folder, "tokens")


def test_a_file_in_place_of_the_folder(folder):
    lookup(folder, "tokens")
    with pytest.raises(AnsibleLookupError, match="secrets/tokens"):
        lookup(folder, "tokens/web1")


@pytest.mark.parametrize("folder", ["secrets", "~/secrets"])
def test_a_folder_that_means_another_one_in_each_play_is_refused(tmp_path, folder):
    with pytest.raises(AnsibleLookupError, match="by its whole path"):
        lookup(folder, "redis", basedir=tmp_path)
    assert not (tmp_path / "secrets").exists()
