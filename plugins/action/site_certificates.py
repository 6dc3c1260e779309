# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.consul.plugins.plugin_utils import certificates, site_secrets

NAMES = {"type": "list", "elements": "str", "default": []}
OPTIONS = {
    "directory": {"type": "str", "required": True},
    "ca_certificate": {"type": "str", "default": ""},
    "ca_private_key": {"type": "str", "default": "", "no_log": True},
    "ca_common_name": {"type": "str", "default": "Site CA"},
    "ca_days": {"type": "int", "default": 3650},
    "certificates": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "dns_names": NAMES, "addresses": NAMES},
    },
    "days": {"type": "int", "default": 365},
    "renew_days": {"type": "int", "default": 30},
}


class ActionModule(ActionBase):
    """Makes the site CA and signs the certificates that are due. Works on the controller alone, whatever host the task
    is for."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(OPTIONS)
        if certificates.CRYPTOGRAPHY_ERROR:
            raise AnsibleActionFail(
                f"The Python package cryptography is missing on the controller: {certificates.CRYPTOGRAPHY_ERROR}."
                " Install it for the Python that runs Ansible."
            )
        try:
            done = self._run(options)
        except site_secrets.SecretError as error:
            raise AnsibleActionFail(str(error), obj=self._task.args["directory"]) from error
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}.") from error
        return {**result, **done}

    def _run(self, options: dict[str, Any]) -> dict[str, Any]:
        now = datetime.datetime.now(datetime.UTC)
        folder = site_secrets.checked_folder(options["directory"])
        given = options["ca_certificate"], options["ca_private_key"]
        certificates.refuse_limits(options["ca_common_name"], options["ca_days"], options["days"])
        wanted = [
            certificates.Wanted(one["name"], one["dns_names"] or [], one["addresses"] or [])
            for one in options["certificates"]
        ]
        ca, due = certificates.plan(folder, given, wanted, options["renew_days"], now)

        keep_ca = bool(given[0]) and not certificates.keeps_ca(folder, given[0])
        done = {
            "changed": ca is None or keep_ca or bool(due),
            "ca_made": ca is None,
            "signed": [{"name": one.name, "reason": reason} for one, reason in due],
        }
        if self._task.diff and done["changed"]:
            changes = ["ca.pem"] if ca is None or keep_ca else []
            changes += [f"{one.name}.pem: {reason}" for one, reason in due]
            done["diff"] = {"prepared": "".join(f"+ {folder / change}\n" for change in changes)}
        if not self._task.check_mode:
            if keep_ca:
                certificates.keep_ca(folder, given[0])
            ca = ca or certificates.make_ca(folder, options["ca_common_name"], options["ca_days"], now)
            for one, reason in due:
                certificates.sign(folder, ca, one, reason, options["days"], now)
        return done
