# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_secret
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Read a secret of the site
description:
  - Returns the content of a file in the folder of secrets on the controller.
  - It never writes. M(dockyard.consul.site_secrets) makes the secrets that are missing.
options:
  _terms:
    description: Paths of files in O(directory), such as V(operator/gossip.key) or V(node/web1/agent.token).
    type: list
    elements: str
    required: true
  kind:
    description: What the secret must be. Content of another kind is an error.
    type: str
    required: true
    choices:
      gossip_key: 16, 24 or 32 bytes in base64, as C(consul keygen) makes them.
      uuid: A UUID in lower-case letters, the form of ACL tokens in Consul.
      password: One word without white space.
  directory:
    description:
      - Folder of secrets on the controller. An absolute path.
      - Defaults to C(site_secrets_dir), otherwise C(.secrets) in the folder of the inventory.
    type: str
  variable:
    description: A variable that takes the place of the file where it is set and not empty.
    type: str
  missing:
    description: What happens if the file is missing.
    type: str
    choices:
      error: The lookup fails. In check mode it returns a random value of this kind, another one each time.
      empty: The lookup returns an empty string, also in check mode.
    default: error
notes:
  - Files and folders that other users may read are refused.
  - Use C(no_log) on tasks that receive the value.
seealso:
  - module: dockyard.consul.site_secrets
"""

EXAMPLES = r"""
- name: Place the gossip key
  ansible.builtin.copy:
    content: "{{ {'encrypt': gossip_key} | to_json }}"
    dest: /etc/consul.d/secret.json
    owner: root
    group: consul
    mode: "0640"
  no_log: true
  diff: false
  vars:
    gossip_key: >-
      {{ lookup('dockyard.consul.site_secret', 'operator/gossip.key', kind='gossip_key') }}
"""

RETURN = r"""
_raw:
  description: The secrets, one for each path.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template
from ansible_collections.dockyard.consul.plugins.lookup.site_value import site_value
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets


class LookupModule(LookupBase):
    def run(self, terms: list, variables: dict | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        variables = variables or {}
        self._check_mode = bool(variables.get("ansible_check_mode"))
        given = self.get_option("variable")
        if (
            given
            and variables.get(given)
            and (value := self._templar.template(trust_as_template("{{ " + given + " }}")))
        ):
            return [value] * len(terms)
        self._directory = self.get_option("directory") or site_value("secrets_dir", variables, self._templar)
        try:
            return [self._secret(term) for term in terms]
        except site_secrets.SecretError as error:
            raise AnsibleLookupError(str(error)) from error

    def _secret(self, name: Any) -> str:
        folder, kind = site_secrets.checked_folder(self._directory), self.get_option("kind")
        value = site_secrets.read(folder, name, kind)
        if value is not None:
            return value
        if self.get_option("missing") == "empty":
            return ""
        if self._check_mode:
            return site_secrets.KINDS[kind].make()
        raise site_secrets.SecretError(
            f"{folder / name} is missing. Copy it from the controller that set up the site."
            " If the site is new, run the playbook dockyard.consul.site, which makes it."
        )
