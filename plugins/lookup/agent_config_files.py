# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_config_files
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: The configuration files of the Consul agent of this host
description:
  - Builds the configuration from the variables of the role P(dockyard.consul.consul_agent#role), and returns it as entries of
    the option C(files) of M(dockyard.consul.files), for the version of Consul that is installed.
  - Of use within that role only.
options:
  _terms:
    description: The version of Consul that will read the files, such as V(1.21.4).
    type: list
    elements: str
    required: true
seealso:
  - plugin: dockyard.consul.consul_config_files
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Place the configuration
  dockyard.consul.files:
    files: "{{ lookup('dockyard.consul.agent_config_files', '1.21.4') }}"
    validate: consul validate %s/etc/consul.d
"""

RETURN = r"""
_raw:
  description: For each version a list of entries.
  type: list
  elements: list
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.dockyard.consul.plugins.filter.consul_config import parse_version
from ansible_collections.dockyard.consul.plugins.filter.consul_config_files import consul_config_files
from ansible_collections.dockyard.consul.plugins.plugin_utils import role_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.agent_settings import agent_settings
from ansible_collections.dockyard.consul.plugins.plugin_utils.lan_address import NoAddress, host_address
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Unusable
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **_options: Any) -> list[list]:
        v = Values(
            role_files.load("consul_agent"),
            variables or {},
            lambda of_role: self._templar.copy_with_new_env(available_variables=of_role).template,
            extra_vars=load_extra_vars(self._loader),
        )
        try:
            servers = [host_address(v.hostvars[server], "consul_agent_bind") for server in v.site.servers]
            return [
                consul_config_files(agent_settings(v, v.site.lan_address, servers, parse_version(version)), version)
                for version in terms
            ]
        except Unusable as error:
            raise AnsibleLookupError(error.problem.text) from error
        except NoAddress as error:
            raise AnsibleLookupError(str(error)) from error
