# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.conffiles import conffiles
from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program, find_program

# A held package ("hold ok installed") is installed, too.
INSTALLED = ("install ok installed", "hold ok installed")
# 1: it knows some of the packages only.
EXIT_CODES = (0, 1)
# The conffiles follow on lines of their own, which begin with a space.
FORMAT = "${Package}\\t${Status}\\t${Version}\\n${Conffiles}\\n"


def ask_dpkg(names, timeout):
    """A running dpkg-query, or None on a host without dpkg."""
    path = find_program("dpkg-query")
    if not path:
        return None
    return Program([path, "--show", "--showformat", FORMAT, "--", *names], timeout)


def versions(names, output):
    """The version of each package, an empty string if it is not installed."""
    found = dict.fromkeys(names, "")
    for line in output.splitlines():
        if line and not line.startswith(" "):
            name, status, version = line.split("\t")
            if status in INSTALLED:
                found[name] = version
    return found


def conffile_md5s(output):
    """{path: MD5} of the conffiles of these packages, as they were when the package brought them."""
    return conffiles("\n".join(line for line in output.splitlines() if line.startswith(" ")))
