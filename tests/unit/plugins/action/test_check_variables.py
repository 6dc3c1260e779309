# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in real runs, on the controller alone. Each takes a second or two."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BIN = Path(sys.executable).parent
# A module that gives a host its facts.
FACTS = """#!/bin/sh
. "$1"
cat <<END
{"ansible_facts": {"ansible_os_family": "Debian", "ansible_distribution": "Debian", "ansible_interfaces": ["eth0"],
 "ansible_eth0": {"active": true, "type": "ether", "ipv4": {"address": "$address"}}}}
END
"""
ADDRESSES = "{'consul1': '10.0.0.1', 'web1': '10.0.0.2', 'web2': '10.0.0.3'}"
# Ansible's intersect keeps no order.
ROLES = "{{ ['consul_server', 'consul_client', 'redis'] | intersect(group_names) }}"
# Defaults that come from a look at the host are set here.
RIGHT = "consul_agent_acl_default_policy: allow\nconsul_agent_recursors: [192.0.2.1]\n"


LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def run(tmp_path):
    """Runs the action on all hosts of a site, and returns the result of the command."""

    def run(variables="", *options, roles=ROLES, look=False, facts=True, after=None, check=None):
        groups = {
            "consul_server": {"hosts": {"consul1": None}},
            "consul_client": {"hosts": {"web1": None, "web2": None}},
            "redis": {"hosts": {"web1": None}},
        }
        inventory = {"all": {"vars": LOCAL, "children": groups}}
        tasks = [
            {"given_facts": {"address": f"{{{{ {ADDRESSES}[inventory_hostname] }}}}"}},
            {"dockyard.consul.check_variables": {"roles": roles, "look": look, **(check or {})}, "register": "checked"},
            after or {"ansible.builtin.debug": {"msg": "the play goes on"}},
        ]
        tasks = tasks if facts else tasks[1:]
        play = {"hosts": "all", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}
        for folder in ("group_vars", "library"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "library/given_facts").write_text(FACTS)
        (tmp_path / "group_vars/all.yml").write_text(RIGHT + variables)
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        command = [BIN / "ansible-playbook", "-i", "hosts.yml", "play.yml", *options]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)

    return run


def messages(done):
    """{host: msg} of the C(fatal:) lines."""
    found = re.findall(r"^fatal: \[(\w+)\]: FAILED! => (\{.*\})$", done.stdout + done.stderr, re.MULTILINE)
    return {host: json.loads(result)["msg"] for host, result in found}


def test_a_site_that_is_right(run):
    done = run()
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the play goes on") == 3 and "changed: [" not in done.stdout


def test_problems_that_do_not_fail(run):
    after = {"ansible.builtin.debug": {"msg": "{{ checked.problems }}"}}
    done = run("redis_port: 70000\n", after=after, check={"fails": False})
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("redis_port is 70000. A port is a number") == 1


def test_a_role_alone_in_a_play_without_facts(run):
    """The action looks at the host itself, and uses the facts that this brings."""
    done = run("registry_port: 70000\n", "--limit", "web1", roles=["registry"], facts=False, look=True)
    said = messages(done)["web1"]
    assert "registry_port is 70000." in said and "facts of this host are missing" not in said, done.stdout


def test_all_problems_of_all_hosts_at_once(run, tmp_path):
    done = run(
        "consul_server_bootstrap_expect: 3\n"
        "redis_port: '{{ the_port }}'\n"
        "the_port: 70000\n"
        "redis_service_acl: maybe\n"
        "consul_agent_datacenter: '{{ nobody }}'\n"
    )
    datacenter = (
        "- consul_agent_datacenter cannot be evaluated: 'nobody' is undefined."
        " Correct its value, or define what it refers to."
    )
    assert messages(done) == {
        "consul1": "Nothing was changed. 2 problems with the variables of consul1:\n"
        + datacenter
        + "\n- consul_server_bootstrap_expect is 3. The inventory has 1 server, and the servers elect no leader before that"
        " many run. Use 1.",
        "web1": "Nothing was changed. 3 problems with the variables of web1:\n"
        + datacenter
        + "\n- redis_service_acl is 'maybe'. It must be true or false."
        "\n- redis_port is 70000. A port is a number from 1 to 65535.",
        "web2": f"Nothing was changed. 1 problem with the variables of web2:\n{datacenter}",
    }, done.stdout + done.stderr
    assert "the play goes on" not in done.stdout


@pytest.mark.parametrize("written", ["70000", "'{{ the_port }}'"])
def test_the_origin_is_the_users_own_line(run, tmp_path, written):
    done = run(f"site_password: do not show this\nredis_port: {written}\nthe_port: 70000\n")
    said = " ".join((done.stdout + done.stderr).split())
    assert f"Origin: {tmp_path}/group_vars/all.yml:4:13" in said, said
    assert "do not show this" not in said, "Ansible shows the lines around an origin"


def test_a_secret_is_not_shown_and_a_default_one_not_read(run, tmp_path):
    done = run("redis_password: Pass123\n", "-vvv")
    output = done.stdout + done.stderr
    assert done.returncode != 0 and "- redis_password has 7 characters. It must have 8 or more" in output, output
    assert "Pass123" not in output
    assert not (tmp_path / ".secrets").exists()


def test_extra_vars_win_and_are_converted(run):
    assert run("redis_port: 0\n", "-e", "redis_port=6380").returncode == 0
    assert "- redis_port is 'abc'. It must be a whole number." in messages(run("", "-e", "redis_port=abc"))["web1"]


def test_a_dictionary_on_the_command_line(run):
    """Ansible makes a text of it. In JSON it stays what it is."""
    found = messages(run("", "-e", "status_services={}", roles=["status"]))
    assert set(found) == {"consul1", "web1", "web2"}
    assert "- status_services is '{}'. It must be a dictionary." in found["web1"]
    assert run("", "-e", '{"status_services": {}}', roles=["status"]).returncode == 0


def test_what_concerns_all_hosts_is_said_once(run):
    done = run("consul_agent_node_name: \"{{ 'twin' if inventory_hostname != 'consul1' else 'consul1' }}\"\n")
    assert list(messages(done).values()) == [
        (
            "Nothing was changed. 1 problem with the variables of web1:\n"
            "- consul_agent_node_name is 'twin' for more than one host (web1, web2). Give each host a name of its own."
        )
    ], done.stdout


def test_it_looks_at_the_host_where_nobody_has(run):
    web1 = ("-l", "web1")
    show = {"ansible.builtin.debug": {"msg": "known {{ ansible_facts.dockyard_host.run | length > 0 }}"}}
    done = run("", *web1, roles=["redis"], look=True, after=show)
    assert done.returncode == 0 and done.stdout.count("known True") == 1, done.stdout + done.stderr
    again = {"dockyard.consul.look": {}, "register": "look", "failed_when": "look.looked"}
    assert run("", *web1, roles=["redis"], look=True, after=again).returncode == 0
    assert run("", *web1, roles=["redis"], look=False, after=again).returncode != 0, "it did not look"


def test_a_host_that_cannot_be_looked_at(run):
    done = run("ansible_python_interpreter: /nowhere\n", "-l", "web1", look=True)
    assert done.returncode != 0 and "the play goes on" not in done.stdout, done.stdout


def test_a_role_that_is_not_there(run):
    text = "The collection dockyard.consul has no role nginx. Correct the option roles."
    assert set(messages(run(roles=["nginx"])).values()) == {text}


def test_a_port_that_two_roles_of_a_host_use(run):
    said = "- Redis (redis_port) and the registry (registry_port) would both listen on port 5000 of this host. To another port,"
    done = run("redis_port: 5000\n", "-l", "web1", roles=["redis", "registry"])
    assert said in messages(done)["web1"] and ":3:13" in " ".join((done.stdout + done.stderr).split()), done.stdout
    # web1 is in the group redis, so a role alone is checked with it, too.
    alone = messages(run("registry_port: 6379\n", "-l", "web1", roles=["registry"]))["web1"]
    assert "the registry (registry_port) and Redis (redis_port) would both listen on port 6379 of this host." in alone
    assert run("registry_port: 6379\n", "-l", "web2", roles=["registry"]).returncode == 0


def test_a_misspelt_variable_is_named_once_for_all_hosts(run):
    done = run("redis_pasword: x\n")
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0
    assert words.count("redis_pasword is not a variable of the role redis. Did you mean redis_password?") == 1


def test_misspelt_variables_of_what_the_roles_of_a_site_build_on(run):
    done = run(
        "consul_agent_acl_default_polcy: deny\nconsul_server_iu: true\nsite_tls_renew_dasy: 3\n",
        roles="{{ lookup('dockyard.consul.site_value', 'roles') }}",
    )
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0
    for name, role, meant in [
        ("consul_agent_acl_default_polcy", "consul_agent", "consul_agent_acl_default_policy"),
        ("consul_server_iu", "consul_server", "consul_server_ui"),
        ("site_tls_renew_dasy", "site_tls", "site_tls_renew_days"),
    ]:
        assert words.count(f"{name} is not a variable of the role {role}. Did you mean {meant}?") == 1, words
    assert words.count("Did you mean") == 3


def test_a_role_to_remove_that_there_is_not(run):
    done = run("redis_pasword: x\n", "-e", "remove=redsi,mydemo", check={"names_leftovers": True})
    assert done.returncode != 0 and "the play goes on" not in done.stdout
    assert messages(done)["web1"].startswith(
        "Nothing was changed. 1 problem with the variables of web1:\n"
        "- remove is 'redsi,mydemo', and there is no role 'redsi' to take off. Set one or more of"
    ), done.stdout + done.stderr
    assert "redis_pasword is not a variable" in messages(done)["web1"]
