# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: consul_kv
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Read keys of Consul's KV store
description:
  - Returns the value of one key or several, or all values in a folder as a dictionary.
  - A key that does not exist is an error, unless there is a O(default). So is a key that the token may not read.
  - >-
    Values are text. One that is not valid UTF-8 is returned as a mapping V({$base64: ...}), which
    M(dockyard.consul.consul_kv) accepts as a value.
extends_documentation_fragment:
  - dockyard.consul.consul
options:
  _terms:
    description:
      - Keys, exactly as written, including a leading or trailing slash.
      - With O(recurse), folders. A trailing slash is added if it is missing. If empty, the whole store.
    type: list
    elements: str
    required: true
  recurse:
    description:
      - Return all values in each folder, as one dictionary per folder. Its names are the keys without the folder, such as
        V(db/host). M(dockyard.consul.consul_kv) accepts it as O(dockyard.consul.consul_kv#module:values).
      - The key that is the folder itself is left out. Consul's UI makes such keys.
      - Consul silently leaves out the keys that the token may not read, if the token may read any other.
    type: bool
    default: false
  json:
    description:
      - Decode the values as JSON. A value that is not JSON is an error.
      - JSON with a field twice in an object, with a number that is too large, or with more than 100 levels is an error too.
    type: bool
    default: false
  default:
    description:
      - What is returned for a key that does not exist, or for a folder without keys. It is returned as it is, also with
        O(json).
      - Without it, a missing key is an error. V(null) is a default like any other.
    type: raw
notes:
  - Lookups run on the controller, in the user's environment. The environment variables, the files and the agent are those
    of the controller. C(environment) of a task and C(module_defaults) have no effect.
  - Use C(no_log) on tasks that receive a secret.
  - Give the token as a variable or in the environment. Ansible prints the source line of a template that fails, so a
    literal token in it is printed.
seealso:
  - module: dockyard.consul.consul_kv
  - module: dockyard.consul.consul_kv_info
"""

EXAMPLES = r"""
- name: Show a value
  ansible.builtin.debug:
    msg: "{{ lookup('dockyard.consul.consul_kv', 'shop/message') }}"

- name: Show a value of another agent, over HTTPS with an ACL token
  ansible.builtin.debug:
    msg: >-
      {{ lookup('dockyard.consul.consul_kv', 'shop/message', host='consul1.example.com', port=8501, scheme='https',
                ca_path='/etc/ssl/site-ca.pem', token=shop_reader_token) }}

- name: Show a setting, or a default
  ansible.builtin.debug:
    msg: "{{ lookup('dockyard.consul.consul_kv', 'shop/colour', default='blue') }}"

- name: Show one field of a JSON object
  ansible.builtin.debug:
    msg: "{{ lookup('dockyard.consul.consul_kv', 'shop/redis', json=true).redis_host }}"

- name: Show several values
  ansible.builtin.debug:
    msg: "{{ query('dockyard.consul.consul_kv', 'shop/message', 'shop/db/host') }}"

- name: Show all values in a folder
  ansible.builtin.debug:
    msg: "{{ item.key }} is {{ item.value }}"
  loop: "{{ lookup('dockyard.consul.consul_kv', 'shop', recurse=true) | dict2items }}"
"""

RETURN = r"""
_raw:
  description: The values, one for each key. With O(recurse), the dictionaries, one for each folder.
  type: list
  elements: raw
  sample: [Hello]
"""

import base64
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import KVStore, Record, named
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_values import folder, parsed
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC
from ansible_collections.dockyard.consul.plugins.module_utils.consul_settings import settings_from

MISSING = object()  # not None, which JSON's null becomes


class LookupModule(LookupBase):
    def run(self, terms: list, variables: dict | None = None, **kwargs: Any) -> list:
        self.set_options(var_options=variables, direct=kwargs)
        options = self.get_options()
        try:
            check_arguments(terms, kwargs, options, options["recurse"])
            client = ConsulClient(**settings_from({name: options[name] for name in CONNECTION_SPEC}))
            read = read_folder if options["recurse"] else read_key
            found = [read(KVStore(client), term, options["json"]) for term in terms]
            missing = [term for term, value in zip(terms, found, strict=True) if value is MISSING]
            if missing and "default" not in kwargs:
                what = "no key in the folder" if options["recurse"] else "no key"
                raise ConsulError(
                    f"{client.place} has {what} {missing[0]!r}: write it, or give a default to the lookup"
                )
        except ConsulError as error:
            raise AnsibleLookupError(str(error)) from None  # Ansible shows the message of each cause too
        return [options["default"] if value is MISSING else value for value in found]


def check_arguments(terms: list, given: dict, known: dict, recurse: bool) -> None:
    """Ansible ignores an option that does not exist, and takes any term."""
    if unknown := sorted(set(given) - set(known)):
        names = ", ".join(sorted(set(known) - {"_terms"}))
        raise ConsulError(f"{unknown[0]}: there is no such option. The options are {names}")
    for term in terms:
        if not isinstance(term, str):
            raise ConsulError(f"{term!r} is not a key: write it in quotes")
        if not term and not recurse:
            raise ConsulError("the key is empty: give a key, or set recurse to read the whole store")


def read_key(store: KVStore, key: str, as_json: bool) -> Any:
    record = store.read(key)
    return decoded(record, as_json) if record else MISSING


def read_folder(store: KVStore, name: str, as_json: bool) -> Any:
    prefix = folder(name)
    records = store.tree(prefix)
    return values_in(prefix, records, as_json) if records else MISSING


def values_in(prefix: str, records: dict[str, Record], as_json: bool) -> dict:
    return {key[len(prefix) :]: decoded(record, as_json) for key, record in records.items() if key != prefix}


def decoded(record: Record, as_json: bool) -> Any:
    """The value. What is wrong with it is said without it."""
    try:
        text = record.value.decode("utf-8")
    except UnicodeDecodeError as error:
        if as_json:
            raise ConsulError(f"{named(record.key)}: the value is not JSON: it is not UTF-8") from error
        return {"$base64": base64.b64encode(record.value).decode("ascii")}
    if not as_json:
        return text
    try:
        return parsed(text)
    except ValueError as error:
        raise ConsulError(f"{named(record.key)}: the value is not JSON: {error}") from error
