# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_value
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Get a value of this host that several roles share
description:
  - Returns a value of the host that the task runs for. The filter P(dockyard.consul.site_values#filter) lists the values and
    gives those of any other host.
options:
  _terms:
    description: Names of values, such as V(lan_address).
    type: list
    elements: str
    required: true
  missing:
    description:
      - What happens where V(lan_address) cannot be determined because this run has no facts of the host yet.
      - V(empty) returns an empty string. The defaults of roles use it, since Ansible reads them before the first task of a role.
    type: str
    choices: [empty, error]
    default: error
seealso:
  - plugin: dockyard.consul.site_values
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the address of this host
  ansible.builtin.debug:
    msg: "{{ lookup('dockyard.consul.site_value', 'lan_address') }}"
"""

RETURN = r"""
_raw:
  description: The values, one for each name.
  type: list
  elements: raw
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_values import NAMES, SiteValues


class Templated(Mapping[str, Any]):
    """Variables, each templated when it is read."""

    def __init__(self, variables: Mapping[str, Any], templar: Any) -> None:
        self._variables = variables
        self._templar = templar

    def __getitem__(self, name: str) -> Any:
        value = self._variables[name]
        # Facts, groups and hostvars are large, and never templates. A vaulted value is no string.
        if isinstance(value, (Mapping, list)) and name != "consul_agent_config_extra":
            return value
        return self._templar.template(trust_as_template("{{ " + name + " }}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def site_value(name: str, variables: Mapping[str, Any], templar: Any) -> Any:
    """A shared value of the host with these variables."""
    if name not in NAMES:
        raise AnsibleLookupError(f"site_value: {name!r} is none of {', '.join(NAMES)}.")
    try:
        return SiteValues(Templated(variables, templar))[name]
    except NoAddress as error:
        raise AnsibleLookupError(f"site_value: {error}") from error


def has_facts(variables: Mapping[str, Any]) -> bool:
    """Whether this run knows the addresses of the host."""
    return "interfaces" in (variables.get("ansible_facts") or {})


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[Any]:
        variables = variables or {}
        self.set_options(var_options=variables, direct=options)
        try:
            return [site_value(term, variables, self._templar) for term in terms]
        except AnsibleLookupError:
            if self.get_option("missing") == "empty" and set(terms) == {"lan_address"} and not has_facts(variables):
                return [""] * len(terms)
            raise
