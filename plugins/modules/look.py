# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The documentation of the action plugin of the same name, which does the work.

from __future__ import annotations

DOCUMENTATION = r"""
module: look
short_description: Looks at a host, once per run
version_added: 0.1.0
description:
  - Runs M(dockyard.consul.host_info) for all that the roles of this collection manage, and keeps the result as the fact
    C(dockyard_host). Later tasks decide from it what is left to do, without asking the host again.
  - Runs M(ansible.builtin.setup) first if the host has no facts in this run, whatever the setting C(gathering) is.
  - Does nothing if this run has already looked at the host. A look that a fact cache has kept from another run does not
    count.
notes:
  - The fact holds no secret. Digests in it are keyed with a random key of this run.
  - If the task is delegated, C(delegate_facts) must be true.
author:
  - The dockyard.consul authors (@dockyard)
attributes:
  check_mode:
    support: full
    description: Changes nothing, with or without check mode.
  diff_mode:
    support: none
    description: Shows differences.
options:
  again:
    description: Look even if this run has already looked at the host, such as after an installation.
    type: bool
    default: false
  facts_only:
    description:
      - Only gather the facts of Ansible that are missing. The host does not count as looked at.
    type: bool
    default: false
  forget:
    description:
      - Parts of the look that count as not known from here on, such as V(docker) after containers were replaced. The host is not
        looked at.
      - Does nothing in check mode, where nothing has changed since the look.
    type: list
    elements: str
    default: []
  optional:
    description:
      - Whether a host that cannot be looked at, such as one that is down, is a warning and no error. RV(reason) has the cause.
    type: bool
    default: false
  paths:
    description:
      - Further absolute paths to look at. V(*) and V(?) match as in a shell, but also a leading dot.
      - They count in the first look of a run, and with O(again).
    type: list
    elements: str
    default: []
  token:
    description:
      - ACL token for the agent of the host. The agent's own token is enough.
      - Defaults to C(consul_agent_acl_agent_token) of the host, otherwise the agent's token in the folder of secrets.
    type: str
seealso:
  - module: dockyard.consul.host_info
"""

EXAMPLES = r"""
- name: Look at the host
  dockyard.consul.look:
    token: "{{ consul_agent_acl_agent_token }}"

- name: Look at the host after the installation
  dockyard.consul.look:
    token: "{{ consul_agent_acl_agent_token }}"
    again: true
  when: installation is changed

- name: Look at the servers that are not in this play
  dockyard.consul.look:
  delegate_to: "{{ item }}"
  delegate_facts: true
  loop: "{{ groups.consul_server | difference(ansible_play_hosts_all) }}"

- name: Look at the servers until one runs
  dockyard.consul.look:
    optional: true
  delegate_to: "{{ item }}"
  delegate_facts: true
  loop: "{{ groups.consul_server }}"
  loop_control:
    break_when: (server.ansible_facts | default({})).dockyard_host | default({}) | dockyard.consul.runs(['consul'])
  register: server
  run_once: true

- name: Show the version of a package
  ansible.builtin.debug:
    msg: "{{ ansible_facts.dockyard_host.packages['redis-server'] }}"
"""

RETURN = r"""
looked:
  description: Whether this task has looked at the host. V(false) if an earlier task of this run has.
  returned: success
  type: bool
  sample: true
reason:
  description: Why the host cannot be looked at.
  returned: if it cannot, and O(optional=true)
  type: str
  sample: "Failed to connect to the host via ssh: connect to host consul1 port 22: Connection refused"
ansible_facts:
  description: What is added to the facts of the host, besides those of M(ansible.builtin.setup).
  returned: if RV(looked), or facts were gathered
  type: dict
  contains:
    dockyard_host:
      description: All that M(dockyard.consul.host_info) returns, with C(run) and C(changed).
      type: dict
      contains:
        run:
          description: The run of Ansible that has looked.
          type: str
          sample: ansible-local-1234abcd
        changed:
          description:
            - What this run has changed since, a path, C(unit:NAME), C(package:NAME) or the name of a part. It counts as
              not looked at.
          type: list
          elements: str
          sample: [/etc/redis/site.conf, "unit:redis-server"]
"""
