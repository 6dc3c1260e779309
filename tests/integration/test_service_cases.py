# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What consul_service must refuse, replace, keep and remove."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from ansible_collections.dockyard.consul.plugins.modules import consul_maintenance, consul_service, consul_service_info
from conftest import run_in_process
from in_process import Module

DIGEST = "dockyard_consul_digest"
ONLY_OPEN = pytest.mark.parametrize("agent", ["open"], indirect=True)
TTL = {"ttl": "1h"}
HTTP = {"http": "http://127.0.0.1:9", "interval": "1m"}

# Consul registers these, and answers each path with one of them with 301 or 400.
UNADDRESSABLE = {
    "http://127.0.0.1:21000/api": "has '//'",
    "/lead": "starts with '/'",
    "a/../b": "path segment '..'",
    "a/.": "path segment '.'",
    "a\u2028b": "U+2028",
    "a\tb": "U+0009",
    "a\u00a0b": "U+00A0",
    # Printable for Python, and too new for this version of Consul.
    "melting \U0001fae0": "this version of Consul",
}


def service(**options):
    return {"dockyard.consul.consul_service": options}


def maintenance(**options):
    return {"dockyard.consul.consul_maintenance": options}


def services_of(agent):
    return sorted(agent.api("GET", "/v1/agent/services"))


def types_of(agent):
    """The type of each check, by id."""
    return {key: check["Type"] for key, check in agent.api("GET", "/v1/agent/checks").items()}


@pytest.fixture
def web():
    """A web server that keeps what it is asked, as (path, headers, body)."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            asked.append((self.path, dict(self.headers), self.rfile.read(length).decode()))
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def hits(web, path):
    return sum(one[0] == path for one in web.asked)


class TestNamesThatNoPathCanHold:
    @pytest.mark.parametrize("agent", ["open"], indirect=True)
    @pytest.mark.parametrize("name", UNADDRESSABLE, ids=ascii)
    def test_they_are_refused_when_registering(self, agent, name):
        module = Module(consul_service, agent)
        tasks = [{"name": "web", "id": name}, {"name": name, "id": "web"}, {"name": name}]
        tasks += [{"name": "web", "checks": [{**TTL, "id": name}]}]
        for task in tasks:
            words = module.refusal(**task)
            assert UNADDRESSABLE[name] in words and "cannot find it again" in words
        assert "web" not in services_of(agent) and name not in services_of(agent)

    def test_those_that_are_there(self, running_agent, tmp_path):
        """The other modules refuse them, and the agent is made to remove them by itself."""
        with running_agent(tmp_path) as agent:
            for name in UNADDRESSABLE:
                agent.api("PUT", "/v1/agent/service/register", {"ID": name, "Name": "web", "Check": {"TTL": "1h"}})
            maintenance, info = Module(consul_maintenance, agent), Module(consul_service_info, agent)
            for name, reason in UNADDRESSABLE.items():
                assert reason in maintenance.refusal(service_id=name, state="enabled")
                assert reason in info.refusal(name=name)

            in_process = run_in_process(tmp_path, agent)
            by_id, by_name = service(id="/lead", state="absent"), service(name="web", state="absent")
            foretold, removed, again, others, none = in_process.run(
                {**by_id, "check_mode": True}, by_id, by_id, by_name, by_name
            )
            assert foretold["changed"] and removed["changed"] and others["changed"]
            assert not again["changed"] and not none["changed"]
            assert foretold["operations"] == removed["operations"] == {"/lead": "remove"}
            assert foretold["service"] is None and removed["service"] is None
            checks = agent.api("GET", "/v1/agent/checks")
            assert {check["ServiceID"]: check["Type"] for check in checks.values()} == dict.fromkeys(
                UNADDRESSABLE, "ttl"
            )
            assert all(key.startswith("expiring:") for key in checks)

    @pytest.mark.chaos  # the agent takes a minute and a half
    def test_the_agent_removes_them(self, running_agent, tmp_path):
        with running_agent(tmp_path) as agent:
            for name in UNADDRESSABLE:
                agent.api("PUT", "/v1/agent/service/register", {"ID": name, "Name": "web", "Check": {"TTL": "1h"}})
            in_process = run_in_process(tmp_path, agent)
            in_process.run(service(name="web", state="absent"))
            agent.wait_for(lambda: services_of(agent) == [], "no service", seconds=120)
            assert types_of(agent) == {}
            by_id, by_name = in_process.run(service(id="/lead", state="absent"), service(name="web", state="absent"))
            assert not by_id["changed"] and not by_name["changed"]

    @ONLY_OPEN
    def test_a_check_of_such_a_name_is_removed(self, in_process, agent):
        task = service(name="web", checks=[TTL])
        in_process.run(task, maintenance(service_id="web", state="enabled", reason="disk"))
        agent.api("PUT", "/v1/agent/check/register", {"ID": "/c", "Name": "x", "ServiceID": "web", "TTL": "1h"})
        mended, again = in_process.run(task, task)
        assert mended["changed"] and not again["changed"]
        assert sorted(types_of(agent)) == ["_service_maintenance:web", "service:web"]
        assert agent.api("GET", "/v1/agent/checks")["_service_maintenance:web"]["Notes"] == "disk"


class TestChecksAreReplaced:
    @pytest.mark.parametrize(
        ("agent", "other"), [("open", TTL), ("deny", {"tcp": "127.0.0.1:9", "interval": "1h"})], indirect=["agent"]
    )
    def test_a_check_of_another_kind_ends_the_old_one(self, in_process, agent, web, other):
        def task(*checks, **options):
            return service(name="web", checks=list(checks), **options)

        old = {"http": f"{web.url}/old", "interval": "1s"}
        in_process.run(task(old, wait="passing", wait_timeout=20))
        assert hits(web, "/old")
        foretold, changed, again = in_process.run({**task(other), "check_mode": True}, task(other), task(other))
        assert changed["changed"] and not again["changed"] and foretold["diff"] == changed["diff"]
        before = hits(web, "/old")
        witness = service(name="witness", checks=[{"http": f"{web.url}/new", "interval": "1s"}])
        in_process.run(witness)
        agent.wait_for(lambda: hits(web, "/new") > 2, "three requests of the other check")
        assert hits(web, "/old") == before
        failure = in_process.run(task(other, wait="passing", wait_timeout=1), fails=True)
        assert "service:web is critical" in failure["msg"]

    @ONLY_OPEN
    def test_swapped_checks(self, in_process, agent, web):
        one, other = {"http": f"{web.url}/old", "interval": "1s"}, TTL
        in_process.run(service(name="web", checks=[one, other]))
        agent.wait_for(lambda: hits(web, "/old"), "a request")
        task = service(name="web", checks=[other, one])
        changed, again = in_process.run(task, task)
        assert changed["changed"] and not again["changed"]
        assert types_of(agent) == {"service:web:1": "ttl", "service:web:2": "http"}
        in_process.run(service(name="web", checks=[other, {**TTL, "id": "x"}]))
        before = hits(web, "/old")
        in_process.run(service(name="witness", checks=[{"http": f"{web.url}/new", "interval": "1s"}]))
        agent.wait_for(lambda: hits(web, "/new") > 2, "three requests of the other check")
        assert hits(web, "/old") == before

    @ONLY_OPEN
    def test_a_kind_that_others_changed_is_noticed(self, in_process, agent):
        task = service(name="web", checks=[TTL])
        in_process.run(task)
        other = {"ID": "service:web", "Name": "x", "ServiceID": "web", "TCP": "127.0.0.1:9", "Interval": "1h"}
        agent.api("PUT", "/v1/agent/check/register", other)
        mended, again = in_process.run(task, task)
        assert mended["changed"] and not again["changed"] and "registered: tcp" in mended["diff"]["before"]
        assert types_of(agent) == {"service:web": "ttl"}

    @ONLY_OPEN
    def test_an_interrupted_replacement_is_made_good(self, in_process, agent, web):
        """It stopped after the first registration: both checks run, and the agent shows the new type."""
        task = service(name="web", checks=[TTL])
        for check in ({"HTTP": f"{web.url}/old", "Interval": "1s"}, {"TTL": "1h"}):
            body = {"Name": "web", "Meta": {DIGEST: "incomplete"}, "Checks": [{**check, "CheckID": "service:web"}]}
            agent.api("PUT", "/v1/agent/service/register", body)
        mended, again = in_process.run(task, task)
        assert mended["changed"] and not again["changed"]
        before = hits(web, "/old")
        in_process.run(service(name="witness", checks=[{"http": f"{web.url}/new", "interval": "1s"}]))
        agent.wait_for(lambda: hits(web, "/new") > 2, "three requests of the other check")
        assert hits(web, "/old") == before

    @ONLY_OPEN
    def test_a_check_moves_to_another_service(self, in_process, agent):
        def task(first, second):
            checks = [[{**TTL, "id": identity} for identity in ids] for ids in (first, second)]
            return service(services=[{"name": name, "checks": of} for name, of in zip("ab", checks, strict=True)])

        _one, _two, again, _three, again_too = in_process.run(
            task(["x", "y"], []), task(["y"], ["x"]), task(["y"], ["x"]), task(["x"], ["y"]), task(["x"], ["y"])
        )
        assert not again["changed"] and not again_too["changed"]
        owners = {key: check["ServiceID"] for key, check in agent.api("GET", "/v1/agent/checks").items()}
        assert owners == {"x": "a", "y": "b"}

    @ONLY_OPEN
    def test_a_check_id_that_is_taken(self, in_process, agent):
        in_process.run(service(name="a", checks=[{**TTL, "id": "x"}]))
        agent.api("PUT", "/v1/agent/check/register", {"Name": "disk", "TTL": "1h"})
        both = [{"name": name, "checks": [{**TTL, "id": "z"}]} for name in "bc"]
        taken = [service(name="b", checks=[{**TTL, "id": identity}]) for identity in ("x", "disk")]
        words = in_process.failures(*taken, *({**task, "check_mode": True} for task in taken), service(services=both))
        assert all("check of service a on this agent has the id x" in message for message in words[::2][:2])
        assert all("check of the node on this agent has the id disk" in message for message in words[1::2])
        assert "services b and c: both have a check with the id z" in words[4]
        assert services_of(agent) == ["a"]


def set_tags_in_catalog(agent, tags):
    node = agent.api("GET", "/v1/catalog/service/web")[0]
    theirs = {
        "ID": "web",
        "Service": "web",
        "Port": node["ServicePort"],
        "Tags": tags,
        "Meta": node["ServiceMeta"],
        "EnableTagOverride": True,
    }
    body = {"Node": node["Node"], "Address": node["Address"], "SkipNodeUpdate": True, "Service": theirs}
    agent.api("PUT", "/v1/catalog/register", body)


def test_tags_that_others_have_set_survive_a_change(in_process, agent):
    def task(port):
        return service(name="web", tags=["ours"], service_port=port, enable_tag_override=True)

    in_process.run(task(80))
    agent.wait_for(lambda: agent.api("GET", "/v1/catalog/service/web"), "the service in the catalog")
    set_tags_in_catalog(agent, ["theirs"])
    foretold, changed, again = in_process.run({**task(81), "check_mode": True}, task(81), task(81))
    assert changed["changed"] and not again["changed"]
    assert foretold["service"]["Tags"] == changed["service"]["Tags"] == ["theirs"]
    agent.wait_for(lambda: agent.api("GET", "/v1/catalog/service/web")[0]["ServicePort"] == 81, "the new port")
    assert agent.api("GET", "/v1/catalog/service/web")[0]["ServiceTags"] == ["theirs"]
    # They are set once: with the option, and not before it.
    in_process.run(service(name="web", tags=["ours"]), task(82))
    assert agent.api("GET", "/v1/agent/services")["web"]["Tags"] == ["ours"]


class TestWait:
    @pytest.fixture(autouse=True)
    def node_maintenance(self, agent):
        yield
        agent.api("PUT", "/v1/agent/maintenance?enable=false")

    def test_it_waits_for_what_dns_gives(self, in_process, agent):
        options = {"wait": "passing", "wait_timeout": 1}
        checked = service(name="web", checks=[{**TTL, "status": "passing"}], **options)
        unchecked = service(name="shop", **options)
        agent.api("PUT", "/v1/agent/maintenance?enable=true&reason=new+kernel")
        words = in_process.failures(checked, unchecked)
        for name, message in zip(("web", "shop"), words, strict=True):
            assert message == f"service {name} is not passing after 1 s: node tester is in maintenance: new kernel"
        agent.api("PUT", "/v1/agent/maintenance?enable=false")
        in_process.run(checked, unchecked)

    @ONLY_OPEN
    def test_a_check_of_the_node_counts(self, in_process, agent):
        agent.api("PUT", "/v1/agent/check/register", {"Name": "disk", "TTL": "1h", "Status": "critical"})
        try:
            failure = in_process.run(service(name="web", wait="passing", wait_timeout=1), fails=True)
            assert "disk (check of node tester) is critical" in failure["msg"]
        finally:
            agent.api("PUT", "/v1/agent/check/deregister/disk")


class TestSidecar:
    @pytest.mark.parametrize(
        ("agent", "sidecar"), [("open", {}), ("deny", {"meta": {"own": "x"}, "port": 21500})], indirect=["agent"]
    )
    def test_it_goes_with_the_option(self, in_process, agent, sidecar):
        meshed = service(name="web", service_port=80, connect={"sidecar_service": sidecar})
        plain = service(name="web", service_port=80)
        first, again = in_process.run(meshed, meshed)
        assert first["changed"] and not again["changed"]
        assert services_of(agent) == ["web", "web-sidecar-proxy"]
        foretold, removed, again = in_process.run({**plain, "check_mode": True}, plain, plain)
        assert removed["changed"] and not again["changed"]
        assert foretold["diff"] == removed["diff"] and "web-sidecar-proxy" in removed["diff"]["before"]
        assert services_of(agent) == ["web"]

    @pytest.mark.parametrize("agent", ["deny"], indirect=True)
    @pytest.mark.parametrize("names", [("token", "header"), ("Token", "Header")])
    def test_its_secrets_are_shown_nowhere(self, agent, names):
        module = Module(consul_service, agent)
        token = agent.token_for('service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }')
        check = {"http": "http://127.0.0.1:9", "interval": "1h", names[1]: {"Authorization": ["H34der-secret"]}}
        task = {"name": "web", "connect": {"sidecar_service": {names[0]: token, "checks": [check]}}}
        created, again = module(**task), module(**task)
        assert created["operation"] == "create" and not again["changed"]
        assert "(hidden)" in created["diff"]["after"] and created["invocation"]
        assert module(**task, timeout="x")["failed"] and module(name="web", state="absent")["changed"]
        assert not [text for text in module.seen if token in text or "H34der-secret" in text]

    @ONLY_OPEN
    def test_only_its_own_is_removed_and_a_lost_one_comes_back(self, in_process, agent):
        in_process.run(service(name="web"))
        foreign = {"Kind": "connect-proxy", "Name": "p", "Proxy": {"DestinationServiceName": "web"}, "Port": 1}
        agent.api("PUT", "/v1/agent/service/register", {**foreign, "ID": "web-sidecar-proxy"})
        assert not in_process.run(service(name="web"))["changed"]
        agent.api("PUT", "/v1/agent/service/deregister/web-sidecar-proxy")
        meshed = service(name="web", connect={"sidecar_service": {}})
        in_process.run(meshed)
        agent.api("PUT", "/v1/agent/service/deregister/web-sidecar-proxy")
        mended, again = in_process.run(meshed, meshed)
        assert mended["changed"] and not again["changed"]
        in_process.run(service(name="web", state="absent"))
        assert services_of(agent) == []


@ONLY_OPEN
class TestJsonReachesTheServer:
    def test_what_a_check_sends(self, in_process, agent, web):
        check = {
            "http": f"{web.url}/x",
            "interval": "1s",
            "method": "POST",
            "body": {"a": 1, "b": True, "c": None, "d": "ü"},
            "header": {"X-Null": None, "X-True": True, "X-List": ["a", 2, None], "X-Text": "t"},
        }
        task = service(name="web", checks=[check], wait="passing", wait_timeout=20)
        first, again = in_process.run(task, task)
        assert first["changed"] and not again["changed"]
        _path, headers, body = web.asked[0]
        assert json.loads(body) == check["body"]
        sent = {name: value for name, value in headers.items() if name.startswith("X-")}
        assert sent["X-True"] == "true" and sent["X-Text"] == "t" and "X-Null" not in sent

    def test_what_the_service_has(self, in_process, agent):
        task = service(
            name="web", tags=[True, 2, "x"], meta={"on": True}, checks=[{"args": ["/bin/true", True], "interval": "1h"}]
        )
        first, again = in_process.run(task, task)
        assert first["changed"] and not again["changed"]
        found = agent.api("GET", "/v1/agent/services")["web"]
        assert sorted(found["Tags"]) == ["2", "true", "x"] and found["Meta"]["on"] == "true"

    @pytest.mark.parametrize(
        "options",
        [
            {"checks": [{**HTTP, "header": {"X": {"a": "s3cret"}}}]},
            {"checks": [{**HTTP, "notes": {"a": 1}}]},
            {"tags": [{"a": 1}]},
            {"tags": [None]},
            {"name": {"a": 1}},
            {"tagged_addresses": {"wan": {"address": ["a"]}}},
        ],
        ids=str,
    )
    def test_what_has_no_text_is_refused(self, agent, options):
        words = Module(consul_service, agent).refusal(**{"name": "web", **options})
        assert "where a text is required" in words and "s3cret" not in words
        assert services_of(agent) == []


REFUSED = {
    "weights: passing is 0": {"weights": {"passing": 0}},
    "weights: warning is -1": {"weights": {"warning": -1}},
    "weights: warning is 65536": {"weights": {"warning": 65536}},
    "address 0.0.0.0 is not an address that": {"address": "0.0.0.0"},
    "address [::] is not an address that": {"address": "[::]"},
    "meta: 'a b' is not a valid key": {"meta": {"a b": "x"}},
    "meta: '' is not a valid key": {"meta": {"": "x"}},
    "is not a valid key: use 1 to 128": {"meta": {"k" * 129: "x"}},
    "reserved for Consul": {"meta": {"consul-x": "x"}},
    "longer than 512 bytes": {"meta": {"k": "ü" * 257}},
    "meta has 64 pairs": {"meta": {f"k{number}": "x" for number in range(64)}},
    "a check with ttl has no interval": {"checks": [{"ttl": "1h", "interval": "1m"}]},
    "output_max_size: -1": {"checks": [{**HTTP, "output_max_size": -1}]},
    "success_before_passing: 9223372036854775808": {"checks": [{**HTTP, "success_before_passing": 2**63}]},
    "longer than 2500000h": {"checks": [{"ttl": "9999999h"}]},
    "'9h9' is not a duration": {"checks": [{"ttl": "9h9"}]},
    "shorter than one microsecond": {"checks": [{"ttl": "0.6ns"}]},
    "udp requires Consul 1.13.0 or newer, and this agent is 1.8.7": {"checks": [{"udp": "x:1", "interval": "1m"}]},
    "os_service requires Consul 1.14.0": {"checks": [{"os_service": "nginx", "interval": "1m"}]},
    "the catalog has no node nowhere": {"checks": [{"alias_node": "nowhere"}]},
    "serfHealth is Consul's own": {"checks": [{"ttl": "1h", "id": "serfHealth"}]},
    "connect: proxies is not known": {"connect": {"proxies": {}}},
    "native must be true or false": {"connect": {"native": "x"}},
    "sidecar_service: id": {"connect": {"sidecar_service": {"id": "x"}}},
    "sidecar_service: connect is not known": {"connect": {"sidecar_service": {"connect": {}}}},
    "sidecar_service: port must be of type int": {"connect": {"sidecar_service": {"port": "x"}}},
    "sidecar_service: weights: Passing": {"connect": {"sidecar_service": {"weights": {"Passing": 0}}}},
}


class TestRefusedBefore:
    @pytest.mark.parametrize("agent", ["open"], indirect=True)
    @pytest.mark.parametrize("words", REFUSED)
    def test_in_check_mode_as_in_a_run(self, agent, words):
        refusal = Module(consul_service, agent).refusal(name="refused", **REFUSED[words])
        assert words.lower() in refusal.lower() and refusal.startswith("service")
        assert "refused" not in services_of(agent)

    @ONLY_OPEN
    def test_in_a_playbook(self, playbook, agent):
        words = "udp requires Consul 1.13.0 or newer, and this agent is 1.8.7"
        task = service(services=[{"name": "old"}, {"name": "web", **REFUSED[words]}])
        for message in playbook.failures({**task, "check_mode": True}, task):
            assert message == f"service web: check service:web: {words}"
        assert services_of(agent) == []

    def test_an_agent_that_runs_no_commands(self, running_agent, tmp_path):
        with running_agent(tmp_path, config={"enable_script_checks": False}) as agent:
            task = service(name="web", checks=[{"args": ["/bin/true"], "interval": "1m"}])
            words = run_in_process(tmp_path, agent).failures(task, {**task, "check_mode": True})
            assert all("set enable_script_checks in its configuration" in message for message in words)
            assert services_of(agent) == []

    @pytest.mark.parametrize("agent", ["deny"], indirect=True)
    def test_a_token_that_may_not_read_the_agent_gets_consuls_words(self, in_process, agent):
        only_web = {"port": agent.http_port, "token": agent.token_for('service "web" { policy = "write" }')}
        task = service(name="web", checks=[{"udp": "x:1", "interval": "1m"}])
        (words,) = in_process.failures(task, connection=only_web)
        assert "unknown field" in words and "upgrade the agent" in words


def test_the_result_is_what_the_agent_gives_for_the_service(in_process, agent):
    task = service(name="web", service_port=80, tags=["a"])
    created, again = in_process.run(task, task)
    given = agent.api("GET", "/v1/agent/service/web")
    assert created["service"] == again["service"] == given and given["ContentHash"]
