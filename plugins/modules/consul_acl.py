# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: consul_acl
short_description: Keep ACL policies, roles and tokens
version_added: 0.1.0
description:
  - Creates, updates and removes ACL policies, roles and tokens, all of a site in one task.
  - A listed object is made exactly as listed. Policies, roles and identities that it does not list are removed from it.
  - An object that is not listed is left alone. To remove an object, list it with C(state=absent).
  - What this run has already ensured through the same server is not requested again.
  - The module checks the whole task first. If anything is wrong with it, it reports all problems and writes nothing.
notes:
  - O(token) needs the rule C(acl = "write").
  - Policies, roles and tokens are written in this order. Removals come last, in the opposite order.
  - Consul cannot change the secret, the expiration or C(local) of a token. Where one of them differs, the module
    deletes the token and creates it again with the same accessor, and reports this as V(replace). Services that were
    registered with the old secret must be registered again.
  - The anonymous token and the policies that come with Consul can be changed as far as Consul allows, but not removed.
    A legacy token can be updated, which turns it into a token of the current kind, but not removed or replaced.
  - The token that the task itself uses is neither removed nor replaced.
  - Consul checks the rules of a policy when it is written. After an error in the rules, RV(written) lists what was
    written before it.
  - O(datacenter) selects the datacenter of the local tokens. Policies, roles and all other tokens belong to the primary
    datacenter.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
options:
  policies:
    description: ACL policies.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the policy. Letters, digits, C(-) and C(_), at most 128.
          - Consul does not distinguish upper and lower case in names.
        type: str
        required: true
      description:
        description: Description of the policy. By default, that of an existing policy stays.
        type: str
      rules:
        description:
          - Rules in HCL or JSON. By default, none.
          - Line ends, and white space before and after the text, are not compared.
          - Leave this out for a policy that comes with Consul, such as C(global-management).
        type: str
      datacenters:
        description: Datacenters in which the policy is valid. By default, all.
        type: list
        elements: str
        default: []
      state:
        description: Whether the policy exists.
        type: str
        choices: [absent, present]
        default: present
  roles:
    description: ACL roles.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the role. Letters, digits, C(-) and C(_), at most 256.
        type: str
        required: true
      description:
        description: Description of the role. By default, that of an existing role stays.
        type: str
      policies:
        description: Names of policies, each in O(policies) or in Consul.
        type: list
        elements: str
        default: []
      node_identities: &node_identities
        description: Grants the rights of the agents of these nodes. Needs Consul 1.8.1 or newer.
        type: list
        elements: dict
        default: []
        suboptions:
          node_name:
            description: Name of the node, in lower case.
            type: str
            required: true
          datacenter:
            description: Datacenter of the node.
            type: str
            required: true
      service_identities: &service_identities
        description: Grants the rights to register these services and to run their sidecar proxies.
        type: list
        elements: dict
        default: []
        suboptions:
          service_name:
            description: Name of the service, in lower case.
            type: str
            required: true
          datacenters:
            description: Datacenters in which the identity is valid. By default, all. Not for a local token.
            type: list
            elements: str
            default: []
      state:
        description: Whether the role exists.
        type: str
        choices: [absent, present]
        default: present
  tokens:
    description: ACL tokens. Their secrets are in O(secrets).
    type: list
    elements: dict
    default: []
    suboptions:
      accessor_id:
        description: The public id of the token, a UUID in lower case. Always needed.
        type: str
      description:
        description: Description of the token. By default, that of an existing token stays.
        type: str
      policies:
        description: Names of policies, each in O(policies) or in Consul.
        type: list
        elements: str
        default: []
      roles:
        description: Names of roles, each in O(roles) or in Consul.
        type: list
        elements: str
        default: []
      node_identities: *node_identities
      service_identities: *service_identities
      local:
        description: Whether the token is valid in its datacenter only.
        type: bool
        default: false
      expiration_ttl:
        description:
          - How long the token is valid after its creation, as C(8h) or C(90m). Consul's limits are 1 minute and 24 hours.
          - The next run after that creates it again.
          - By default, the token does not expire.
        type: str
      expiration_time:
        description:
          - The time at which the token expires, with its zone, as C(2026-12-31T18:00:00Z). Excludes C(expiration_ttl).
          - Once this time has passed, the entry means the same as C(state=absent).
        type: str
      state:
        description: Whether the token exists.
        type: str
        choices: [absent, present]
        default: present
  secrets:
    description:
      - Secrets of tokens, by accessor. Each is a UUID in lower case.
      - The secret of a token that is not in here is generated by Consul, and not compared. It is not returned; read it
        with C(consul acl token read).
      - An empty secret is an error, and in check mode as if it was not given, because the run may make it first.
      - This is one option for all tokens because Ansible can write a secret inside a list to the journal of the managed
        host. The module shows secrets nowhere, so C(no_log) for the whole task is not needed.
    type: dict
    default: {}
  wait:
    description:
      - How long to wait until Consul has a leader, and the leader has created the management token. Seconds, V(0) does not
        wait.
      - Consul gives the same answer for a wrong O(token) and for one that is not created yet. A wrong token is therefore
        reported after this time.
    type: float
    default: 30
seealso:
  - name: ACL endpoints
    description: HashiCorp's reference.
    link: https://developer.hashicorp.com/consul/api-docs/acl
"""

EXAMPLES = r"""
- name: Keep the ACLs of a site
  dockyard.consul.consul_acl:
    token: "{{ management_token }}"
    policies:
      - name: dns
        description: What DNS reads
        rules: |
          node_prefix "" { policy = "read" }
          service_prefix "" { policy = "read" }
      - name: shop
        rules: |
          key_prefix "shop/" { policy = "read" }
      - name: shop-old
        state: absent
    roles:
      - name: shop
        policies: [shop, dns]
        service_identities:
          - service_name: shop
    tokens:
      - accessor_id: 4d7b7c7c-26a6-5bb4-8d2f-2f2b8a0f5a11
        description: Agent of app1
        node_identities:
          - node_name: app1
            datacenter: dc1
      - accessor_id: 6a0f7a6e-3f0b-5f53-9a27-0f6bfb1c6c22
        description: shop on app1
        roles: [shop]
    secrets:
      4d7b7c7c-26a6-5bb4-8d2f-2f2b8a0f5a11: "{{ app1_agent_token }}"
      6a0f7a6e-3f0b-5f53-9a27-0f6bfb1c6c22: "{{ app1_shop_token }}"

- name: Let DNS answer without a token
  dockyard.consul.consul_acl:
    token: "{{ management_token }}"
    tokens:
      - accessor_id: 00000000-0000-0000-0000-000000000002
        policies: [dns]

- name: Give a person access for a working day
  dockyard.consul.consul_acl:
    token: "{{ management_token }}"
    tokens:
      - accessor_id: 0b8d3f3e-5a52-4a8e-9b16-6c5f0f6e7d33
        description: Kim
        policies: [dns]
        expiration_ttl: 8h

- name: Remove a token
  dockyard.consul.consul_acl:
    token: "{{ management_token }}"
    tokens:
      - accessor_id: 6a0f7a6e-3f0b-5f53-9a27-0f6bfb1c6c22
        state: absent
"""

RETURN = r"""
operations:
  description:
    - What was done to each object that was not as listed, in this order. V(create), V(update), V(replace) or V(remove).
    - Keys are V(policy/NAME), V(role/NAME) and V(token/ACCESSOR).
  returned: success
  type: dict
  sample:
    policy/shop: update
    token/6a0f7a6e-3f0b-5f53-9a27-0f6bfb1c6c22: create
    policy/shop-old: remove
tokens:
  description: The listed tokens that exist after the task.
  returned: success, if Consul was asked. Where an earlier task of this run has ensured all that is listed, it is not.
  type: list
  elements: dict
  contains:
    accessor_id:
      description: The accessor.
      type: str
      sample: 6a0f7a6e-3f0b-5f53-9a27-0f6bfb1c6c22
    description:
      description: The description.
      type: str
      sample: shop on app1
written:
  description: Keys of RV(operations) that had been carried out when the task failed.
  returned: failure of a write
  type: list
  elements: str
"""

import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_acl_checks import (
    problems_of_changes,
    problems_of_input,
    problems_with_consul,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_acls import Acls, description, plan
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule, diff_of, hide

NAMES = {"type": "list", "elements": "str", "default": []}
GRANTS = {
    "policies": NAMES,
    "node_identities": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "node_name": {"type": "str", "required": True},
            "datacenter": {"type": "str", "required": True},
        },
    },
    "service_identities": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"service_name": {"type": "str", "required": True}, "datacenters": NAMES},
    },
}


def objects(**options):
    options.update(
        description={"type": "str"},
        state={"type": "str", "choices": ["absent", "present"], "default": "present"},
    )
    return {"type": "list", "elements": "dict", "default": [], "options": options}


class ConsulACLModule(ConsulModule):
    def shown_params(self):
        """Without O(secrets), and without a C(secret_id) that someone put into a token, where it is not an option."""
        return hide(self.params, ["secret*", "Secret*"])


def execute(module, client):
    params = module.params
    if module.check_mode:
        params["secrets"] = {accessor: secret for accessor, secret in params["secrets"].items() if secret != ""}
    acls = Acls(client)
    problems = problems_of_input(params)
    try:
        acls.load(wait=0 if problems else params["wait"])
    except ConsulError:
        refuse(problems)
        raise
    refuse(problems + problems_with_consul(params, acls))
    acls.read_rules(params["policies"])
    acls.read_secrets(params["secrets"])
    changes = plan(params, acls, time.time_ns())
    refuse(problems_of_changes(changes, acls.own_accessor))
    if not module.check_mode:
        carry_out(acls, changes)
    return {
        "changed": bool(changes),
        "operations": {key(change): change.operation for change in changes},
        "tokens": tokens_after(params, acls, changes),
        "diff": diff_of(
            {key(change): change.before for change in changes if change.before is not None},
            {key(change): change.after for change in changes if change.after is not None},
            "Consul ACLs",
        ),
    }


def refuse(problems):
    if problems:
        raise ConsulError("Nothing was changed. " + " ".join(problems))


def key(change):
    return f"{change.kind}/{change.name}"


def carry_out(acls, changes):
    done = []
    for change in changes:
        try:
            acls.apply(change)
        except ConsulError as error:
            failure = ConsulError(f"{key(change)}: {error}", error.status, error.method, error.path, error.detail)
            failure.written = done
            raise failure from error
        done.append(key(change))


def tokens_after(params, acls, changes):
    """Known beforehand, so the same in check mode."""
    operations = {change.name: change.operation for change in changes if change.kind == "token"}
    return [
        {
            "accessor_id": item["accessor_id"],
            "description": description(item, acls.tokens.get(item["accessor_id"])),
        }
        for item in params["tokens"]
        if operations.get(item["accessor_id"]) != "remove"
        and (item["accessor_id"] in operations or item["accessor_id"] in acls.tokens)
    ]


def main():
    module = ConsulACLModule(
        argument_spec={
            "policies": objects(name={"type": "str", "required": True}, rules={"type": "str"}, datacenters=NAMES),
            "roles": objects(name={"type": "str", "required": True}, **GRANTS),
            # Their secrets are in an option of their own.
            "tokens": {
                **objects(
                    accessor_id={"type": "str"},
                    roles=NAMES,
                    local={"type": "bool", "default": False},
                    expiration_ttl={"type": "str"},
                    expiration_time={"type": "str"},
                    **GRANTS,
                ),
                "no_log": False,
            },
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "wait": {"type": "float", "default": 30},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
