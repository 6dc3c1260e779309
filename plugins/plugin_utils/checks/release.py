# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role release."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    LABEL,
    PORTS,
    at_least,
    can_create_tokens,
    found,
    has_secret,
    lan_address,
    log_size,
    matching,
    wrong,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

IMAGE = re.compile(r"[^@\s]*[^@:/\s](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})")
DURATION = re.compile(r"([1-9][0-9]*(ms|s|m|h))+")


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def address(v: Values) -> Iterator[Problem]:
    """A given address is not checked."""
    if v.is_default("release_address"):
        yield from lan_address(v)


def ports(v: Values) -> Iterator[Problem]:
    return distinct_ports(v, "release_ports")


def distinct_ports(v: Values, name: str) -> Iterator[Problem]:
    if not v[name] or len(set(v[name])) != len(v[name]) or not set(v[name]) <= set(PORTS):
        yield wrong(v, name, "It must be a list with at least one port (1 to 65535), each only once.")


def port_variable(v: Values) -> Iterator[Problem]:
    if len(v["release_ports"]) > 1 and not v["release_port_variable"]:
        yield Problem(
            "release_ports",
            "release_ports has several ports, and release_port_variable is empty, so an instance does not know its port. Set"
            " release_port_variable to an environment variable that the app reads.",
        )


def token(v: Values) -> Iterator[Problem]:
    """With release_acl=false, or without the management token, it is not made."""
    if not v.site.acl_enabled or v.is_set("release_token") or v["release_acl"] and can_create_tokens(v):
        return
    file = f"operator/{_token_name(v)}.token"
    if not has_secret(v, file):
        yield Problem(
            "release_token",
            f"{v.site.secrets_dir} has no {file}, and no operator/management.token to make it with (release_acl). Copy the file"
            " from where it was made, or set release_token. If Consul needs no token, set consul_agent_acl_default_policy to"
            " allow.",
        )


def _token_name(v: Values) -> str:
    return f"release-{v['release_name']}" if v.is_default("release_token_name") else v["release_token_name"]


def health_check(v: Values) -> Iterator[Problem]:
    given = v["release_check"]
    if not given.get("http", "/").startswith("/"):
        yield Problem(
            "release_check", f"release_check.http is {shown(given['http'])}. It must be a path, such as /health."
        )
    for key in ("interval", "timeout"):
        if key in given and not DURATION.fullmatch(given[key]):
            yield Problem(
                "release_check",
                f"release_check.{key} is {shown(given[key])}. It must be a whole number with the unit ms, s, m or h, such as 5s.",
            )


CHECKS = [
    matching("release_name", LABEL, "It is looked up in DNS. Use lower-case letters, digits and '-'."),
    matching(
        "release_image",
        IMAGE,
        "It must be an image with its version, such as registry.example.com/shop:1.2.0, or with its digest.",
    ),
    address,
    ports,
    port_variable,
    token,
    matching("release_service_id", r"[^%]*%s[^%]*", "It must have one %s, which stands for the port."),
    health_check,
    at_least(1, "release_wait_seconds", "release_stop_seconds", "release_history_length"),
    at_least(0, "release_drain_seconds", "release_request_seconds"),
    log_size("release_log_max_size"),
    at_least(1, "release_log_max_file"),
]
