# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host: where they are, and what they print."""

from __future__ import annotations

import os
import subprocess
import time

# Not always in the PATH of a remote user.
MORE_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class ProgramError(Exception):
    pass


class Program:
    """A program that is started at once and whose output is read later, so that programs run side by side.
    C(errors_too): what it prints to stderr is output as well."""

    def __init__(self, command, timeout, errors_too=False):
        self.command = command
        self.timeout = timeout
        self.ends = time.monotonic() + timeout
        self.problem = None
        try:
            # run_command() would wait for its end.  pylint: disable-next=ansible-bad-function
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if errors_too else subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            self.problem = f"{command[0]}: {error.strerror}"

    def output(self, expected=(0,)):
        """What it has printed, or ProgramError. C(expected): the exit codes of a success."""
        if self.problem:
            raise ProgramError(self.problem)
        try:
            out, err = self.process.communicate(timeout=max(0, self.ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise ProgramError(f"{' '.join(self.command[:2])}: no result within {self.timeout:g} s") from None
        if self.process.returncode not in expected:
            words = " ".join((err or out).decode("utf-8", "replace").split())[:300]
            raise ProgramError(f"{' '.join(self.command[:2])}: exit code {self.process.returncode}: {words}")
        return out.decode("utf-8", "replace")


def find_program(name, folders=None):
    """The full path of a program, or an empty string."""
    if folders is None:
        folders = [*os.environ.get("PATH", "").split(":"), *MORE_FOLDERS]
    for folder in folders:
        path = os.path.join(folder, name)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""
