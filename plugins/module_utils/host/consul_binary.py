# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consul program on disk: its version and its file capabilities."""

from __future__ import annotations

import os
import re
import struct

from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program, ProgramError

# In the order of their numbers, https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h
CAPABILITIES = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
]
EFFECTIVE = 1
PAIRS = {1: 1, 2: 2, 3: 2}


def ask_versions(paths, timeout):
    """A running C(consul version) by each path that is there."""
    return {path: Program([path, "version"], timeout) for path in dict.fromkeys(paths) if os.path.isfile(path)}


def look_at_binaries(programs):
    return {path: binary(path, program) for path, program in programs.items()}


def binary(path, program):
    found = {"error": None, "version": None, "capabilities": None}
    try:
        found["capabilities"] = capabilities(path)
        found["version"] = version(program.output())
    except (OSError, ValueError, ProgramError) as error:
        found["error"] = str(error)
    return found


def version(output):
    found = re.match(r"Consul v(\S+)", output)
    if not found:
        raise ValueError(f"its version is not in what it prints: {output[:100]!r}")
    return found.group(1)


def capabilities(path):
    """As getcap writes them, an empty string if there are none."""
    try:
        return capability_text(os.getxattr(path, "security.capability"))
    except OSError as error:
        # ENODATA: it has none; ENOTSUP: the file system knows none.
        if error.errno in (61, 95):
            return ""
        raise


def capability_text(data):
    """Of the attribute's bytes, https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h#L62"""
    (head,) = struct.unpack_from("<I", data)
    pairs = PAIRS.get(head >> 24)
    if pairs is None or len(data) < 4 + 8 * pairs:
        raise ValueError(f"file capabilities in a form that is not known: {data.hex()}")
    words = struct.unpack_from(f"<{2 * pairs}I", data, 4)
    permitted = sum(word << 32 * number for number, word in enumerate(words[0::2]))
    inheritable = sum(word << 32 * number for number, word in enumerate(words[1::2]))
    groups = {}
    for number in range(64):
        p, i = permitted >> number & 1, inheritable >> number & 1
        if p or i:
            flags = ("e" if head & EFFECTIVE else "") + ("i" if i else "") + ("p" if p else "")
            name = CAPABILITIES[number] if number < len(CAPABILITIES) else str(number)
            groups.setdefault(flags, []).append(f"cap_{name}")
    return " ".join(f"{','.join(names)}={flags}" for flags, names in groups.items())
