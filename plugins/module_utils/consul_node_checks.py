# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a node: from a task's options to what Consul's API takes, and whether an agent has them already.

Pure functions. The module consul_check uses them."""

from __future__ import annotations

import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import (
    CHECK_SPEC,
    digest_of,
    normal_durations,
    normalised_check,
    shown_check,
    type_of,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import one_line, refuse_unaddressable

# Options that the connection also has, by their names here.
RENAMED = {"timeout": "check_timeout", "tls_server_name": "check_tls_server_name"}
CHECK_OPTIONS = [name for name in CHECK_SPEC if name != "deregister_critical_service_after"]


def node_check_spec(aliases):
    """The options of one check, without those of its service. In a list of checks, the renamed ones have aliases."""
    spec = {RENAMED.get(name, name): dict(CHECK_SPEC[name]) for name in CHECK_OPTIONS}
    if aliases:
        for name, renamed in RENAMED.items():
            spec[renamed]["aliases"] = [name]
    return spec


NODE_CHECK_SPEC = node_check_spec(aliases=False)
NODE_CHECK_ARGUMENTS = {
    **NODE_CHECK_SPEC,
    "checks": {
        "type": "list",
        "elements": "dict",
        "options": node_check_spec(aliases=True),
    },
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
}

# In place of a digest, while a check of another type is being replaced.
INCOMPLETE = "incomplete"
MARK = re.compile(rf" ?\[{DIGEST}=\w+\]\Z")


def described_checks(params):
    """Each check that the options describe, with the words for it in an error."""
    if params["checks"] is None:
        return [("check", params)]
    return [(f"checks[{number}]", check) for number, check in enumerate(params["checks"])]


def check_id(options):
    return options["id"] or options["name"]


def node_checks(params, token=None):
    """The bodies of all registrations that the options describe, or ConsulError."""
    bodies = [node_check(options, where, token) for where, options in described_checks(params)]
    ids = [body["ID"] for body in bodies]
    duplicates = sorted({identity for identity in ids if ids.count(identity) > 1})
    if duplicates:
        raise ConsulError(f"checks: these ids are given more than once: {', '.join(duplicates)}; give each its own id")
    return bodies


def node_check(options, where, token=None):
    if not options["name"]:
        raise ConsulError(f"{where}: name is needed to register a check")
    given = {name: options[RENAMED.get(name, name)] for name in CHECK_OPTIONS}
    definition = normalised_check(given, options["name"], f"{where} ({one_line(check_id(options))})")
    # Consul names the field for the id differently here than in the checks of a service.
    body = {"ID": definition.pop("CheckID"), **definition}
    return marked(body, digest_of(normal_durations(definition), token))


def marked(body, digest):
    """The body with a digest in its notes, which are the only text of a check that Consul returns."""
    notes = without_mark(body.get("Notes", ""))
    return {**body, "Notes": f"{notes} [{DIGEST}={digest}]".lstrip(" ")}


def without_mark(notes):
    return MARK.sub("", notes)


def is_registered(body, checks):
    """Whether an agent with these checks already has this check of its node. Consul does not show all of it."""
    found = checks.get(body["ID"])
    return bool(found) and not is_replaced(body, found) and comparable(found) == comparable(body)


def comparable(check):
    return {"Name": check["Name"], "Notes": check["Notes"]}


def is_replaced(body, found):
    """Whether a registered check must be deregistered first. An agent goes on to run a check of another type beside the
    new one."""
    of_other_type = bool(found["Type"]) and found["Type"] != type_of(body)
    return of_other_type or f"[{DIGEST}={INCOMPLETE}]" in found["Notes"]


def checks_to_remove(params, checks):
    """Which checks to remove from an agent with these checks: the ids of those that it has, and the ids or names that it
    does not show. A list leaves out what the token may not read."""
    removed, unknown = [], []
    for where, options in described_checks(params):
        found = selected_checks(options, where, checks)
        identity = check_id(options)
        removed += found
        if not found and identity not in checks:
            unknown.append(identity)
    refuse_checks_of_services(removed, checks)
    return list(dict.fromkeys(removed)), list(dict.fromkeys(unknown))


def selected_checks(options, where, checks):
    """The ids of the checks on the agent that the options select: by id, or without an id, all of the node with that name."""
    if not check_id(options):
        raise ConsulError(f"{where}: id or name is needed to remove a check")
    if options["id"]:
        ids = [options["id"]]
    else:
        ids = [identity for identity, check in checks.items() if is_named(check, options["name"])]
    for identity in ids:
        refuse_unaddressable(f"{where}: the check id", identity)
    return [identity for identity in ids if identity in checks]


def is_named(check, name):
    return check["Name"] == name and not check["ServiceID"] and check["Type"] != "maintenance"


def refuse_checks_of_services(ids, checks):
    """ConsulError if a service has a check of the same id: the module would take it over, or remove it."""
    for identity in ids:
        owner = (checks.get(identity) or {}).get("ServiceID")
        if owner:
            raise ConsulError(
                f"check {identity}: it is a check of service {owner} on this agent; give the check another id, or use "
                "consul_service for that one"
            )


def described(body):
    """A check as the agent will describe it, as far as that can be predicted."""
    return {
        "CheckID": body["ID"],
        "Name": body["Name"],
        "Notes": body["Notes"],
        "Type": type_of(body),
        "ServiceID": "",
    }


def shown(check):
    """A registered check, for a diff. Consul does not return its definition."""
    return {"Name": check["Name"], "Notes": without_mark(check["Notes"]), "Type": check["Type"]}


def shown_wanted(body):
    view = shown_check({name: value for name, value in body.items() if name != "ID"})
    return {**view, "Notes": without_mark(body["Notes"]), "Type": type_of(body)}
