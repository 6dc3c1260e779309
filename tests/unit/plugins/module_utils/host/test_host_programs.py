# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program, ProgramError, find_program


def python(code, timeout=10, **options):
    return Program([sys.executable, "-c", code], timeout, **options)


def test_what_a_program_prints():
    assert python("print('one')").output() == "one\n"
    assert python("import sys; print('two'); sys.exit(1)").output(expected=(0, 1)) == "two\n"
    assert python("import os; print(os.environ['LC_ALL'])").output() == "C\n"


def test_a_program_that_fails():
    with pytest.raises(ProgramError, match="exit code 3: no such thing"):
        python("import sys; print('no such\\nthing', file=sys.stderr); sys.exit(3)").output()
    with pytest.raises(ProgramError, match="exit code 3: no such thing"):
        python("import sys; print('no such thing', file=sys.stderr); sys.exit(3)", errors_too=True).output()
    with pytest.raises(ProgramError, match="/nonesuch: No such file"):
        Program(["/nonesuch"], 1).output()


def test_a_program_that_hangs_is_ended():
    start = time.monotonic()
    program = python("import time; time.sleep(60)", timeout=0.2)
    with pytest.raises(ProgramError, match="no result within 0.2 s"):
        program.output()
    assert program.process.returncode is not None and time.monotonic() - start < 20


def test_where_a_program_is(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, name, mode in ((first, "plain", 0o644), (second, "plain", 0o755), (second, "other", 0o755)):
        folder.mkdir(exist_ok=True)
        (folder / name).touch(mode)
    folders = ["", str(first), str(second)]
    assert find_program("plain", folders) == str(second / "plain")
    assert find_program("other", folders) == str(second / "other")
    assert find_program("none", folders) == find_program("first", [str(tmp_path)]) == ""
    assert find_program("sh").endswith("/sh")
