# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host resolves names, and which program writes /etc/resolv.conf."""

from __future__ import annotations

import os
import re

from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program, ProgramError, find_program

STUB = "127.0.0.53"
NAMESERVER = re.compile(r"^nameserver[ \t]+(\S+)", re.MULTILINE)


class ResolverFiles:
    def __init__(self, root="/"):
        self.root = root

    def resolv_conf(self):
        return content(os.path.join(self.root, "etc/resolv.conf"))

    def nameservers(self):
        return NAMESERVER.findall(self.resolv_conf())

    def upstream(self):
        """The nameservers behind systemd-resolved."""
        return NAMESERVER.findall(content(os.path.join(self.root, "run/systemd/resolve/resolv.conf")))

    def managers(self, used):
        """The programs that write resolv.conf on this host, as far as that can be seen, first the one that wins."""
        signs = (
            ("NetworkManager", "run/NetworkManager"),
            ("dhclient", "usr/sbin/dhclient"),
            ("resolvconf", "usr/sbin/resolvconf"),
            ("resolvconf", "sbin/resolvconf"),
            ("dhcpcd", "usr/sbin/dhcpcd"),
            ("dhcpcd", "sbin/dhcpcd"),
        )
        found = ["systemd-resolved"] if STUB in used else []
        found += [name for name, path in signs if os.path.exists(os.path.join(self.root, path))]
        return list(dict.fromkeys(found))


def content(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def ask_resolved(files, timeout):
    """A running resolvectl where systemd-resolved answers, otherwise None."""
    try:
        uses_stub = STUB in files.nameservers()
    except OSError:  # look_at_resolver reports it
        return None
    return Program([find_program("resolvectl") or "resolvectl", "dns"], timeout) if uses_stub else None


def look_at_resolver(files, resolvectl=None):
    found = {"error": None}
    try:
        found["resolv_conf"] = files.resolv_conf()
        found["nameservers"] = NAMESERVER.findall(found["resolv_conf"])
        found["managers"] = files.managers(found["nameservers"])
        found["upstream_nameservers"] = files.upstream()
        found["global_nameservers"] = global_nameservers(resolvectl.output()) if resolvectl else []
    except (OSError, ProgramError) as error:
        found["error"] = str(error)
    return found


def global_nameservers(output):
    """The nameservers that systemd-resolved asks besides those of the interfaces: C(Global: 192.0.2.1 192.0.2.2)."""
    return " ".join(re.findall(r"^Global:(.*)$", output, re.MULTILINE)).split()
