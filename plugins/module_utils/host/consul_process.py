# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consul agents that run on this host, as /proc shows them, and what they keep in their data folders."""

from __future__ import annotations

import glob
import json
import os
import re
import time

from ansible_collections.dockyard.consul.plugins.module_utils.accounts import user_name
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import clock_offset, full_name, short_name

# The only options whose values are returned; -encrypt, for one, is a secret.
SHOWN_OPTIONS = {"config-dir": "config_dirs", "config-file": "config_files"}
# Options that are settings, under their names in a configuration file.
TEXT_OPTIONS = {
    "advertise": "advertise_addr",
    "bind": "bind_addr",
    "client": "client_addr",
    "data-dir": "data_dir",
    "datacenter": "datacenter",
    "domain": "domain",
    "node": "node_name",
    "node-id": "node_id",
}
NUMBER_OPTIONS = {
    "bootstrap-expect": "bootstrap_expect",
    "dns-port": "ports.dns",
    "http-port": "ports.http",
    "https-port": "ports.https",
    "serf-lan-port": "ports.serf_lan",
    "serf-wan-port": "ports.serf_wan",
    "server-port": "ports.server",
}
USER_MANAGER = re.compile(r"user@[0-9]+\.service")
# These need no value.
FLAGS = {"server": "server", "ui": "ui"}


def look_at_processes(proc="/proc"):
    return [one for pid in consul_pids(proc) for one in [process(proc, pid)] if one]


def consul_pids(proc):
    """Processes named consul. Only the small file comm is read of all the others."""
    for pid in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        try:
            with open(f"{proc}/{pid}/comm", "rb") as file:
                if file.read() == b"consul\n":
                    yield pid
        except OSError:  # it has ended
            pass


def process(proc, pid):
    """An agent, or None for another consul command, a process that has ended, or an agent in a container with a network of its
    own, which is another host."""
    folder = f"{proc}/{pid}"
    try:
        with open(f"{folder}/cmdline", "rb") as file:
            arguments = file.read().decode("utf-8", "replace").rstrip("\0").split("\0")
        with open(f"{folder}/cgroup", encoding="utf-8") as file:
            unit = unit_of(file.read())
        with open(f"{folder}/stat", encoding="utf-8", errors="replace") as file:
            started = started_at(file.read())
    except OSError:
        return None
    if "agent" not in arguments[1:] or has_own_namespace(proc, pid, "net"):
        return None
    shown, settings = shown_options(arguments)
    found = {"pid": int(pid), "unit": unit, "started": started, **shown, "options": settings, "error": None}
    found["contained"] = has_own_namespace(proc, pid, "pid")
    found["binary"] = link_of(f"{folder}/exe")
    found["user"] = owner_of(folder)
    found["data_dir"] = settings.get("data_dir")
    try:
        open_files = files_of(folder)
    except OSError as error:
        return {**found, "server": None, "error": f"its open files: {error.strerror}"}
    found["data_dir"] = folder_above(open_files, "serf/local.snapshot") or found["data_dir"]
    found["server"] = folder_above(open_files, "raft/raft.db") is not None
    return found


def mark_main(agents, units, read_units):
    """Add whether an agent is the main process of its unit (C(main)): None if it has no unit that is a service. UNITS are known.
    READ_UNITS is asked for the others. An agent that cron or a supervisor has started belongs to their unit."""
    names = {agent["unit"] for agent in agents if agent["unit"] and full_name(agent["unit"]).endswith(".service")}
    missing = sorted(names - set(units))
    units = {**units, **(read_units(missing) if missing else {})}
    for agent in agents:
        agent["main"] = units[agent["unit"]]["pid"] == agent["pid"] if agent["unit"] in names else None


def has_own_namespace(proc, pid, kind):
    """Whether a process has another namespace than this one, as in a container. False where that is hidden."""
    try:
        return os.readlink(f"{proc}/{pid}/ns/{kind}") != os.readlink(f"{proc}/self/ns/{kind}")
    except OSError:
        return False


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def owner_of(path):
    try:
        return user_name(os.stat(path).st_uid)
    except OSError:
        return None


def shown_options(arguments):
    """The folders and files of the configuration, and the settings among the options."""
    found, settings = {name: [] for name in SHOWN_OPTIONS.values()}, {}
    for at, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        name = option.lstrip("-") if option.startswith("-") else ""
        if name in FLAGS:
            settings[FLAGS[name]] = value in ("", "1", "t", "T", "true", "TRUE", "True")
        elif equals or at + 1 < len(arguments):
            value = value if equals else arguments[at + 1]
            if name in SHOWN_OPTIONS:
                found[SHOWN_OPTIONS[name]].append(value)
            elif name in TEXT_OPTIONS:
                settings[TEXT_OPTIONS[name]] = value
            elif name in NUMBER_OPTIONS and value.lstrip("-").isdigit():
                settings[NUMBER_OPTIONS[name]] = int(value)
    return found, settings


def files_of(folder):
    found = []
    for number in os.listdir(f"{folder}/fd"):
        try:
            found.append(os.readlink(f"{folder}/fd/{number}"))
        except FileNotFoundError:  # closed since
            pass
    return found


def folder_above(paths, end):
    return next((path[: -len(end) - 1] for path in paths if path.endswith("/" + end)), None)


def unit_of(cgroups):
    """The systemd unit in C(/proc/PID/cgroup), a service without its suffix; None if it belongs to none. Of a unit of a user it
    is the user's C(user@UID)."""
    found = re.findall(r"^(?:0:|\d+:name=systemd):(.*)$", cgroups, re.MULTILINE)
    for path in found:
        # In a container, there may be another systemd above.
        names = path.rpartition("/system.slice/")[2].split("/")
        units = [name for name in names if name.endswith((".service", ".scope"))]
        if units:
            of_users = [name for name in units if USER_MANAGER.fullmatch(name)]
            return short_name((of_users or units)[-1])
    return None


def started_at(stat):
    """When a process started, in microseconds since 1970, of its C(/proc/PID/stat)."""
    ticks = int(stat.rpartition(")")[2].split()[19])
    return ticks * 1000000 // os.sysconf("SC_CLK_TCK") + clock_offset(time.CLOCK_BOOTTIME)


# Data folders


def look_at_data(folders, key=None):
    """By folder, its owner, the node's id, a digest of each gossip key (the one in use first), and the services and checks
    that were registered by the API without a token."""
    names = dict.fromkeys(folder.rstrip("/") or "/" for folder in folders)
    return {folder: data_of(folder, key) for folder in names if os.path.isdir(folder)}


def data_of(folder, key):
    found = {"error": None, "owner": owner_of(folder), "node_id_on_disk": None, "gossip_key_digests": None}
    found["services_without_token"] = found["checks_without_token"] = []
    try:
        node_id = read(folder, "node-id")
        found["node_id_on_disk"] = node_id.strip() if node_id else None
        keyring = read(folder, "serf/local.keyring")
        if keyring is None:
            found["gossip_key_digests"] = []
        elif key:
            found["gossip_key_digests"] = [keyed(key, one.encode("utf-8")) for one in keys_in(keyring)]
        found["services_without_token"], found["checks_without_token"] = without_token(folder)
    except OSError as error:
        found["error"] = str(error)
    except ValueError:  # its message could hold a key
        found["error"] = f"{folder}/serf/local.keyring is not a list of keys"
    return found


def keys_in(keyring):
    keys = json.loads(keyring)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError
    return keys


def without_token(folder):
    """The ids of the services and checks that the agent keeps, if they were registered without a token. A check of a service in
    the first list is not in the second."""
    services = [one.get("ID") or one.get("Service") for one in registrations(folder, "services", "Service")]
    services = [one for one in services if one]
    checks = [one for one in registrations(folder, "checks", "Check") if one.get("ServiceID") not in services]
    return services, [one["CheckID"] for one in checks if one.get("CheckID")]


def registrations(folder, kind, key):
    """What the agent keeps of this kind without a token. A file that is no registration is left to the agent, which ignores it."""
    for path in sorted(glob.glob(os.path.join(folder, kind, "*"))):
        try:
            with open(path, encoding="utf-8") as file:
                kept = json.load(file)
            if not kept.get("Token") and {"ID", "CheckID"} & kept[key].keys():
                yield kept[key]
        except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError):
            continue


def read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
