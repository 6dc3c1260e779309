# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults, variables and argument spec, with those of the role that it builds on.

Ansible's own loader takes four times as long, and what it adds, the position in the file, is not needed here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template

ROLES = Path(__file__).resolve().parents[2] / "roles"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Base(NamedTuple):
    name: str
    has_its_options: bool  # whether the user sets the options of the base for this role
    sets: Mapping[str, Any]  # what the role passes to its base


BASES = {
    "consul_server": Base(
        "consul_agent",
        True,
        {"consul_agent_face_config": {"server": True}},
    ),
    "consul_client": Base("consul_agent", True, {"consul_agent_face_config": {}}),
    "mydemo": Base("release", False, {}),
}


class RoleFiles(NamedTuple):
    name: str
    path: str
    defaults: Mapping[str, Any]
    variables: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]]
    sets: Mapping[str, Any]


def exists(role: str) -> bool:
    return role.isidentifier() and (ROLES / role).is_dir()


def refuse_unknown(roles: Iterable[str]) -> None:
    unknown = [role for role in roles if not exists(role)]
    if unknown:
        raise AnsibleActionFail(
            f"The collection dockyard.consul has no role {', '.join(unknown)}. Correct the option roles."
        )


@functools.cache
def load(role: str, entry_point: str = "main") -> RoleFiles:
    defaults = _load(role, "defaults/main.yml")
    variables = _load(role, "vars/main.yml")
    options = _options(role, entry_point)
    base = BASES.get(role)
    if base:
        defaults = {**_load(base.name, "defaults/main.yml"), **defaults}
        variables = {**_load(base.name, "vars/main.yml"), **variables}
        options = {**(_options(base.name, "main") if base.has_its_options else {}), **options}
    sets = _trusted(base.sets) if base else {}
    options = {name: spec for name, spec in options.items() if name not in sets}
    return RoleFiles(role, str(ROLES / role), _trusted(defaults), _trusted(variables), options, sets)


def _options(role: str, entry_point: str) -> dict[str, Any]:
    entry_points = _load(role, "meta/argument_specs.yml").get("argument_specs") or {}
    return (entry_points.get(entry_point) or entry_points.get("main") or {}).get("options") or {}


@functools.cache
def _load(role: str, file: str) -> dict[str, Any]:
    path = ROLES / role / file
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        return yaml.load(stream, Loader=LOADER) or {}


def _trusted(value: Any) -> Any:
    """The same, with its strings marked as templates."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, Mapping):
        return {key: _trusted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_trusted(one) for one in value]
    return value
