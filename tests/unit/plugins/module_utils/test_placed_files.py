# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils import placed_files
from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.conffiles import conffiles, owners
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import (
    Places,
    last_lines,
    place,
    secret_lines,
)
from ansible_collections.dockyard.consul.plugins.module_utils.placing import (
    Entry,
    PlacingError,
    find,
    sha256,
)

OWNER, GROUP = user_name(os.geteuid()), group_name(os.getegid())


@pytest.fixture
def places(tmp_path):
    return Places(str(tmp_path / "root"))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(placed_files, "conffile_sums", lambda paths: {})
    host = tmp_path / "host"
    host.mkdir()
    for number in range(3):
        (host / f"{number}.conf").write_text(f"old {number}\n")
        os.utime(host / f"{number}.conf", (10**9, 10**9))
    os.utime(host, (10**9, 10**9))
    return host


def file(path, content="new\n", mode=0o644, secret=False, owner=OWNER):
    content = content if isinstance(content, bytes) else content.encode()
    return Entry(str(path), "file", owner, GROUP, mode, content, secret)


def five(host):
    return [file(host / f"{number}.conf", f"new {number}\n") for number in range(5)]


def snapshot(folder):
    return {path: (find(str(path)), path.stat().st_mtime_ns) for path in [folder, *sorted(folder.rglob("*"))]}


def sh(script, *words):
    return shlex.join(["sh", "-c", script, "sh", *words])


# Validation


def test_the_whole_set_is_staged_before_anything_is_placed(host, places):
    script = f'stat -c %a "$1"; cat "$1{host}"/[0-4].conf; stat -c %a "$1{host}/0.conf"; cat {host}/0.conf; exit 1'
    entries = [*five(host), Entry(str(host / "deep"), "directory", OWNER, GROUP, 0o750)]
    with pytest.raises(PlacingError) as error:
        place(entries, sh(script, "%s"), places=places)
    shown = ["700", "new 0", "new 1", "new 2", "new 3", "new 4", "644", "old 0"]
    assert str(error.value).splitlines()[1:] == shown
    assert os.listdir(places.run) == ["files.lock"]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_refused_set_leaves_every_old_file(host, places, in_place):
    before = snapshot(host)
    command = sh("echo bad line; exit 3", *([] if in_place else ["%s"]))
    with pytest.raises(PlacingError, match=r"refuses the files \(exit 3\):\nbad line"):
        place(five(host), command, places=places)
    assert snapshot(host) == before
    assert not os.path.exists(places.backups) or not list(Path(places.backups).rglob("*.conf*"))


def test_a_command_without_a_placeholder_judges_the_files_in_their_place(host, places):
    result = place(five(host), sh(f"grep -q 'new 4' {host}/4.conf"), places=places)
    assert result["changed"] and (host / "0.conf").read_text() == "new 0\n"


def test_a_set_that_is_as_wanted_is_not_judged(host, places):
    place(five(host), places=places)
    assert not place(five(host), "false", places=places)["changed"]


def test_a_program_that_is_not_there(host, places):
    before = snapshot(host)
    for command in ("no-such-program %s", "no-such-program"):
        with pytest.raises(PlacingError, match="not installed: no-such-program"):
            place(five(host), command, places=places)
    assert snapshot(host) == before


def test_a_command_that_hangs_is_ended(host, places, monkeypatch):
    monkeypatch.setattr(placed_files, "VALIDATE_SECONDS", 0.2)
    before = snapshot(host)
    with pytest.raises(PlacingError, match="did not end within"):
        place(five(host), "sleep 60", places=places)
    assert snapshot(host) == before


def test_no_secret_in_what_a_command_prints(host, places):
    secret = file(host / "key", "short\n  line-of-a-secret \n", secret=True)
    with pytest.raises(PlacingError) as error:
        place(
            [secret, file(host / "0.conf", "no-secret-here")],
            sh(f'cd "$1{host}" && cat key 0.conf; exit 1', "%s"),
            places=places,
        )
    assert str(error.value).splitlines()[1:] == ["short", "(hidden: part of a secret)", "no-secret-here"]


def test_the_output_is_bounded_and_names_no_staged_path(host, places):
    with pytest.raises(PlacingError) as error:
        place(five(host), sh('seq 50; echo "$1/etc/x:1 is bad" >&2; exit 1', "%s"), places=places)
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 20 and lines[-2:] == ["50", "/etc/x:1 is bad"]


def test_a_command_that_says_nothing():
    assert last_lines(" \n", set()) == "(no output)"


def test_lines_of_secrets():
    entries = [file("/a", "not-a-secret"), file("/b", "1234567\n\n12345678\r\n", secret=True)]
    assert secret_lines(entries) == {"12345678"}


# Check mode


def test_check_mode_changes_nothing_and_says_what_would_change(host, places):
    before = snapshot(host)
    entries = [*five(host), file(host / "not/there/yet", owner="nobody-here")]
    result = place(entries, "no-such-program %s", check_mode=True, places=places)
    assert result["changed_paths"] == sorted(entry.path for entry in entries)
    assert result["diff"][0]["before"].startswith("(content hidden") and result["diff"][0]["after"] == "new 0\n"
    assert snapshot(host) == before
    assert not os.path.exists(places.record.path) and not os.path.exists(places.backups)


def test_check_mode_judges_a_staged_set_only(host, places):
    with pytest.raises(PlacingError, match="refuses"):
        place(five(host), "false %s", check_mode=True, places=places)
    assert place(five(host), "false", check_mode=True, places=places)["changed"]
    unknown = file(host / "0.conf", owner="nobody-here")
    assert place([unknown], "false %s", check_mode=True, places=places)["changed"]


# Backups


def test_a_file_that_was_not_placed_here_is_kept(host, places):
    os.chmod(host / "0.conf", 0o640)
    result = place(five(host), places=places)
    assert sorted(result["backups"]) == [str(host / f"{number}.conf") for number in range(3)]
    backup = result["backups"][str(host / "0.conf")]
    assert backup.startswith(f"{places.backups}{host}/0.conf.20") and backup.endswith("Z")
    assert Path(backup).read_text() == "old 0\n" and stat.S_IMODE(os.stat(backup).st_mode) == 0o640
    folder = Path(backup).parent
    while folder != Path(places.backups).parent:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
        folder = folder.parent


def test_a_file_that_was_placed_here_is_not_kept_until_somebody_changes_it(host, places):
    place([file(host / "new", "1")], places=places)
    assert place([file(host / "new", "2")], places=places)["backups"] == {}
    (host / "new").write_text("by hand")
    result = place([file(host / "new", "3")], places=places)
    assert Path(result["backups"][str(host / "new")]).read_text() == "by hand"


def test_a_file_found_as_wanted_counts_as_placed_here(host, places):
    assert not place([file(host / "0.conf", "old 0\n")], places=places)["changed"]
    assert place([file(host / "0.conf")], places=places)["backups"] == {}


def test_a_removed_file_is_kept_and_forgotten(host, places):
    gone = Entry(str(host / "0.conf"), "absent", OWNER, GROUP, 0)
    assert list(place([gone], places=places)["backups"]) == [gone.path]
    place([file(host / "0.conf", "1")], places=places)
    assert place([gone], places=places)["backups"] == {}
    assert gone.path not in places.record.read()


def test_a_replaced_link_is_kept_as_a_link(host, places):
    (host / "link").symlink_to("0.conf")
    backup = place([file(host / "link")], places=places)["backups"][str(host / "link")]
    assert os.readlink(backup) == "0.conf"


def test_two_backups_within_a_second(host, places, monkeypatch):
    monkeypatch.setattr(placed_files.time, "strftime", lambda *_arguments: "now")
    kept = []
    for number in range(2):
        (host / "0.conf").write_text(f"by hand {number}")
        kept += place([file(host / "0.conf")], places=places)["backups"].values()
    assert [Path(path).read_text() for path in kept] == ["by hand 0", "by hand 1"]


def test_an_unmodified_conffile_is_shown_in_the_diff(host, places, monkeypatch):
    sums = {str(host / "0.conf"): placed_files.md5(b"old 0\n"), str(host / "1.conf"): "0" * 32}
    monkeypatch.setattr(placed_files, "conffile_sums", lambda paths: sums)
    result = place(five(host), places=places)
    assert len(result["backups"]) == 3
    before = {Path(one["before_header"]).name: one["before"] for one in result["diff"]}
    assert before["0.conf"] == "old 0\n"
    assert before["1.conf"] == before["2.conf"] == "(content hidden: the file was not placed by dockyard.consul)\n"


def test_other_attributes_alone_need_no_backup(host, places):
    assert place([file(host / "0.conf", "old 0\n", 0o600)], places=places)["backups"] == {}


def test_a_lost_or_broken_record_costs_a_backup_only(host, places):
    place([file(host / "new", "1")], places=places)
    Path(places.record.path).write_text("{")
    assert place([file(host / "new", "2")], places=places)["backups"]
    assert places.record.read() == {str(host / "new"): sha256(b"2")}


def test_packages_that_own_a_path():
    found = (
        "nginx-common: /etc/nginx/nginx.conf\nlibc6:amd64, libc6:i386: /etc/ld.so.conf.d/x.conf\n"
        "diversion by dash from: /etc/y\nother: /etc/nginx/nginx.conf.d/z\n"
    )
    paths = ["/etc/nginx/nginx.conf", "/etc/ld.so.conf.d/x.conf", "/etc/y"]
    assert owners(found, paths) == ["libc6:amd64", "libc6:i386", "nginx-common"]


def test_conffiles_of_packages():
    assert conffiles("\n /etc/a 0123\n /etc/b 4567 obsolete\n\n /etc/c 89ab remove-on-upgrade\n") == {
        "/etc/a": "0123",
        "/etc/c": "89ab",
    }


# The diff


def described(kind, content):
    return f"({kind}, {len(content)} bytes, sha256 {sha256(content)[:16]})\n"


@pytest.mark.parametrize(
    "old, new, before, after",
    [
        (None, file("new", "x\n"), "", "x\n"),
        (b"a\n", file("new", "x\n"), "a\n", "x\n"),
        (b"a\n", file("new", "x\n", secret=True), "(content hidden)\n", "(content hidden, changed)\n"),
        (None, file("new", "x\n", secret=True), "", "(content hidden)\n"),
        (b"\xff", file("new", "x\n"), described("binary", b"\xff"), "x\n"),
        (b"a\n", file("new", "\0"), "a\n", described("binary", b"\0")),
        (
            b"a\n",
            file("new", "x" * 100_001),
            "a\n",
            described("too large to show", b"x" * 100_001),
        ),
    ],
    ids=["new", "changed", "secret", "new secret", "was binary", "binary", "large"],
)
def test_contents_in_the_diff(host, places, old, new, before, after):
    path = host / "new"
    if old is not None:
        path.write_bytes(old)
        path.chmod(0o644)
        places.record.write({str(path): sha256(old)})
    (diff,) = place([new._replace(path=str(path))], check_mode=True, places=places)["diff"]
    assert (diff["before"], diff["after"], diff["before_header"]) == (before, after, str(path))


def test_the_diff_of_a_file_that_was_not_placed_here_hides_its_content(host, places):
    """Nobody has said whether there is a secret in it, such as the gossip key in a consul.json made by hand."""
    (diff,) = place([file(host / "0.conf", "new 0\n")], check_mode=True, places=places)["diff"]
    assert (
        diff["before"] == "(content hidden: the file was not placed by dockyard.consul)\n"
        and diff["after"] == "new 0\n"
    )


def test_a_failure_says_what_was_put_back_first(host, places):
    place([file(host / "0.conf", "old 0\n")], places=places)
    places.journal.write(
        {
            "done": False,
            "in_place": [],
            "steps": [
                {
                    "path": str(host / "made"),
                    "action": "make",
                    "placed": None,
                    "kind": "absent",
                    "attributes": None,
                }
            ],
        }
    )
    (host / "made").mkdir()
    with pytest.raises(PlacingError) as caught:
        place(five(host), "false %s", places=places)
    assert caught.value.recovered == [str(host / "made")]


def test_attributes_in_the_diff(host, places):
    (host / "0.conf").chmod(0o644)
    had, wanted = (f"owner {OWNER}, group {GROUP}, mode {mode}" for mode in ("0644", "0600"))
    alone, both = place(
        [file(host / "0.conf", "old 0\n", 0o600), file(host / "1.conf", mode=0o600)], check_mode=True, places=places
    )["diff"][::-1]
    assert (alone["before"], alone["after"]) == (had + "\n", wanted + "\n")
    assert (both["before_header"], both["after_header"]) == (f"{host}/1.conf ({had})", f"{host}/1.conf ({wanted})")


def test_no_content_of_a_removed_file_in_the_diff(host, places):
    (diff,) = place([Entry(str(host / "0.conf"), "absent", OWNER, GROUP, 0)], check_mode=True, places=places)["diff"]
    assert diff["before"].startswith("(file, owner ") and diff["after"] == ""


# Interrupted runs


def test_what_a_killed_run_staged_is_removed(host, places):
    place([file(host / "new")], places=places)
    Path(places.run, "staged.old/etc").mkdir(parents=True)
    place([file(host / "new")], places=places)
    assert os.listdir(places.run) == ["files.lock"]


@pytest.fixture
def stopped(host, places):
    """Place five files in another process, and stop it by a signal while a command judges them in their place."""

    def stop(number):
        program = (
            "import sys; from ansible_collections.dockyard.consul.plugins.module_utils import placed_files, placing\n"
            "entries = [placing.Entry(path, 'file', sys.argv[2], sys.argv[3], 0o644, b'new') for path in sys.argv[4:]]\n"
            "placed_files.place(entries, 'sleep 3', places=placed_files.Places(sys.argv[1]))\n"
        )
        root = str(Path(places.run).parents[1])
        paths = [entry.path for entry in five(host)]
        command = [sys.executable, "-c", program, root, OWNER, GROUP, *paths]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 20
            while (host / "0.conf").read_text() != "new" and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.02)
            assert (host / "0.conf").read_text() == "new" and (host / "4.conf").exists(), process.stderr.read()
            process.send_signal(number)
        return process

    return stop


def test_a_run_that_is_stopped_puts_the_old_files_back(host, places, stopped):
    before = snapshot(host)
    stopped(signal.SIGTERM)
    assert snapshot(host) == before


def test_the_run_after_a_killed_one_puts_the_old_files_back_first(host, places, stopped):
    before = snapshot(host)
    stopped(signal.SIGKILL)
    assert snapshot(host) != before
    with pytest.raises(PlacingError, match="refuses"):
        place([file(host / "other")], "false", places=places)
    assert {path: what for path, what in snapshot(host).items() if path != host} == {
        path: what for path, what in before.items() if path != host
    }


def test_what_was_put_back_counts_as_changed(host, places, stopped):
    stopped(signal.SIGKILL)
    result = place([file(host / "0.conf", "old 0\n", 0o644)], places=places)
    assert result["changed"] and str(host / "0.conf") in result["changed_paths"]
    assert (host / "0.conf").read_text() == "old 0\n" and not (host / "4.conf").exists()
