# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diff shows of a change of a file or folder."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import group_name, user_name
from ansible_collections.dockyard.consul.plugins.module_utils.placing import sha256

LONGEST_DIFF = 100_000  # bytes, about what ansible.builtin.copy shows


def diff_of(change, foreign=False):
    entry, before = change.entry, change.before
    wanted = _attributes(entry.owner, entry.group, entry.mode)
    had = "" if before.kind == "absent" else _attributes(user_name(before.uid), group_name(before.gid), before.mode)
    if change.action == "write":
        old, new = _texts(before, entry, foreign)
        differs = had != wanted
        return _diff(entry.path, old, new, had if differs else "", wanted if differs else "")
    if change.action == "attributes":
        return _diff(entry.path, had + "\n", wanted + "\n")
    kind = {"directory": "folder"}.get(before.kind, before.kind)
    if change.action == "make":
        return _diff(entry.path, "", f"(folder, {wanted})\n")
    # Without its content: nobody said whether that is a secret.
    return _diff(entry.path, f"({kind}, {had})\n", "")


def _diff(path, before, after, had="", wanted=""):
    return {
        "before": before,
        "after": after,
        "before_header": f"{path} ({had})" if had else path,
        "after_header": f"{path} ({wanted})" if wanted else path,
    }


def _attributes(owner, group, mode):
    return f"owner {owner}, group {group}, mode {mode:04o}"


def _texts(before, entry, foreign=False):
    if entry.texts:
        return entry.texts
    old = f"(link to {before.target})\n" if before.kind == "link" else _text(before.content)
    if foreign and before.kind == "file":
        # Nobody has said whether there is a secret in it.
        old = "(content hidden: the file was not placed by dockyard.consul)\n"
    if not entry.secret:
        return old, _text(entry.content)
    return ("(content hidden)\n" if old else ""), ("(content hidden, changed)\n" if old else "(content hidden)\n")


def _text(content):
    if content is None:
        return ""
    if len(content) > LONGEST_DIFF:
        return _described("too large to show", content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _described("binary", content)
    return _described("binary", content) if "\0" in text else text


def _described(kind, content):
    return f"({kind}, {len(content)} bytes, sha256 {sha256(content)[:16]})\n"
