# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flow of the module, with an agent and a unit that are only told of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import Answer, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts import ANSWERS, REFUSES, SILENT
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import Decision, SystemdError
from ansible_collections.dockyard.consul.plugins.modules import consul_restart

OWN, OTHERS = "192.0.2.1:8300", ["192.0.2.2:8300", "192.0.2.3:8300"]
DUE = Decision("restart", False, ["/etc/consul.d/consul.json is newer than the start of consul"])
NOT_RUNNING = Decision("start", False, ["consul is not running"])
UP_TO_DATE = Decision("nothing", False, [])
CHECKS = {"service:redis": {"Status": "passing", "Output": ""}, "disk": {"Status": "critical", "Output": "full"}}
REFUSED = ConsulError("connection refused")
DISABLED = ConsulError("HTTP 401", status=401, detail="ACL support disabled")


class Host:
    """An agent that answers, and a unit. Each answer of the agent may be a list: one for each question, the last stays."""

    place = "http://127.0.0.1:8500"

    def __init__(self, decision, **answers):
        self.decision = decision
        self.events = []
        healthy = {"Servers": [{"Address": one, "Healthy": True} for one in [OWN, *OTHERS]]}
        self.answers = {
            "status/leader": OWN,
            "agent/checks": CHECKS,
            "operator/autopilot/health": healthy,
            "acl/token/self": {},
            **{name.replace("__", "/"): answer for name, answer in answers.items()},
        }

    def get(self, path, **_options):
        answer = self.answers[path]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        self.events.append(path)
        if isinstance(answer, Exception):
            raise answer
        return Answer(200, answer, None)

    def look(self):
        return {}, self.decision

    def act(self, _unit, decision):
        self.events.append(decision.step)
        if isinstance(self.act_error, Exception):
            raise self.act_error

    act_error = None

    @property
    def before(self):
        """What was asked before the restart."""
        return self.events[: self.events.index("restart")]


@pytest.fixture
def run(monkeypatch):
    """Runs the module on a host. Time passes only where the module waits."""
    clock = SimpleNamespace(now=0.0)

    def sleep(seconds):
        clock.now += seconds

    time = SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep)
    monkeypatch.setattr(consul_restart, "time", time)
    restarts = "ansible_collections.dockyard.consul.plugins.module_utils.consul_restarts"
    monkeypatch.setattr(f"{restarts}.time", time)
    monkeypatch.setattr(f"{restarts}.accepts", lambda _address: True)
    dns = []

    def dns_state(port, name):
        dns.append((port, name))
        return run.dns.pop(0) if len(run.dns) > 1 else run.dns[0]

    monkeypatch.setattr(consul_restart, "dns_state", dns_state)

    def run(host, check_mode=False, **params):
        monkeypatch.setattr(consul_restart, "service_of", lambda _module: host)
        defaults = {
            "name": "consul",
            "reads": [],
            "replaces": [],
            "data_dir": None,
            "server_address": None,
            "servers": 0,
            "dns_port": 53,
            "domain": "consul",
            "wait_seconds": 60,
        }
        return consul_restart.execute(SimpleNamespace(params={**defaults, **params}, check_mode=check_mode), host)

    run.dns, run.asked_dns, run.clock = [ANSWERS], dns, clock
    return run


def test_nothing_is_due(run):
    host = Host(UP_TO_DATE)
    assert run(host, server_address=OWN) == {"changed": False, "reasons": []} and not host.events


@pytest.mark.parametrize("decision", [Decision("nothing", True, ["x"]), Decision("reload", False, ["x"])])
def test_what_needs_no_restart_is_left_to_service_current(run, decision):
    assert run(Host(decision)) == {"changed": False, "reasons": []}


def test_check_mode_asks_nobody(run):
    host = Host(DUE)
    assert run(host, check_mode=True) == {"changed": True, "reasons": DUE.reasons} and not host.events


def test_a_client(run):
    host = Host(DUE)
    assert run(host, domain="example") == {"changed": True, "reasons": DUE.reasons}
    assert host.before == ["status/leader", "agent/checks"], "nobody asks for the quorum"
    assert set(run.asked_dns) == {(53, "consul.service.example")}
    assert (host.retries, host.consistency) == (0, "stale"), "the agent itself answers, at once"


def test_an_agent_that_does_not_run_is_started(run):
    host = Host(NOT_RUNNING, status__leader=[REFUSED, REFUSED, OWN], agent__checks=[REFUSED, CHECKS])
    assert run(host) == {"changed": True, "reasons": NOT_RUNNING.reasons}
    assert host.events.index("start") == 2


def test_the_start_of_a_server_needs_no_quorum(run):
    """One that does not run is no part of it, and its API cannot tell."""
    host = Host(NOT_RUNNING, status__leader=[REFUSED, OWN], agent__checks=[REFUSED, CHECKS])
    assert run(host, server_address=OWN)["changed"]
    assert run.clock.now < 1 and "operator/autopilot/health" not in host.events


def test_a_server_with_the_quorum(run):
    host = Host(DUE)
    assert run(host, server_address=OWN)["changed"]
    assert host.before == ["status/leader", "operator/autopilot/health", "agent/checks"]


def test_a_server_that_the_others_need_is_not_restarted(run):
    servers = [{"Address": one, "Healthy": one != OTHERS[0]} for one in [OWN, *OTHERS]]
    host = Host(DUE, operator__autopilot__health={"Servers": servers})
    with pytest.raises(ConsulError, match="2 of the other 2 servers must be healthy"):
        run(host, server_address=OWN)
    assert "restart" not in host.events and run.clock.now >= consul_restart.QUORUM_SECONDS


def test_the_quorum_is_waited_for(run):
    """Another server was restarted just before."""
    ill = {"Servers": [{"Address": one, "Healthy": one != OTHERS[0]} for one in [OWN, *OTHERS]]}
    well = {"Servers": [{"Address": one, "Healthy": True} for one in [OWN, *OTHERS]]}
    host = Host(DUE, status__leader=["", "", OWN], operator__autopilot__health=[ill, ill, well])
    assert run(host, server_address=OWN)["changed"]


def test_without_a_leader_a_restart_may_bring_one_and_none_is_waited_for(run):
    host = Host(DUE, status__leader=[ConsulError("no leader", status=500)])
    assert run(host, server_address=OWN)["changed"]
    assert "operator/autopilot/health" not in host.events
    assert run.clock.now < consul_restart.QUORUM_SECONDS + 2


def failure(run, host, **params):
    with pytest.raises(ConsulError) as error:
        run(host, wait_seconds=10, **params)
    assert host.events.count("restart") == 1 and run.clock.now >= 10
    return str(error.value)


def test_an_agent_that_does_not_come_back(run):
    message = failure(run, Host(DUE, status__leader=[OWN, REFUSED]))
    assert message == (
        "Consul was restarted, but 10 s later its API at http://127.0.0.1:8500 does not answer. Repair that, then run"
        " again. 'journalctl -u consul' has the log of the agent."
    )


def test_a_leader_that_does_not_come_back(run):
    assert "10 s later it knows no leader." in failure(run, Host(DUE, status__leader=[OWN, ""]))


def test_a_check_that_does_not_come_back(run):
    critical = {
        "service:redis": {"Status": "critical", "Output": "connection\nrefused"},
        "disk": {"Status": "critical"},
    }
    message = failure(run, Host(DUE, agent__checks=[CHECKS, critical]))
    assert "these checks do not pass that passed before: service:redis (service:redis: connection refused)." in message
    assert "disk" not in message, "it did not pass before"
    gone = failure(run, Host(DUE, agent__checks=[CHECKS, {}]))
    assert "service:redis (no output)" in gone


@pytest.mark.parametrize("states", [[ANSWERS, SILENT], [ANSWERS, REFUSES], [SILENT, REFUSES], [REFUSES, SILENT]])
def test_dns_that_does_not_come_back(run, states):
    """SILENT before: on another port, or the agent did not run."""
    run.dns = states
    assert "its DNS does not answer on 127.0.0.1:5353." in failure(run, Host(DUE), dns_port=5353)
    assert run(Host(DUE), dns_port=0)["changed"], "it is not waited for"


@pytest.mark.parametrize("before", [SILENT, ANSWERS])
def test_dns_that_takes_a_while(run, before):
    run.dns = [before, SILENT, REFUSES, ANSWERS]
    assert run(Host(DUE))["changed"] and 0 < run.clock.now < 3


def test_dns_that_refused_before_may_do_so_after(run):
    """The run that was to make the token of DNS was interrupted, and this one comes to it after the restart."""
    run.dns = [REFUSES, SILENT, REFUSES]
    assert run(Host(DUE), server_address=OWN)["changed"] and 0 < run.clock.now < 3


def test_without_a_leader_dns_needs_no_answer(run):
    """The first servers of a site, restarted before there are enough to elect one."""
    run.dns = [SILENT, SILENT, REFUSES]
    host = Host(DUE, status__leader=[ConsulError("no leader", status=500)])
    assert run(host, server_address=OWN)["changed"]


def test_it_waits_no_longer_than_it_must(run):
    critical = {"service:redis": {"Status": "critical", "Output": ""}}
    host = Host(
        DUE, status__leader=[OWN, REFUSED, REFUSED, "", OWN], agent__checks=[CHECKS, critical, critical, CHECKS]
    )
    assert run(host)["changed"] and run.clock.now < 3


def test_errors_of_systemd_are_errors_of_the_module(run):
    host = Host(DUE)
    host.act_error = SystemdError("systemctl is missing")
    with pytest.raises(ConsulError, match="systemctl is missing"):
        run(host)


def test_the_service_gets_the_options_of_the_module():
    module = SimpleNamespace(params={"name": "agent", "reads": ["/etc/x"], "wait_seconds": 7})
    service = consul_restart.service_of(module)
    assert (service.name, service.params["reads"], service.params["timeout"]) == ("agent", ["/etc/x"], 7)
    assert service.params["enabled"] is consul_restart.ARGUMENTS["enabled"].get("default")


def test_another_agent_is_replaced(run, monkeypatch):
    host = Host(NOT_RUNNING)
    monkeypatch.setattr(consul_restart, "running", lambda wanted: [f"the agent of {one['unit']}" for one in wanted])
    monkeypatch.setattr(
        consul_restart, "replace", lambda _service, replaced, folder: host.events.append((replaced, folder))
    )
    result = run(host, server_address=OWN, replaces=[{"unit": "old"}], data_dir="/opt/consul")
    assert result == {"changed": True, "reasons": ["the agent of old is replaced"]}
    assert "operator/autopilot/health" in host.before, "the others have the quorum"
    assert host.before[-1] == (["the agent of old"], "/opt/consul")


@pytest.fixture
def replaced(monkeypatch):
    monkeypatch.setattr(consul_restart, "running", lambda _wanted: ["the agent of old"])
    monkeypatch.setattr(consul_restart, "replace", lambda service, _replaced, _folder: service.events.append("kill"))


def test_a_server_that_cannot_be_asked_for_the_quorum_is_not_replaced(run, replaced):
    """Its API may be at another address, and the others may need it."""
    host = Host(NOT_RUNNING, status__leader=REFUSED)
    with pytest.raises(ConsulError, match="its API at http://127.0.0.1:8500 does not answer, so nobody can tell"):
        run(host, server_address=OWN, replaces=[{}])
    assert "kill" not in host.events and run.clock.now >= consul_restart.QUORUM_SECONDS


def test_a_server_of_the_role_that_hangs_is_restarted(run):
    assert run(Host(DUE, status__leader=[REFUSED] * 70 + [OWN]), server_address=OWN)["changed"]


def test_a_server_without_a_leader_is_replaced(run, replaced):
    """It has answered, and there is no quorum to lose."""
    host = Host(NOT_RUNNING, status__leader=[ConsulError("no leader", status=500)])
    assert run(host, server_address=OWN, replaces=[{}])["changed"] and "kill" in host.events


def test_a_client_that_could_not_be_asked_is_back_with_a_leader(run, replaced):
    """Otherwise, a mistake would go through all batches."""
    host = Host(NOT_RUNNING, status__leader=[REFUSED, ""])
    with pytest.raises(ConsulError, match="it knows no leader"):
        run(host, wait_seconds=10, replaces=[{}])


def test_a_server_that_gets_acls_is_back_though_it_refuses(run, replaced):
    """It has no token until the leader has ACLs, and refuses all that needs one."""
    refused = ConsulError("ACL not found", status=403, detail="ACL not found")
    host = Host(NOT_RUNNING, acl__token__self=DISABLED, agent__checks=[CHECKS, refused])
    run.dns = [ANSWERS, REFUSES]
    assert run(host, server_address=OWN, replaces=[{}])["changed"] and "kill" in host.events
    host = Host(NOT_RUNNING, agent__checks=[CHECKS, refused])
    with pytest.raises(ConsulError, match="do not pass"):
        run(host, server_address=OWN, replaces=[{}])


@pytest.mark.parametrize(
    "answers", [{"status__leader": [OWN, REFUSED]}, {"operator__autopilot__health": {"Servers": []}}]
)
def test_a_failure_in_a_cluster_that_gets_acls_tells_what_the_other_servers_do(run, replaced, answers):
    refuse = "Servers that have ACLs already refuse requests until the leader has them."
    with pytest.raises(ConsulError) as error:
        run(Host(NOT_RUNNING, acl__token__self=DISABLED, **answers), server_address=OWN, replaces=[{}])
    assert str(error.value).endswith(refuse)
    with pytest.raises(ConsulError) as error:
        run(Host(NOT_RUNNING, **answers), server_address=OWN, replaces=[{}])
    assert refuse not in str(error.value)


@pytest.mark.parametrize("params", [{"replaces": [{}]}, {"server_address": OWN}])
def test_a_client_and_an_agent_of_the_role_must_be_back_in_a_cluster_without_acls(run, monkeypatch, params):
    """A client gets ACLs after the servers. An agent of the role has them."""
    monkeypatch.setattr(consul_restart, "running", lambda wanted: ["the agent of old"] * len(wanted))
    monkeypatch.setattr(consul_restart, "replace", lambda *_: None)
    critical = {"service:redis": {"Status": "critical", "Output": ""}}
    host = Host(DUE, acl__token__self=DISABLED, agent__checks=[CHECKS, critical])
    with pytest.raises(ConsulError, match="do not pass"):
        run(host, **params)
    run.dns = [ANSWERS, REFUSES]
    with pytest.raises(ConsulError, match="its DNS does not answer"):
        run(Host(DUE, acl__token__self=DISABLED), **params)


def test_check_mode_replaces_nothing(run, monkeypatch):
    monkeypatch.setattr(consul_restart, "running", lambda _wanted: ["the agent of old"])
    host = Host(UP_TO_DATE)
    assert run(host, check_mode=True, replaces=[{}])["reasons"] == ["the agent of old is replaced"] and not host.events
