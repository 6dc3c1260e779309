# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACL policies, roles and tokens: how they are read from Consul, compared with a task's lists, and written.

An object is a mapping as Consul's API shows it, whether Consul has it or the task asks for it.
"""

from __future__ import annotations

import base64
import calendar
import collections
import datetime
import hashlib
import hmac
import re
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError, was_refused
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import (
    HIDDEN,
    HIDDEN_CHANGED,
    nanoseconds,
)

ANONYMOUS = "00000000-0000-0000-0000-000000000002"
RESERVED = "00000000-0000-0000-0000-0000000000"  # begins the ids of what comes with Consul
REDACTED = "<hidden>"
PAUSE = 0.5
REMOVED_WITHIN = 10

# Of the operations each kind is written in this order, and removed in the opposite one.
KINDS = ("policy", "role", "token")

# C(record) is what Consul has, C(body) is what it gets; C(before) and C(after) are for the diff.
Change = collections.namedtuple("Change", "operation kind name before after record body")


class Acls:
    """The ACL policies and roles by name, and the tokens by accessor, of one datacenter."""

    def __init__(self, client):
        self.client = client
        self.query = client.query
        self.policies = {}
        self.roles = {}
        self.tokens = {}

    def load(self, wait):
        """Read the lists. Wait for the first leader, and for it to create the management token."""
        deadline = time.monotonic() + wait
        retries, self.client.retries = self.client.retries, 0  # each would hold up the next question for seconds
        refusals = 0
        while True:
            try:
                self._read_lists()
                self.client.retries = retries
                return
            except ConsulError as error:
                if was_refused(error):
                    refusals += 1
                    if refusals > retries:
                        raise
                elif not may_come(error):
                    raise
                elif time.monotonic() >= deadline:
                    message = f"Consul's ACL system is not ready after {wait:g} s: {error}"
                    raise ConsulError(message, error.status, error.method, error.path, error.detail) from error
            time.sleep(PAUSE)

    def _read_lists(self):
        self.policies = {record["Name"]: record for record in self._get("policies")}
        self.roles = {record["Name"]: record for record in self._get("roles")}
        self.tokens = {record["AccessorID"].lower(): record for record in self._get("tokens")}

    def _get(self, path, **options):
        return self.client.get("acl/" + path, self.query, **options).data

    def read_rules(self, items):
        """The list of policies has no rules. Its hash tells whether they are those of the task without another call."""
        for item in items:
            record = self.policies.get(item["name"])
            if record is None:
                continue
            rules = item["rules"] or ""
            if policy_hash(record, rules) == record["Hash"]:
                record["Rules"] = rules
            else:
                self.policies[item["name"]] = self._get("policy/" + record["ID"])

    def read_secrets(self, accessors):
        """The list of tokens has no secrets."""
        for accessor in accessors:
            record = self.tokens.get(accessor)
            if record is None:
                continue
            read = self._token(record["AccessorID"])
            if read is None:  # it expired, or somebody deleted it, since the list was read
                del self.tokens[accessor]
            elif read["SecretID"] == REDACTED:
                raise ConsulError(
                    f"token/{accessor}: Consul hides its secret, so it cannot be compared."
                    ' Use a token with the rule acl = "write".'
                )
            else:
                record["SecretID"] = read["SecretID"]

    def _token(self, accessor):
        """The token with its secret, or None: it does not exist, or has expired."""
        try:
            return self._get("token/" + accessor, missing_ok=True)
        except ConsulError as error:
            if "ACL not found" not in (error.detail or ""):
                raise
            return None

    def own_accessor(self):
        """The accessor of the token that this task uses."""
        return self._get("token/self")["AccessorID"].lower()

    def apply(self, change):
        path = "acl/" + change.kind
        identity = change.record and change.record["AccessorID" if change.kind == "token" else "ID"]
        if change.operation in ("remove", "replace"):
            self.client.delete(f"{path}/{identity}", self.query)
        if change.operation in ("create", "replace"):
            try:
                self._create(path, change)
            except ConsulError as error:
                if change.operation == "create":
                    raise
                message = f"{error}; it is deleted and could not be created again: run the task again"
                raise ConsulError(message, error.status, error.method, error.path, error.detail) from error
        elif change.operation == "update":
            self.client.put(f"{path}/{identity}", self.query, change.body, idempotent=True)

    def _create(self, path, change):
        """The accessor of an expired token stays in use until the leader removes that token. It removes one per second."""
        deadline = time.monotonic() + REMOVED_WITHIN
        while True:
            try:
                return self.client.put(path, self.query, change.body, idempotent=True)
            except ConsulError as error:
                expired = change.kind == "token" and "AccessorID is already in use" in (error.detail or "")
                if not expired or time.monotonic() >= deadline or self._token(change.body["AccessorID"]):
                    raise
            time.sleep(PAUSE)


def may_come(error):
    """Whether the answer is one that servers give until they have a leader, and it has set up the ACL system."""
    if error.status in (429, 503):
        return True
    detail = error.detail or ""
    return any(part in detail for part in ("leader", "ACL not found", "legacy mode"))


def policy_hash(record, rules):
    """The hash that Consul lists for a policy, as it would be with these rules."""
    parts = [record["Name"], record["Description"], rules] + (record.get("Datacenters") or [])
    digest = hashlib.blake2b("".join(parts).encode("utf-8"), digest_size=32)
    return base64.b64encode(digest.digest()).decode("ascii")


def normal_rules(rules):
    """Rules without what editors and templates change: line ends, and white space around the text."""
    return (rules or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def plan(params, acls, now):
    """The changes that make Consul so, in order. C(now) is in nanoseconds since 1970."""
    changes = [policy_change(item, acls.policies.get(item["name"])) for item in params["policies"]]
    changes += [role_change(item, acls.roles.get(item["name"])) for item in params["roles"]]
    for item in params["tokens"]:
        accessor = item["accessor_id"]
        changes.append(token_change(item, acls.tokens.get(accessor), params["secrets"].get(accessor), now))
    changes = [change for change in changes if change]
    written = [change for change in changes if change.operation != "remove"]
    removed = [change for change in changes if change.operation == "remove"]
    return written + sorted(removed, key=lambda change: KINDS.index(change.kind), reverse=True)


def policy_change(item, record):
    if item["state"] == "absent":
        return removal("policy", item["name"], record, shown_policy)
    body = {
        "Name": item["name"],
        "Description": description(item, record),
        "Rules": item["rules"] or "",
        "Datacenters": item["datacenters"],
    }
    if is_builtin(record):
        body.update(Rules=record["Rules"], Datacenters=record.get("Datacenters"))
    return setting("policy", item["name"], record, body, shown_policy)


def is_builtin(record):
    return record is not None and record["ID"].startswith(RESERVED)


def role_change(item, record):
    if item["state"] == "absent":
        return removal("role", item["name"], record, shown_role)
    body = {"Name": item["name"], "Description": description(item, record), **grants(item)}
    return setting("role", item["name"], record, body, shown_role)


def token_change(item, record, secret, now):
    accessor = item["accessor_id"]
    if item["state"] == "absent" or has_passed(item["expiration_time"], now):
        return removal("token", accessor, record, shown_token)
    expiry = expiration(item, record)
    body = {
        "AccessorID": record["AccessorID"] if record else accessor,
        "Description": description(item, record),
        "Local": item["local"],
        **grants(item),
        "Roles": names(item["roles"]),
        **expiry,
    }
    change = setting("token", accessor, record, body, shown_token)
    made = dict(body, SecretID=secret) if secret else body
    if record is None:
        return change._replace(body=made, after=dict(change.after, **({"secret_id": HIDDEN} if secret else {})))
    other_secret = secret is not None and not hmac.compare_digest(secret, record["SecretID"])
    lives_as_long = expiry.get("ExpirationTime") == record.get("ExpirationTime") and "ExpirationTTL" not in expiry
    if other_secret or item["local"] != record["Local"] or not lives_as_long:
        before, after = shown_token(record), shown_token(body)
        if other_secret:
            before["secret_id"], after["secret_id"] = HIDDEN, HIDDEN_CHANGED
        return Change("replace", "token", accessor, before, after, record, made)
    if change:
        body.pop("ExpirationTime", None)  # Consul keeps it, and takes no other
    return change


def setting(kind, name, record, body, shown):
    """The change that makes an object so, or None if it is."""
    if record is None:
        return Change("create", kind, name, None, shown(body), None, body)
    before, after = shown(record), shown(body)
    return None if before == after else Change("update", kind, name, before, after, record, body)


def removal(kind, name, record, shown):
    return record and Change("remove", kind, name, shown(record), None, record, None)


def description(item, record):
    """A description that is not given stays."""
    return item["description"] if item["description"] is not None else (record or {}).get("Description", "")


def names(items):
    return [{"Name": name} for name in items]


def grants(item):
    """What roles and tokens have in common."""
    return {
        "Policies": names(item["policies"]),
        "NodeIdentities": [
            {"NodeName": identity["node_name"], "Datacenter": identity["datacenter"]}
            for identity in item["node_identities"]
        ],
        "ServiceIdentities": [
            {"ServiceName": identity["service_name"], "Datacenters": identity["datacenters"]}
            for identity in item["service_identities"]
        ],
    }


def expiration(item, record):
    """When a token ends, in Consul's words: those of the token that there is, if they mean the same."""
    exists_until = (record or {}).get("ExpirationTime")
    if item["expiration_time"]:
        if exists_until and instant(exists_until) == instant(item["expiration_time"]):
            return {"ExpirationTime": exists_until}
        return {"ExpirationTime": item["expiration_time"].replace(" ", "T")}
    if item["expiration_ttl"]:
        lifetime = nanoseconds(item["expiration_ttl"])
        if exists_until and instant(exists_until) - instant(record["CreateTime"]) == lifetime:
            return {"ExpirationTime": exists_until}
        return {"ExpirationTTL": item["expiration_ttl"]}
    return {}


def has_passed(moment, now):
    return bool(moment) and instant(moment) <= now


def instant(text):
    """An RFC 3339 time in nanoseconds since 1970, or ValueError."""
    wrong = f"{text!r} is not a time: write it as 2026-12-31T18:00:00Z"
    found = re.match(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
        r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))\Z",
        text,
    )
    if not found:
        raise ValueError(wrong)
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime.datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise ValueError(wrong) from None
    seconds = calendar.timegm(moment.timetuple())
    if sign:
        seconds -= (1 if sign == "+" else -1) * (int(hours) * 3600 + int(minutes) * 60)
    return seconds * 10**9 + int((fraction or "").ljust(9, "0"))


# The fields of an object that are compared and shown in a diff. Empty fields are left out.


def shown_policy(policy):
    rules = normal_rules(policy.get("Rules"))
    return filled(
        description=policy.get("Description"),
        rules=rules.split("\n") if rules else [],
        datacenters=sorted(set(policy.get("Datacenters") or [])),
    )


def shown_role(role):
    return filled(
        description=role.get("Description"),
        policies=linked(role.get("Policies")),
        node_identities=[
            {"node_name": name, "datacenter": datacenter}
            for name, datacenter in sorted(
                {(identity["NodeName"], identity["Datacenter"]) for identity in role.get("NodeIdentities") or []}
            )
        ],
        service_identities=[
            filled(service_name=identity["ServiceName"], datacenters=sorted(set(identity.get("Datacenters") or [])))
            for identity in sorted(role.get("ServiceIdentities") or [], key=lambda identity: identity["ServiceName"])
        ],
    )


def shown_token(token):
    return {
        **shown_role(token),
        **filled(
            roles=linked(token.get("Roles")),
            local=token.get("Local"),
            legacy=token.get("Legacy"),
            expiration_time=token.get("ExpirationTime"),
            expiration_ttl=token.get("ExpirationTTL"),
        ),
    }


def linked(links):
    return sorted({link["Name"] for link in links or []})


def filled(**fields):
    return {name: value for name, value in fields.items() if value}
