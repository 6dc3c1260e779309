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
    changed in between, the task fails and does not overwrite it, unless the key now is as described.
  - What Consul would refuse fails in check mode too, such as a key that the token may not write.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
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
      - 'A mapping V({$base64: ...}) is binary content. White space in it is ignored.'
      - NaN and infinity are an error, because JSON has neither.
      - Without a value, O(state=present) reads the key and changes nothing. O(state=acquire) and O(state=release) leave
        the value as it is.
      - At most 512 KiB, and about 350 KiB with a lock. With O(state=absent), an error.
    type: raw
  values:
    description:
      - >-
        Many keys at once, under O(prefix). A mapping is a folder, so V({db: {host: h}}) and V({db/host: h}) are the
        same.
      - >-
        A leaf is a string, a number, a boolean, a list (written as JSON), null (an empty value), V({$json: ...}) for an
        object that is written as canonical JSON, or V({$base64: ...}) for binary content.
      - The keys are written in transactions of up to 64 keys. A transaction is atomic.
      - With O(prefix) or O(purge), all keys under O(prefix) are read. Otherwise, only these keys.
      - With O(state=absent), these keys are removed, whatever their values.
    type: dict
  prefix:
    description:
      - Folder of O(values). The module adds a slash between the two. With O(key), an error.
    type: str
    default: ''
  purge:
    description:
      - Remove every other key under O(prefix), so that the tree is exactly O(values).
      - With O(key) or O(state=absent), an error.
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
      - V(acquire) and V(release) lock and unlock O(key) for O(session). If another session holds the lock, both are an
        error.
      - If no session holds the lock, V(release) changes nothing. It is then an error to give a O(value) or O(flags) that
        the key does not have, because a lock that was lost must not look like a clean release.
    type: str
    choices: [absent, acquire, present, release]
    default: present
  recurse:
    description:
      - With O(state=absent), remove all keys that begin with O(key). With O(state=present) and no O(value), read them.
        Otherwise, an error.
      - Consul compares the text, so V(app) also matches V(application). For a folder, end the key with a slash.
    type: bool
    default: false
  retrieve:
    description: Whether RV(data) is returned when O(key) is set.
    type: bool
    default: true
  session:
    description:
      - ID of the session that holds the lock. Required for O(state=acquire) and O(state=release), and an error otherwise.
    type: str
  cas:
    description:
      - Write or remove O(key) only if its modify index is this one. With V(0), only if the key does not exist.
      - Otherwise the task fails, if there is something to change.
      - 0 to 18446744073709551615. With O(recurse), with a lock, and where nothing is written, an error.
    type: int
  flags:
    description:
      - Number that Consul stores with each key, 0 to 18446744073709551615. By default, the flags of an existing key stay.
      - Without a value to write, and with O(state=absent), an error. A lock needs no value.
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
        values that are JSON, also in JSON that is a text in JSON.
      - A value that begins as a JSON object or list, but cannot be read as JSON in UTF-8, is hidden as a whole. So is JSON
        with more than 100 levels.
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

from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_mask import Mask
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_plan import expected, plan
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import KVStore, check_sizes
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of

ARGUMENT_SPEC = {
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
}


class ConsulKVModule(ConsulModule):
    def shown_params(self):
        return Mask(self.params).params(self.params)


def execute(module, client):
    params = module.params
    store = KVStore(client)
    before, changes = plan(params, store)
    check_sizes(changes)
    if module.check_mode:
        indexes, settled = {}, {}
        store.rehearse(changes)
    else:
        indexes, settled = store.apply(changes, settle=params["cas"] is None)
    changes = [change for change in changes if change.key not in settled]
    after = expected(before, changes)
    for key, index in indexes.items():
        if key in after:
            after[key] = after[key]._replace(index=index, create_index=after[key].create_index or index)
    for key, record in settled.items():
        after.pop(key, None)
        if record:
            after[key] = record
    return report(params, store.index, before, after, changes)


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
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("key", "values"), ("value", "values"), ("cas", "values"), ("session", "values")],
        required_one_of=[("key", "values")],
        required_if=[("state", "acquire", ("key", "session")), ("state", "release", ("key", "session"))],
    )
    module.run(execute)


if __name__ == "__main__":
    main()
