# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consul's KV store as the modules see it: records with values of bytes, and changes that carry the index they read."""

from __future__ import annotations

import base64
import collections
import json
import re
import unicodedata

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError, was_refused

MAX_VALUE = 512 * 1024
MAX_OPERATIONS = 64
# Consul refuses a transaction whose body is above 512 KB (txn_max_req_len).
MAX_TRANSACTION = 480 * 1024

# Paths that Go's HTTP server would "clean" and redirect.
CLEANED = re.compile(r"^/|//|(^|/)\.{1,2}(/|\Z)")

Record = collections.namedtuple("Record", "key value flags index create_index lock_index session")


class Change(collections.namedtuple("Change", "verb key value flags index session")):
    """One write of a transaction. C(index) is what was read: 0 means that the key must not exist."""

    __slots__ = ()

    def __new__(cls, verb, key, value=None, flags=0, index=0, session=None):
        return super().__new__(cls, verb, key, value, flags, index, session)

    def operations(self):
        """Consul compares no index for a lock, so an operation of its own does that."""
        write = {"Verb": self.verb, "Key": self.key}
        if self.value is not None:
            write.update(Value=base64.b64encode(self.value).decode("ascii"), Flags=self.flags)
        if not self.session:
            return [{"KV": dict(write, Index=self.index)}]
        check = {"Verb": "check-not-exists", "Key": self.key}
        if self.index:
            check = {"Verb": "check-index", "Key": self.key, "Index": self.index}
        return [{"KV": check}, {"KV": dict(write, Session=self.session)}]

    def holds(self, record):
        """Whether someone else did the same: C(record) is what is stored now."""
        if self.verb == "delete-cas":
            return record is None
        if record is None or self.verb == "lock" or (self.verb == "unlock" and record.session):
            return False
        return (record.value, record.flags) == (self.value, self.flags)


class LostRace(ConsulError):
    """A write that was refused because of what someone else wrote, with the changes that were refused."""

    def __init__(self, error, lost):
        super().__init__(str(error), error.status, error.method, error.path, error.detail)
        self.lost = lost


class WriteError(ConsulError):
    """A write that did not happen, with the keys it is about and those that were written before it."""

    def __init__(self, error, keys, written):
        note = f"; {len(written)} key(s) had been written before this failure" if written else ""
        if error.method and error.status is None and not was_refused(error):
            # Consul may have done it, and only its answer was lost.
            which = named(keys[0]) if len(keys) == 1 else f"the {len(keys)} keys from {named(keys[0])} on"
            note += f"; whether {which} got written is not known: run again"
        super().__init__(f"{error}{note}", error.status, error.method, error.path, error.detail)
        self.keys = keys
        self.written = written


class KVStore:
    def __init__(self, client):
        self.client = client
        self.index = None  # of the last read or write
        self._dc = client.query

    def read(self, key):
        """The record of one key, or None."""
        if not in_a_url(key):
            return self._tree_by_transaction(key).get(key)
        answer = self.client.get("kv/" + key, self._dc, missing_ok=True)
        self.index = answer.index
        return _record(answer.data[0]) if answer.data else None

    def tree(self, prefix):
        """All records whose key begins with the prefix, by key."""
        if not in_a_url(prefix):
            return self._tree_by_transaction(prefix)
        answer = self.client.get("kv/" + prefix, dict(self._dc, recurse=""), missing_ok=True)
        self.index = answer.index
        records = [_record(item) for item in answer.data or []]
        if not records and prefix:
            # A list without the right to read it is empty, not an error; a single read tells the two apart.
            self.client.get("kv/" + prefix, self._dc, missing_ok=True)
        return {record.key: record for record in records}

    def records(self, keys):
        """The records of these keys, by key."""
        found = {}
        for batch in batches([Change("get", key) for key in keys]):
            found.update(self._stored([change.key for change in batch]))
        return found

    def _stored(self, keys):
        """The records of keys that fit in one transaction, which Consul refuses while one of them does not exist."""
        try:
            answer = self._read_by_transaction("get", *keys)
        except ConsulError as error:
            failures = _failures(error)
            if not failures or not all(ABSENT.search(what) for _number, what in failures):
                raise
            absent = [keys[number] for number, _what in failures]
            self._refuse_unreadable(*absent)
            present = [key for key in keys if key not in absent]
            return self._stored(present) if present else {}
        records = {result["KV"]["Key"]: _record(result["KV"]) for result in answer.data["Results"] or []}
        left_out = [key for key in keys if key not in records]
        if left_out:
            self._refuse_unreadable(*left_out)
        return records

    def names(self, prefix, separator=None):
        """The names of all keys that begin with the prefix, cut after the first separator that follows it."""
        if not in_a_url(prefix):
            return cut(self._tree_by_transaction(prefix), prefix, separator)
        params = dict(self._dc, keys="")
        if separator:
            params["separator"] = separator
        answer = self.client.get("kv/" + prefix, params, missing_ok=True)
        self.index = answer.index
        if not answer.data and prefix:
            self.client.get("kv/" + prefix, self._dc, missing_ok=True)  # as in tree
        return answer.data or []

    def _tree_by_transaction(self, prefix):
        answer = self._read_by_transaction("get-tree", prefix)
        records = [_record(result["KV"]) for result in answer.data["Results"]]
        if not records:
            self._refuse_unreadable(prefix)
        return {record.key: record for record in records}

    def _refuse_unreadable(self, *keys):
        """A transaction leaves out what the token may not read, but refuses to check it."""
        try:
            self._read_by_transaction("check-not-exists", *keys)
        except ConsulError as error:
            failures = _failures(error)
            if failures is None:
                raise
            # Another failure means that someone has just made the key.
            denied = [keys[number] for number, what in failures if "Permission denied" in what]
            if denied:
                message = f"{named(denied[0])}: {UNREADABLE}"
                raise ConsulError(message, 403, error.method, error.path, error.detail) from error

    def _read_by_transaction(self, verb, *keys):
        params = dict(self._dc)
        if self.client.consistency != "default":
            params[self.client.consistency] = ""
        return self.client.put("txn", params, [{"KV": {"Verb": verb, "Key": key}} for key in keys], idempotent=True)

    def rehearse(self, changes):
        """Raise what C(apply) would: a missing right, an unknown session. Nothing is written: no transaction of these
        can succeed, as one of its first two operations fails, whatever is stored. Consul names each that fails."""
        small = [change if change.value is None else change._replace(value=b"") for change in changes]
        for batch in batches(small, MAX_OPERATIONS - 2):
            impossible = [{"KV": {"Verb": verb, "Key": batch[0].key}} for verb in ("check-not-exists", "get")]
            operations, changes_of = _flat(batch)
            try:
                self.client.put("txn", self._dc, [*impossible, *operations], idempotent=True)
            except ConsulError as error:
                failures = _failures(error)
                if failures is None:
                    raise
                own = [(changes_of[number - 2], what) for number, what in failures if number >= 2]
                own = [(change, what) for change, what in own if not LOST.search(what)]
                if own:
                    raise _refusal(error, own) from error

    def apply(self, changes, settle=True):
        """Write in as few atomic steps as Consul takes.

        Returns the new modify index of each key that was written; and, by key, the records of those that someone else
        has made as wanted in the meantime, which is an error unless C(settle)."""
        indexes, settled = {}, {}
        for batch in batches(changes):
            while batch:
                try:
                    indexes.update(self._apply_batch(batch))
                    self.index = max(indexes.values()) or self.index
                    break
                except ConsulError as error:
                    found = self._settled(error) if settle and isinstance(error, LostRace) else None
                    if found is None:
                        keys = [change.key for change in batch]
                        raise WriteError(_explain(error, batch), keys, list(indexes)) from error
                settled.update(found)
                batch = [change for change in batch if change.key not in found]
        return indexes, settled

    def _settled(self, error):
        """The present records of the keys that were refused, or None if any is not as wanted."""
        found = {}
        for change in error.lost:
            found[change.key] = self.read(change.key)
            if not change.holds(found[change.key]):
                return None
        return found

    def _apply_batch(self, batch):
        if len(batch) == 1 and _size(batch[0]) > MAX_TRANSACTION:
            return self._put(batch[0])
        operations, changes_of = _flat(batch)
        try:
            answer = self.client.put("txn", self._dc, operations)
        except ConsulError as error:
            failures = _failures(error)
            if failures and all(LOST.search(what) for _number, what in failures):
                lost = dict.fromkeys(changes_of[number] for number, _what in failures)
                raise LostRace(error, list(lost)) from error
            raise
        if not isinstance(answer.data, dict) or answer.data.get("Errors"):
            raise ConsulError("Consul did not confirm the transaction")
        indexes = dict.fromkeys((change.key for change in batch), 0)
        for result in answer.data.get("Results") or []:
            indexes[result["KV"]["Key"]] = result["KV"]["ModifyIndex"]
        return indexes

    def _put(self, change):
        """A value that, in base64, is too large for a transaction."""
        params = dict(self._dc, flags=change.flags, cas=change.index)
        if self.client.put("kv/" + change.key, params, change.value).data is not True:
            words = f"{named(change.key)}: Consul answered false: it was changed by someone else in the meantime"
            raise LostRace(ConsulError(words), [change])
        return {change.key: self.read(change.key).index}


def as_data(record):
    """A record as Consul's API has it, with the value decoded; what is not text stays in base64."""
    data = {
        "Key": record.key,
        "Flags": record.flags,
        "CreateIndex": record.create_index,
        "ModifyIndex": record.index,
        "LockIndex": record.lock_index,
    }
    if record.session:
        data["Session"] = record.session
    try:
        data["Value"] = record.value.decode("utf-8")
    except UnicodeDecodeError:
        data["Base64"] = base64.b64encode(record.value).decode("ascii")
    return data


def cut(keys, prefix, separator):
    """Names as Consul cuts them: each ends with the first separator after the prefix, and is there once."""
    if not separator:
        return list(keys)
    ends = ((key, key.find(separator, len(prefix))) for key in keys)
    return list(dict.fromkeys(key if end < 0 else key[: end + len(separator)] for key, end in ends))


def batches(changes, most=MAX_OPERATIONS):
    """Split into lists that fit in one transaction each."""
    batch, count, size = [], 0, 0
    for change in changes:
        operations = change.operations()
        length = len(json.dumps(operations))
        if batch and (count + len(operations) > most or size + length > MAX_TRANSACTION):
            yield batch
            batch, count, size = [], 0, 0
        batch.append(change)
        count += len(operations)
        size += length
    if batch:
        yield batch


def _size(change):
    return len(json.dumps(change.operations()))


def _flat(batch):
    """The operations of a batch, and the change that each belongs to."""
    pairs = [(operation, change) for change in batch for operation in change.operations()]
    return [operation for operation, _change in pairs], [change for _operation, change in pairs]


def _record(item):
    return Record(
        key=item["Key"],
        value=base64.b64decode(item["Value"] or ""),  # an empty value reads back as null
        flags=item["Flags"],
        index=item["ModifyIndex"],
        create_index=item["CreateIndex"],
        lock_index=item["LockIndex"],
        session=item.get("Session"),
    )


def named(key):
    """A key in a message, which is one line."""
    return key if key.isprintable() else repr(key)


def check_sizes(changes):
    for change in changes:
        if _size(change) <= MAX_TRANSACTION:
            continue
        if change.session:
            raise ConsulError(
                f"{named(change.key)}: the value is too large to be locked or unlocked in a transaction: store it under"
                " another key"
            )
        if not in_a_url(change.key):
            raise ConsulError(
                f"{named(change.key)}: the value is too large for a transaction, and Consul takes this key in no other way"
            )


def in_a_url(key):
    """Whether Consul takes the key as part of a path. All others are reached through transactions only.

    Consul refuses paths with characters that are not printable in its version of Unicode, which is newer than 3.2 and
    perhaps older than Python's."""
    return (
        not CLEANED.search(key)
        and key.isprintable()
        and all(unicodedata.ucd_3_2_0.category(char)[0] in "LMNPSZ" for char in key)
    )


ABSENT = re.compile(r"key .* doesn't exist\Z", re.DOTALL)
LOST = re.compile(r"index is stale|failed index check|failed to check index|\" exists\Z|lock isn't held")
UNREADABLE = "Permission denied (the token's policies do not allow to read it, or none was given)"
IN_OUR_WORDS = (
    (
        "invalid session",
        "the session {session} is unknown to Consul: it has expired or was destroyed; create another one",
    ),
    ("already held", "the lock is held by another session"),
    ("lock isn't held", "the lock is not held by the session {session}"),
    ("lock delay", "the lock is kept for the lock delay of the session that lost it; try again later"),
    ("Permission denied", "Permission denied (the token's policies do not allow this, or no token was given)"),
)


def _in_our_words(what, change):
    for words, ours in IN_OUR_WORDS:
        if words in what:
            return ours.format(session=change.session)
    return "changed by someone else since it was read; run again" if LOST.search(what) else what


def _failures(error):
    """Pairs of the number of an operation and what is wrong with it, of a transaction that Consul refused."""
    if error.status != 409:
        return None
    try:
        return [(item["OpIndex"], item["What"]) for item in json.loads(error.detail)["Errors"]]
    except (ValueError, KeyError, TypeError):
        return None


def _explain(error, batch):
    """Name the keys that Consul refused to write."""
    failures, changes_of = _failures(error), _flat(batch)[1]
    if failures is None or any(number >= len(changes_of) for number, _what in failures):
        return error
    return _refusal(error, [(changes_of[number], what) for number, what in failures])


def _refusal(error, failures):
    """One reason for each key. That it was changed is the reason only where there is no other."""
    reasons = {}
    for change, what in sorted(failures, key=lambda failure: bool(LOST.search(failure[1]))):
        reasons.setdefault(change.key, f"{named(change.key)}: {_in_our_words(what, change)}")
    message = f"Consul refused to write {'; '.join(reasons.values())}"
    return ConsulError(message, error.status, error.method, error.path, error.detail)
