# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a host as a role sees them, each templated only when it is read."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.dockyard.consul.plugins.plugin_utils import argument_spec
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, Unusable
from ansible_collections.dockyard.consul.plugins.plugin_utils.role_files import RoleFiles
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import SiteValues

try:
    from ansible._internal._datatag._tags import Origin  # nothing public tells where a value was set
except ImportError:
    Origin = None

# Ansible's own variables: large, and never templates.
NO_TEMPLATES = {"ansible_facts", "groups", "hostvars"}

# Makes, from all variables, a function that templates the value of one of them.
Renderer = Callable[[Mapping[str, Any]], Callable[[Any], Any]]


class Values(Mapping[str, Any]):
    """The order is Ansible's: role defaults, the host's variables, role variables, what the role passes, extra vars.

    Reading a variable that cannot be templated, or that has the wrong type, raises Unusable.
    """

    def __init__(
        self,
        role: RoleFiles,
        task_vars: Mapping[str, Any],
        renderer: Renderer,
        extra_vars: Mapping[str, Any] | None = None,
        check_mode: bool = False,
        creates_secrets: bool = False,
    ) -> None:
        self.role = role.name
        self.options = role.options
        self.check_mode = check_mode
        self.creates_secrets = creates_secrets
        self._defaults = role.defaults
        self._passed = role.sets
        self._given = ChainMap(dict(extra_vars or {}), task_vars)  # a ChainMap writes to its first map
        self._variables = ChainMap(
            self._given.maps[0], {"role_path": role.path}, role.sets, role.variables, task_vars, role.defaults
        )
        self._renderer = renderer
        self._known: dict[str, Any] = {}
        self._raw_hosts: dict[str, Mapping[str, Any]] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            try:
                self._known[name] = self._read(name)
            except Unusable as error:
                self._known[name] = error
        value = self._known[name]
        if isinstance(value, Unusable):
            raise value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def _read(self, name: str) -> Any:
        value = self.as_given(name)
        if name not in self.options:
            return value
        complaint = next(self.complaints(name, value), None)
        if complaint:
            raise Unusable(complaint)
        return argument_spec.convert(value, self.options[name])

    def as_given(self, name: str) -> Any:
        """The value after templating, before it is converted to the type of its option."""
        raw = self._variables[name]
        if name in NO_TEMPLATES or is_literal(raw):
            return raw
        try:
            return self._render(raw)
        except AnsibleError as error:
            cause = " ".join(str(error).split()).rstrip(".")
            text = f"{name} cannot be evaluated: {cause}. Correct its value, or define what it refers to."
            raise Unusable(Problem(name, text, is_consequence=self.is_default(name))) from error

    def complaints(self, name: str, value: Any) -> Iterator[Problem]:
        """What the argument spec says against the value of an option."""
        for text in argument_spec.complaints(name, value, self.options[name]):
            yield Problem(name, text)

    def is_default(self, name: str) -> bool:
        """Whether the user left the variable alone, or set it to its default, or it does not exist."""
        if name in self._passed or name not in self._given:
            return True
        return name in self._defaults and self._given[name] == self._defaults[name]

    def is_given(self, name: str) -> bool:
        """Whether the user set the variable, be it to its default. In a role, its defaults are variables as well."""
        if not Origin:
            return not self.is_default(name)
        tag = Origin.get_tag(self._given.get(name))
        of_role = tag and str(tag.path).endswith(f"/roles/{self.role}/defaults/main.yml")
        return name not in self._passed and name in self._given and not of_role

    def is_set(self, name: str) -> bool:
        """Whether the user set the variable to something that is not empty. Secrets are read only where this is true:
        a default one may not exist yet."""
        return not self.is_default(name) and bool(self[name])

    def is_secret(self, name: str) -> bool:
        return bool(self.options.get(name, {}).get("no_log"))

    def origin(self, name: str) -> Any:
        """Where the variable was set, for C(AnsibleError(obj=...)), or None if that is not known. Given the file as a
        description, Ansible does not show the lines around it, which may hold a secret."""
        tag = Origin.get_tag(self._given.get(name)) if Origin else None
        return Origin(description=str(tag)) if tag else None

    @cached_property
    def _render(self) -> Callable[[Any], Any]:
        return self._renderer(self._variables)

    @cached_property
    def site(self) -> SiteValues:
        """The shared values of this host."""
        return SiteValues(self)

    @property
    def host(self) -> str:
        return self._given["inventory_hostname"]

    @property
    def groups(self) -> Mapping[str, list[str]]:
        return self._given.get("groups") or {}

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._given.get("ansible_facts") or {}

    @cached_property
    def look(self) -> Look:
        return Look.of(self._given)

    @property
    def hostvars(self) -> Mapping[str, Mapping[str, Any]]:
        return self._given.get("hostvars") or {}

    @cached_property
    def agents(self) -> list[str]:
        """The inventory names of all hosts with a Consul agent."""
        return list(dict.fromkeys([*self.site.servers, *self.groups.get("consul_client", [])]))

    @cached_property
    def speaks_for_site(self) -> bool:
        """Whether this host is the one that checks what concerns all hosts, so that it is done once."""
        hosts = self._given.get("ansible_play_hosts") or [self.host]
        return self.host == next((host for host in hosts if host in self.agents), hosts[0])

    def raw_of(self, host: str) -> Mapping[str, Any]:
        """The variables of another host, not templated. Templating all of 80 hosts on each of them takes seconds."""
        if host not in self._raw_hosts:
            raw_get = getattr(self.hostvars, "raw_get", self.hostvars.get)
            found = raw_get(host)
            self._raw_hosts[host] = found if isinstance(found, Mapping) else {}
        return self._raw_hosts[host]

    def look_of(self, host: str) -> Look:
        """What this run knows of another host."""
        return Look.of({"ansible_facts": self.raw_of(host).get("ansible_facts")})

    def of_host(self, host: str, name: str, default: Any = None) -> Any:
        """One variable of another host. It is templated only where it is a template."""
        raw = self.raw_of(host).get(name, default)
        if is_literal(raw):
            return raw
        try:
            return self.hostvars[host][name]
        except AnsibleError as error:
            cause = " ".join(str(error).split()).rstrip(".")
            raise Unusable(Problem(name, f"{name} of {host} cannot be evaluated: {cause}.")) from error


def is_literal(value: Any) -> bool:
    """Whether a raw value is surely no template. A vaulted value is none of these types, and so is templated."""
    if isinstance(value, str):
        return "{" not in value
    if isinstance(value, Mapping):
        return all(is_literal(key) and is_literal(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_literal, value))
    return value is None or isinstance(value, (bool, int, float))
