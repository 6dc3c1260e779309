# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends agents of Consul that were not started by the unit of the role, so that this one can take their place."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_process import process
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import (
    full_name,
    read_units,
    short_name,
)

USER = "consul"
END_SECONDS = 10
PAUSE = 0.05
RUNTIME_UNITS = "/run/systemd/system"
AT_ONCE = """\
[Service]
Restart=no
KillMode=control-group
KillSignal=SIGKILL
SuccessExitStatus=SIGKILL
ExecStop=
"""
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
            found.append(Replaced(now["pid"], now["unit"], one["user"]))
    return found


def replace(service, replaced, data_dir):
    """End the agents. SERVICE is the one that takes their place, and starts afterwards.

    They are killed: at SIGTERM and SIGINT an agent may leave the cluster, and take its services along. What it keeps on the disk
    is complete at any time."""
    others = [one for one in replaced if is_service(one.unit) and short_name(one.unit) != service.name]
    refuse_other_programs(service, others)
    for one in others:
        service.systemctl("disable", full_name(one.unit), unit=False)
    for one in replaced:
        if is_service(one.unit):
            with stops_at_once(service, one.unit):
                service.systemctl("stop", full_name(one.unit), unit=False)
                end(one.pid)
        else:
            end(one.pid)
        if data_dir and one.user != USER:
            give_to_user(data_dir)


def is_service(unit):
    """Not the scope of a login, for example."""
    return bool(unit) and full_name(unit).endswith(".service")


def refuse_other_programs(service, agents):
    """ConsulError if a unit is that of another program, such as cron, which has started the agent."""
    names = [one.unit for one in agents]
    units = read_units(service.module.run_command, names) if names else {}
    for one in agents:
        if units[one.unit]["pid"] != one.pid:
            raise ConsulError(
                f"Consul is not restarted: {one} was started by another program. Remove it from what starts it there, and end"
                f" it with 'kill -9 {one.pid}'. Then run again."
            )


@contextlib.contextmanager
def stops_at_once(service, unit):
    """Meanwhile, systemd stops a unit by SIGKILL, and does not start it again. To kill the process alone would race with
    C(Restart=always), and the second process would get the SIGTERM."""
    folder = f"{RUNTIME_UNITS}/{full_name(unit)}.d"
    path = f"{folder}/zzz-dockyard-replaced.conf"
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(AT_ONCE)
        service.systemctl("daemon-reload", unit=False)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.remove(path)
            os.rmdir(folder)
        service.systemctl("daemon-reload", unit=False, check=False)


def end(pid, proc="/proc"):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has ended
        return
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
