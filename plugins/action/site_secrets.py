# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.dockyard.consul.plugins.lookup.site_value import site_value
from ansible_collections.dockyard.consul.plugins.plugin_utils import role_files, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Unusable
from ansible_collections.dockyard.consul.plugins.plugin_utils.role_secrets import secrets_of
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

OPTIONS = {
    "directory": {"type": "str"},
    "roles": {"type": "list", "elements": "str", "default": []},
    "prepared": {"type": "bool", "default": True},
    "secrets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True, "choices": list(site_secrets.KINDS)},
        },
    },
}


class ActionModule(ActionBase):
    """Makes the missing secrets of the site. Works on the controller alone, whatever host the task is for."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, options = self.validate_argument_spec(OPTIONS)
        role_files.refuse_unknown(options["roles"])
        directory = options["directory"] or site_value("secrets_dir", variables, self._templar)
        wanted = {secret["name"]: secret["kind"] for secret in options["secrets"]}
        try:
            for role in options["roles"]:
                wanted.update(secrets_of(self._values(role, variables)))
            folder = site_secrets.checked_folder(directory)
            made = site_secrets.missing(folder, wanted)
            if not self._task.check_mode:
                made = site_secrets.make(folder, {name: wanted[name] for name in made})
        except Unusable as error:
            raise AnsibleActionFail(error.problem.text) from error
        except site_secrets.SecretError as error:
            raise AnsibleActionFail(str(error), obj=self._task.args.get("directory")) from error
        if self._task.diff and made:
            result["diff"] = {"prepared": "".join(f"+ {folder / name}\n" for name in made)}
        if options["prepared"]:
            Look.of(variables).note_prepared(options["roles"])
        return {**result, "changed": bool(made), "made": made}

    def _values(self, role: str, variables: Mapping[str, Any]) -> Values:
        return Values(
            role_files.load(role),
            variables,
            lambda all_variables: self._templar.copy_with_new_env(available_variables=all_variables).template,
            extra_vars=load_extra_vars(self._loader),
            check_mode=self._task.check_mode,
        )
