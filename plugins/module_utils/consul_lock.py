# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock of the whole site: a key that one run of Ansible holds with a session, or that an operator has frozen.

The session has a TTL and is tied to no check, so a node that fails does not end it. When it ends, Consul deletes the key.
A frozen key has no session, and stays until somebody frees it.
"""

from __future__ import annotations

import json
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import (
    Change,
    KVStore,
    in_a_url,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import one_line
from ansible_collections.dockyard.consul.plugins.module_utils.consul_sessions import Sessions

# The longest blocking query, so that the agent answers before a proxy or the client gives up.
LONGEST_WAIT = 30
FIELDS = ("run", "by", "purpose", "since", "machine", "pid", "started", "frozen", "taken_from")


class LockHeld(ConsulError):
    """Somebody else has the lock."""

    def __init__(self, lock, key):
        super().__init__(f"The lock {one_line(key)} is {described(lock)}")
        self.lock = lock


class LockLost(ConsulError):
    """This run had the lock, and has it no more."""


def described(lock):
    """Who has the lock, since when and for what, to follow the words C(the lock is)."""
    if lock is None:
        return "free"
    text = f"{'frozen' if lock['frozen'] else 'held'} by {one_line(lock['by'])} since {lock['since']}"
    if lock["purpose"]:
        text += f", for: {one_line(lock['purpose'])}"
    if lock["taken_from"]:
        text += f" (taken over from {one_line(lock['taken_from'])})"
    return text


def lock_of(record):
    """The lock as modules return it. None if nobody has it."""
    if record is None:
        return None
    try:
        value = json.loads(record.value.decode("utf-8"))
    except ValueError:
        value = None
    value = value if isinstance(value, dict) else {}
    lock = {name: value.get(name) for name in FIELDS}
    lock.update(
        session=record.session,
        by=str(lock["by"] or "somebody who did not say"),
        since=str(lock["since"] or "an unknown time"),
        purpose=str(lock["purpose"] or ""),
        frozen=bool(lock["frozen"]) or not record.session,
    )
    return lock


class SiteLock:
    def __init__(self, client, key):
        if not key or not in_a_url(key):
            raise ConsulError(f"key: {key!a} cannot be part of a path. Set a key such as dockyard/lock")
        client.consistency = "consistent"
        self.client = client
        self.key = key
        self.store = KVStore(client)
        self.sessions = Sessions(client)

    def read(self):
        """The lock as everybody sees it now. None if nobody has it."""
        return lock_of(self.store.read(self.key))

    def acquire(self, owner, ttl, wait=0, gone=None, steal=False):
        """Get the lock for a run of Ansible, or raise LockHeld. Returns the lock, and whether it is a new one.

        OWNER has C(run), C(by), C(purpose), C(since), C(machine), C(pid) and C(started). Another task of the same run finds
        that the run has it. WAIT is how many seconds to wait for the lock. GONE is the session of a run that has ended.
        With STEAL the lock is taken from whoever has it.
        """
        deadline = time.monotonic() + wait
        while True:
            record = self.store.read(self.key)
            index = self.store.index
            lock = lock_of(record)
            if lock and lock["session"] and lock["run"] == owner["run"]:
                if self.sessions.renew(lock["session"]):
                    return lock, False
                continue  # it has just ended, and the key with it
            taken_from = None
            if lock and (steal or (gone and lock["session"] == gone)):
                taken_from = lock["by"] if steal else None
                self._end(record)
            elif lock:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LockHeld(lock, self.key)
                self._wait_for_change(index, min(left, LONGEST_WAIT))
                continue
            acquired = self._lock({**owner, "taken_from": taken_from}, ttl)
            if acquired:
                return acquired, True

    def renew(self, session):
        """Extend the lock that a run has with this session. ConsulError if the run no longer has it."""
        record = self.store.read(self.key)
        if record is not None and record.session == session and self.sessions.renew(session):
            return lock_of(record)
        now = described(lock_of(record))
        raise LockLost(
            f"this run has lost the lock {one_line(self.key)}, and must not go on: it was not renewed in time, or somebody took it"
            f" or freed it. The lock is {now}. See what the other run has done, then run again"
        )

    def release(self, session=None):
        """Free the lock, that of a session only if one is given. Returns what it was."""
        record = self.store.read(self.key)
        if record is not None and session in (None, record.session):
            self._end(record)
            return lock_of(record)
        if session:
            self.sessions.destroy(session)
        return None

    def freeze(self, owner):
        """Take the lock with no end. LockHeld if somebody has it. Returns the lock, and whether it is a new one."""
        record = self.store.read(self.key)
        lock = lock_of(record)
        wanted = {name: owner[name] for name in ("by", "purpose", "since")}
        if lock and not (lock["frozen"] and lock["by"] == wanted["by"]):
            raise LockHeld(lock, self.key)
        if lock and lock["purpose"] == wanted["purpose"]:
            return lock, False
        value = json.dumps({**wanted, "frozen": True}, sort_keys=True).encode("utf-8")
        self.store.apply([Change("cas", self.key, value, index=record.index if record else 0)], settle=False)
        return self.read(), True

    def _lock(self, value, ttl):
        """Write the key with a new session. None if somebody else was first."""
        session = self.sessions.create(
            {"Name": self.key, "TTL": f"{ttl}s", "Behavior": "delete", "LockDelay": "0s", "NodeChecks": []}
        )
        text = json.dumps(value, sort_keys=True).encode("utf-8")
        try:
            self.store.apply([Change("lock", self.key, text, session=session)], settle=False)
        except ConsulError:
            self.sessions.destroy(session)
            if self.store.read(self.key) is None:
                raise
            return None
        return self.read()

    def _end(self, record):
        if record.session:
            try:
                return self.sessions.destroy(record.session)  # which deletes the key
            except ConsulError as error:
                # The node of another agent, on which the token has no right. The session is of no use without the key.
                if error.status != 403:
                    raise
        self.store.apply([Change("delete-cas", self.key, index=record.index)], settle=True)

    def _wait_for_change(self, index, seconds):
        self.client.get("kv/" + self.key, {**self.client.query, "index": index}, missing_ok=True, wait=seconds)
