# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_kv_info
short_description: Read keys of Consul's KV store
version_added: 0.1.0
description:
  - Reads one key, a whole tree, or only the names of the keys. Read-only.
  - A key that the token may not read is an error. It does not look like a missing key.
notes:
  - Values are not hidden. Set C(no_log) on a task that reads a secret. M(dockyard.consul.consul_kv) can hide single values.
  - Consul silently leaves out the keys of a tree that the token may not read, if the token may read any other. With an
    empty O(key) (the whole store) it may leave out everything.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  diff_mode:
    support: none
options:
  key:
    description:
      - The key, exactly as written, including a leading or trailing slash.
      - With O(recurse) or O(keys), the beginning of the keys. If empty, the whole store.
    type: str
    required: true
  recurse:
    description:
      - Read all keys that begin with O(key). With O(keys), an error.
      - Consul compares the text, so V(app) also matches V(application). For a folder, end the key with a slash.
    type: bool
    default: false
  keys:
    description: Return only the names of all keys that begin with O(key).
    type: bool
    default: false
  separator:
    description:
      - With O(keys), cut each name after the first separator that follows O(key), and return it once. A slash lists a
        folder without the content of its subfolders.
    type: str
seealso:
  - module: dockyard.consul.consul_kv
  - name: KV store endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/kv
"""

EXAMPLES = r"""
- name: Set some keys, so that there is something to read
  dockyard.consul.consul_kv:
    prefix: shop
    values:
      message: Hello
      db:
        host: db.service.consul
        port: 5432

- name: Read one key
  dockyard.consul.consul_kv_info:
    key: shop/message
  register: message

- name: Show it, or a default if there is none
  ansible.builtin.debug:
    msg: "{{ message.data | map(attribute='Value') | first | default('nothing yet') }}"

- name: Read a folder
  dockyard.consul.consul_kv_info:
    key: shop/
    recurse: true
  register: shop

- name: Show it as a mapping
  ansible.builtin.debug:
    msg: "{{ shop.data | items2dict(key_name='Key', value_name='Value') }}"

- name: List what is in a folder, its folders as one name each
  dockyard.consul.consul_kv_info:
    key: shop/
    keys: true
    separator: /
"""

RETURN = r"""
data:
  description:
    - The records of the keys, or their names with O(keys). Empty if there is none. One record at most without O(recurse).
    - A value that is not text is returned as RV(ignore:Base64) instead of RV(ignore:Value).
  returned: success
  type: list
  elements: raw
  sample:
    - CreateIndex: 61
      Flags: 0
      Key: shop/message
      LockIndex: 0
      ModifyIndex: 61
      Value: Hello
index:
  description: Consul's index of what was read.
  returned: if the key exists
  type: int
  sample: 61
key:
  description: The key.
  returned: success
  type: str
  sample: shop/message
"""

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import KVStore, as_data
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule


def execute(module, client):
    params = module.params
    store = KVStore(client)
    result = {"changed": False, "key": params["key"], "data": read(params, store)}
    if store.index is not None:
        result["index"] = store.index
    return result


def read(params, store):
    key = params["key"]
    if params["separator"] and not params["keys"]:
        raise ConsulError("separator: only names are cut at it; set keys as well")
    if params["recurse"] and params["keys"]:
        raise ConsulError("recurse: it returns records, and keys returns names; set one of the two")
    if params["keys"]:
        return store.names(key, params["separator"])
    if params["recurse"]:
        return [as_data(record) for record in store.tree(key).values()]
    if not key:
        raise ConsulError("key is empty: give a key, or set recurse or keys to mean the whole store")
    record = store.read(key)
    return [as_data(record)] if record else []


def main():
    module = ConsulModule(
        argument_spec={
            "key": {"type": "str", "required": True, "no_log": False},
            "recurse": {"type": "bool", "default": False},
            "keys": {"type": "bool", "default": False, "no_log": False},
            "separator": {"type": "str"},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
