# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_kv
short_description: Keep keys in Consul's KV store
version_added: 0.1.0
description:
  - Sets, reads, locks and removes keys, one at a time or a whole tree in one task.
  - A key that is already as described is not written. Every write is conditional on the index that was read. If a key was
    changed in between, the task fails and does not overwrite it.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
options:
  key:
    description:
      - The key, exactly as written, including a leading or trailing slash.
      - Exactly one of O(key) and O(values) is required.
    type: str
  value:
    description:
      - The value. A string is written as it is. A mapping or list is written as canonical JSON, that is with sorted keys
        and no spaces. A number or boolean is written as in JSON.
      - 'A mapping V({$base64: ...}) is binary content.'
      - Without a value, O(state=present) reads the key and changes nothing.
    type: raw
  values:
    description:
      - >-
        Many keys at once, under O(prefix). A mapping is a folder, so V({db: {host: h}}) and V({db/host: h}) are the
        same.
      - >-
        A leaf is a string, a number, a boolean, a list (written as JSON), null (an empty value), V({$json: ...}) for an
        object that is written as canonical JSON, or V({$base64: ...}) for binary content.
      - The keys are read at once, and written in transactions of up to 64 keys. A transaction is atomic.
    type: dict
  prefix:
    description:
      - Folder of O(values). The module adds a slash between the two.
    type: str
    default: ''
  purge:
    description:
      - Remove every other key under O(prefix), so that the tree is exactly O(values).
    type: bool
    default: false
  force:
    description:
      - Allow O(purge) with an empty O(prefix), and O(recurse) with O(state=absent) and an empty O(key). Both concern
        the whole KV store.
    type: bool
    default: false
  state:
    description:
      - V(present) sets O(value) or O(values), V(absent) removes.
      - V(acquire) and V(release) lock and unlock O(key) for O(session).
    type: str
    choices: [absent, acquire, present, release]
    default: present
  recurse:
    description:
      - With O(state=absent), remove all keys that begin with O(key). With O(state=present) and no O(value), read them.
      - Consul compares the text, so V(app) also matches V(application). For a folder, end the key with a slash.
    type: bool
    default: false
  retrieve:
    description: Whether RV(data) is returned when O(key) is set.
    type: bool
    default: true
  session:
    description: ID of the session that holds the lock. Required for O(state=acquire) and O(state=release).
    type: str
  cas:
    description:
      - Write or remove O(key) only if its modify index is this one. With V(0), only if the key does not exist.
      - Otherwise the task fails, if there is something to change.
    type: int
  flags:
    description:
      - Number that Consul stores with each key. By default, the flags of an existing key stay.
    type: int
  secret:
    description:
      - Hide the values in the diff, in the result and in logs.
      - C(no_log) for the whole task is then not needed. It would also hide the messages.
    type: bool
    default: false
  secret_keys:
    description:
      - Hide only some values. Glob patterns, compared with each key, with its last part, and with the names of fields in
        values that are JSON objects.
    type: list
    elements: str
    default: []
seealso:
  - name: KV store endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/kv
"""

EXAMPLES = r"""
- name: Set one key
  dockyard.consul.consul_kv:
    key: app/message
    value: Hello

- name: Set a key to JSON, with one field of it kept out of diffs and logs
  dockyard.consul.consul_kv:
    key: app/redis
    value:
      redis_host: redis.service.consul
      redis_port: 6379
      redis_password: example
    secret_keys:
      - redis_password

- name: Make the tree under app/settings exactly this
  dockyard.consul.consul_kv:
    prefix: app/settings
    values:
      workers: 4
      db:
        host: db.service.consul
        options: {$json: {ssl: true}}
      logo: {$base64: iVBORw0KGgo=}
    purge: true

- name: Read all that is under a folder
  dockyard.consul.consul_kv:
    key: app/
    recurse: true
  register: app

- name: Remove a folder
  dockyard.consul.consul_kv:
    key: app/
    recurse: true
    state: absent
"""

RETURN = r"""
index:
  description: Consul's index of the last read or write.
  returned: if Consul returns one
  type: int
  sample: 61
key:
  description: The key.
  returned: when O(key) is given
  type: str
  sample: app/message
data:
  description:
    - The record of the key after the task, or before it with O(state=absent). V(null) if there is none.
    - With O(recurse), a list of records. With O(values), not returned.
    - A value that is not text is returned as RV(ignore:Base64) instead of RV(ignore:Value).
  returned: when O(key) is given and O(retrieve) is true
  type: raw
  sample:
    CreateIndex: 61
    Flags: 0
    Key: app/message
    LockIndex: 0
    ModifyIndex: 61
    Value: Hello
created:
  description: Keys that did not exist.
  returned: success
  type: list
  elements: str
updated:
  description: Keys whose value, flags or lock changed.
  returned: success
  type: list
  elements: str
deleted:
  description: Keys that were removed.
  returned: success
  type: list
  elements: str
written:
  description: Keys that had been written when the task failed.
  returned: failure of a write
  type: list
  elements: str
"""

import base64
import binascii
import hashlib
import json

from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import (
    MAX_VALUE,
    Change,
    KVStore,
    Record,
    as_data,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import (
    HIDDEN,
    HIDDEN_CHANGED,
    ConsulModule,
    diff_of,
    hide,
    matches,
)

LONGEST_SHOWN = 64 * 1024


def as_bytes(key, value):
    """What is written for a value as the user gives it."""
    if value is None:
        content = b""
    elif isinstance(value, dict) and set(value) == {"$base64"}:
        try:
            content = base64.b64decode(str(value["$base64"]), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConsulError(f"{key}: what $base64 holds is not base64: {error}") from error
    elif isinstance(value, dict) and set(value) == {"$json"}:
        content = canonical_json(value["$json"])
    elif isinstance(value, str):
        content = to_bytes(value, errors="surrogate_or_strict")
    else:
        content = canonical_json(value)
    if len(content) > MAX_VALUE:
        raise ConsulError(f"{key}: the value has {len(content)} bytes, Consul takes at most {MAX_VALUE}")
    return content


def canonical_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def flatten(tree, parent=""):
    """Pairs of key and leaf of a nested mapping."""
    for name, value in tree.items():
        key = folder(parent) + str(name)
        if isinstance(value, dict) and set(value) not in ({"$base64"}, {"$json"}):
            yield from flatten(value, key)
        else:
            yield key, value


def folder(prefix):
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def wanted_values(params):
    wanted = {}
    for key, value in flatten(params["values"], params["prefix"]):
        if not key:
            raise ConsulError("values: a key is empty")
        if key in wanted:
            raise ConsulError(f"values: {key} is given twice")
        wanted[key] = as_bytes(key, value)
    return wanted


class Mask:
    """What of keys and values may be seen."""

    def __init__(self, params):
        # Also asked before the parameters have been validated: anything but a plain "no" hides.
        self.everything = params.get("secret") not in (False, None)
        self.patterns = params.get("secret_keys") or []

    def hides(self, key):
        return self.everything or matches(key, self.patterns)

    def shown(self, record, old=None):
        """A record's value for a diff: JSON objects as structures, so that one field can be hidden or seen to change."""
        if self.hides(record.key):
            return HIDDEN if old is None or old.value == record.value else HIDDEN_CHANGED
        content = readable(record.value)
        if isinstance(content, str) and len(content) > LONGEST_SHOWN:
            return described("text", record.value)
        return hide(content, self.patterns, readable(old.value) if old else None)

    def data(self, record):
        """A record for the result, with what is secret hidden."""
        data = as_data(record)
        if self.hides(record.key):
            data.pop("Base64", None)
            return dict(data, Value=HIDDEN)
        if "Base64" in data:
            return data
        content = readable(record.value)
        if hide(content, self.patterns) != content:
            data["Value"] = canonical_json(hide(content, self.patterns)).decode("utf-8")
        return data

    def params(self, params):
        """The module's parameters, for logs."""
        shown = dict(params)
        key = str(params.get("key"))
        value = params.get("value")
        if value is not None:
            if self.hides(key):
                shown["value"] = HIDDEN
            else:
                parsed = readable(to_bytes(value)) if isinstance(value, str) else value
                masked = hide(parsed, self.patterns)
                shown["value"] = value if masked == parsed else masked
        values = params.get("values")
        if values:
            shown["values"] = HIDDEN if self.everything or not isinstance(values, dict) else self.tree(values)
        return shown

    def tree(self, values, parent=""):
        shown = {}
        for name, value in values.items():
            key = folder(parent) + str(name)
            if self.hides(key):
                shown[name] = HIDDEN
            elif isinstance(value, dict):
                shown[name] = self.tree(value, key)
            else:
                shown[name] = self.params({"key": key, "value": value})["value"]
        return shown


def readable(content):
    """Bytes as a JSON structure if they are one, else as text, else as a description."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return described("binary", content)
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def described(kind, content):
    return f"({kind}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]})"


class ConsulKVModule(ConsulModule):
    def shown_params(self):
        return Mask(self.params).params(self.params)


def execute(module, client):
    params = module.params
    store = KVStore(client)
    if params["values"] is not None:
        before, changes = plan_many(params, store)
    elif params["state"] in ("acquire", "release"):
        before, changes = plan_lock(params, store)
    else:
        before, changes = plan_one(params, store)
    after = expected(before, changes)
    if not module.check_mode:
        for key, index in store.apply(changes).items():
            if key in after:
                after[key] = after[key]._replace(index=index, create_index=after[key].create_index or index)
    return report(params, store.index, before, after, changes)


def plan_many(params, store):
    wanted = wanted_values(params)
    tree = folder(params["prefix"])
    if params["purge"] and not tree and not params["force"]:
        raise ConsulError("purge with an empty prefix would remove all other keys of the store: set prefix, or force")
    before = store.tree(tree)
    if params["state"] == "absent":
        return before, [removal(before[key]) for key in wanted if key in before]
    changes = [setting(key, value, before.get(key), params["flags"]) for key, value in wanted.items()]
    if params["purge"]:
        changes += [removal(record) for key, record in before.items() if key not in wanted]
    return before, [change for change in changes if change]


def plan_one(params, store):
    key = params["key"]
    if params["recurse"] and (params["state"] == "absent" or params["value"] is None):
        if params["state"] == "absent" and not key and not params["force"]:
            raise ConsulError("this would remove every key of the store: set key, or force")
        before = store.tree(key)
        return before, [removal(record) for record in before.values()] if params["state"] == "absent" else []
    if not key:
        raise ConsulError("key is empty")
    wanted = None if params["value"] is None else as_bytes(key, params["value"])
    record = store.read(key)
    change = None
    if params["state"] == "absent":
        change = record and removal(record)
    elif wanted is not None:
        change = setting(key, wanted, record, params["flags"])
    if change and params["cas"] is not None and params["cas"] != change.index:
        raise ConsulError(f"{key}: cas is {params['cas']}, but {index_of(record)}; nothing was written")
    return {key: record} if record else {}, [change] if change else []


def index_of(record):
    return f"the modify index of the key is {record.index}" if record else "the key does not exist"


def plan_lock(params, store):
    key, session = params["key"], params["session"]
    wanted = None if params["value"] is None else as_bytes(key, params["value"])
    record = store.read(key)
    holder = record.session if record else None
    if holder not in (None, session):
        raise ConsulError(f"{key}: the lock is held by another session, {holder}")
    before = {key: record} if record else {}
    held = holder == session
    if params["state"] == "release":
        if not held:
            return before, []
        return before, [
            setting(key, record.value if wanted is None else wanted, record, params["flags"], "unlock", session)
        ]
    if held and wanted in (None, record.value) and params["flags"] in (None, record.flags):
        return before, []
    if wanted is None:
        wanted = record.value if record else b""
    return before, [setting(key, wanted, record, params["flags"], "lock", session)]


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


def report(params, index, before, after, changes):
    mask = Mask(params)
    keys = [change.key for change in changes]
    result = {
        "changed": bool(changes),
        "created": [key for key in keys if key not in before],
        "updated": [key for key in keys if key in before and key in after],
        "deleted": [key for key in keys if key not in after],
        "diff": diff_of(
            {key: diff_entry(mask, before[key], after.get(key)) for key in keys if key in before},
            {key: diff_entry(mask, after[key], before.get(key), old=before.get(key)) for key in keys if key in after},
            "Consul KV",
        ),
    }
    if index is not None:
        result["index"] = index
    if params["key"] is None:
        return result
    result["key"] = params["key"]
    if params["retrieve"]:
        seen = before if params["state"] == "absent" else after
        records = [mask.data(record) for record in seen.values()]
        result["data"] = (records if params["recurse"] else records[0]) if records else None
    return result


def diff_entry(mask, record, counterpart, old=None):
    """The value; with flags and lock only where the two sides differ in them or there is something to say."""
    value = mask.shown(record, old)
    other = counterpart or record
    extra = {}
    if record.flags or other.flags:
        extra["flags"] = record.flags
    if record.session != other.session:
        extra["session"] = record.session
    return dict(extra, value=value) if extra else value


def main():
    module = ConsulKVModule(
        argument_spec={
            "key": {"type": "str", "no_log": False},
            "value": {"type": "raw"},
            "values": {"type": "dict"},
            "prefix": {"type": "str", "default": ""},
            "purge": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["absent", "acquire", "present", "release"], "default": "present"},
            "recurse": {"type": "bool", "default": False},
            "retrieve": {"type": "bool", "default": True},
            "session": {"type": "str"},
            "cas": {"type": "int"},
            "flags": {"type": "int"},
            "secret": {"type": "bool", "default": False, "no_log": False},
            "secret_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        mutually_exclusive=[("key", "values"), ("value", "values"), ("cas", "values"), ("session", "values")],
        required_one_of=[("key", "values")],
        required_if=[("state", "acquire", ("key", "session")), ("state", "release", ("key", "session"))],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
