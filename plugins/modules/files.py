# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Place many files and folders on a host, all or nothing
version_added: 0.1.0
description:
  - Makes files and folders as listed, in one round trip. If any of it fails, every old file is as it was before.
  - Contents are compared, so a file that is as listed is not written.
  - Where M(dockyard.consul.look) has looked at the host in this run, the files are compared on the controller. The host
    is contacted only if one of them differs or is not known. A delegated task always contacts its host.
  - A file that is replaced or removed, and that is not as this module placed it, is first copied to
    C(/var/backups/dockyard). M(dockyard.consul.remove_files) puts it back.
  - Each new content is written next to its destination and renamed. A file that is a mount, such as C(/etc/resolv.conf)
    in a container, is written in place. A link is replaced by the file.
  - If a run is killed, the next run of this module on the host first puts the old files back.
author:
  - The dockyard.consul authors (@dockyard)
options:
  files:
    description:
      - The files and folders, in any order. Each path may be listed once.
      - The folder that a file is in must exist or be listed with O(files[].state=directory).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path on the host.
        type: str
        required: true
      state:
        description:
          - V(file) is a file with O(files[].content), O(files[].src), O(files[].template) or O(files[].json). It is the
            default where one of these is set. Exactly one of them is required.
          - V(directory) is a folder.
          - V(absent) removes a file, a link or an empty folder. A folder that is not empty makes the task fail, unless
            all that is in it is listed with V(absent) too. A source may be set, and is not read.
        type: str
        choices: [absent, directory, file]
      when:
        description: With V(false), the entry is left out, and its path as it is.
        type: bool
        default: true
      content:
        description: The content as text, written in UTF-8.
        type: str
      src:
        description:
          - A file on the controller, whose bytes are the content. A relative path is searched as by
            M(ansible.builtin.copy), first in the C(files) folder of the role. A file encrypted with Ansible Vault is
            decrypted.
          - A list of files is joined to one, each beginning on its own line, such as a certificate and its key.
          - In check mode, a file that is missing counts as one that an earlier task would have made.
        type: raw
      template:
        description:
          - A Jinja template on the controller. A relative path is searched as by M(ansible.builtin.template), first in
            the C(templates) folder of the role.
          - The variable C(ansible_managed) is C(Ansible managed) if it is not set. The other variables that
            M(ansible.builtin.template) adds, such as C(template_path), are not available.
        type: str
      json:
        description:
          - Settings that are merged into the JSON object in the file. All other settings in the file stay.
          - Mappings are merged at every level. Any other value, such as a list, replaces the value in the file. An empty
            mapping changes nothing.
          - A setting that this module placed before is removed when it is listed no longer, unless somebody else has
            changed it since.
          - A file that does not exist is made. The task fails if the file does not hold a JSON object, or has a key twice.
        type: dict
      json_defaults:
        description:
          - Settings that are merged as those in O(files[].json), but that do not replace what somebody else has set.
          - Allowed only together with O(files[].json), which may be empty.
        type: dict
      owner:
        description:
          - Name or number of the user that owns the file. The default is V(root). With O(files[].json), the owner of a file
            that exists stays.
        type: str
      group:
        description:
          - Name or number of the group that owns the file. The default is V(root). With O(files[].json), the group of a file
            that exists stays.
        type: str
      mode:
        description:
          - Permissions as a quoted octal number. The default is V("0644") for a file and V("0755") for a folder. With
            O(files[].json), the permissions of a file that exists stay.
        type: str
      secret:
        description: Hide the content in the diff and in what a validate command prints.
        type: bool
        default: false
  validate:
    description:
      - A command that judges the set before the task succeeds, if anything in the set differs. It is split into words
        as by a shell, but no shell runs it. It has 300 seconds. It must exit with 0, otherwise the task fails with the
        last 20 lines of its output.
      - C(%s) is the root of a temporary tree in which all listed files and folders are staged under their full paths.
        The command runs before anything is placed. Files of the host that are not listed are not in the tree.
      - Without C(%s) the files are placed, then the command runs, and if it fails the old files are put back.
      - In check mode a command without C(%s) does not run. A command with C(%s) does not run if its program is not
        installed or if a user or group does not exist.
      - Lines of the output that contain a line of a secret content are hidden if that line has at least 8 characters.
    type: str
  contents:
    description:
      - The contents by path, in base64. Set by the action plugin only, which keeps all contents out of the host's
        journal in this way.
    type: dict
notes:
  - Requires root, and Linux.
  - The contents of all files are kept out of the host's journal. Set O(files[].secret) to hide a content in the diff too.
  - C(/var/lib/dockyard/placed.json) records the SHA-256 sum of each content that was placed. If this file is lost, the
    worst consequence is an unnecessary backup.
  - C(/var/lib/dockyard/merged.json) records the SHA-256 sum of each setting of O(files[].json) that was placed. If this
    file is lost, these settings count as those of somebody else.
  - A diff of O(files[].json) shows the settings that change. The old value is hidden if this module did not place it.
  - In check mode a user, a group, a parent folder or a file on the controller may be missing.
  - Access control lists and extended attributes of a replaced file are lost. Those of an unchanged file remain.
attributes:
  check_mode:
    description: Can predict what it changes without changing it.
    support: full
  diff_mode:
    description: Shows what it changes.
    support: full
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Place the Consul configuration
  dockyard.consul.files:
    files:
      - {path: /etc/consul.d, state: directory, group: consul, mode: "0750"}
      - path: /etc/consul.d/site.json
        content: "{{ settings | to_nice_json }}"
        group: consul
        mode: "0640"
        secret: true
      - {path: /etc/consul.d/old.json, state: absent}
    validate: consul validate %s/etc/consul.d

- name: Place a virtual host, which nginx can only test in its place
  dockyard.consul.files:
    files:
      - {path: /etc/nginx/conf.d/shop.conf, template: shop.conf.j2}
      - {path: /etc/nginx/shop.pem, src: shop.pem}
      - {path: /etc/nginx/shop.key, src: shop.key, mode: "0600", secret: true}
    validate: nginx -t

- name: Merge settings into a file that is not ours
  dockyard.consul.files:
    files:
      - path: /etc/docker/daemon.json
        json: {live-restore: true}
        json_defaults: {log-driver: json-file, log-opts: {max-size: 10m}}
"""

RETURN = r"""
changed_paths:
  description: The paths that were changed, sorted. In check mode, those that would be changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/consul.d/site.json]
backups:
  description: The backup of each file or link that was replaced or removed and was not as this module placed it.
  returned: success
  type: dict
  sample:
    /etc/consul.d/site.json: /var/backups/dockyard/etc/consul.d/site.json.20260730T101500Z
merged:
  description:
    - The settings of each O(files[].json) that were changed, as JSON pointers. In check mode, those that would be changed.
  returned: success
  type: dict
  sample:
    /etc/docker/daemon.json: [/live-restore, /log-opts/max-size]
diff:
  description: One entry per changed path. Empty if not in diff mode.
  returned: success
  type: list
  elements: dict
  sample:
    - before: "old\n"
      after: "new\n"
      before_header: /etc/motd
      after_header: /etc/motd
"""

import base64
import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import place, said
from ansible_collections.dockyard.consul.plugins.module_utils.placing import Entry, PlacingError
from ansible_collections.dockyard.consul.plugins.module_utils.placing_transaction import NotPutBack

# Before each content, so that hiding the contents in the result hides no word that happens to be equal to one.
PREFIX = "base64:"
# As PREFIX, before the settings that are merged.
MERGE_PREFIX = "base64-merge:"


def entries_of(files, contents):
    return [entry_of(file, contents.get(file["path"])) for file in files]


def entry_of(file, text):
    prefix, content, settings = PREFIX, None, None
    if file["state"] == "file":
        prefix = MERGE_PREFIX if text.startswith(MERGE_PREFIX) else PREFIX
        content = base64.b64decode(text[len(prefix) :])
    if prefix == MERGE_PREFIX:
        content, settings = None, json.loads(content)
    return Entry(
        path=file["path"],
        state=file["state"],
        owner=file["owner"],
        group=file["group"],
        mode=int(file["mode"], 8) if file["mode"] else None,
        content=content,
        secret=file["secret"],
        merge=settings,
    )


def put_back(recovered):
    """A sentence on what an interrupted run had changed, with a space after it, or an empty text."""
    if not recovered:
        return ""
    return f"An earlier run was interrupted. What it had changed was put back first: {', '.join(recovered)}. "


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": ["absent", "directory", "file"]},
                    "content": {"type": "str"},
                    "src": {"type": "raw"},
                    "template": {"type": "str"},
                    "json": {"type": "dict"},
                    "json_defaults": {"type": "dict"},
                    "when": {"type": "bool", "default": True},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "str"},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                },
            },
            "validate": {"type": "str"},
            "contents": {"type": "dict", "no_log": True},
        },
        supports_check_mode=True,
    )
    if os.geteuid():
        module.fail_json(msg="dockyard.consul.files must run as root: set become")
    try:
        entries = entries_of(module.params["files"], module.params["contents"] or {})
        result = place(entries, module.params["validate"], module.check_mode)
    except NotPutBack as error:
        module.fail_json(msg=str(error))
    except (PlacingError, OSError) as error:
        first = put_back(getattr(error, "recovered", []))
        module.fail_json(msg=f"{first}{'Nothing else' if first else 'Nothing'} was changed: {said(error)}")
    recovered = result.pop("recovered")
    if recovered:
        module.warn(put_back(recovered).strip())
    if not module._diff:
        result["diff"] = []
    module.exit_json(**result)


if __name__ == "__main__":
    main()
