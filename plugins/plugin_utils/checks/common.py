# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of several roles are made of.

A check takes the variables of a host (Values) and yields problems. Most are made by a function that takes the names of
the variables: C(port("redis_port")) is a check.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.restarts import batch_size
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

Check = Callable[[Values], Iterable[Problem]]

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LOG_SIZE = re.compile(r"[1-9][0-9]*[kmg]")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
PORTS = range(1, 65536)


def found(checks: Iterable[Check], v: Values) -> Iterator[Problem]:
    """What all checks find. A variable that cannot be read ends only the check that reads it."""
    for check in checks:
        try:
            yield from check(v)
        except Unusable as error:
            yield error.problem


def wrong(v: Values, name: str, remedy: str) -> Problem:
    """A variable and its value, or the length of a secret, and what to do."""
    if v.is_secret(name):
        return Problem(name, f"{name} has {len(str(v[name]))} characters. {remedy}")
    return Problem(name, f"{name} is {shown(v[name])}. {remedy}")


def if_set(name: str, check: Check) -> Check:
    """For a variable with a computed default, which is right by itself, and costs time to template."""
    return lambda v: () if v.is_default(name) else check(v)


def port(name: str) -> Check:
    def check(v: Values) -> Iterator[Problem]:
        if v[name] not in PORTS:
            yield wrong(v, name, "A port is a number from 1 to 65535.")

    return check


def at_least(least: int, *names: str, unit: str = "") -> Check:
    def check(v: Values) -> Iterator[Problem]:
        for name in names:
            if v[name] < least:
                yield wrong(v, name, f"It must be {least} or more{unit and ' ' + unit}.")

    return check


def batch(name: str) -> Check:
    """How many hosts at a time."""

    def check(v: Values) -> Iterator[Problem]:
        try:
            batch_size(v[name], 1)
        except ValueError:
            yield wrong(v, name, "It must be a number of hosts, 1 or more, or a percentage, such as 25%.")

    return check


def matching(name: str, pattern: str | re.Pattern[str], remedy: str, optional: bool = False) -> Check:
    """The whole value matches the pattern. C(optional): or it is empty."""

    def check(v: Values) -> Iterator[Problem]:
        if not (optional and not v[name]) and not re.fullmatch(pattern, v[name]):
            yield wrong(v, name, remedy)

    return check


def log_size(name: str) -> Check:
    return matching(name, LOG_SIZE, "It must be a whole number with the unit k, m or g, such as 10m.")


def not_empty(name: str, remedy: str) -> Check:
    def check(v: Values) -> Iterator[Problem]:
        if not v[name]:
            yield Problem(name, f"{name} is empty. {remedy}")

    return check


def file(name: str) -> Check:
    """A file on the controller, if the variable is not empty."""

    def check(v: Values) -> Iterator[Problem]:
        if v[name] and not is_file(v[name]):
            yield not_a_file(v, name)

    return check


def not_a_file(v: Values, name: str, more: str = "") -> Problem:
    return Problem(name, f"{name}: {shown(v[name])} is not a file on the controller.{more and ' ' + more}")


def pair(first: str, second: str) -> Check:
    """Both are set, or neither is."""

    def check(v: Values) -> Iterator[Problem]:
        if bool(v[first]) != bool(v[second]):
            missing, there = (second, first) if v[first] else (first, second)
            yield Problem(there, f"{missing} is not set, and {there} is. Set both of them, or neither.")

    return check


def debian(v: Values) -> Iterator[Problem]:
    """The role installs with apt."""
    family = v.facts.get("os_family")
    if not family:
        yield Problem("ansible_facts", "The facts of this host are missing. Gather facts first (gather_facts: true).")
    elif family != "Debian":
        system = v.facts.get("distribution", family)
        yield Problem(
            "ansible_facts", f"This host runs {system}. The role {v.role} needs Debian or a derivative of it."
        )


def lan_address(v: Values) -> Iterator[Problem]:
    """The host has one address by which others reach it."""
    try:
        v.site.lan_address  # noqa: B018, the reading is the check
    except NoAddress as error:
        yield Problem(error.variable, str(error))


def is_file(path: Any) -> bool:
    return Path(os.path.expanduser(path)).is_file()


def is_url(text: str) -> bool:
    return re.match(r"https?://", text) is not None


def is_server(v: Values) -> bool:
    """Whether the agent of the host is a server."""
    if v.role == "consul_agent":
        return bool(v.get("consul_agent_face_config", {}).get("server"))
    return v.role == "consul_server"


def has_secret(v: Values, path: str) -> bool:
    """Whether a secret is in the site's folder on the controller. Its content is not read."""
    return Path(v.site.secrets_dir, path).is_file()


def can_create_tokens(v: Values) -> bool:
    """Whether this run has, or makes, the management token. A check run does as if it had it."""
    return (
        v.creates_secrets
        or v.check_mode
        or v.is_set("consul_agent_acl_management_token")
        or has_secret(v, "operator/management.token")
    )
