# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the lists of policies, roles and tokens of a task. Each problem is a sentence without a secret."""

from __future__ import annotations

import json
import re

from ansible_collections.dockyard.consul.plugins.module_utils.consul_acls import (
    ANONYMOUS,
    RESERVED,
    instant,
    is_builtin,
    normal_rules,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import nanoseconds

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
LONGEST_NAME = {"policy": 128, "role": 256}
NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
IDENTITY = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,254}[a-z0-9])?\Z")
DATACENTER = re.compile(r"[a-z0-9_-]+\Z")


def problems_of_input(params):
    """What can be said without Consul."""
    found = []
    for kind, items in (("policy", params["policies"]), ("role", params["roles"])):
        for item in items:
            if not NAME.match(item["name"] or "") or len(item["name"]) > LONGEST_NAME[kind]:
                found.append(
                    f"{kind}: {item['name']!r} is not a valid name."
                    f" Use letters, digits, '-' and '_', at most {LONGEST_NAME[kind]}."
                )
        for name in twice((item["name"] or "").lower() for item in items):
            found.append(f"{kind}/{name} is listed twice. Consul does not distinguish case in names.")
    for item in present(params["policies"]):
        found += problems_of_policy(item, f"policy/{item['name']}")
    for item in present(params["roles"]):
        found += problems_of_identities(item, f"role/{item['name']}")
    for number, item in enumerate(params["tokens"]):
        found += problems_of_token(item, number)
    for accessor in twice(item["accessor_id"] for item in params["tokens"] if item["accessor_id"]):
        found.append(f"token/{accessor} is listed twice.")
    return found + problems_of_secrets(params)


def present(items):
    return [item for item in items if item["state"] == "present"]


def twice(values):
    values = list(values)
    return sorted({value for value in values if values.count(value) > 1})


def problems_of_policy(item, where):
    found = problems_of_datacenters(item["datacenters"], where)
    if normal_rules(item["rules"]).startswith("{"):
        try:
            json.loads(item["rules"])
        except ValueError as error:
            found.append(f"{where}: rules begin with '{{' but are not JSON: {error}.")
    return found


def problems_of_datacenters(datacenters, where):
    return [
        f"{where}: {name!r} is not a valid datacenter. Use lower-case letters, digits, '-' and '_'."
        for name in datacenters or []
        if not DATACENTER.match(name)
    ]


def problems_of_identities(item, where):
    found = []
    for kind, identities in (("node", item["node_identities"]), ("service", item["service_identities"])):
        for identity in identities:
            name = identity[kind + "_name"] or ""
            if not IDENTITY.match(name):
                found.append(
                    f"{where}: {name!r} is not a valid {kind}_name. Use lower-case letters, digits, '-' and '_',"
                    " with a letter or digit at both ends, at most 256."
                )
            datacenters = [identity["datacenter"] or ""] if kind == "node" else identity["datacenters"]
            found += problems_of_datacenters(datacenters, where)
    for name in twice(identity["service_name"] for identity in item["service_identities"]):
        found.append(f"{where}: the service identity {name!r} is listed twice. List it once, with all its datacenters.")
    return found


def problems_of_token(item, number):
    accessor = item["accessor_id"]
    where = f"token/{accessor}" if accessor else f"tokens[{number}]"
    found = []
    if not accessor:
        found.append(f"{where}: accessor_id is missing. Give the token a UUID, so that each run finds it again.")
    elif not UUID.match(accessor):
        found.append(f"{where}: the accessor_id is not a UUID in lower case.")
    elif accessor == ANONYMOUS:
        found += problems_of_anonymous(item, where)
    elif accessor.startswith(RESERVED):
        found.append(f"{where}: Consul reserves accessors that begin with {RESERVED}.")
    if item["state"] == "absent":
        return found
    found += problems_of_identities(item, where)
    if item["local"]:
        found += [
            f"{where}: the service identity {identity['service_name']!r} of a local token cannot have datacenters."
            for identity in item["service_identities"]
            if identity["datacenters"]
        ]
    return found + problems_of_expiration(item, where)


def problems_of_anonymous(item, where):
    if item["state"] == "absent":
        return [f"{where}: the anonymous token cannot be deleted. List it without policies to take its rights away."]
    if item["local"] or item["expiration_ttl"] or item["expiration_time"]:
        return [f"{where}: the anonymous token can be neither local nor expire."]
    return []


def problems_of_expiration(item, where):
    if item["expiration_ttl"] and item["expiration_time"]:
        return [f"{where}: set expiration_ttl or expiration_time, not both."]
    try:
        if item["expiration_time"]:
            instant(item["expiration_time"])
        if item["expiration_ttl"] and nanoseconds(item["expiration_ttl"]) <= 0:
            raise ValueError(f"{item['expiration_ttl']!r} must be longer than 0")
    except ValueError as error:
        return [f"{where}: {'expiration_time' if item['expiration_time'] else 'expiration_ttl'}: {error}."]
    return []


def problems_of_secrets(params):
    secrets = params["secrets"]
    accessors = {item["accessor_id"] for item in params["tokens"]}
    found = []
    # A key that is no accessor may be a secret in the wrong place, so it is not shown.
    strangers = [key for key in secrets if key not in accessors]
    if strangers:
        found.append(
            f"secrets: {len(strangers)} of {len(secrets)} keys are not the accessor_id of a token of this task."
        )
    for accessor in sorted(set(secrets) - set(strangers)):
        secret = secrets[accessor]
        where = f"secrets: the secret of token/{accessor}"
        if accessor == ANONYMOUS:
            found.append(f"{where} cannot be set. The anonymous token stands for requests without a token.")
        elif not isinstance(secret, str) or not UUID.match(secret):
            found.append(f"{where} is not a UUID in lower case.")
        elif secret in accessors:
            found.append(f"{where} is also an accessor_id. Accessors are public, so generate another secret.")
        elif list(secrets.values()).count(secret) > 1:
            found.append(f"{where} is also the secret of another token. Consul needs a different one for each.")
    return found


def problems_with_consul(params, acls):
    """What cannot be done with what Consul has."""
    found = []
    policies = names_after(params["policies"], acls.policies)
    roles = names_after(params["roles"], acls.roles)
    for kind, items, records in (("policy", params["policies"], acls.policies), ("role", params["roles"], acls.roles)):
        spelled = {name.lower(): name for name in records}
        for item in items:
            name = spelled.get((item["name"] or "").lower(), item["name"])
            if name != item["name"]:
                found.append(f"{kind}/{item['name']}: Consul has it as {name!r}. Use the same upper and lower case.")
    for item in params["policies"]:
        found += problems_of_builtin(item, acls.policies.get(item["name"]))
    for item in present(params["roles"]):
        found += problems_of_links(f"role/{item['name']}", "policy", item["policies"], policies, params["policies"])
    for item in present(params["tokens"]):
        where = f"token/{item['accessor_id']}"
        found += problems_of_links(where, "policy", item["policies"], policies, params["policies"])
        found += problems_of_links(where, "role", item["roles"], roles, params["roles"])
    return found


def names_after(items, records):
    """The names that exist once the task has run."""
    listed = {item["name"]: item["state"] for item in items}
    return {name for name in {**records, **listed} if listed.get(name) != "absent"}


def problems_of_builtin(item, record):
    if not is_builtin(record):
        return []
    where = f"policy/{item['name']}"
    if item["state"] == "absent":
        return [f"{where}: this policy comes with Consul and cannot be deleted."]
    if item["rules"] is not None or item["datacenters"]:
        return [
            f"{where}: this policy comes with Consul. Only its description can be set; leave out rules and datacenters."
        ]
    return []


def problems_of_links(where, kind, linked, existing, items):
    listed = {item["name"] for item in items}
    return [
        f"{where}: {kind} {name!r} is removed by this task."
        if name in listed
        else f"{where}: {kind} {name!r} does not exist in Consul and is not listed in this task."
        for name in sorted(set(linked) - existing)
    ]


def problems_of_changes(changes, own_accessor):
    """What must not be deleted, not even to be created again. C(own_accessor()) asks for the token in use."""
    found = []
    lost = [change for change in changes if change.kind == "token" and change.operation in ("remove", "replace")]
    own = own_accessor() if lost else None
    for change in lost:
        done = (
            "remove it"
            if change.operation == "remove"
            else "replace it, as Consul cannot change its secret, local or expiration"
        )
        if change.record.get("Legacy"):
            found.append(
                f"token/{change.name}: this is a legacy token, and the task would {done}."
                " Delete it yourself when nothing uses it any more."
            )
        elif change.name == own:
            found.append(
                f"token/{change.name}: this task uses this token, and would {done}. Use another management token."
            )
    return found
