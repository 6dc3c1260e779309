# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the controller only; the options are documented in plugins/modules/check_variables.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible.vars.clean import namespace_facts
from ansible_collections.dockyard.consul.plugins.plugin_utils import parts, role_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks import (
    consul_agent,
    consul_server,
    docker_host,
    mydemo,
    nginx_lb,
    one_host,
    redis,
    registry,
    release,
    site_tls,
    status,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.misspelt import misspelt
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable, report, unique
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

# All of them, before Ansible forks: an import in each fork costs more.
CHECKS = {
    "consul_agent": consul_agent.check,
    "consul_server": consul_server.check,
    "consul_client": consul_agent.check,
    "site_tls": site_tls.check,
    "redis": redis.check,
    "registry": registry.check,
    "docker_host": docker_host.check,
    "nginx_lb": nginx_lb.check,
    "mydemo": mydemo.check,
    "mydemo:kv": mydemo.check_kv,
    "release": release.check,
    "status": status.check,
}
# The order of the layers, for the report: a list that was made with intersect has none.
ORDER = {role: position for position, role in enumerate(CHECKS)}
ARGUMENT_SPEC = {
    "roles": {"type": "list", "elements": "str", "required": True},
    "entry_point": {"type": "str", "default": "main"},
    "creates_secrets": {"type": "bool", "default": False},
    "fails": {"type": "bool", "default": True},
    "look": {"type": "bool", "default": True},
    "names_leftovers": {"type": "bool", "default": False},
    "heading": {"type": "str", "default": "Nothing was changed."},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validated, options = self.validate_argument_spec(ARGUMENT_SPEC)
        roles = sorted(set(options["roles"]), key=lambda role: (ORDER.get(role, len(ORDER)), role))
        role_files.refuse_unknown(roles)

        result: dict[str, Any] = {"changed": False}
        if options["look"] and not Look.of(task_vars):
            looked = self._look(task_vars)
            if looked.get("failed") or looked.get("unreachable"):
                return looked
            # The facts of a task with run_once would become those of every host.
            result = {key: value for key, value in looked.items() if key != "ansible_facts" or not self._task.run_once}
            task_vars = {
                **task_vars,
                # By the names that Ansible gives facts when it keeps them.
                "ansible_facts": {
                    **task_vars.get("ansible_facts", {}),
                    **namespace_facts(looked["ansible_facts"])["ansible_facts"],
                },
            }

        found: list[Problem] = []
        origins: dict[str, Any] = {}
        values = {role: self._values(role, options, task_vars) for role in roles}
        for v in values.values():
            for problem in problems(v, options["entry_point"]):
                found.append(problem)
                origins.setdefault(problem.text, v.origin(problem.variable))
        for role in sorted(values.keys() & one_host.LISTENERS.keys())[:1]:
            for problem in one_host.check(self._of_host(values, options, task_vars)):
                found.append(problem)
                origins[problem.text] = values[role].origin(problem.variable)
        if options["names_leftovers"]:
            found += unknown_removals(task_vars)
        host = task_vars["inventory_hostname"]
        warnings = [f"{host}: {problem.text}" for problem in found if problem.is_warning]
        found = unique(problem for problem in found if not problem.is_warning)
        result["problems"] = [problem.text for problem in found]
        if found and options["fails"]:
            origin = next(filter(None, (origins.get(problem.text) for problem in found)), None)
            raise AnsibleActionFail(
                "\n".join([report(host, found, options["heading"]), *spelling_warnings(roles, task_vars)]), obj=origin
            )
        if options["names_leftovers"] and not task_vars.get("remove"):
            warnings += leftover_warnings(task_vars)
        warnings += spelling_warnings(roles, task_vars)
        if warnings:
            result["warnings"] = [*result.get("warnings", []), *warnings]
        return result

    def _look(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """By the action of that name, as a role alone in a play has no task before this one."""
        task = self._task.copy()
        task.args = {}
        action = self._shared_loader_obj.action_loader.get(
            "dockyard.consul.look",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return action.run(task_vars=task_vars)

    def _of_host(
        self, values: Mapping[str, Values], options: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Values]:
        """The variables of all roles of the host, as a role alone in a play shares the host with the others."""
        others = [role for role in SiteValues(task_vars).roles if role not in values]
        return {**values, **{role: self._values(role, options, task_vars) for role in others}}

    def _values(self, role: str, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Values:
        return Values(
            role_files.load(role, options["entry_point"]),
            task_vars,
            self._renderer,
            extra_vars=load_extra_vars(self._loader),
            check_mode=self._task.check_mode,
            creates_secrets=options["creates_secrets"],
        )

    def _renderer(self, variables: Mapping[str, Any]) -> Callable[[Any], Any]:
        templar = self._templar.copy_with_new_env(available_variables=variables)
        return templar.template


def leftover_warnings(variables: Mapping[str, Any]) -> list[str]:
    """A sentence if the host has layers whose groups it is not in."""
    found = parts.leftovers(Look.of(variables), parts.groups_of(variables))
    return found and [
        (
            f"{variables['inventory_hostname']} has {', '.join(found)}, and is not in a group for that any more. To take it off the"
            f" host, add -e remove={','.join(found)}."
        )
    ]


def unknown_removals(variables: Mapping[str, Any]) -> list[Problem]:
    """Of the variable C(remove), which the last play of the site reads."""
    given = str(variables.get("remove") or "")
    unknown = [name for name in given.split(",") if given and name not in parts.PARTS]
    return unknown and [
        Problem(
            "remove",
            f"remove is '{given}', and there is no role {' or '.join(map(repr, unknown))} to take off. Set one or more of"
            f" {', '.join(sorted(parts.PARTS))}, with commas and no spaces.",
        )
    ]


def spelling_warnings(roles: Collection[str], variables: Mapping[str, Any]) -> list[str]:
    """The same for every host, so that Ansible shows each once."""
    found = []
    for role in owners(roles):
        files = role_files.load(role)
        names = {*files.options, *files.defaults, *files.variables, *files.sets}
        found += [
            f"{name} is not a variable of the role {role}. Did you mean {alike}?"
            for name, alike in misspelt(role, names, variables)
        ]
    return found


def owners(roles: Collection[str]) -> list[str]:
    """The roles with variables for the user: also those that the roles of a site build on."""
    bases = [role_files.BASES[role] for role in roles if role in role_files.BASES]
    return list(dict.fromkeys([*roles, *(base.name for base in bases if base.has_its_options), "site_tls"]))


def problems(v: Values, entry_point: str) -> Iterator[Problem]:
    """What the argument spec and the role's own checks find."""
    yield from unread_packages(v)
    for name, spec in v.options.items():
        if not v.is_default(name):
            try:
                yield from v.complaints(name, v.as_given(name))
            except Unusable as error:
                yield error.problem
        elif spec.get("required") and name not in v:
            yield Problem(name, f"{name} is not set. The role {v.role} needs it.")
    check = CHECKS.get(f"{v.role}:{entry_point}") or CHECKS.get(v.role)
    if check:
        yield from check(v)


def unread_packages(v: Values) -> Iterator[Problem]:
    """What the look could not read must not be taken for missing."""
    error = (v.look.get("errors") or {}).get("packages")
    if error:
        yield Problem(
            "ansible_facts",
            f"The packages of {v.host} could not be read: {error}. Repair that on the host, then run again.",
        )
