# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module consul_service only where this run's look at the host does not show that nothing is due. In check mode it
does not run where no agent runs yet: what would be registered is returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import JSON_OPTIONS
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC, diff_of
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import with_texts
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    SERVICE_ARGUMENTS,
    checks_by_service,
    described,
    is_registered,
    registrations,
    shown_wanted,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

# The look asks the host's own agent, without any of these.
ANOTHER_AGENT = set(CONNECTION_SPEC) - {"token", "timeout", "retries", "consistency"}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        look = Look.of(variables)
        # The look is that of the play's host, and knows no environment of the task.
        if not self._task.delegate_to and not any(self._task.environment or []):
            found = registered(self._task.args, look.get("consul"))
            if found is not None:
                return {**result, "changed": False, "operations": {}, **found}
            if self._task.check_mode and not agent_runs(look):
                foretold = foretold_without_agent(self._task.args)
                if foretold is not None:
                    return {**result, **foretold}
        result.update(self._execute_module(task_vars=variables))
        if result.get("changed") and not self._task.check_mode:
            Look.of_target(self._task.delegate_to, variables).note_changed(["consul"])
        return result


def registered(arguments: Mapping[str, Any], consul: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The result of the module if the agent already has what the task asks for. None if it differs, or if what is
    known does not show it."""
    known = consul or {}
    if known.get("services") is None or known.get("checks") is None or ANOTHER_AGENT & set(arguments):
        return None
    options = validated(arguments)
    if options is None or options["state"] == "absent" or options["purge"]:
        return None
    checks = {identity: as_consul_has_it(identity, check) for identity, check in known["checks"].items()}
    found = {}
    try:
        for body in registrations(options, options["token"]):
            if not is_registered(body, known["services"], checks_by_service(checks)):
                return None
            if options["wait"] and not passes(body["ID"], checks):
                return None
            found[body["ID"]] = known["services"][body["ID"]]
    except ConsulError:  # the module says it
        return None
    return {"services": found} if options["services"] is not None else {"service": next(iter(found.values()))}


def validated(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options as the module has them. None if it has an error for them."""
    try:
        texts = with_texts(arguments, SERVICE_ARGUMENTS, JSON_OPTIONS)
    except ConsulError:
        return None
    result = ArgumentSpecValidator({**CONNECTION_SPEC, **SERVICE_ARGUMENTS}).validate(texts)
    return None if result.error_messages else result.validated_parameters


def passes(identity: str, checks: Mapping[str, Any]) -> bool:
    """Whether all checks of a service and of its node pass, maintenance among them, so that DNS gives the service."""
    return all(check["Status"] == "passing" for check in checks.values() if check["ServiceID"] in ("", identity))


def agent_runs(look: Look) -> bool:
    """Whether an agent may run on the host: also where that is not known."""
    unit, consul = look.unit("consul"), look.get("consul")
    return unit is None or consul is None or unit["active"] == "active" or bool(consul.get("running"))


def foretold_without_agent(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the task would do once the agent has been started, which check mode does not do. None where the module has an
    error for it, or where it asks another agent."""
    if ANOTHER_AGENT & set(arguments):
        return None
    options = validated(arguments)
    if options is None:
        return None
    many = options["services"] is not None
    if options["purge"] and not many:
        return None
    if options["state"] == "absent":
        return {"changed": False, "operations": {}, **({"services": {}} if many else {"service": None})}
    try:
        bodies = registrations(options, options["token"])
    except ConsulError:
        return None
    services = {body["ID"]: described(body) for body in bodies}
    found = {"services": services} if many else {"service": services[bodies[0]["ID"]], "operation": "create"}
    after = {body["ID"]: shown_wanted(body) for body in bodies}
    return {
        "changed": bool(bodies),
        "operations": dict.fromkeys(services, "create"),
        "diff": diff_of({}, after, "Consul services"),
        **found,
    }


def as_consul_has_it(identity: str, check: Mapping[str, Any]) -> dict[str, Any]:
    """A check of the look, under the names of Consul's API."""
    names = {"ServiceID": "service_id", "Type": "type", "Status": "status"}
    return {"CheckID": identity, **{name: check[ours] for name, ours in names.items()}}
