# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dockyard.consul.files on a host with systemd's journal, mounts and dpkg: what unit tests cannot have."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import pytest

from lab.testing import PlaybookRun

SERVICES: list[tuple[str, str]] = []
HOST = "redis1"
FOLDER = "/root/files-test"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49-files-test\nAgEGCCqGSM49AwEHBG0-files-test\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def folder(lab) -> Iterator[None]:
    """A folder of old files, changed long ago."""
    lab.exec(HOST, f"rm -rf {FOLDER} && mkdir {FOLDER}")
    for number in range(4):
        lab.exec(HOST, f"echo old {number} > {FOLDER}/{number}.conf && touch -d @1000000000 {FOLDER}/{number}.conf")
    yield
    lab.exec(HOST, f"umount {FOLDER}/mounted 2>/dev/null; rm -rf {FOLDER} /var/backups/dockyard{FOLDER}")


@pytest.fixture
def place(lab) -> Callable[..., PlaybookRun]:
    def place(*files: dict, options: tuple[str, ...] = (), command: str | None = None) -> PlaybookRun:
        (target,) = (name for name in lab.inventory_names("all") if name.partition(".")[0] == HOST)
        variables = {"command": command} if command else {}
        return lab.playbook(
            "molecule/default/files/files.yml", "--limit", target, *options, wanted=list(files), **variables
        )

    return place


def state(lab) -> str:
    return lab.exec(HOST, f"cd {FOLDER} && stat -c '%n %a %U %G %y' * && grep -r . . | sort")


def five(last: str = "good") -> list[dict]:
    wanted = [{"path": f"{FOLDER}/{number}.conf", "content": f"new {number}\n"} for number in range(4)]
    return [*wanted, {"path": f"{FOLDER}/4.conf", "content": last}]


@pytest.mark.parametrize(
    "secret",
    [PEM, "a-value-of-one-line-files-test\n", "requirepass value-in-the-middle-files-test\nport 1\n"],
    ids=["key", "newline at the end", "settings"],
)
def test_no_secret_in_the_journal_nor_in_the_output(lab, place, secret):
    before = lab.exec(HOST, "date +%s")
    wanted = [{"path": f"{FOLDER}/0.conf", "content": secret, "secret": True, "mode": "0600"}]
    wanted += [{"path": f"{FOLDER}/new", "content": secret, "secret": True}]
    outputs = []
    for options in (("--check", "--diff", "-vvv"), ("--diff", "-vvv")):
        run = place(*wanted, options=options)
        assert run.ok and run.changed, run.output
        outputs.append(run.output)
    assert lab.exec(HOST, f"cat {FOLDER}/new") == secret.strip()
    failed = place({**wanted[1], "content": f"{secret}more"}, wanted[0], command=f"cat {FOLDER}/new {FOLDER}/missing")
    assert not failed.ok and "hidden: part of a secret" in failed.output
    journal = lab.exec(HOST, f"journalctl --output json --since @{before}")
    messages = [json.loads(line)["MESSAGE"] for line in journal.splitlines()]
    assert any("Invoked with" in message and FOLDER in message for message in messages), "the journal shows the task"
    # As it travels, too.
    for line in [*secret.splitlines(), base64.b64encode(secret.encode()).decode()]:
        if "files-test" in line or len(line) > 40:
            assert not [message for message in messages if line in str(message)]
            assert not [output for output in [*outputs, failed.output] if line in output]


@pytest.mark.parametrize("command", [f"grep -q good %s{FOLDER}/4.conf", f"grep -q good {FOLDER}/4.conf"])
def test_five_files_of_which_one_fails_leave_every_old_one(lab, place, command):
    before = state(lab)
    run = place(*five("bad"), command=command)
    assert not run.ok and "Nothing was changed" in run.output, run.output
    assert state(lab) == before
    assert lab.exec(HOST, f"ls -A {FOLDER} /run/dockyard") == lab.exec(
        HOST, f"echo {FOLDER}: && ls {FOLDER} && echo && echo /run/dockyard: && echo files.lock"
    )
    assert place(*five(), command=command).changed
    again = place(*five(), command="false")
    assert again.ok and not again.changed


def test_a_file_that_is_a_mount_is_written_in_place_and_put_back(lab, place):
    lab.exec(HOST, f"cd {FOLDER} && touch mounted && mount --bind 0.conf mounted")
    before = state(lab)
    wanted = {"path": f"{FOLDER}/mounted", "content": "new, and longer than the old\n"}
    assert not place(wanted, command="false").ok
    assert state(lab) == before
    assert place(wanted).ok
    assert lab.exec(HOST, f"cat {FOLDER}/0.conf") == "new, and longer than the old"
    lab.exec(HOST, f"mountpoint -q {FOLDER}/mounted || grep -q {FOLDER}/mounted /proc/self/mountinfo")


def test_a_backup_of_what_is_not_ours_only(lab, place):
    backups = f"find /var/backups/dockyard{FOLDER} -name '0.conf.*'"
    path = f"{FOLDER}/0.conf"
    for content in ("ours 1", "ours 2"):
        assert place({"path": path, "content": content}).ok
    (kept,) = lab.exec(HOST, backups).splitlines()
    assert lab.exec(HOST, f"cat {kept}") == "old 0"
    lab.exec(HOST, f"echo by hand > {path}")
    assert place({"path": path, "state": "absent"}).ok
    assert len(lab.exec(HOST, backups).splitlines()) == 2


def test_the_diff_shows_an_unmodified_conffile_and_hides_a_changed_one(lab, place):
    path = "/etc/deluser.conf"
    original = lab.exec(HOST, f"md5sum {path} && dpkg-query --show --showformat '${{Conffiles}}' adduser | grep {path}")
    assert len({word for word in original.split() if len(word) == 32}) == 1, "somebody has changed it before"
    lab.exec(HOST, f"cp -p {path} {FOLDER}/kept")
    try:
        shown = place({"path": path, "content": "ours\n"}, options=("--check", "--diff"))
        assert "-# /etc/deluser.conf" in shown.output and "content hidden" not in shown.output, shown.output
        lab.exec(HOST, f"echo '# changed' >> {path}")
        hidden = place({"path": path, "content": "ours\n"}, options=("--diff",))
        assert hidden.ok and "content hidden" in hidden.output and "# changed" not in hidden.output, hidden.output
        assert "# changed" in lab.exec(HOST, f"cat /var/backups/dockyard{path}.*")
    finally:
        lab.exec(HOST, f"cp -p {FOLDER}/kept {path} && rm -f /var/backups/dockyard{path}.*")


def test_check_mode_on_a_host_that_has_nothing_yet(lab, place):
    before = state(lab)
    wanted = [{"path": f"{FOLDER}/not/there/yet", "content": "x", "owner": "nobody-yet", "group": "nobody-yet"}]
    run = place(*wanted, *five(), options=("--check", "--diff"), command="no-such-program %s")
    assert run.ok and run.changed and "+new 0" in run.output, run.output
    assert state(lab) == before
    failed = place(*wanted)
    assert not failed.ok and all(word in failed.output for word in (f"{FOLDER}/not/there", "nobody-yet"))


def test_a_full_disk_leaves_every_old_file(lab, place):
    lab.exec(HOST, f"mkdir {FOLDER}/small && mount -t tmpfs -o size=64k tmpfs {FOLDER}/small")
    try:
        lab.exec(HOST, f"cd {FOLDER}/small && echo old > a && touch -d @1000000000 a")
        before = lab.exec(HOST, f"cd {FOLDER}/small && stat -c '%n %a %y' a && cat a && ls -A")
        run = place(*({"path": f"{FOLDER}/small/{name}", "content": "x" * 40_000} for name in "ab"))
        assert not run.ok and "No space left on device" in run.output, run.output
        assert lab.exec(HOST, f"cd {FOLDER}/small && stat -c '%n %a %y' a && cat a && ls -A") == before
    finally:
        lab.exec(HOST, f"umount {FOLDER}/small")
