# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_current
short_description: Ensure that a systemd unit runs with the files that are there now
version_added: 0.1.0
description:
  - Compares a unit with the files that it reads. Starts it if it does not run. Restarts or reloads it if a file is
    newer than its last start or reload.
  - Waits until the unit runs with its files, and fails with the reason otherwise.
  - Replaces handlers. A restart that an interrupted run left out is due in the next run.
  - In the same run as M(dockyard.consul.look), the decision is made on the controller. The module runs only if
    something is due, or not known.
notes:
  - A restart is also due if the binary of the running process was replaced, and if systemd has not read a changed unit
    file. Before each start and restart, systemd reads its unit files (C(daemon-reload)).
  - List every unit file and drop-in that you place in O(reads). systemd does not notice the first drop-in of a unit, and
    as C(daemon-reload) is for all units, the task for one unit can hide that another one still needs its restart.
  - A file is newer if its modification time is later than the time at which the start began. A file that is put in
    place with an older modification time, as by C(mv), is not noticed. List its folder, too.
  - The date of a file that lies in the future, as after the clock was set back, is set to now before the unit is
    started, restarted or reloaded.
  - A file dated less than 10 ms before the start counts as newer. The module therefore waits up to 20 ms before it acts.
  - A unit that crashes while the module waits is an error, even if systemd starts it again. A unit of C(Type=simple),
    C(exec) or C(idle) has to run for 1 s.
  - Requires root on the host, and systemd 248 or newer.
  - With the task keyword C(throttle), so many hosts at a time start, reload or restart the unit, whatever the strategy. After
    the first failure, the other hosts fail and leave the unit as it is.
  - A failed task leaves the look as it was. Look again in a C(rescue) section.
author:
  - The dockyard.consul authors (@dockyard)
options:
  name:
    description: The unit, with or without C(.service).
    type: str
    required: true
  reads:
    description:
      - Files that the program reads only when it starts. Shell patterns are allowed.
      - A folder stands for its list of entries. It is newer if an entry was added, removed or replaced.
      - A path that does not exist is left out.
    type: list
    elements: path
    default: []
  reload_reads:
    description: Files that a reload reads, too. Otherwise as O(reads).
    type: list
    elements: path
    default: []
  enabled:
    description: Enable the unit at boot. With V(false), that is left as it is.
    type: bool
    default: true
  workers:
    description:
      - Whether the program starts new worker processes when it has read its configuration, as nginx does. A reload
        without a new worker is then an error, and is due again.
      - The newest worker counts, because old workers remain until their last connection ends.
    type: bool
    default: false
  restart:
    description: Restart the unit if that is due. With V(false), a restart is only reported in RV(due).
    type: bool
    default: true
  refused_log:
    description:
      - The log in which the program gives the reason for refusing a reload. Its last lines with C([emerg]) are part of
        the error. With it, the error also comes sooner.
    type: path
  timeout:
    description: How long the unit may take to start, restart or reload, in seconds.
    type: int
    default: 30
attributes:
  check_mode:
    description: Reports what is due, and changes nothing. A unit that does not exist yet is reported as V(start).
    support: full
  diff_mode:
    description: Shows the state of the unit, whether it is enabled, and what is due.
    support: full
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Ensure that Redis runs with its configuration
  dockyard.consul.service_current:
    name: redis-server
    reads:
      - /etc/redis/site.conf
      - /etc/systemd/system/redis-server.service.d/site.conf

- name: Ensure that nginx runs with its configuration
  dockyard.consul.service_current:
    name: nginx
    reload_reads:
      - /etc/nginx/conf.d
      - /etc/nginx/conf.d/*.conf
    workers: true
    refused_log: /var/log/nginx/error.log

- name: Ensure that the Consul server runs, and report whether it needs a restart
  dockyard.consul.service_current:
    name: consul
    reads:
      - /etc/consul.d
      - /etc/consul.d/*
    restart: false
  register: consul_server
"""

RETURN = r"""
due:
  description:
    - What was done, or in check mode would be done. V(enable) means that nothing else was due.
    - V(restart) with O(restart=false) means that a restart is due, and was not done.
  returned: success
  type: str
  sample: restart
reasons:
  description: Why, one sentence for each reason.
  returned: success
  type: list
  elements: str
  sample: [/etc/redis/site.conf is newer than the start of redis-server]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.consul.plugins.module_utils.service_control import Service
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import ARGUMENTS, SystemdError


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        Service(module).run()
    except SystemdError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
