# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a module and Consul, with a real agent behind a small relay or behind TLS."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import socket
import socketserver
import threading
import time

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulClient, ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Change, KVStore, WriteError
from ansible_collections.dockyard.consul.plugins.modules import consul_node, consul_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from in_process import Module


class Relay(socketserver.ThreadingTCPServer):
    """Stands in front of an agent. C(treat(request, forward)) makes the answer, with the agent's, or with none."""

    daemon_threads = True

    def __init__(self, agent, treat):
        super().__init__(("127.0.0.1", 0), RelayedCall)
        self.agent, self.treat = agent, treat
        self.port = self.server_address[1]

    def forward(self, request):
        with socket.create_connection(("127.0.0.1", self.agent.http_port)) as upstream:
            upstream.sendall(request)
            return upstream.makefile("rb").read()


class RelayedCall(socketserver.StreamRequestHandler):
    def handle(self):
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        lengths = [line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length:")]
        request = head + b"\r\n" + self.rfile.read(int(lengths[0]) if lengths else 0)
        with contextlib.suppress(OSError):  # who asked may have given up
            self.wfile.write(self.server.treat(request, self.server.forward))


@pytest.fixture
def relay():
    """Makes relays."""
    with contextlib.ExitStack() as stack:

        def start(agent, treat):
            server = stack.enter_context(Relay(agent, treat))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
            stack.callback(server.shutdown)
            return server.port

        yield start


def kv(**options):
    return {"dockyard.consul.consul_kv": options}


def service(**options):
    return {"dockyard.consul.consul_service": options}


def expired_certificate(folder, name, ca):
    """One that was good until yesterday, which not every openssl program can make."""
    ca_key = serialization.load_pem_private_key((folder / f"{ca}.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    today, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    # Python 3.13 asks for the issuer's identifier before it looks at dates.
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(
            issuer_name=x509.load_pem_x509_certificate((folder / f"{ca}.pem").read_bytes()).subject,
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=today - 2 * day,
            not_valid_after=today - day,
        )
        .add_extension(issuer, critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(pem))


@pytest.fixture(scope="module")
def tls(certificates, running_agent):
    """An agent that speaks HTTPS and demands a client's certificate; its folder holds all certificates."""
    folder = certificates
    config = {
        "verify_incoming_https": True,
        "ca_file": str(folder / "ca.pem"),
        "cert_file": str(folder / "server.pem"),
        "key_file": str(folder / "server.key"),
    }
    with running_agent(folder, config=config, https=True) as agent:
        yield agent


def https(agent, **options):
    folder = agent.folder
    files = {"ca_path": f"{folder}/ca.pem", "client_cert": f"{folder}/client.pem", "client_key": f"{folder}/client.key"}
    return ConsulClient(scheme="https", port=agent.ports["https"], retries=0, **{**files, **options})


def test_https_with_a_client_certificate(tls):
    assert https(tls).get("agent/self").data["Config"]["NodeName"] == "tester"


@pytest.mark.parametrize(
    "options",
    [{"ca_path": "stranger-ca.pem"}, {"ca_path": None}, {"client_cert": None, "client_key": None}],
    ids=["another CA", "the host's CAs", "no client certificate"],
)
def test_tls_failures_say_so(tls, options):
    options = {name: value and str(tls.folder / value) for name, value in options.items()}
    with pytest.raises(ConsulError, match="TLS failed: .*; check scheme, ca_path, client_cert and client_key"):
        https(tls, **options).get("agent/self")


def test_http_spoken_to_https(tls):
    with pytest.raises(ConsulError, match="HTTP request to an HTTPS server"):
        ConsulClient(port=tls.ports["https"], retries=0).get("agent/self")


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_https_from_the_environment(playbook, tls):
    environment = {
        "CONSUL_HTTP_ADDR": f"https://localhost:{tls.ports['https']}",
        "CONSUL_CACERT": f"{tls.folder}/ca.pem",
        "CONSUL_CLIENT_CERT": f"{tls.folder}/client.pem",
        "CONSUL_CLIENT_KEY": f"{tls.folder}/client.key",
    }
    written, read, found, unchanged = playbook.run(
        {"dockyard.consul.consul_kv": {"key": "k", "value": "v"}},
        {"dockyard.consul.consul_kv_info": {"key": "k"}},
        {"dockyard.consul.consul_service_info": {"name": "consul"}},
        {"dockyard.consul.consul_maintenance": {"state": "disabled"}},
        connection={},
        environment=environment,
    )
    assert written["changed"] and [item["Value"] for item in read["data"]] == ["v"]
    assert [item["node"] for item in found["instances"]] == ["tester"]
    assert not unchanged["changed"]


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_second_writer_is_never_overwritten(agent):
    store = KVStore(ConsulClient(port=agent.http_port))
    agent.api("PUT", "/v1/kv/b", b"theirs")
    with pytest.raises(WriteError, match="b: changed by someone else.*run again") as raised:
        store.apply([Change("cas", key, b"mine") for key in ("a", "b")])
    assert raised.value.written == []
    assert agent.key_names() == ["b"] and agent.raw("b") == b"theirs"


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_what_was_written_before_a_failure_is_told(agent):
    store = KVStore(ConsulClient(port=agent.http_port))
    agent.api("PUT", "/v1/kv/k0099", b"theirs")
    with pytest.raises(WriteError, match=r"64 key\(s\) had been written") as raised:
        store.apply([Change("cas", f"k{number:04}", b"mine") for number in range(100)])
    assert raised.value.written == [f"k{number:04}" for number in range(64)]
    assert len(agent.key_names()) == 65


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_no_agent(in_process):
    tasks = (
        {"dockyard.consul.consul_kv": {"key": "k", "state": "absent"}},
        {"dockyard.consul.consul_kv_info": {"key": "k"}},
        {"dockyard.consul.consul_service": {"name": "k", "state": "absent"}},
        {"dockyard.consul.consul_service_info": {"name": "k", "wait_for": {"state": "absent"}}},
        {"dockyard.consul.consul_maintenance": {"state": "disabled"}},
    )
    for words in in_process.failures(*tasks, connection={"port": 1, "retries": 0}):
        assert "connection refused: no agent listens there" in words
        assert "\n" not in words


THOUSAND = {f"k{number:04}": f"v{number}" for number in range(1000)}


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_agent_killed_while_a_thousand_keys_are_written(in_process, relay, running_agent, tmp_path):
    """Its disk has the sixth transaction, its answer to it is lost."""
    (tmp_path / "killed").mkdir()
    with running_agent(tmp_path / "killed") as killed:
        transactions = []

        def treat(request, forward):
            transactions.append(request.startswith(b"PUT /v1/txn"))
            answer = forward(request)
            if sum(transactions) == 6:
                killed.process.kill()
                killed.process.wait()
                return b""
            return answer

        task = kv(prefix="app", values=THOUSAND)
        failure = in_process.run(task, connection={"port": relay(killed, treat)}, fails=True)
        assert "the connection broke before the answer was complete" in failure["msg"]
        assert "320 key(s) had been written before this failure" in failure["msg"]
        assert "whether the 64 keys from app/k0320 on got written is not known: run again" in failure["msg"]
        assert failure["written"] == [f"app/k{number:04}" for number in range(320)]
        assert "\n" not in failure["msg"]

        killed.start()
        assert len(killed.key_names()) == 384
        repaired, again = in_process.run(task, task, connection={"port": killed.http_port})
        assert len(repaired["created"]) == 616 and not again["changed"]
        assert killed.key_names() == [f"app/{key}" for key in THOUSAND]
        assert killed.raw("app/k0999") == b"v999"


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_answer_that_comes_too_late(in_process, agent, relay):
    def late(request, forward):
        answer = forward(request)
        time.sleep(4 if request.startswith(b"PUT") else 0)
        return answer

    options = {"port": relay(agent, late), "timeout": 2}
    key, web = in_process.failures(kv(key="k", value="v", **options), service(name="web", **options))
    assert "no answer within 2 s: check the agent and the network, or raise the timeout" in key
    assert key.endswith("whether k got written is not known: run again")
    assert web.startswith("service web: PUT /v1/agent/service/register") and "no answer within 2 s" in web


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_an_overloaded_server_is_asked_again(in_process, agent, relay):
    """No real agent can be made to say so on demand; the one behind the relay takes what comes through."""
    refusals = [(b"429 Too Many Requests", b"rate limit"), (b"500 Internal Server Error", b"No cluster leader")] * 2
    asked = []

    def treat(request, forward):
        asked.append(request.split()[0])
        if refusals:
            status, words = refusals.pop()
            return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(words), words)
        return forward(request)

    options = {"port": relay(agent, treat), "retries": 2}
    (given_up,) = in_process.failures(kv(key="k", value="v", **options))
    assert "HTTP 500: No cluster leader (no server is the leader: check that enough servers are up)" in given_up
    assert in_process.run(kv(key="k", value="v", **options))["changed"]
    assert agent.raw("k") == b"v" and asked == [b"GET"] * 5 + [b"PUT"]


def test_an_agent_that_starts_is_waited_for(running_agent, tmp_path):
    def ask(retries):
        try:
            return ConsulClient(port=agent.http_port, retries=retries).get("kv/k", missing_ok=True).status
        except ConsulError as error:
            return str(error)

    # Without patience of its own, the server says at once that it has no leader yet.
    with running_agent(tmp_path, config={"performance": {"raft_multiplier": 1, "rpc_hold_timeout": "1ms"}}) as agent:
        agent.process.kill()
        agent.process.wait()
        patient, impatient = [], [ask(0)]
        asking = threading.Thread(target=lambda: patient.append(ask(9)))
        starting = threading.Thread(target=agent.start)
        for thread in (asking, starting):
            thread.start()
        while asking.is_alive():
            impatient.append(ask(0))
            time.sleep(0.05)
        starting.join()
        assert patient == [404]
        for trouble in ("connection refused", "No cluster leader"):
            assert any(trouble in str(answer) for answer in impatient), impatient


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_second_writer_between_read_and_write(in_process, agent, relay):
    def treat(request, forward):
        if request.startswith(b"PUT"):
            agent.api("PUT", "/v1/kv/app/b", b"theirs")
        return forward(request)

    (message,) = in_process.failures(kv(prefix="app", values={"a": 1, "b": 2}, port=relay(agent, treat)))
    assert "app/b: " in message and "changed by someone else since it was read" in message and "run again" in message
    assert agent.key_names() == ["app/b"] and agent.raw("app/b") == b"theirs"


@pytest.mark.parametrize("agent", ["deny"], indirect=True)
def test_tokens_that_do_not_serve(in_process, agent):
    """An expired token is as one deleted: Consul 1.8.7 says the same of both, and lets none expire within a minute."""
    agent.api("PUT", "/v1/kv/k", b"v")
    agent.api("PUT", "/v1/agent/service/register", {"Name": "web", "Port": 80})
    rules = (
        'key_prefix "" { policy = "write" } service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }'
    )
    deleted = agent.token_for(rules)
    accessor = agent.api("GET", "/v1/acl/token/self", token=deleted)["AccessorID"]
    agent.api("DELETE", f"/v1/acl/token/{accessor}")
    read_only = agent.token_for(rules.replace("write", "read"))
    attempts = [
        kv(key="k", value="other", token=deleted),
        kv(key="k", state="absent", token=deleted),
        service(name="web", service_port=81, token=deleted),
        service(name="web", state="absent", token=deleted),
        kv(key="k", state="absent", token=read_only),
        service(name="web", state="absent", token=read_only),
    ]
    messages = in_process.failures(*attempts)
    for message in messages[:4]:
        assert message.endswith(
            "the token is unknown to Consul: mistyped, expired or deleted, or the leader has no ACLs yet; give a valid one)"
        )
    for message in messages[4:]:
        assert "Permission denied" in message
        assert message.endswith(" (the token's policies do not allow this, or no token was given)")
    assert deleted not in str(messages) and read_only not in str(messages)
    assert agent.raw("k") == b"v" and agent.api("GET", "/v1/agent/services")["web"]["Port"] == 80


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_tls_failures_of_a_module(playbook, tls, running_agent, tmp_path):
    expired_certificate(tls.folder, "expired", "ca")
    files = {"ca_path": f"{tls.folder}/ca.pem"}
    client = {"client_cert": f"{tls.folder}/client.pem", "client_key": f"{tls.folder}/client.key"}
    config = {"cert_file": f"{tls.folder}/expired.pem", "key_file": f"{tls.folder}/expired.key"}
    with running_agent(tmp_path, config=config, https=True) as expired:
        options = {"key": "k", "state": "absent", "scheme": "https", "retries": 0}
        tasks = [
            kv(**options, **files, **client, port=tls.ports["https"]),
            kv(**options, **files, port=tls.ports["https"]),
            kv(**options, **client, ca_path=f"{tls.folder}/stranger-ca.pem", port=tls.ports["https"]),
            kv(**options, **files, port=expired.ports["https"]),
            kv(**options, validate_certs=False, port=expired.ports["https"]),
        ]
        good, *bad, unverified = playbook.run(*[{**task, "ignore_errors": True} for task in tasks])
    assert not good.get("failed") and not unverified.get("failed")
    for result, words in zip(
        bad, ("certificate required|bad certificate", "verify failed", "has expired"), strict=True
    ):
        assert re.search(
            f"TLS failed: .*({words}).*; check scheme, ca_path, client_cert and client_key$", result["msg"]
        )


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_a_unix_socket(in_process, running_agent, tmp_path):
    path = tmp_path / "consul.sock"
    (tmp_path / "socket").mkdir()
    # The other address is for the test itself.
    with running_agent(tmp_path / "socket", config={"addresses": {"http": f"127.0.0.1 unix://{path}"}}) as there:
        by_option = {"unix_socket": str(path)}
        results = in_process.run(
            kv(key="k", value="v", **by_option),
            service(name="web", service_port=80, **by_option),
            kv(key="k", value="v") | {"environment": {"CONSUL_HTTP_ADDR": f"unix://{path}"}},
            connection={},
        )
        assert [result["changed"] for result in results] == [True, True, False]
        assert there.raw("k") == b"v" and there.api("GET", "/v1/agent/services")["web"]["Port"] == 80
    (message,) = in_process.failures(kv(key="k", **by_option), connection={"retries": 0})
    assert f"GET /v1/kv/k at unix://{path}: " in message


@pytest.mark.parametrize("agent", ["open"], indirect=True)
def test_another_datacenter(in_process, running_agent, tmp_path):
    """What is there is compared there, not here."""
    for name in ("dc1", "dc2"):
        (tmp_path / name).mkdir()
    with running_agent(tmp_path / "dc1", wan=True) as here:
        join = {"datacenter": "dc2", "retry_join_wan": [f"127.0.0.1:{here.ports['serf_wan']}"]}
        with running_agent(tmp_path / "dc2", config=join, wan=True) as there:
            here.wait_for(lambda: here.api("PUT", "/v1/kv/k?dc=dc2", b"v"), "the other datacenter")
            far = {"datacenter": "dc2"}
            results = in_process.run(
                kv(key="k", value="v", **far),
                kv(prefix="app", values={"a": 1, "b": 2}, **far),
                kv(prefix="app", values={"a": 1, "b": 2}, **far),
                kv(key="k", value="v"),
                kv(key="k", state="absent", **far),
                connection={"port": here.http_port},
            )
            assert [result["changed"] for result in results] == [False, True, False, True, True]
            assert (here.key_names(), there.key_names()) == (["k"], ["app/a", "app/b"])
            a_node_and_a_session_of(here, there)


def a_node_and_a_session_of(here, there):
    """Of the datacenter dc2, written by the agent of dc1."""

    def nodes(agent):
        return sorted(found["Node"] for found in agent.api("GET", "/v1/catalog/nodes"))

    node, session = Module(consul_node, here), Module(consul_session, here)
    local = {"name": "db1", "address": "192.0.2.1"}
    far = {**local, "datacenter": "dc2", "services": [{"name": "pg"}], "checks": [{"name": "alive"}]}
    assert [node(**local)["changed"], node(**far)["changed"], node(**far)["changed"]] == [True, True, False]
    assert nodes(here) == nodes(there) == ["db1", "tester"]
    assert here.api("GET", "/v1/health/node/db1") == [] and len(there.api("GET", "/v1/health/node/db1")) == 1
    assert node(name="db1", datacenter="dc2", state="absent")["changed"]
    assert (nodes(here), nodes(there)) == (["db1", "tester"], ["tester"])

    options = {"name": "lock", "datacenter": "dc2"}
    for state in ("present", "renewed", "absent"):
        assert session.refusal(**options, state=state).startswith("node is not set, and is required here: the agent's")
    results = [session(**options, node="tester", state=state) for state in ("present", "present", "absent", "absent")]
    assert [result["changed"] for result in results] == [True, False, True, False]
    assert here.api("GET", "/v1/session/list") == there.api("GET", "/v1/session/list") == []
