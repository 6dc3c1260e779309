# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: without_directives
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Leave out directives of nginx that other configuration sets
description:
  - Removes from the input the directives that O(extra) sets as well. In one block, nginx refuses most directives that are there
    twice.
  - A C(proxy_set_header) or C(set) is removed only if O(extra) sets the same header or variable.
options:
  _input:
    description: Text with directives of nginx.
    type: str
    required: true
  extra:
    description: The other configuration of the same block.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show 'gzip on' only
  ansible.builtin.debug:
    msg: "{{ 'gzip on; server_tokens off;' | dockyard.consul.without_directives('server_tokens build;') }}"
"""

RETURN = r"""
_value:
  description: The directives that are left, each with its semicolon.
  type: list
  elements: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import NginxSyntaxError, parse


def without_directives(defaults, extra):
    try:
        given = {_key(directive) for directive in parse(extra)}
        return [defaults[one.start : one.end] for one in parse(defaults) if _key(one) not in given]
    except NginxSyntaxError as error:  # check_variables has reported it already
        raise AnsibleFilterError(f"without_directives: {error}") from error


def _key(directive):
    """What may be in a block once."""
    has_key = directive.name in ("proxy_set_header", "set") and directive.arguments
    return directive.name, directive.arguments[0].lower() if has_key else None


class FilterModule:
    """Jinja2 filter dockyard.consul.without_directives."""

    def filters(self):
        return {"without_directives": without_directives}
