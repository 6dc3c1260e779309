# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends agents of Consul that were not started by the unit of the role, so that this one can take their place."""

from __future__ import annotations

import os
import pwd
import signal
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_process import process
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import full_name, short_name

USER = "consul"
END_SECONDS = 10
PAUSE = 0.05
# The start of a process is computed from the time since the boot, which differs a little each time.
SAME_START = 1000000


class Replaced:
    """An agent that runs."""

    def __init__(self, pid, unit, user):
        self.pid, self.unit, self.user = pid, unit, user

    def __str__(self):
        return f"the agent of {self.unit} (process {self.pid})" if self.unit else f"the agent in process {self.pid}"


def running(wanted, proc="/proc"):
    """Those of the agents that still run. Another process may have the number of one that has ended."""
    found = []
    for one in wanted:
        now = process(proc, str(one["pid"])) if os.path.isdir(f"{proc}/{one['pid']}") else None
        if now and abs(now["started"] - one["started"]) < SAME_START:
            found.append(Replaced(now["pid"], now["unit"], now["user"]))
    return found


def replace(service, replaced, data_dir):
    """End the agents. SERVICE is the one that takes their place, and starts afterwards."""
    for one in replaced:
        if is_other_service(one.unit, service.name):
            service.systemctl("disable", full_name(one.unit), unit=False)
    # systemd starts a unit again whose process was killed: by its new file, if it has one.
    service.systemctl("daemon-reload", unit=False)
    for one in replaced:
        end(one.pid)
        if is_other_service(one.unit, service.name):
            service.systemctl("stop", full_name(one.unit), unit=False)
        if data_dir and one.user != USER:
            give_to_user(data_dir)


def is_other_service(unit, own):
    """Not the login of somebody who has started the agent there, for example."""
    return bool(unit) and short_name(unit) != own and full_name(unit).endswith(".service")


def end(pid, proc="/proc"):
    """Kill it: at SIGTERM and SIGINT an agent may leave the cluster, and take its services along. What it keeps on the disk is
    complete at any time."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    while process(proc, str(pid)):
        if time.monotonic() > deadline:
            raise ConsulError(f"Consul (process {pid}) was killed, and has not ended within {END_SECONDS} s.")
        time.sleep(PAUSE)


def give_to_user(folder):
    user = pwd.getpwnam(USER)
    for path, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            os.lchown(os.path.join(path, name), user.pw_uid, user.pw_gid)
