# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd and /proc know about a unit, and what is due for it. Times are integers: microseconds since 1970.

It is used on managed hosts (modules C(service_current) and C(host_info)) and on the controller.
"""

from __future__ import annotations

import calendar
import glob
import os
import re
import time
from typing import Any, Callable, Collection, Iterable, Mapping, NamedTuple

# A property of "systemctl show", and its name here.
TEXTS = {
    "LoadState": "load",
    "ActiveState": "active",
    "SubState": "sub",
    "UnitFileState": "enabled",
    "FragmentPath": "fragment",
    "Type": "type",
    "Result": "result",
}
NUMBERS = {"MainPID": "pid", "NRestarts": "restarts", "Job": "job"}
TIMES = {
    "InactiveExitTimestamp": "begun",
    "ActiveEnterTimestamp": "started",
    "StateChangeTimestamp": "changed",
}
OTHERS = ["NeedDaemonReload", "CanReload", "ReloadResult", "DropInPaths"]
PROPERTIES = [*TEXTS, *NUMBERS, *TIMES, *(f"{name}Monotonic" for name in TIMES), *OTHERS]

KINDS = ("service", "socket", "timer", "path", "mount", "target", "slice", "scope", "swap", "automount", "device")

# The kernel dates files with a clock that moves at each of its ticks only, at most this far apart. Start times in /proc
# are in the same unit.
TICK = 10_000


# For this long, a unit that systemd has restarted by itself may as well be about to fail again.
STEADY = 3_000_000

# Unit file states in which the unit does not start at the next boot, although its unit file allows it.
NOT_AT_BOOT = ("disabled", "enabled-runtime", "linked", "linked-runtime")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "reads": {"type": "list", "elements": "path", "default": []},
    "reload_reads": {"type": "list", "elements": "path", "default": []},
    "enabled": {"type": "bool", "default": True},
    "workers": {"type": "bool", "default": False},
    "restart": {"type": "bool", "default": True},
    "refused_log": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
}


class SystemdError(Exception):
    """systemd cannot be asked. The text is a sentence for the user."""


def short_name(name: str) -> str:
    """The name of a unit as this collection writes it: without C(.service)."""
    return name[: -len(".service")] if name.endswith(".service") else name


def full_name(name: str) -> str:
    """The name of a unit as systemd writes it."""
    return name if name.rpartition(".")[2] in KINDS else f"{name}.service"


def read_units(
    run_command: Callable[..., tuple[int, str, str]], names: Iterable[str], workers: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """The state of each unit, by its name without C(.service).

    RUN_COMMAND is that of AnsibleModule. For the units in WORKERS the child processes are read as well.
    Raises SystemdError where systemd does not run, or is too old.
    """
    wanted = list(dict.fromkeys(short_name(name) for name in names))
    if not wanted:
        return {}
    command = ["systemctl", "show", "--timestamp=us+utc", "--property", ",".join(PROPERTIES), "--"]
    try:
        code, out, error = run_command(
            [*command, *map(full_name, wanted)],
            environ_update={"LC_ALL": "C"},
            handle_exceptions=False,
        )
    except OSError as problem:
        raise SystemdError(f"systemctl cannot be run on this host: {problem}.") from problem
    if code:
        if "timestamp" in error:
            raise SystemdError(
                "The systemd of this host does not know --timestamp=us+utc. Version 248 or newer is required."
            )
        raise SystemdError(f"systemctl show failed with exit code {code}: {(error or out).strip()}")
    blocks = [block for block in out.split("\n\n") if block.strip()]
    if len(blocks) != len(wanted):
        raise SystemdError(f"systemctl show described {len(blocks)} units where {len(wanted)} were asked for.")
    with_workers = {short_name(name) for name in workers}
    offset, now = clock_offset(time.CLOCK_MONOTONIC), time.time_ns() // 1000
    units = {name: unit_of(block, offset) for name, block in zip(wanted, blocks)}
    for name, unit in units.items():
        unit["unsteady"] = unsteady(unit, now)
        unit["binary_replaced"] = bool(unit["pid"]) and binary_replaced(unit["pid"])
        if name in with_workers:
            unit["workers"] = children(unit["pid"]) if unit["pid"] else {}
            # The newest: after a reload, old workers go on until their last connection ends.
            unit["workers_started"] = max(unit["workers"].values(), default=0)
    return units


def unit_of(block: str, offset: int) -> dict[str, Any]:
    """A unit from the lines that C(systemctl show) prints. OFFSET: see clock_offset, for CLOCK_MONOTONIC."""
    shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    unit: dict[str, Any] = {key: shown.get(name, "") for name, key in TEXTS.items()}
    unit.update({key: int(shown.get(name) or 0) for name, key in NUMBERS.items()})
    for name, key in TIMES.items():
        unit[key] = earlier(microseconds(shown.get(name, "")), int(shown.get(f"{name}Monotonic") or 0), offset)
    unit["daemon_reload"] = shown.get("NeedDaemonReload") == "yes"
    unit["can_reload"] = shown.get("CanReload") == "yes"
    unit["reload_failed"] = shown.get("ReloadResult", "success") not in ("success", "")
    unit["drop_ins"] = shown.get("DropInPaths", "").split()
    return unit


def unsteady(unit: Mapping[str, Any], now: int) -> bool:
    """Whether a unit that is running may be in between two crashes."""
    return unit["active"] == "active" and unit["restarts"] > 0 and now - unit["started"] < STEADY


def microseconds(text: str) -> int:
    """The time in a text like C(Thu 2026-11-26 16:40:27.897829 UTC), 0 where there is none."""
    if text in ("", "n/a"):
        return 0
    found = re.match(r"(?:\w+ )?(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d{6}) UTC$", text)
    if not found:
        raise SystemdError(f"systemctl show printed the time '{text}', which has no microseconds.")
    *date, fraction = map(int, found.groups())
    return calendar.timegm((*date, 0, 0, 0)) * 1_000_000 + fraction


def earlier(wall: int, monotonic: int, offset: int) -> int:
    """When something was, by a clock that may have been set since.

    WALL is by the clock of that time. If the clock was set back since, it lies too late, or even in the future, and
    files that are placed now would seem older. By the monotonic clock it is where today's clock puts it. If the clock
    was set forward, WALL is the earlier one, and agrees with the files that were placed before.
    """
    if not (wall and monotonic):
        return wall
    return monotonic + offset if wall - (monotonic + offset) > TICK else wall


def clock_offset(clock: int) -> int:
    """Microseconds from a clock (since boot) to the time of day, by the closest of three readings."""
    readings = []
    for attempt in range(3):
        before, now, after = time.clock_gettime_ns(clock), time.time_ns(), time.clock_gettime_ns(clock)
        readings.append((after - before, now - (before + after) // 2))
    return min(readings)[1] // 1000


def binary_replaced(pid: int) -> bool:
    """Whether the program that a process runs is no longer on the disk, as after an upgrade."""
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False  # it has just ended, or belongs to another user
    return program.endswith(" (deleted)") and not program.startswith("/memfd:")


def children(pid: int) -> dict[int, int]:
    """The child processes of a process: when each was started, by its id.

    /proc counts in ticks and rounds down, so the true start is up to 10 ms later.
    """
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    offset = clock_offset(time.CLOCK_BOOTTIME)
    found = {}
    for file in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(file, encoding="ascii", errors="replace") as stat:
                line = stat.read()
        except OSError:
            continue  # it has just ended
        # The name in parentheses may hold anything. After it: state, parent, and as the 20th the start.
        fields = line.rpartition(")")[2].split()
        if len(fields) > 19 and int(fields[1]) == pid and fields[0] != "Z":
            found[int(line.split(" ", 1)[0])] = int(fields[19]) * 1_000_000 // ticks_per_second + offset
    return found


def modified(path: str) -> int | None:
    """When a file or folder was changed, None if there is none. Of a link: the later of itself and its target."""
    try:
        at = os.lstat(path).st_mtime_ns
    except OSError:
        return None
    try:
        at = max(at, os.stat(path).st_mtime_ns)
    except OSError:
        pass  # a link to nothing
    return at // 1000


class Decision(NamedTuple):
    """What a unit needs."""

    step: str  # nothing, start, reload or restart
    enable: bool
    reasons: list[str]

    @property
    def due(self) -> str:
        """The word for it in the result."""
        return "enable" if self.enable and self.step == "nothing" else self.step

    def acts(self, restart: bool) -> bool:
        """Whether anything is to be done, where RESTART says whether a restart may be."""
        return self.enable or self.step in ("start", "reload") or (self.step == "restart" and restart)


def due(
    name: str,
    unit: Mapping[str, Any],
    reads: Mapping[str, int],
    reload_reads: Mapping[str, int],
    enabled: bool = True,
    workers: bool = False,
    now: int | None = None,
) -> Decision:
    """What is due for a unit of read_units, with a reason for each part of it.

    READS and RELOAD_READS hold the modification time of each file that there is. Without NOW, no file counts as dated
    in the future; it is due in any case, as it is newer than the start.
    """
    enable = enabled and unit["enabled"] in NOT_AT_BOOT
    reasons = [f"{name} is not enabled at boot"] if enable else []
    not_running = why_not_running(name, unit)
    if not_running:
        step, found = "start", [not_running]
    else:
        found = restart_reasons(name, unit, reads)
        step = "restart" if found else "nothing"
        reloads = reload_reasons(name, unit, reload_reads, workers)
        if reloads and not found:
            step = "reload"
        found += reloads
    if step != "nothing" and now is not None:
        found += [f"{path} is dated in the future" for path in from_future({**reads, **reload_reads}, now)]
    return Decision(step, enable, found + reasons)


def why_not_running(name: str, unit: Mapping[str, Any]) -> str:
    """A sentence that says in which way a unit does not run. Empty if it runs."""
    if unit["load"] == "not-found":
        return f"there is no unit {name} yet"
    if unit["active"] in ("active", "reloading"):
        return ""
    if unit["active"] == "activating":
        if unit["sub"].startswith("auto-restart"):
            return f"{name} keeps failing ({unit['result']}), and systemd is about to start it again"
        return f"{name} is still starting"
    if unit["active"] == "failed":
        return f"{name} has failed ({unit['result']})"
    return f"{name} is not running"


def restart_reasons(name: str, unit: Mapping[str, Any], reads: Mapping[str, int]) -> list[str]:
    """Why a running unit needs a restart."""
    reasons = [f"{path} is newer than the start of {name}" for path in newer(reads, unit["begun"])]
    if unit["binary_replaced"]:
        reasons.append(f"the binary of {name} was replaced")
    if unit["daemon_reload"]:
        reasons.append(f"systemd has not read the changed unit file of {name}")
    return reasons


def reload_reasons(name: str, unit: Mapping[str, Any], reload_reads: Mapping[str, int], workers: bool) -> list[str]:
    """Why a running unit needs a reload."""
    if not reload_reads:
        return []
    # A start is dated by its begin: the files are read before it ends. A reload moves "changed" alone.
    reloaded = unit["changed"] > unit["started"]
    event, at = ("last reload", unit["changed"]) if reloaded else ("start", unit["begun"])
    # A reload that the program refused moves "changed" as well, but brings no new worker. The workers alone do not
    # tell: one that has crashed is replaced without reading anything.
    if workers and unit.get("workers_started") and unit["workers_started"] < at:
        event, at = "newest worker", unit["workers_started"]
    reasons = [f"{path} is newer than the {event} of {name}" for path in newer(reload_reads, at)]
    if unit["reload_failed"]:
        reasons.append(f"the last reload of {name} failed")
    return reasons


def newer(files: Mapping[str, int], at: int) -> list[str]:
    """The files that may have been changed after a time. A file's true time is up to a tick later than its date."""
    return [path for path, modified_at in files.items() if modified_at + TICK > at]


def from_future(files: Mapping[str, int], now: int) -> list[str]:
    """The files that are dated later than now, as after the clock was set back. They would be due for ever."""
    return [path for path, modified_at in files.items() if modified_at > now]


def settled_at(files: Mapping[str, int]) -> int:
    """The time from which a start or reload certainly counts as later than these files: a tick for the dates of
    files, another for those of processes."""
    return max(files.values(), default=0) + 2 * TICK


def obstacle(name: str, unit: Mapping[str, Any], decision: Decision) -> str:
    """Why systemd could not do what is due, and what to do about it. Empty if it can."""
    if unit["load"] == "masked" or unit["enabled"] in ("masked", "masked-runtime"):
        return (
            f"{name} is masked on this host, so systemd refuses to start it. Somebody masked it on purpose: find out "
            f"why. Then run 'systemctl unmask {name}', and run again."
        )
    if unit["load"] not in ("loaded", "not-found"):
        return (
            f"systemd cannot load the unit file of {name} (LoadState={unit['load']}). 'systemd-analyze verify "
            f"{full_name(name)}' names the wrong line. Correct it in {unit['fragment'] or 'the unit file'}, and run again."
        )
    if decision.step == "reload" and not unit["can_reload"]:
        return (
            f"{name} cannot be reloaded, because its unit has no ExecReload. List its files in 'reads' in place of "
            "'reload_reads'."
        )
    return ""


def outcome(unit: Mapping[str, Any], restarts: int) -> str:
    """The result of a start: C(up), C(down), or C(wait) while it is not known.

    RESTARTS is how often systemd had restarted it by itself before.
    """
    if unit["restarts"] > restarts or unit["sub"].startswith("auto-restart"):
        return "down"
    if unit["job"] or unit["active"] in ("activating", "deactivating", "reloading"):
        return "wait"
    if unit["active"] != "active":
        return "down"
    if unit["sub"] == "running" and not unit["pid"] and unit["type"] != "forking":
        return "wait"
    return "up"


def emergencies(log: str) -> list[str]:
    """The lines of a log that say why a program refused its configuration."""
    return [line for line in log.splitlines() if "[emerg]" in line]
