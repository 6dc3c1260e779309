# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of Consul on a host that this collection did not set up, and the version that a takeover would start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

OF_PACKAGE, OF_ARCHIVE = "/usr/bin/consul", "/usr/local/bin/consul"


def running(look: Look, agent: Mapping[str, Any]) -> str | None:
    """By its own word, or by its program. None if it is not known."""
    known = (look.get("consul") or {}).get("version")
    return known or _version_at(look, agent.get("binary") or "")


def afterwards(look: Look, method: str, wanted: str) -> str | None:
    """The version that the role would start: the one in the inventory, or the one that is installed. None if the source of the
    installation decides. What a file on the controller holds is known to the user alone."""
    if wanted or method == "local":
        return wanted or None
    return _version_at(look, OF_ARCHIVE if method == "archive" else OF_PACKAGE)


def method(look: Look, agent: Mapping[str, Any]) -> str:
    """How Consul was installed, as far as that can be seen."""
    if not (agent.get("binary") or "").startswith(OF_PACKAGE):
        return "archive"
    # Of Debian, such as 1.8.7+dfsg1-2. HashiCorp has 1.21.4-1.
    return "package" if "dfsg" in (look.package("consul") or "") else "repository"


def is_older(one: str, other: str) -> bool:
    """C(1.21) is not older than C(1.21.4), because it means any release of it."""
    return any(a < b for a, b in _first_difference(_numbers(one), _numbers(other)))


def _first_difference(one: list[int], other: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in zip(one, other) if a != b][:1]


def _numbers(version: str) -> list[int]:
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found.group().split(".")] if found else []


def _version_at(look: Look, path: str) -> str | None:
    return ((look.get("consul_binaries") or {}).get(path) or {}).get("version")
