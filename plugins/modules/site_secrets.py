# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_secrets
short_description: Make the missing secrets of the site
version_added: 0.1.0
description:
  - Makes each secret that has no file in the folder of secrets on the controller. A secret that exists is never changed.
  - Any number of forks and of runs at the same time get the same value. An interrupted run leaves a whole secret or none.
  - The task runs on the controller, whatever host it is for, and needs no connection.
author:
  - The dockyard.consul authors (@dockyard)
options:
  directory:
    description:
      - Folder of secrets on the controller. An absolute path.
      - The folder is made with mode 0700 if it is missing.
      - Defaults to C(site_secrets_dir), otherwise C(.secrets) in the folder of the inventory.
    type: str
  roles:
    description:
      - Names of roles of this collection, without C(dockyard.consul). Makes the secrets that these roles read on this host.
      - A secret that you set as a variable of the role is not made. The ACL token of a service is made only if the role
        also creates it in Consul, as with C(redis_service_acl=true).
    type: list
    elements: str
    default: []
  prepared:
    description:
      - Whether the roles count as prepared in this run. A role that is prepared does not check its variables again.
      - Set it to V(false) after a check of one entry point of the role.
    type: bool
    default: true
  secrets:
    description: Other secrets that the site needs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Path of the file in O(directory). Folders in it are made with mode 0700.
        type: str
        required: true
      kind:
        description: What the secret is. Content of another kind in an existing file is an error.
        type: str
        required: true
        choices:
          gossip_key: 32 random bytes in base64, as C(consul keygen) makes them. An existing key may have 16 or 24 bytes.
          uuid: A random UUID, the form of ACL tokens in Consul.
          password: 32 letters and digits. An existing password may have 8 or more printable ASCII characters, without
            spaces, quotation marks and backslashes.
attributes:
  check_mode:
    support: full
    description: Nothing is written. RV(made) has the names of the secrets that a real run makes.
  diff_mode:
    support: full
    description: Shows the paths of the files that are made, never the secrets.
notes:
  - A secret from another place is used if you put it into its file first, with mode 0600.
  - Fails before anything is made if O(directory) is not an absolute path, if a file or a folder is open to other users,
    or if a file has content of another kind. All problems are reported at once.
seealso:
  - plugin: dockyard.consul.site_secret
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Make the missing secrets of two roles
  dockyard.consul.site_secrets:
    roles: [consul_client, redis]

- name: Make secrets of your own
  dockyard.consul.site_secrets:
    directory: "{{ inventory_dir }}/.secrets"
    secrets:
      - {name: service/shop.password, kind: password}
      - {name: service/shop.token, kind: uuid}
  run_once: true
"""

RETURN = r"""
made:
  description: Names of the secrets that this task has made, those of O(secrets) first.
  returned: success
  type: list
  elements: str
  sample: [node/web1/agent.token]
"""
