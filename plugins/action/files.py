# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of dockyard.consul.files: reads the contents, and runs the module unless the look of this run
says that the host has them all."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleFileNotFound
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.dockyard.consul.plugins.modules.files import MERGE_PREFIX, PREFIX
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.placing_options import (
    Entry,
    InvalidOption,
    entries_of,
    is_as_wanted,
    validate_of,
    was_interrupted,
)


class ActionModule(ActionBase):
    _VALID_ARGS = frozenset(("files", "validate"))
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        try:
            entries = entries_of(self._task.args.get("files"))
            validate = validate_of(self._task.args.get("validate"))
        except InvalidOption as error:
            raise AnsibleActionFail(str(error), obj=error.value) from None
        contents = {entry.path: self._content(entry, variables) for entry in entries if entry.source}

        known = Look.of_target(self._task.delegate_to, variables)
        if not was_interrupted(known) and all(
            is_as_wanted(entry, contents.get(entry.path), known) for entry in entries
        ):
            return {"changed": False, "changed_paths": [], "backups": {}, "merged": {}, "diff": []}

        result = self._execute_module(
            module_name="dockyard.consul.files",
            module_args={
                "files": [_argument(entry) for entry in entries],
                "validate": validate,
                "contents": {
                    entry.path: (MERGE_PREFIX if entry.source == "json" else PREFIX)
                    + base64.b64encode(contents[entry.path]).decode()
                    for entry in entries
                    if entry.source
                },
            },
            task_vars=variables,
        )
        result.pop("invocation", None)
        if not result.get("failed"):
            changed = result.get("changed_paths", [])
            known.note_changed([*changed, *map(os.path.dirname, changed)])
        return result

    def _content(self, entry: Entry, variables: Mapping[str, Any]) -> bytes:
        source = entry.value
        if entry.source == "json":
            return json.dumps(entry.value).encode()
        try:
            if entry.source == "content":
                return str(entry.value).encode(errors="surrogateescape")
            if entry.source == "src":
                contents = []
                for source in entry.value if isinstance(entry.value, list) else [entry.value]:
                    contents.append(self._source(source))
                return joined(contents)
            return self._render(self._find_needle("templates", entry.value), variables)
        except AnsibleFileNotFound:
            folder = "files" if entry.source == "src" else "templates"
            raise AnsibleActionFail(
                f"{entry.path}: {entry.source} {source} was not found on the controller, neither in a folder {folder}"
                " nor next to the playbook.",
                obj=source,
            ) from None
        except (AnsibleError, OSError) as error:
            raise AnsibleActionFail(f"{entry.path}: {entry.source} {source}: {error}", obj=source) from error

    def _source(self, file: str) -> bytes:
        try:
            return self._read(self._find_needle("files", file))
        except AnsibleFileNotFound:
            if self._task.check_mode:
                return b"(made by a run without check mode)\n"
            raise

    def _read(self, path: str) -> bytes:
        if os.path.isdir(path):
            raise AnsibleActionFail(f"{path} is a folder, not a file.")
        real = self._loader.get_real_file(path)
        try:
            return Path(real).read_bytes()
        finally:
            self._loader.cleanup_tmp_file(real)

    def _render(self, path: str, variables: Mapping[str, Any]) -> bytes:
        """As ansible.builtin.template does. Its lookup would copy all variables deeply, which takes 5 ms a file."""
        folders = [*variables.get("ansible_search_path", []), self._loader.get_basedir()]
        search = [os.path.dirname(path), *(name for folder in folders for name in (f"{folder}/templates", folder))]
        templar = self._templar.copy_with_new_env(
            searchpath=search, available_variables={"ansible_managed": "Ansible managed", **variables}
        )
        text = trust_as_template(self._loader.get_text_file_contents(path))
        rendered = templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True})
        return str("" if rendered is None else rendered).encode(errors="surrogateescape")


def joined(contents: list[bytes]) -> bytes:
    """Several files as one. Each begins on a line of its own."""
    *first, last = contents
    return b"".join(content if content.endswith(b"\n") else content + b"\n" for content in first) + last


def _argument(entry: Entry) -> dict[str, Any]:
    """An entry as the module takes it, without its content."""
    return {
        "path": entry.path,
        "state": entry.state,
        "owner": entry.owner,
        "group": entry.group,
        "mode": entry.mode,
        "secret": entry.secret,
    }
