# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, reloads and restarts a unit, and waits until that has worked. It is for modules: it fails through them."""

from __future__ import annotations

import glob
import os
import time

from ansible_collections.dockyard.consul.plugins.module_utils.service_state import (
    due,
    emergencies,
    from_future,
    full_name,
    modified,
    obstacle,
    outcome,
    read_units,
    settled_at,
    short_name,
)

POLL_SECONDS = 0.1
# systemd regards these as started before they have read anything. The others report that they are ready.
STARTED_AT_ONCE = ("simple", "exec", "idle")
SETTLE_SECONDS = 1
# A program may try several times, as nginx does for a port every 0.5 s. It has given up if it then stays silent.
SILENCE_SECONDS = 1.5


class Service:
    """A unit, and the files that it reads."""

    def __init__(self, module, params=None):
        """PARAMS are options of service_current, by default those of the module."""
        self.module = module
        self.params = params or module.params
        self.name = short_name(self.params["name"])
        self.began = int(time.time())

    def run(self):
        unit, decision = self.look()
        if unit["load"] == "not-found" and not self.module.check_mode:
            # Its unit file may be newer than the list of units in systemd.
            self.systemctl("daemon-reload", unit=False)
            unit, decision = self.look()
            if unit["load"] == "not-found":
                self.fail(
                    f"There is no unit {full_name(self.name)} on this host. Install what brings it, or correct the "
                    "name, and run again."
                )
        problem = obstacle(self.name, unit, decision)
        if problem:
            self.fail(problem)
        acts = decision.acts(self.params["restart"])
        after = self.expected(unit, decision)
        if acts and not self.module.check_mode:
            self.act(unit, decision)
            unit_after, decision_after = self.look()
            after = self.shown(unit_after, decision_after)
            if decision_after.step != "nothing" and decision.step in (
                "restart",
                "start",
                "reload",
                decision_after.step,
            ):
                self.warn_of_rest(decision, decision_after)
        self.module.exit_json(
            changed=acts,
            due=decision.due,
            reasons=decision.reasons,
            diff={"before": self.shown(unit, decision), "after": after},
        )

    def steady_unit(self):
        """The unit, when it is clear whether it runs or crashes again and again."""
        first = unit = self.unit()
        while unit["unsteady"]:
            time.sleep(POLL_SECONDS)
            unit = self.unit()
            if unit["restarts"] > first["restarts"]:
                # Between two crashes it is shown as running, which says nothing.
                return {**unit, "active": "activating", "sub": "auto-restart"}
        return unit

    def look(self):
        params = self.params
        unit = self.steady_unit()
        decision = due(
            self.name,
            unit,
            self.files("reads"),
            self.files("reload_reads"),
            enabled=params["enabled"],
            workers=params["workers"],
            now=time.time_ns() // 1000,
        )
        return unit, decision

    def files(self, option):
        """The modification time of each file of an option that exists."""
        found = {}
        for pattern in self.params[option]:
            for path in sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]:
                at = modified(path)
                if at is not None:
                    found[path] = at
        return found

    def act(self, unit, decision):
        if decision.enable:
            self.systemctl("enable")
        step = decision.step
        if step == "nothing" or (step == "restart" and not self.params["restart"]):
            return
        self.date_files()
        if step == "reload":
            self.reload(unit)
            return
        # In any case: NeedDaemonReload stays "no" where a unit's first drop-in was placed (systemd 252).
        self.systemctl("daemon-reload", unit=False)
        # A start that is under way may have read older files.
        self.start("restart" if unit["active"] == "activating" else step)

    def date_files(self):
        """Ensure that every file is older than what follows."""
        now = time.time_ns() // 1000
        for path in from_future(self.all_files(), now):
            try:
                os.utime(path, follow_symlinks=False)
                if os.path.exists(path):  # the target, too, where it is a link to one
                    os.utime(path)
            except OSError as error:
                self.fail(
                    f"{path} is dated in the future, and its date cannot be set: {error}. Correct the date ('touch "
                    f"{path}'), and run again."
                )
        wait = (settled_at(self.all_files()) - time.time_ns() // 1000) / 1e6
        if 0 < wait < 1:
            time.sleep(wait)

    def all_files(self):
        return {**self.files("reads"), **self.files("reload_reads")}

    def start(self, command):
        # Lifts the limit of starts in a row, and sets the count of restarts to 0.
        self.systemctl("reset-failed", check=False)
        restarts = self.unit()["restarts"]
        self.systemctl("--no-block", command)
        unit = self.wait_for_outcome(command, restarts)
        if unit["type"] not in STARTED_AT_ONCE:
            return
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            now = self.unit()
            if outcome(now, restarts) != "up" or now["pid"] != unit["pid"]:
                self.fail_start(command, now)

    def reload(self, before):
        log = Log(self.params["refused_log"])
        self.systemctl("--no-block", "reload")
        unit = self.wait_for_outcome("reload", before["restarts"])
        if unit["reload_failed"]:
            self.fail_reload_command()
        if self.params["workers"]:
            self.wait_for_worker(before, log)

    def wait_for_worker(self, before, log):
        until = time.monotonic() + self.params["timeout"]
        seen, seen_at = [], time.monotonic()
        while time.monotonic() < until:
            unit = self.unit()
            if set(unit["workers"]) - set(before["workers"]):
                return
            if outcome(unit, before["restarts"]) == "down":
                self.fail_start("reload", unit)
            complaints = log.new_emergencies()
            if complaints != seen:
                seen, seen_at = complaints, time.monotonic()
            if seen and time.monotonic() - seen_at > SILENCE_SECONDS:
                break
            time.sleep(POLL_SECONDS)
        self.fail_no_worker(log)

    def wait_for_outcome(self, command, restarts):
        until = time.monotonic() + self.params["timeout"]
        while True:
            unit = self.unit()
            state = outcome(unit, restarts)
            if state == "up":
                return unit
            if state == "down" or time.monotonic() > until:
                self.fail_start(command, unit)
            time.sleep(POLL_SECONDS)

    def unit(self):
        workers = [self.name] if self.params["workers"] else []
        return read_units(self.module.run_command, [self.name], workers)[self.name]

    def systemctl(self, *command, unit=True, check=True):
        arguments = ["systemctl", *command, *([full_name(self.name)] if unit else [])]
        code, out, error = self.module.run_command(arguments)
        if code and check:
            self.fail(f"'{' '.join(arguments)}' failed: {(error or out).strip()}")

    def shown(self, unit, decision):
        return {"active": unit["active"], "enabled": unit["enabled"], "due": decision.due}

    def expected(self, unit, decision):
        """What a diff shows as the state afterwards, without having done anything."""
        held_back = decision.step == "restart" and not self.params["restart"]
        return {
            "active": "active" if decision.step in ("start", "restart") and not held_back else unit["active"],
            "enabled": "enabled" if decision.enable else unit["enabled"],
            "due": "restart" if held_back else "nothing",
        }

    def warn_of_rest(self, decision, decision_after):
        if decision_after.step == "restart" and not self.params["restart"]:
            return
        self.module.warn(
            f"After the {decision.step} of {self.name}, a {decision_after.step} is still due, and will be in the next "
            f"run: {'; '.join(decision_after.reasons)}."
        )

    def fail_start(self, command, unit):
        state = f"{unit['active']}, {unit['sub']}"
        if unit["result"] != "success":
            state += f", {unit['result']}"
        if unit["restarts"]:
            state += f", restarted by systemd {unit['restarts']} times"
        if outcome(unit, unit["restarts"]) == "wait":
            state += f", after {self.params['timeout']} s"
        self.fail(
            f"{self.name} does not run after its {command} ({state}). Correct what it complains about, and run again."
            + self.journal()
        )

    def fail_reload_command(self):
        self.fail(
            f"{self.name} does not run with what was placed: its reload command failed. It continues with the "
            "configuration that it had, and may not start with the new one after a boot. Correct what it complains "
            "about, and run again." + self.journal()
        )

    def fail_no_worker(self, log):
        message = (
            f"{self.name} does not run with what was placed: it has started no new worker. It continues with the "
            "configuration that it had, and would not start with the new one after a boot. Stop what is in the way ('ss "
            "-ltnp' shows which process holds a port) or change the variable that asks for it, and run again."
        )
        lines = log.new_emergencies()[-3:]
        if lines:
            message += f" The last errors in {log.path}:\n" + "\n".join(lines)
        else:
            message += f" Its log{f' {log.path}' if log.path else ''} may have the reason."
        self.fail(message)

    def journal(self):
        """What the unit has written to its journal since this task began to act."""
        unit = full_name(self.name)
        self.module.run_command(["journalctl", "--sync"])
        lines = self.module.run_command(
            ["journalctl", "-u", unit, "-n", "20", "--since", f"@{self.began}", "--no-pager", "-o", "cat", "--quiet"]
        )[1]
        if not lines.strip():
            return f" It wrote nothing to its journal ('journalctl -u {unit}' shows what it wrote before)."
        return f" The last lines of its journal:\n{lines.strip()}"

    def fail(self, message):
        self.module.fail_json(msg=message)


class Log:
    """The log in which a program gives its reason, from where it ends now."""

    def __init__(self, path):
        self.path = path
        self.end = self.size()

    def size(self):
        try:
            return os.path.getsize(self.path) if self.path else 0
        except OSError:
            return 0

    def new_emergencies(self):
        if not self.path:
            return []
        try:
            with open(self.path, "rb") as file:
                file.seek(self.end if self.size() >= self.end else 0)  # it was rotated
                return emergencies(file.read().decode(errors="replace"))
        except OSError:
            return []
