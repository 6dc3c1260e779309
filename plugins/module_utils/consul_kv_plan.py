# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What consul_kv does: from its parameters and what is stored to the changes that make the difference."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Change, Record, named
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_values import as_bytes, folder, wanted_values
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import is_uuid

LOCKS = ("acquire", "release")


def check_options(params):
    """Refuse options that would have no effect, and numbers that Consul does not take."""
    state, values = params["state"], params["values"]
    locks = state in LOCKS
    sets = state == "present" and params["value"] is not None
    reads = state == "present" and values is None and not sets
    removes = state == "absent"
    for option, useless, advice in (
        ("prefix", params["prefix"] and values is None, "it is the folder of values; with key, write the whole key"),
        (
            "purge",
            params["purge"] and values is None,
            "it removes the keys under prefix that values lacks; give values",
        ),
        ("purge", params["purge"] and removes, "to remove a folder, use key and recurse"),
        ("value", params["value"] is not None and removes, "state absent removes the key, whatever its value"),
        ("recurse", params["recurse"] and values is not None, "to remove a folder, use key instead of values"),
        ("recurse", params["recurse"] and sets, "a value is written to one key; to write many, use values"),
        ("recurse", params["recurse"] and locks, "a lock is on one key"),
        ("cas", params["cas"] is not None and params["recurse"], "an index is that of one key, not of a tree"),
        ("cas", params["cas"] is not None and locks, "the session decides who gets the lock"),
        ("cas", params["cas"] is not None and reads, "it is a condition for writing; give a value"),
        ("session", params["session"] and not locks, "it is used with state acquire or release only"),
        ("flags", params["flags"] is not None and reads, "they are written with a value; give one"),
        ("flags", params["flags"] is not None and removes, "state absent removes the key, whatever its flags"),
    ):
        if useless:
            raise ConsulError(f"{option}: it would have no effect here: {advice}")
    for option in ("cas", "flags"):
        if params[option] is not None and not 0 <= params[option] < 2**64:
            raise ConsulError(f"{option}: {params[option]} is not between 0 and {2**64 - 1}")
    if locks and not is_uuid(params["session"]):
        raise ConsulError(f"session: {params['session']!r} is not the ID of a session: that is a UUID")


def plan(params, store):
    """The records before, by key, and the changes that are due."""
    check_options(params)
    if params["values"] is not None:
        return plan_many(params, store)
    if params["recurse"]:
        return plan_tree(params, store)
    if not params["key"]:
        raise ConsulError("key is empty")
    return plan_lock(params, store) if params["state"] in LOCKS else plan_one(params, store)


def plan_many(params, store):
    wanted = wanted_values(params)
    tree = folder(params["prefix"])
    if params["purge"] and not tree and not params["force"]:
        raise ConsulError("purge with an empty prefix would remove all other keys of the store: set prefix, or force")
    before = store.tree(tree) if tree or params["purge"] else store.records(list(wanted))
    if params["state"] == "absent":
        return before, [removal(before[key]) for key in wanted if key in before]
    changes = [setting(key, value, before.get(key), params["flags"]) for key, value in wanted.items()]
    if params["purge"]:
        changes += [removal(record) for key, record in before.items() if key not in wanted]
    return before, [change for change in changes if change]


def plan_tree(params, store):
    remove = params["state"] == "absent"
    if remove and not params["key"] and not params["force"]:
        raise ConsulError("this would remove every key of the store: set key, or force")
    before = store.tree(params["key"])
    return before, [removal(record) for record in before.values()] if remove else []


def plan_one(params, store):
    key = params["key"]
    wanted = None if params["value"] is None else as_bytes(key, params["value"])
    record = store.read(key)
    change = None
    if params["state"] == "absent":
        change = record and removal(record)
    elif wanted is not None:
        change = setting(key, wanted, record, params["flags"])
    if change and params["cas"] is not None and params["cas"] != change.index:
        raise ConsulError(f"{named(key)}: cas is {params['cas']}, but {index_of(record)}; nothing was written")
    return {key: record} if record else {}, [change] if change else []


def index_of(record):
    return f"the modify index of the key is {record.index}" if record else "the key does not exist"


def plan_lock(params, store):
    key, session = params["key"], params["session"].lower()
    wanted = None if params["value"] is None else as_bytes(key, params["value"])
    record = store.read(key)
    holder = record.session if record else None
    if holder not in (None, session):
        raise ConsulError(f"{named(key)}: the lock is held by another session, {holder}")
    before = {key: record} if record else {}
    value, flags = (record.value, record.flags) if record else (None, None)
    is_written = wanted in (None, value) and params["flags"] in (None, flags)
    held, acquires = holder == session, params["state"] == "acquire"
    if is_written and held == acquires:
        return before, []
    if not held and not acquires:
        raise ConsulError(
            f"{named(key)}: the session {session} does not hold the lock, so value and flags are not written"
        )
    if wanted is None:
        wanted = value or b""
    return before, [setting(key, wanted, record, params["flags"], "lock" if acquires else "unlock", session)]


def setting(key, value, record, flags, verb="cas", session=None):
    """The change that makes a key so, or None if it is."""
    if flags is None:
        flags = record.flags if record else 0
    if verb == "cas" and record and (record.value, record.flags) == (value, flags):
        return None
    return Change(verb, key, value, flags, record.index if record else 0, session)


def removal(record):
    return Change("delete-cas", record.key, index=record.index)


def expected(before, changes):
    """The records as the changes leave them."""
    after = dict(before)
    for change in changes:
        if change.verb == "delete-cas":
            del after[change.key]
            continue
        old = before.get(change.key) or Record(change.key, b"", 0, None, None, 0, None)
        session = {"lock": change.session, "unlock": None}.get(change.verb, old.session)
        taken = change.verb == "lock" and old.session != session
        after[change.key] = old._replace(
            value=change.value, flags=change.flags, session=session, lock_index=old.lock_index + taken
        )
    return after
