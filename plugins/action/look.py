# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs host_info once per host and run, and keeps its result as a fact. Documented in plugins/modules/look.py."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.lookup.site_value import Templated
from ansible_collections.dockyard.consul.plugins.plugin_utils import look, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.managed import HOST_INFO
from ansible_collections.dockyard.consul.plugins.plugin_utils.preload import preload
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues

# Ansible imports an action before it forks.
preload()

# What the roles read of Ansible's own facts, one from each subset. Whoever gathers the network's alone gets some others too,
# such as the distribution.
FACTS = ("python", "interfaces")
FACT_SUBSETS = ["!all", "network"]

# What Ansible adds to each result of a module.
FRAME = ("ansible_facts", "changed", "deprecations", "failed", "invocation", "warnings")


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "again": {"type": "bool", "default": False},
                "facts_only": {"type": "bool", "default": False},
                "forget": {"type": "list", "elements": "str", "default": []},
                "optional": {"type": "bool", "default": False},
                "paths": {"type": "list", "elements": "str", "default": []},
                "token": {"type": "str", "no_log": True},
            }
        )
        variables = self._variables_of_host(task_vars)
        # Ansible's facts and those of host_info are long: -v does not show them.
        result: dict[str, Any] = {"changed": False, "looked": False, "_ansible_verbose_override": True}
        known = look.Look.of(variables)
        if options["forget"]:
            # In check mode, nothing has changed since the look.
            if not self._task.check_mode:
                known.note_changed(options["forget"])
            return result
        if known and not options["again"]:
            return result
        if not options["optional"]:
            return self._look(result, options, variables, task_vars)
        # With ignore_unreachable, Ansible would end the run where the task has run_once.
        try:
            looked = self._look(result, options, variables, task_vars)
        except AnsibleConnectionFailure as error:
            looked = {"unreachable": True, "msg": str(error)}
        if not is_bad(looked):
            return looked
        host = self._task.delegate_to or task_vars.get("inventory_hostname")
        reason = looked.get("msg", "")
        return {
            "changed": False,
            "looked": False,
            "reason": reason,
            "warnings": [f"{host} cannot be looked at: {reason}"],
        }

    def _look(
        self,
        result: dict[str, Any],
        options: Mapping[str, Any],
        variables: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        known = look.Look.of(variables)
        if self._task.run_once and not self._task.delegate_to:
            raise AnsibleActionFail("run_once would make the look at one host a fact of every host. Remove run_once.")
        if not has_facts(variables):
            gathered = self._execute_module(
                "ansible.legacy.setup", {"gather_subset": FACT_SUBSETS}, task_vars=task_vars
            )
            if is_bad(gathered):
                return gathered
            add(result, gathered)
        if options["facts_only"]:
            return result

        arguments = {**HOST_INFO, "paths": [*HOST_INFO["paths"], *options["paths"]], "digest_key": look.digest_key()}
        values = variables if self._task.delegate_to else Templated(variables, self._templar)  # hostvars template
        arguments["node"] = node_name(values)
        arguments["token"] = options["token"] or agent_token(values)
        if not arguments["token"]:
            arguments.update(as_manager(values))
        found = self._execute_module("dockyard.consul.host_info", arguments, task_vars=task_vars)
        # An earlier run has made the agent token, and was refused before it gave the token to the cluster.
        if not options["token"] and not arguments.get("management") and is_unknown_token(found):
            arguments = {**arguments, **as_manager(values)}
            if arguments["management"]:
                found = self._execute_module("dockyard.consul.host_info", arguments, task_vars=task_vars)
        found.pop("invocation", None)
        if is_bad(found):
            return found
        add(result, found)
        parts = {name: part for name, part in found.items() if name not in FRAME and not name.startswith("_")}
        host = self._task.delegate_to or task_vars.get("inventory_hostname")
        new = {
            **parts,
            "host": host,
            "run": look.run_id(),
            "id": secrets.token_hex(8),
            "prepared": sorted(known.prepared),
        }
        result["ansible_facts"][look.FACT] = new
        result["looked"] = True
        return result

    def _variables_of_host(self, task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
        """The variables of the host whose facts this task sets."""
        if not self._task.delegate_to:
            return task_vars
        if not self._task.delegate_facts:
            raise AnsibleActionFail(
                f"The task is delegated to {self._task.delegate_to}, and its result would become facts of "
                f"{task_vars.get('inventory_hostname')}. Set delegate_facts: true."
            )
        hosts = task_vars["hostvars"]
        if self._task.delegate_to not in hosts:  # where hostvars.get() would return an undefined value
            return {}
        return hosts[self._task.delegate_to]


def has_facts(variables: Mapping[str, Any]) -> bool:
    """Whether the facts that the roles read are known."""
    known = variables.get("ansible_facts") or {}
    return all(name in known for name in FACTS)


def node_name(values: Mapping[str, Any]) -> str | None:
    """The name of the host's node. None where it cannot be determined."""
    try:
        return SiteValues(values).node_name
    except (AnsibleError, KeyError):
        return None  # check_variables reports it, with all other problems of the host


def agent_token(values: Mapping[str, Any]) -> str:
    """The token of the host's agent, as the roles place it. Empty where the host has none yet."""
    try:
        if given := values.get("consul_agent_acl_agent_token"):
            return given
        site = SiteValues(values)
        folder = site_secrets.checked_folder(site.secrets_dir)
        file = site_secrets.node_token(site.node_name)
    except (AnsibleError, KeyError, site_secrets.SecretError):
        return ""  # check_variables reports it, with all other problems of the host
    try:
        return site_secrets.read(folder, file, "uuid") or ""
    except site_secrets.SecretError as error:
        raise AnsibleActionFail(str(error)) from error


def as_manager(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of host_info with the management token."""
    token = management_token_of_server(values)
    return {"token": token, "management": bool(token)}


def management_token_of_server(values: Mapping[str, Any]) -> str:
    """The management token, for a server without an agent token that its cluster knows: it may have been set up by hand, and
    answers nothing without a token. Every run of the site gives the token to the servers. Nobody else gets it."""
    try:
        site = SiteValues(values)
        if values.get("inventory_hostname") not in site.servers:
            return ""
        if given := values.get("consul_agent_acl_management_token"):
            return given
        folder = site_secrets.checked_folder(site.secrets_dir)
        return site_secrets.read(folder, site_secrets.FILES["management_token"].path, "uuid") or ""
    except (AnsibleError, KeyError, site_secrets.SecretError):
        return ""  # check_variables reports it, with all other problems of the host


def is_unknown_token(found: Mapping[str, Any]) -> bool:
    """Whether Consul does not know the token that it was asked with."""
    errors = (found.get("consul") or {}).get("errors") or {}
    return any("ACL not found" in error for error in errors.values())


def is_bad(module_result: Mapping[str, Any]) -> bool:
    return bool(module_result.get("failed") or module_result.get("unreachable"))


def add(result: dict[str, Any], module_result: Mapping[str, Any]) -> None:
    """Add the facts and warnings of a module to the result."""
    result["ansible_facts"] = {**result.get("ansible_facts", {}), **module_result.get("ansible_facts", {})}
    for name in ("warnings", "deprecations"):
        if module_result.get(name):
            result[name] = [*result.get(name, []), *module_result[name]]
