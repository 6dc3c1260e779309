# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: remove_files
short_description: Remove files that were placed, and put back what was there before
version_added: 0.1.0
description:
  - Takes back what M(dockyard.consul.files) has placed on a host. A file that was there before is put back from its backup,
    with its owner and permissions. A file that was not there before is removed.
  - A file that somebody else has changed since it was placed stays as it is, and is named in RV(kept). So does a file of which
    it is not known what was there before, because the note or the backup is lost.
  - Settings that were merged into a JSON file are removed from it. The other settings stay.
  - All files are changed, or none. If a run is killed, the next run of this module or of M(dockyard.consul.files) first puts
    the files back that it has changed.
author:
  - The dockyard.consul authors (@dockyard)
options:
  paths:
    description:
      - Absolute paths of files. V(*) and V(?) match as in a shell. Only files that M(dockyard.consul.files) has placed or
        replaced are touched.
    type: list
    elements: str
    required: true
  put_back:
    description:
      - As O(paths), but what was placed there stays. Only files that M(dockyard.consul.files) has removed are put back.
    type: list
    elements: str
    default: []
  folders:
    description: Absolute paths of folders. V(*) and V(?) match as in a shell. Each is removed if nothing is left in it.
    type: list
    elements: str
    default: []
notes:
  - Requires root, and Linux.
  - C(/var/lib/dockyard/placed.json) and C(former.json) record what was placed, and the backup of what was there. Without them
    nothing is removed.
attributes:
  check_mode:
    description: Can predict what it changes without changing it.
    support: full
  diff_mode:
    description: Shows what it changes. The content of what is put back is hidden.
    support: full
seealso:
  - module: dockyard.consul.files
"""

EXAMPLES = r"""
- name: Remove the configuration of Redis that was placed
  dockyard.consul.remove_files:
    paths: [/etc/redis/site.conf, /etc/systemd/system/redis-server.service.d/site.conf]
    folders: [/etc/systemd/system/redis-server.service.d]
"""

RETURN = r"""
removed:
  description: The files and folders that were removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/redis/site.conf]
restored:
  description: The files and links that were put back from their backups.
  returned: success
  type: list
  elements: str
merged:
  description: The JSON files that lost the settings that were merged into them.
  returned: success
  type: list
  elements: str
  sample: [/etc/docker/daemon.json]
kept:
  description:
    - The files that stay as they are. Somebody else has changed them since they were placed, or the note or the backup of what was
      there before is lost.
  returned: success
  type: list
  elements: str
diff:
  description: One entry per changed path. Empty if not in diff mode.
  returned: success
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.consul.plugins.module_utils.placed_files import said
from ansible_collections.dockyard.consul.plugins.module_utils.placing import PlacingError
from ansible_collections.dockyard.consul.plugins.module_utils.removed_files import remove_placed


def main():
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "str", "required": True},
            "put_back": {"type": "list", "elements": "str", "default": []},
            "folders": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    patterns = module.params["paths"], module.params["put_back"], module.params["folders"]
    relative = [path for pattern in patterns for path in pattern if not path.startswith("/")]
    if relative:
        module.fail_json(msg=f"{', '.join(relative)}: a path must be absolute")
    if os.geteuid():
        module.fail_json(msg="dockyard.consul.remove_files must run as root: set become")
    try:
        result = remove_placed(*patterns, check_mode=module.check_mode)
    except (PlacingError, OSError) as error:
        module.fail_json(msg=said(error))
    recovered = result.pop("recovered")
    if recovered:
        module.warn(f"An earlier run was interrupted. What it had changed was put back first: {', '.join(recovered)}.")
    if not module._diff:
        result["diff"] = []
    module.exit_json(**result)


if __name__ == "__main__":
    main()
