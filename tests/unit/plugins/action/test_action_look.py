# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import ANY

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins.action.look import FACT_SUBSETS, ActionModule
from ansible_collections.dockyard.consul.plugins.plugin_utils import look, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.managed import HOST_INFO

SETUP, HOST = "ansible.legacy.setup", "dockyard.consul.host_info"
GATHERED = {"python": {"executable": "/usr/bin/python3"}, "interfaces": ["lo"]}


@pytest.fixture(autouse=True)
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(look.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(look, "run_id", lambda: "this-run")
    monkeypatch.setattr(look, "digest_key", lambda: "00ff")


@pytest.fixture
def secrets_dir(tmp_path):
    return tmp_path / "secrets"


@pytest.fixture
def action(secrets_dir):
    """A function that runs the action, and the module calls that it makes."""
    calls = []
    answers = {
        SETUP: {"changed": False, "ansible_facts": {"ansible_interfaces": ["lo"], "discovered": "python3"}},
        HOST: {
            "changed": False, "failed": False, "os": "Debian", "errors": {}, "_ansible_parsed": True,
            "invocation": {"module_args": {}}, "warnings": ["careful"],
        },
    }  # fmt: skip

    def act(
        args=None,
        facts=None,
        delegate_to=None,
        delegate_facts=None,
        hostvars=None,
        given=None,
        check=False,
        run_once=False,
        **replaced,
    ):
        task = SimpleNamespace(
            args=args or {}, async_val=0, check_mode=check, delegate_to=delegate_to, delegate_facts=delegate_facts,
            action="dockyard.consul.look", diff=False, run_once=run_once,
        )  # fmt: skip
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
        variables = {"inventory_hostname": "app1", "ansible_facts": facts or {}, "hostvars": hostvars or {}}
        variables = {**variables, "site_secrets_dir": str(secrets_dir), **(given or {})}
        plugin = ActionModule(task, connection, None, None, Templar(variables=variables), None)

        def execute(module_name, module_args, task_vars):
            calls.append((module_name, module_args))
            return dict({**answers, **replaced.get("answers", {})}[module_name])

        plugin._execute_module = execute
        return plugin.run(task_vars=variables)

    act.calls = calls
    return act


def known(run="this-run"):
    return {**GATHERED, look.FACT: {"run": run, "id": "0a", "host": "app1"}}


def test_a_host_of_which_nothing_is_known(action):
    result = action({"token": "abc", "paths": ["/etc/mine/*"]})
    assert [name for name, _arguments in action.calls] == [SETUP, HOST]
    assert action.calls[0][1] == {"gather_subset": FACT_SUBSETS}
    arguments = {
        **HOST_INFO,
        "paths": [*HOST_INFO["paths"], "/etc/mine/*"],
        "digest_key": "00ff",
        "node": "app1",
        "token": "abc",
    }
    assert action.calls[1][1] == arguments
    assert not result["changed"] and result["looked"] and result["warnings"] == ["careful"]
    assert result["ansible_facts"] == {
        "ansible_interfaces": ["lo"],
        "discovered": "python3",
        look.FACT: {"os": "Debian", "errors": {}, "run": "this-run", "id": ANY, "host": "app1", "prepared": []},
    }
    assert "abc" not in str(result)
    assert look.Look.of({"ansible_facts": result["ansible_facts"]})


@pytest.mark.parametrize("facts", [GATHERED, known(run="another-run")])
def test_facts_that_are_there_are_not_gathered_again(action, facts):
    assert action(facts=facts)["looked"]
    assert [name for name, _arguments in action.calls] == [HOST]
    assert action.calls[0][1]["token"] == "", "the site has none yet"


@pytest.mark.parametrize("missing", GATHERED)
def test_facts_of_which_a_part_is_missing(action, missing):
    action(facts={name: value for name, value in GATHERED.items() if name != missing})
    assert [name for name, _arguments in action.calls] == [SETUP, HOST]


def test_one_look_in_a_run(action):
    result = action(facts=known())
    assert not result["looked"] and "ansible_facts" not in result and not action.calls


def test_another_look_forgets_what_had_changed(action):
    facts = known()
    look.Look(facts[look.FACT]).note_changed(["unit:consul"])
    look.Look(facts[look.FACT]).note_prepared(["redis"])
    result = action({"again": True}, facts=facts)
    new = look.Look(result["ansible_facts"][look.FACT])
    assert result["looked"] and not new.changed and new.prepared == {"redis"}


def test_what_to_forget(action):
    facts = known()
    # Check mode has started and changed nothing.
    action({"forget": ["unit:consul"]}, facts=facts, check=True)
    assert look.Look(facts[look.FACT]).changed == set()
    action({"forget": ["unit:consul"]}, facts=facts)
    assert look.Look(facts[look.FACT]).changed == {"unit:consul"} and not action.calls


def test_a_look_once_for_all_hosts_is_refused(action):
    with pytest.raises(AnsibleActionFail, match="Remove run_once"):
        action(run_once=True)
    assert action(run_once=True, delegate_to="s1", delegate_facts=True)["looked"]


@pytest.mark.parametrize("bad", [{"failed": True, "msg": "no"}, {"unreachable": True, "msg": "gone"}])
def test_a_module_that_fails(action, bad):
    assert action(answers={SETUP: bad}) == bad
    assert [name for name, _arguments in action.calls] == [SETUP]
    assert action(facts=GATHERED, answers={HOST: {**bad, "invocation": {"module_args": {}}}}) == bad


@pytest.mark.parametrize("bad", [{"failed": True, "msg": "no"}, {"unreachable": True, "msg": "gone"}])
@pytest.mark.parametrize("facts", [None, GATHERED])
def test_an_optional_look_that_fails(action, bad, facts):
    result = action({"optional": True}, facts=facts, answers={SETUP: bad, HOST: bad})
    warnings = [f"app1 cannot be looked at: {bad['msg']}"]
    assert result == {"changed": False, "looked": False, "reason": bad["msg"], "warnings": warnings}


def test_a_host_that_is_down(action):
    def refuse():
        raise AnsibleConnectionFailure("no route")

    down = {SETUP: SimpleNamespace(keys=refuse)}
    with pytest.raises(AnsibleConnectionFailure):
        action(answers=down)
    result = action({"optional": True}, delegate_to="s1", delegate_facts=True, hostvars={"s1": {}}, answers=down)
    assert not result.keys() & {"unreachable", "failed", "ansible_facts"}
    assert result["reason"] == "no route" and result["warnings"] == ["s1 cannot be looked at: no route"]


def test_an_optional_look_at_a_host_that_answers(action):
    assert action({"optional": True})["looked"]


def test_facts_only(action):
    result = action({"facts_only": True})
    assert [name for name, _arguments in action.calls] == [SETUP]
    assert not result["looked"] and result["ansible_facts"].keys() == {"ansible_interfaces", "discovered"}
    action.calls.clear()
    assert not action({"facts_only": True}, facts=GATHERED)["looked"] and not action.calls


def test_a_host_that_the_task_is_delegated_to(action):
    hosts = {"s1": {"ansible_facts": known()}, "s2": {"ansible_facts": GATHERED}}
    assert not action(delegate_to="s1", delegate_facts=True, hostvars=hosts)["looked"]
    assert action(facts=known(), delegate_to="s2", delegate_facts=True, hostvars=hosts)["looked"]
    assert action(facts=known(), delegate_to="192.0.2.1", delegate_facts=True, hostvars=hosts)["looked"]
    with pytest.raises(AnsibleActionFail, match="Set delegate_facts: true"):
        action(delegate_to="s1", hostvars=hosts)


def test_a_real_run_goes_on_without_a_host_that_cannot_be_reached(local_playbook):
    """Although one host does it for all."""
    lost = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_timeout": 1}
    gather = {
        "dockyard.consul.look": {"facts_only": True, "optional": True},
        "delegate_to": "{{ item }}",
        "delegate_facts": True,
        "loop": ["lost"],
        "run_once": True,
    }
    done = local_playbook(
        {
            "tasks": [
                {"ansible.builtin.add_host": {"name": "lost", **lost}},
                gather,
                {"ansible.builtin.debug": {"msg": "goes on"}},
            ]
        },
        hosts=["web1", "web2"],
    )
    assert done.output.count('"msg": "goes on"') == 2, done.output
    assert "lost cannot be looked at: " in done.output


@pytest.fixture
def tokens(secrets_dir):
    """Tokens of two agents, in the folder of secrets."""
    names = [site_secrets.node_token(node) for node in ("app1", "s2")]
    site_secrets.make(secrets_dir, dict.fromkeys(names, "uuid"))
    return [site_secrets.read(secrets_dir, name, "uuid") for name in names]


def test_the_token_is_that_of_the_agent(action, tokens, secrets_dir):
    def token(**options):
        action(facts=GATHERED, **options)
        return action.calls[-1][1]["token"]

    assert token() == tokens[0]
    assert token(given={"consul_agent_node_name": trust_as_template("{{ 's' ~ 2 }}")}) == tokens[1]
    given = {"consul_agent_acl_agent_token": trust_as_template("{{ 'of the ' ~ 'user' }}")}
    assert token(given=given) == "of the user"
    assert token(given={**given, "site_secrets_dir": "relative"}) == "of the user"
    assert token(args={"token": "of the task"}, given=given) == "of the task"

    hosts = {"s2": {"inventory_hostname": "s2", "site_secrets_dir": str(secrets_dir)}}
    delegated = {"delegate_to": "s2", "delegate_facts": True}
    assert token(hostvars=hosts, **delegated) == tokens[1], "that of the host that is looked at"
    hosts["s2"]["consul_agent_acl_agent_token"] = "of s2"
    assert token(hostvars=hosts, given=given, **delegated) == "of s2"


def test_only_a_server_without_an_agent_token_gets_the_management_token(action, secrets_dir):
    """It may have been set up by hand, and then says nothing without a token."""

    def token(**given):
        action(facts=GATHERED, given={"groups": {"consul_server": ["app1"]}, **given})
        arguments = action.calls[-1][1]
        assert arguments.get("management", False) is (arguments["token"] == management)
        return arguments["token"]

    management = None
    assert token() == ""
    name = site_secrets.FILES["management_token"].path
    site_secrets.make(secrets_dir, {name: "uuid"})
    management = site_secrets.read(secrets_dir, name, "uuid")
    assert token() == management
    assert token(groups={"consul_server": ["s2"]}) == ""
    management = "of the user"
    assert token(consul_agent_acl_management_token=trust_as_template("{{ 'of the ' ~ 'user' }}")) == management
    site_secrets.make(secrets_dir, {site_secrets.node_token("app1"): "uuid"})
    assert token() not in ("", management)


def test_a_server_of_a_cluster_that_does_not_know_the_agent_token(action, tokens, secrets_dir):
    """An earlier run has made the token in the folder, and was refused. So the management token is judged all the same."""
    site_secrets.make(secrets_dir, {site_secrets.FILES["management_token"].path: "uuid"})
    management = site_secrets.read(secrets_dir, site_secrets.FILES["management_token"].path, "uuid")

    def asked(error, group="consul_server", **options):
        action.calls.clear()
        answers = {HOST: {"changed": False, "errors": {}, "consul": {"errors": {"self": error}}}}
        action(facts=GATHERED, given={"groups": {group: ["app1"]}}, answers=answers, **options)
        return [(arguments["token"], arguments.get("management", False)) for _name, arguments in action.calls]

    unknown = "GET agent/self: HTTP 403: ACL not found"
    assert asked(unknown) == [(tokens[0], False), (management, True)]
    assert asked("GET agent/self: HTTP 403: Permission denied") == [(tokens[0], False)]
    assert asked(unknown, group="consul_client") == [(tokens[0], False)]
    assert asked(unknown, args={"token": "of the task"}) == [("of the task", False)]


def test_the_node_is_that_of_the_host(action):
    def node(**options):
        action(facts=GATHERED, **options)
        return action.calls[-1][1]["node"]

    assert node() == "app1"
    assert node(given={"consul_agent_node_name": trust_as_template("{{ 's' ~ 2 }}")}) == "s2"
    assert node(given={"consul_agent_node_name": trust_as_template("{{ nobody }}")}) is None
    delegated = {"delegate_to": "c2", "delegate_facts": True}
    assert node(hostvars={"c2": {"inventory_hostname": "c2", "consul_agent_node_name": "s2"}}, **delegated) == "s2"
    assert node(hostvars={"other": {}}, **delegated) is None, "a host that is not in the inventory"


@pytest.mark.parametrize(
    "wrong",
    [
        {"site_secrets_dir": "relative"},
        {"consul_agent_node_name": "a/b"},
        {"consul_agent_node_name": trust_as_template("{{ nobody }}")},
    ],
)
def test_wrong_variables_are_left_to_the_checks(action, tokens, wrong):
    assert action(facts=GATHERED, given=wrong)["looked"]
    assert action.calls[-1][1]["token"] == ""


def test_a_token_that_others_can_read_is_refused(action, tokens, secrets_dir):
    (secrets_dir / "node/app1/agent.token").chmod(0o644)
    with pytest.raises(AnsibleActionFail, match=r"agent.token is open to other users \(mode 0644\)"):
        action(facts=GATHERED)


def test_options_that_are_unknown(action):
    with pytest.raises(AnsibleActionFail, match="tokem"):
        action({"tokem": "abc"})
