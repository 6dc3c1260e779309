# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.action import site_secrets as action
from ansible_collections.dockyard.consul.plugins.modules import site_secrets as module
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets

WANTED = {"operator/gossip.key": "gossip_key", "node/web1/agent.token": "uuid", "operator/redis.password": "password"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


def play(folder, wanted=None, **keywords):
    """Makes the secrets, and shows what the task returned."""
    secrets = [{"name": name, "kind": kind} for name, kind in (WANTED if wanted is None else wanted).items()]
    make = {"dockyard.consul.site_secrets": {"directory": str(folder), "secrets": secrets}, "register": "made"}
    return {"tasks": [make, {"ansible.builtin.debug": {"var": "made"}}], **keywords}


def values(folder):
    return {name: site_secrets.read(folder, name, kind) for name, kind in WANTED.items()}


def test_the_documentation_has_the_options():
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert documented.keys() == action.OPTIONS.keys()
    suboptions = documented["secrets"]["suboptions"]
    assert suboptions.keys() == action.OPTIONS["secrets"]["options"].keys()
    assert list(suboptions["kind"]["choices"]) == list(site_secrets.KINDS)


def test_four_ways(local_playbook, folder):
    foretold = local_playbook(play(folder), check=True)
    assert foretold.changed == {"web1": 1} and not folder.exists()

    made = local_playbook(play(folder), options=["-vvv"])
    assert made.changed == {"web1": 1} and made.modules == []
    for name in WANTED:
        assert f"+ {folder}/{name}\n" in foretold.output and f"+ {folder}/{name}\n" in made.output
    before = values(folder)
    assert all(before.values()) and not any(value in made.output for value in before.values())

    (folder / "node/web1/agent.token").unlink()
    assert local_playbook(play(folder)).changed == {"web1": 1}
    after = values(folder)
    changed = [name for name in WANTED if after[name] != before[name]]
    assert changed == ["node/web1/agent.token"], "what was there is left alone"

    again = local_playbook(play(folder))
    assert not again.changed and values(folder) == after


def test_every_host_of_two_runs_gets_the_same_values(local_playbook, folder):
    """The lookup runs in the same forks, right after the task."""
    show = {
        "ansible.builtin.debug": {
            "msg": "seen {{ lookup('dockyard.consul.site_secret', *names, kind=kind, directory=folder) }}"
        },
        "vars": {"names": ["operator/redis.password"], "kind": "password", "folder": str(folder)},
    }
    tasks = play(folder)["tasks"][:1] + [show]
    hosts = [f"web{number}" for number in range(6)]
    runs = [local_playbook.start({"tasks": tasks, "strategy": "free"}, hosts=hosts) for _run in range(2)]
    output = "".join(run().output for run in runs)
    assert output.count(f"seen {values(folder)['operator/redis.password']}") == 12, output


def test_no_connection_is_needed(local_playbook, folder):
    """The host is one that cannot be reached."""
    unreachable = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_timeout": 1}
    local_playbook(play(folder), variables=unreachable)
    assert all(values(folder).values())


def test_errors_are_our_sentences(local_playbook, folder):
    local_playbook(play(folder))
    (folder / "operator/gossip.key").write_text("nonsense\n")
    (folder / "node").chmod(0o755)
    done = local_playbook.fails(play(folder, {**WANTED, "operator/new": "uuid"}))
    assert (
        f"{folder}/operator/gossip.key has the wrong content. It must hold 16, 24 or 32 bytes in base64" in done.output
    )
    assert f"{folder}/node is open to other users (mode 0755)" in done.output
    assert "nonsense" not in done.output and not (folder / "operator/new").exists(), "nothing is made"


def test_the_origin_of_a_relative_folder_is_the_inventory(local_playbook):
    tasks = play("{{ site_secrets_dir }}")
    done = local_playbook.fails(tasks, variables={"site_secrets_dir": ".secrets"})
    assert "The folder of secrets is '.secrets', which is not an absolute path." in done.output
    assert "1-hosts.yml" in done.output, done.output


def of_roles(folder, *roles, show="made.made", **options):
    options = {"directory": str(folder), "roles": list(roles), **options}
    make = {"dockyard.consul.site_secrets": options, "register": "made"}
    return {"tasks": [make, {"ansible.builtin.debug": {"msg": "{{ " + show + " }}"}}]}


def made_files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_the_secrets_that_roles_read(local_playbook, folder):
    hosts = ["web1", "web2"]
    variables = {
        "consul_agent_node_name": "{{ inventory_hostname }}-node",
        "redis_service_name": "{{ 'cache' }}",
        "consul_agent_acl_dns_token": "{{ '11111111-0000-4000-8000-000000000000' if web2 else '' }}",
        "web2": "{{ inventory_hostname == 'web2' }}",
    }
    play = of_roles(folder, "consul_client", "redis")
    foretold = local_playbook(play, hosts=hosts, variables=variables, check=True)
    assert set(foretold.changed) == set(hosts) and not folder.exists()
    made = local_playbook(play, hosts=hosts, variables=variables)
    assert set(made.changed) == set(hosts) and made.modules == []
    assert made_files(folder) == {
        "operator/gossip.key",
        "operator/dns.token",
        "operator/redis.password",
        "service/cache.token",
        "node/web1-node/agent.token",
        "node/web2-node/agent.token",
    }
    again = local_playbook(play, hosts=hosts, variables=variables)
    assert not again.changed


def test_what_the_inventory_sets_is_not_made(local_playbook, folder):
    variables = {"redis_password": "{{ 'x' * 20 }}", "consul_agent_acl_default_policy": "allow"}
    assert not local_playbook(of_roles(folder, "redis"), variables=variables).changed and not folder.exists()
    # An extra variable comes before the inventory.
    done = local_playbook(of_roles(folder, "redis"), variables=variables, options=["-e", "redis_password="])
    assert done.changed and made_files(folder) == {"operator/redis.password"}


def test_roles_are_noted_as_prepared_in_a_look(local_playbook, folder):
    look = {"dockyard.consul.look": {}}
    play = of_roles(folder, "redis", show="ansible_facts | dockyard.consul.prepared('redis')")
    done = local_playbook({"tasks": [look, *play["tasks"]]})
    assert '"msg": true' in done.output, done.output
    assert '"msg": false' in local_playbook(play).output, "there is no look to keep the note in"


def test_roles_are_not_noted_as_prepared_if_they_are_not(local_playbook, folder):
    look = {"dockyard.consul.look": {}}
    shown = "ansible_facts | dockyard.consul.prepared('redis')"
    play = of_roles(folder, "redis", show=shown, prepared=False)
    done = local_playbook({"tasks": [look, *play["tasks"]]})
    assert '"msg": false' in done.output, done.output
    assert "operator/redis.password" in made_files(folder)


def test_wrong_roles_and_variables(local_playbook, folder):
    done = local_playbook.fails(of_roles(folder, "consul_client", "redis-server"))
    assert "The collection dockyard.consul has no role redis-server. Correct the option roles." in done.output
    done = local_playbook.fails(of_roles(folder, "redis"), variables={"redis_service_acl": "maybe"})
    assert "redis_service_acl is 'maybe'. It must be true or false." in done.output and not folder.exists()


def test_the_lookup_says_what_is_missing(local_playbook, folder):
    expression = (
        f"{{{{ lookup('dockyard.consul.site_secret', 'node/web1/agent.token', kind='uuid', directory='{folder}') }}}}"
    )
    show = {"tasks": [{"ansible.builtin.debug": {"msg": expression}}]}
    assert (
        f"{folder}/node/web1/agent.token is missing. Copy it from the controller" in local_playbook.fails(show).output
    )
    local_playbook(show, check=True)
