# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this run knows of a host: the result of host_info, kept as the fact C(dockyard_host).

An action plugin decides from it whether its module has to run at all. A look of another run, which a fact cache may
keep, is ignored, and so is that of another host, which a task with C(run_once) gives to every host. What this run has
changed counts as not looked at: it is noted in Ansible's folder for the run, which all forks share, so that a note also
holds for a host that a task was delegated to.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants

FACT = "dockyard_host"
ABSENT = {"type": "absent"}


def run_id() -> str:
    """The name of the folder that Ansible makes for each run and that all its forks share."""
    return os.path.basename(constants.DEFAULT_LOCAL_TMP)


def digest_key() -> str:
    """The key of this run's digests, in hexadecimal. It is in Ansible's own folder for this run and goes with it, so
    that a digest in a fact cache tells nothing about a secret."""
    file = Path(constants.DEFAULT_LOCAL_TMP) / "dockyard.key"
    if not file.exists():
        candidate = file.with_name(f"dockyard.key.{os.getpid()}")
        candidate.touch(mode=0o600)
        candidate.write_text(secrets.token_hex(32), encoding="ascii")
        try:
            os.link(candidate, file)
        except FileExistsError:
            pass  # another fork was first
        finally:
            candidate.unlink()
    return file.read_text(encoding="ascii")


def digest(content: bytes) -> str:
    """The digest that host_info gives a file with this content."""
    return hmac.new(bytes.fromhex(digest_key()), content, hashlib.sha256).hexdigest()


class Look:
    """A host as this run knows it. Where nobody has looked in this run, nothing is known."""

    def __init__(self, known: Mapping[str, Any] | None) -> None:
        self.known: Mapping[str, Any] = known or {}

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Look:
        """The look of this run in a host's variables."""
        known = (variables.get("ansible_facts") or {}).get(FACT)
        if not known or known.get("run") != run_id():
            return cls(None)
        return cls(
            known if known.get("host") in (None, variables.get("inventory_hostname", known.get("host"))) else None
        )

    @classmethod
    def of_target(cls, delegate_to: str | None, variables: Mapping[str, Any]) -> Look:
        """The look of the host that a task acts on. Nothing is known of one that is not in the inventory."""
        if not delegate_to:
            return cls.of(variables)
        hosts = variables.get("hostvars") or {}
        return cls.of(hosts[delegate_to]) if delegate_to in hosts else cls(None)

    def __bool__(self) -> bool:
        return bool(self.known)

    def get(self, part: str) -> Any:
        """A part of what host_info returns, or None where it is not known (any more)."""
        return None if part in self.changed else self.known.get(part)

    def path(self, path: str) -> Mapping[str, Any] | None:
        """A file or folder as it is, ABSENT if there is none, or None if that is not known."""
        if path in self.changed:
            return None
        found = (self.known.get("paths") or {}).get(path)
        if found is not None:
            return found
        patterns = self.known.get("patterns") or []
        return ABSENT if any(matches(path, pattern) for pattern in patterns) else None

    def unit(self, name: str) -> Mapping[str, Any] | None:
        """A systemd unit (with or without C(.service)), or None if it is not known."""
        name = name.removesuffix(".service")
        return None if f"unit:{name}" in self.changed else (self.known.get("units") or {}).get(name)

    def runs(self, name: str) -> bool:
        """Whether a unit was active when this run looked, or has been started by this run."""
        name = name.removesuffix(".service")
        return f"unit:{name}" in self.changed or (self.unit(name) or {}).get("active") == "active"

    def package(self, name: str) -> str | None:
        """The version of a Debian package that is installed, or an empty string. None if that is not known."""
        return None if f"package:{name}" in self.changed else (self.known.get("packages") or {}).get(name)

    @property
    def changed(self) -> set[str]:
        """What this run has changed since: a path, C(unit:NAME), C(package:NAME) or the name of a part."""
        return self._notes["changed"]

    @property
    def prepared(self) -> set[str]:
        """The roles for which this run has checked the variables of the host and made the secrets."""
        return self._notes["prepared"]

    def note_changed(self, changed: Iterable[str]) -> None:
        """These count as not looked at from here on."""
        self._note("changed", changed)

    def note_prepared(self, roles: Iterable[str]) -> None:
        self._note("prepared", roles)

    @functools.cached_property
    def _notes(self) -> dict[str, set[str]]:
        notes = {kind: set(self.known.get(kind) or []) for kind in ("changed", "prepared")}
        if self._file and self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                kind, what = json.loads(line)
                notes[kind].add(what)
        return notes

    def _note(self, kind: str, new: Iterable[str]) -> None:
        new = set(new) - self._notes[kind]
        if new and self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps([kind, what]) + "\n" for what in sorted(new)))
            self._notes[kind].update(new)

    @property
    def _file(self) -> Path | None:
        return Path(constants.DEFAULT_LOCAL_TMP) / f"dockyard.look.{self.known['id']}" if self.known.get("id") else None


def matches(path: str, pattern: str) -> bool:
    """As a shell expands patterns: C(*) and C(?) stop at a slash."""
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))
