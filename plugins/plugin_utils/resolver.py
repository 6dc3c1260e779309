# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host resolves names, by the look, and what its resolv.conf becomes with the agent as the first nameserver."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

AGENT = "127.0.0.1"
# The programs that the role configures. resolvconf and dhcpcd write what others give them.
MANAGERS = ("systemd-resolved", "NetworkManager", "dhclient")
# With it, glibc asks the nameservers in turn, so every second name in Consul would not resolve.
ROTATE = "rotate"


def resolver_state(found: Mapping[str, Any], used: Sequence[str] = (), manager: str = "auto") -> dict[str, Any]:
    """FOUND is from host_info. USED, from the facts, are the nameservers where host_info does not know them."""
    used = list(found.get("nameservers") or used)
    if manager == "auto":
        manager = next((one for one in found.get("managers") or [] if one in MANAGERS), "none")
    through_resolved = manager == "systemd-resolved"
    behind = found.get("upstream_nameservers") or [] if through_resolved else used
    lines = found["resolv_conf"].splitlines() if "resolv_conf" in found else [f"nameserver {one}" for one in used]
    rotates = not through_resolved and any(ROTATE in options_of(line) for line in lines)
    agent_first = AGENT in (found.get("global_nameservers") or []) if through_resolved else used[:1] == [AGENT]
    return {
        "manager": manager,
        "nameservers": used,
        "former_nameservers": [address for address in behind if not is_own(address)],
        "asks_agent": agent_first and not rotates,
        "rotates": rotates,
        "lines": with_agent_first(lines),
    }


def with_agent_first(lines: Sequence[str]) -> list[str]:
    """The lines of resolv.conf with the agent as the first nameserver. The others stay, comments too."""
    kept = [line for line in map(without_rotate, lines) if line is not None and not is_own(nameserver_of(line))]
    place = next((number for number, line in enumerate(kept) if nameserver_of(line)), len(kept))
    return [*kept[:place], f"nameserver {AGENT}", *kept[place:]]


def without_rotate(line: str) -> str | None:
    options = options_of(line)
    if ROTATE not in options:
        return line
    left = [option for option in options if option != ROTATE]
    return " ".join(["options", *left]) if left else None


def options_of(line: str) -> list[str]:
    """The options in a line of resolv.conf. A comment begins in its first column."""
    words = line.split()
    return words[1:] if line.startswith("options") and words[0] == "options" else []


def nameserver_of(line: str) -> str:
    found = re.match(r"nameserver[ \t]+(\S+)", line)
    return found[1] if found else ""


def is_own(address: str) -> bool:
    return address.startswith("127.") or address.endswith("::1")


def complaints(found: Mapping[str, Any]) -> Iterator[str]:
    """Why a host that is to ask its agent first does not."""
    if found.get("error"):
        yield f"its resolver could not be read: {found['error']}"
        return
    state = resolver_state(found)
    if state["asks_agent"]:
        return
    if state["rotates"]:
        what = "resolv.conf has the option rotate, so the host asks its nameservers in turn"
    elif state["manager"] == "systemd-resolved":
        what = "systemd-resolved does not ask the Consul agent"
    else:
        what = f"the first nameserver in resolv.conf is {(state['nameservers'] or ['missing'])[0]} and not the Consul agent"
    # The package systemd-resolved has a program resolvconf, which it calls itself.
    others = [one for one in found.get("managers") or [] if state["manager"] == "none" and one not in MANAGERS]
    again = f" {' and '.join(others)} can write it again: configure it to put {AGENT} first" if others else ""
    yield (
        f"{what}. Names in Consul do not always resolve there. Something has changed it since the last run. Run the site"
        f" again, which repairs it.{again}"
    )
