# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places a whole set of files: plan, validation, backups, the transaction, the record of what was placed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_id, user_id
from ansible_collections.dockyard.consul.plugins.module_utils.conffiles import conffile_sums, md5
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import RECORD
from ansible_collections.dockyard.consul.plugins.module_utils.placing import (
    PlacingError,
    plan,
    sha256,
)
from ansible_collections.dockyard.consul.plugins.module_utils.placing_diff import diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.placing_former import noted_former
from ansible_collections.dockyard.consul.plugins.module_utils.placing_merge import merged_entries, updated_record
from ansible_collections.dockyard.consul.plugins.module_utils.placing_transaction import (
    NotPutBack,
    StateFile,
    Transaction,
    copy_as_it_is,
    create,
    private_folder,
    recover,
)

LONGEST_OUTPUT = 20  # lines of a validate command
SHORTEST_SECRET = 8  # characters; a shorter line would hide half of a program's output
VALIDATE_SECONDS = 300
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Places:
    """Where this keeps its own files, below a root that tests change."""

    def __init__(self, root="/"):
        self.record = StateFile(os.path.join(root, "var/lib/dockyard/placed.json"))
        self.merged = StateFile(os.path.join(root, RECORD.lstrip("/")))
        self.former = StateFile(os.path.join(root, "var/lib/dockyard/former.json"))
        self.journal = StateFile(os.path.join(root, "var/lib/dockyard/placing.json"))
        self.backups = os.path.join(root, "var/backups/dockyard")
        self.run = os.path.join(root, "run/dockyard")


def place(entries, validate=None, check_mode=False, places=None):
    """Apply the entries, or raise PlacingError and leave the host as it was. Returns the result of the module.

    The entries may be a function, which is called when nothing is half done on the host."""
    places = places or Places()
    with _stop_signals_raise(), _lock(places):
        recovered = [] if check_mode else _recovered(places)
        try:
            entries, merges = merged_entries(entries() if callable(entries) else entries, places.merged.read())
            changes = plan(entries, check_mode)
            replaced = _replaced(changes, places.record.read())
            foreign = _foreign(replaced)
            backups = {}
            command = Command(validate, entries) if validate and changes else None
            if command and command.is_staged and not (check_mode and _cannot_validate(command, changes)):
                command.run(_staged, places, entries)
            if not check_mode:
                if changes:
                    backups = _carry_out(changes, replaced, entries, merges, command, places)
                else:
                    _update_records(places, entries, merges, changes, backups)
        except (PlacingError, OSError) as error:
            error.recovered = recovered
            raise
    return {
        "changed": bool(changes or recovered),
        "changed_paths": sorted({change.path for change in changes} | set(recovered)),
        "backups": backups,
        "merged": {path: merged.changed for path, merged in merges.items() if merged.changed},
        "diff": [diff_of(change, change.path in foreign) for change in changes],
        "recovered": recovered,
    }


def _recovered(places):
    try:
        return recover(places.journal)
    except OSError as error:
        raise NotPutBack(
            f"a run that was interrupted cannot be undone: {said(error)}. {places.journal.path} lists what it changed"
        ) from error


def _cannot_validate(command, changes):
    """Whether something that an earlier task makes is missing for a validation in check mode."""
    return not command.program or any(
        None in (change.uid, change.gid) for change in changes if change.action != "remove"
    )


def _carry_out(changes, replaced, entries, merges, command, places):
    transaction, backups = Transaction(changes, places.journal), {}
    try:
        for change in sorted(replaced, key=lambda change: change.path):
            backups[change.path] = _back_up(change.path, places.backups)
        transaction.apply()
        if command and not command.is_staged:
            command.run()
        _ignore_stop_signals()
        _update_records(places, entries, merges, changes, backups)
        transaction.commit()
    except BaseException as error:
        _ignore_stop_signals()
        try:
            transaction.undo()
            for backup in backups.values():
                os.unlink(backup)
        except OSError as second:
            raise NotPutBack(
                f"{said(error)}. Putting the old files back failed too: {said(second)}. The next run tries again"
            ) from error
        if isinstance(error, (PlacingError, OSError)):
            raise PlacingError(said(error)) from error
        raise
    with contextlib.suppress(OSError):  # the next run removes what is left of the old files
        recover(places.journal)
    return backups


def said(error):
    """An exception as a part of a sentence."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


# Backups


def _replaced(changes, record):
    """The changes that replace or remove something that is not as we placed it: it is backed up."""
    return [
        change
        for change in changes
        if change.action in ("write", "remove")
        and (
            change.before.kind == "link"
            or (change.before.kind == "file" and record.get(change.path) != sha256(change.before.content))
        )
    ]


def _foreign(replaced):
    """Those of them that are not as a package brought them either: a diff does not show them."""
    sums = conffile_sums([change.path for change in replaced if change.before.kind == "file"])
    return {
        change.path
        for change in replaced
        if not (change.path in sums and sums[change.path] == md5(change.before.content))
    }


def _back_up(path, folder):
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backup = wanted = f"{folder}{path}.{stamp}"
    number = 1
    while os.path.lexists(backup):
        number += 1
        backup = f"{wanted}.{number}"
    private_folder(os.path.dirname(backup))
    copy_as_it_is(path, backup)
    return backup


def _update_records(places, entries, merges, changes, backups):
    before = places.record.read()
    former = places.former.read()
    noted = noted_former(former, before, changes, backups)
    if noted != former:
        places.former.write(noted)
    after = dict(before)
    for entry in entries:
        if entry.path in merges and not merges[entry.path].changed:
            continue  # it may be somebody else's file to the byte
        if entry.state == "file":
            after[entry.path] = sha256(entry.content)
        else:
            after.pop(entry.path, None)
    if after != before:
        places.record.write(after)
    before = places.merged.read()
    after = updated_record(before, entries, merges)
    if after != before:
        places.merged.write(after)


# Validation


class Command:
    """A command that judges the set. With C(%s) it is given the root of a staged copy."""

    def __init__(self, text, entries):
        self.text = text
        self.words = shlex.split(text)
        self.is_staged = any("%s" in word for word in self.words)
        folders = os.environ.get("PATH", "").split(os.pathsep) + list(PROGRAM_FOLDERS)
        self.program = shutil.which(self.words[0], path=os.pathsep.join(folders))
        self.secrets = secret_lines(entries)

    def run(self, staged=None, *arguments):
        """PlacingError unless the command succeeds."""
        if not self.program:
            raise PlacingError(f"the program of the validate command is not installed: {self.text}")
        if staged:
            with staged(*arguments) as root:
                self._judge([word.replace("%s", root) for word in self.words], root)
        else:
            self._judge(self.words)

    def _judge(self, words, root=None):
        try:
            # run_command() has no time limit.  pylint: disable-next=ansible-bad-function
            done = subprocess.run(
                [self.program, *words[1:]],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=VALIDATE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise PlacingError(f"{self.text} did not end within {VALIDATE_SECONDS} s") from None
        if done.returncode:
            output = done.stdout.decode(errors="replace")
            # The staged copy is gone when somebody reads this.
            shown = last_lines(output.replace(root, "") if root else output, self.secrets)
            raise PlacingError(f"{self.text} refuses the files (exit {done.returncode}):\n{shown}")


def secret_lines(entries):
    """What must not show of the secret contents: their lines, unless they are short."""
    contents = [entry.content for entry in entries if entry.secret and entry.content]
    lines = {line.strip() for content in contents for line in content.decode(errors="replace").splitlines()}
    return {line for line in lines if len(line) >= SHORTEST_SECRET}


def last_lines(output, secrets):
    lines = [
        "(hidden: part of a secret)" if any(secret in line for secret in secrets) else line
        for line in output.strip().splitlines()
    ]
    return "\n".join(lines[-LONGEST_OUTPUT:]) or "(no output)"


@contextlib.contextmanager
def _staged(places, entries):
    """The whole new set under its full paths, below a folder that only root can enter."""
    private_folder(places.run)
    root = tempfile.mkdtemp(prefix="staged.", dir=places.run)
    try:
        os.chmod(root, 0o700)
        for entry in sorted(entries, key=lambda entry: entry.path):
            path = root + entry.path
            if entry.state == "directory":
                os.makedirs(path, 0o755, exist_ok=True)
            elif entry.state == "file":
                os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
                create(path, entry.content, user_id(entry.owner), group_id(entry.group), entry.mode)
        for entry in entries:
            if entry.state == "directory":
                os.chown(root + entry.path, user_id(entry.owner), group_id(entry.group))
                os.chmod(root + entry.path, entry.mode)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


# One run at a time, which ends in order when it is stopped


@contextlib.contextmanager
def _lock(places):
    private_folder(places.run)
    with open(os.path.join(places.run, "files.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in os.listdir(places.run):
            if leftover.startswith("staged."):  # of a run that was killed
                shutil.rmtree(os.path.join(places.run, leftover), ignore_errors=True)
        yield


STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextlib.contextmanager
def _stop_signals_raise():
    def stop(number, frame):
        raise PlacingError(f"the run was stopped by signal {number}")

    former = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _ignore_stop_signals():
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
