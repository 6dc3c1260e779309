# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the servers of the role nginx_lb with those that are on the host. C(nginx -t) only warns about the same listen
and server_name, and says nothing about a server that takes requests from another one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import Listen, listens
from ansible_collections.dockyard.consul.plugins.plugin_utils.nginx_layout import FOLDERS, MODULES, SITE, Layout

OURS = [f"{folder}/{SITE}" for folder in FOLDERS]


class Ours(NamedTuple):
    """A server of the role. C(names) is empty if it answers to any name. C(variable) sets where it listens."""

    label: str
    variable: str
    listen: str
    names: Sequence[str]


class Theirs(NamedTuple):
    """A server of the user at one address. C(is_later): nginx reads it after those of the role."""

    kind: str
    file: str
    line: int
    listen: Listen
    names: Sequence[str]
    is_later: bool

    @property
    def place(self) -> str:
        return f"{self.file} (line {self.line})"


def servers_of_user(config: Mapping[str, Any], plan: Layout) -> list[Theirs]:
    """The servers that stay on the host beside those of the role."""
    folder = os.path.dirname(plan.site or "")
    read_before = [one["servers"] for one in config["includes"] if os.path.dirname(one["pattern"]) == folder]
    found = []
    for number, server in enumerate(config["servers"]):
        if server["file"] in (*OURS, *plan.welcome):
            continue
        if plan.conf == "replaced" and os.path.dirname(server["file"]) not in (*FOLDERS, MODULES):
            continue
        is_later = number >= max(read_before, default=0)
        for listen in (one for value in server["listen"] for one in listens(value)):
            names = [name.lower() for name in server["names"]]
            found.append(Theirs(server["kind"], server["file"], server["line"], listen, names, is_later))
    return found


def conflicts(ours: Sequence[Ours], theirs: Sequence[Theirs]) -> Iterator[tuple[str, str]]:
    """The variable to correct, and a sentence, for each conflict."""
    for server in ours:
        for listen in listens(server.listen):
            text = conflict(server, listen, [one for one in theirs if one.listen.port == listen.port])
            if text:
                yield server.variable, text


def conflict(ours: Ours, listen: Listen, at_port: Sequence[Theirs]) -> str | None:
    """The first conflict of a server at an address. C(at_port): all others at its port."""
    who = f"{ours.label} listens on {ours.listen}"
    any_address = "[::]" if listen.address.startswith("[") else "*"
    for one in at_port:
        if one.kind != "http" and (
            one.listen.address == listen.address or any_address in (one.listen.address, listen.address)
        ):
            return f"{who}, and a server of {one.kind} in {one.place} listens there too. Use another port."

    others = [one for one in at_port if one.kind == "http" and one.listen.address == listen.address]
    if not others:
        everywhere = next((one for one in at_port if one.kind == "http" and one.listen.address == any_address), None)
        return everywhere and (
            f"{who}, and {everywhere.place} on port {listen.port} of all addresses. nginx would send all requests for"
            f" {listen.address}:{listen.port} to {ours.label}. {other_port(ours, 'Use the port alone')}."
        )
    default = next((one for one in others if one.listen.is_default), None)
    if default and listen.is_default:
        return f"{who}, and {default.place} has default_server there too. Remove default_server from one of them."
    for one in others:
        same = next((name for name in ours.names if name.lower() in one.names), None)
        if same:
            return (
                f"{who} with server_name '{same}', and so does {one.place}. nginx would use only one of them. Remove the server"
                f" there, or give {ours.label} another server_name or listen."
            )
    if not ours.names and not listen.is_default:
        text = f"{who} with any server_name, and {others[0].place} listens there too. "
        if ours.label == ours.variable:
            return text + other_port(ours, "") + "."
        return text + (
            f"Set server_name of {ours.label}, or another listen. If {ours.label} is to answer to all names that no other server"
            f" has, set its listen to '{ours.listen} default_server'."
        )
    if not default and not listen.is_default and all(one.is_later for one in others):
        return (
            f"{who}, and nginx would read it before {others[0].place}. It would then answer to the names that no server has,"
            f" which {others[0].file} answers to now. Add default_server to the listen there."
        )
    return None


def shadows(ours: Sequence[Ours], theirs: Sequence[Theirs]) -> Iterator[tuple[str, str]]:
    """As conflicts, for each address at which a server of the user takes the requests from ours on all addresses. That may be
    meant: the server was there before."""
    first: dict[tuple[str, int], Theirs] = {}
    for one in theirs:
        if one.kind == "http":
            first.setdefault((one.listen.address, one.listen.port), one)
    for (address, port), one in first.items():
        everywhere = "[::]" if address.startswith("[") else "*"
        taken = [
            server
            for server in ours
            if any((to.address, to.port) == (everywhere, port) for to in listens(server.listen))
        ]
        if address == everywhere or is_loopback(address) or not taken:
            continue
        who = " and ".join(server.label for server in taken)
        remedy = f"change the listen there to {port if everywhere == '*' else f'{everywhere}:{port}'}"
        yield (
            taken[0].variable,
            (
                f"{who} {'listen' if len(taken) > 1 else 'listens'} on port {port} of all addresses, and {one.place} on"
                f" {address}:{port}. nginx sends all requests for {address}:{port} to the servers there, so none reaches {who}."
                f" If that is not what you want, {remedy}, or set the listen of {who} to another port."
            ),
        )


def is_loopback(address: str) -> bool:
    """Only the host itself sends requests there."""
    return address.startswith("127.") or address in ("[::1]", "localhost")


def other_port(ours: Ours, remedy: str) -> str:
    return f"Set {ours.variable} to another port" if ours.label == ours.variable else remedy
