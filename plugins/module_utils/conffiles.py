# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of packages, and what dpkg knows of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess


def md5(content):
    """As dpkg compares. None where the host's Python has no MD5: then every file counts as modified."""
    try:
        return hashlib.md5(content).hexdigest()
    except ValueError:
        return None


def conffile_sums(paths):
    """The MD5 that dpkg has of each path that is a conffile."""
    found = {}
    if paths and shutil.which("dpkg-query"):
        packages = owners(_output("dpkg-query", "--search", *paths), paths)
        if packages:
            listed = _output("dpkg-query", "--show", "--showformat=${Conffiles}\\n", *packages)
            found = {path: digest for path, digest in conffiles(listed).items() if path in paths}
    return found


def owners(search, paths):
    """The packages in C(dpkg --search) that own one of the paths, as C(name) or C(name:architecture)."""
    packages = set()
    for line in search.splitlines():
        names, separator, path = line.rpartition(": ")
        if separator and path in paths and not names.startswith("diversion by "):
            packages.update(names.split(", "))
    return sorted(packages)


def conffiles(listed):
    """{path: MD5} of dpkg's Conffiles, whose lines are a path, its MD5 and sometimes C(obsolete)."""
    found = {}
    for line in listed.splitlines():
        words = line.split()
        if len(words) >= 2 and "obsolete" not in words[2:]:
            found[words[0]] = words[1]
    return found


def _output(*command):
    # There is no AnsibleModule here, so run_command() is not available.  pylint: disable-next=ansible-bad-function
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout.decode(errors="replace")
