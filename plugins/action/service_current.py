# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides from the look whether the module has to run.

With C(throttle), the units of several hosts are started, reloaded or restarted so many at a time, and none after a failure.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import ARGUMENTS, Decision, due, short_name
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, matches
from ansible_collections.dockyard.consul.plugins.plugin_utils.turns import failed_on, note_failure, turn


class ActionModule(ActionBase):
    """See the documentation of the module."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(ARGUMENTS)[1]
        look = Look.of_target(self._task.delegate_to, task_vars or {})

        decision = decide(look, arguments)
        if decision and not decision.acts(arguments["restart"]):
            return {"changed": False, "due": decision.due, "reasons": decision.reasons}

        result = self._in_turn(short_name(arguments["name"]), task_vars)
        if result.get("failed"):
            return result
        if self._task.check_mode:
            return with_placed(result, placed(look, arguments), arguments)
        if result.get("changed"):
            # What the agent found of a service before its restart tells nothing about it now.
            look.note_changed([f"unit:{short_name(arguments['name'])}", "consul"])
        return result

    def _in_turn(self, unit: str, task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        if not self._task.throttle or self._task.check_mode:
            return self._run_module(task_vars)
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "")
        with turn(Path(constants.DEFAULT_LOCAL_TMP), f"unit_{unit}", self._task.throttle):
            failed = failed_on(f"unit_{unit}")
            if failed:
                return {
                    "failed": True,
                    "msg": f"{unit} on {host} was not restarted, because that failed on {failed}. Repair that, then run again.",
                }
            try:
                result = self._run_module(task_vars)
            except Exception:  # the host was lost, perhaps by the restart
                note_failure(f"unit_{unit}", host)
                raise
            if result.get("failed"):
                note_failure(f"unit_{unit}", host)
            return result

    def _run_module(self, task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        return self._execute_module(
            module_name="dockyard.consul.service_current", module_args=self._task.args, task_vars=task_vars
        )


def decide(look: Look, arguments: Mapping[str, Any]) -> Decision | None:
    """What is due by the look. None if the look does not have all that it takes to tell."""
    name = short_name(arguments["name"])
    unit = look.unit(name)
    reads = known_files(look, arguments["reads"])
    reload_reads = known_files(look, arguments["reload_reads"])
    if unit is None or reads is None or reload_reads is None or "begun" not in unit:
        return None
    if unit["unsteady"]:
        return None  # the module waits until it is clear whether it crashes again
    if unit["load"] != "loaded" or (arguments["workers"] and "workers_started" not in unit):
        return None  # the module has the error for it
    return due(name, unit, reads, reload_reads, enabled=arguments["enabled"], workers=arguments["workers"])


def known_files(look: Look, patterns: Iterable[str]) -> dict[str, int] | None:
    """The modification times of the files that exist. None if one is not known."""
    if changed_files(look, patterns):
        return None
    found: dict[str, int] = {}
    for pattern in patterns:
        if glob.has_magic(pattern):
            if not any(covers(theirs, pattern) for theirs in look.known.get("patterns") or []):
                return None
            paths = [path for path in look.known.get("paths") or {} if matches(path, pattern)]
        else:
            paths = [pattern]
        for path in paths:
            file = look.path(path)
            if file is None or (file["type"] != "absent" and "mtime" not in file):
                return None
            if file["type"] != "absent":
                found[path] = file["mtime"]
    return found


def covers(theirs: str, ours: str) -> bool:
    """Whether every path that a pattern of ours matches also matches theirs. False where that is hard to tell."""
    return theirs == ours or (not any(character in theirs for character in "?[]") and matches(ours, theirs))


def changed_files(look: Look, patterns: Iterable[str]) -> list[str]:
    """What this run has changed of these files, or in these folders."""
    changed = sorted(path for path in look.changed if path.startswith("/"))
    return [
        path
        for path in changed
        if any(matches(path, pattern) or matches(os.path.dirname(path), pattern) for pattern in patterns)
    ]


def placed(look: Look, arguments: Mapping[str, Any]) -> dict[str, list[str]]:
    """The files that this run would have placed if it were not in check mode, by what they would make due."""
    return {
        "restart": changed_files(look, arguments["reads"]),
        "reload": changed_files(look, arguments["reload_reads"]),
    }


def with_placed(result: dict[str, Any], files: Mapping[str, list[str]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A result of check mode, with what would also be due."""
    for step in ("reload", "restart"):
        if not files[step]:
            continue
        result["reasons"] = [*result["reasons"], *(f"{path} would be placed" for path in files[step])]
        if result["due"] in ("nothing", "enable", "reload"):
            result["due"] = step
            result["changed"] = result["changed"] or step == "reload" or arguments["restart"]
    return result
