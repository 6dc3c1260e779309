# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Consul agents, and real ansible-playbook runs against them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from ansible.plugins.loader import init_plugin_loader

# Plugins of the collection can be loaded only if this comes before all imports of its Python code.
init_plugin_loader()

# Otherwise the modules take what a test does not set from the environment of the user.
for variable in [name for name in os.environ if name.startswith("CONSUL_") and name != "CONSUL_BIN"]:
    del os.environ[variable]

ROOT_TOKEN = "7d9bdb8e-0e4e-4d0d-a5c2-8a6a7f2f0a01"


def consul_binary():
    binary = os.environ.get("CONSUL_BIN") or shutil.which("consul")
    if not binary or not os.access(binary, os.X_OK):
        pytest.fail("no consul program: set CONSUL_BIN to one, or put consul on PATH", pytrace=False)
    return binary


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _number in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


# Ansible's Request.open() installs its opener, perhaps one for a UNIX socket, for urlopen() of the whole process.
OPENER = urllib.request.build_opener()


class Agent:
    """A single Consul server on loopback, on ports of its own."""

    def __init__(self, folder, config=None, token=None, https=False, wan=False):
        self.folder = folder
        self.token = token
        # How the modules reach it, where a test does not say otherwise.
        self.connection = {"token": token} if token else {}
        self.config = config or {}
        http_port, dns, serf, server, https_port, serf_wan = free_ports(6)
        self.http_port = http_port
        self.connection["port"] = http_port
        self.dns_port = dns
        self.ports = {"http": http_port, "dns": dns, "serf_lan": serf, "serf_wan": -1, "server": server, "grpc": -1}
        if https:
            self.ports["https"] = https_port
        if wan:
            self.ports["serf_wan"] = serf_wan
        self.process = None

    def start(self):
        self.launch()
        # Consistent, so that all that was ever acknowledged can be read: a new leader answers before it has read its log.
        self.wait_for(lambda: self.api("GET", "/v1/health/service/consul?passing&consistent"), "its own service")

    def launch(self):
        """Start it, and do not wait."""
        settings = {
            "server": True,
            "bootstrap_expect": 1,
            "node_name": "tester",
            "data_dir": str(self.folder / "data"),
            "bind_addr": "127.0.0.1",
            "ports": self.ports,
            "performance": {"raft_multiplier": 1},
            "enable_script_checks": True,
            **self.config,
        }
        path = self.folder / "agent.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        with open(self.folder / "agent.log", "ab") as log:
            self.process = subprocess.Popen(
                [consul_binary(), "agent", "-config-file", str(path)], stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def wait_for(self, question, what, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                if answer := question():
                    return answer
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        log = (self.folder / "agent.log").read_text(encoding="utf-8", errors="replace")
        pytest.fail(f"Consul did not come to show {what}:\n{log[-3000:]}", pytrace=False)

    def api(self, method, path, data=None, token=None):
        """Ask Consul without the code under test."""
        body = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=body, method=method)
        if token or self.token:
            request.add_header("X-Consul-Token", token or self.token)
        with OPENER.open(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text.strip() else None

    def raw(self, key):
        """The bytes of one key, or None."""
        with contextlib.suppress(urllib.error.HTTPError):
            url = f"http://127.0.0.1:{self.http_port}/v1/kv/{key}?raw"
            request = urllib.request.Request(url, headers={"X-Consul-Token": self.token} if self.token else {})
            with OPENER.open(request, timeout=10) as response:
                return response.read()
        return None

    def key_names(self):
        with contextlib.suppress(urllib.error.HTTPError):
            return sorted(self.api("GET", "/v1/kv/?keys"))
        return []

    def token_for(self, rules):
        """A token that may do only this."""
        name = f"policy-{time.monotonic_ns()}"
        # The ACL system of a new cluster takes no policies for some seconds after there is a leader.
        self.wait_for(lambda: self.api("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules}), "a new policy")
        return self.api("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})["SecretID"]


@contextlib.contextmanager
def run_agent(folder, **options):
    agent = Agent(folder, **options)
    try:
        agent.start()
        yield agent
    finally:
        if agent.process and agent.process.poll() is None:
            agent.stop()


@pytest.fixture(scope="session")
def running_agent():
    """For tests that want an agent of their own."""
    return run_agent


@pytest.fixture(scope="session")
def open_agent(tmp_path_factory):
    """Open HTTP, no ACL."""
    with run_agent(tmp_path_factory.mktemp("open")) as agent:
        yield agent


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, ca):
    openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
        "-subj", f"/CN={name}",
    )  # fmt: skip
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost", encoding="utf-8")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
        "-out", f"{name}.pem", "-days", "2", "-extfile", "san",
    )  # fmt: skip


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with a CA, a server's and a client's certificate of it, and another CA."""
    folder = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "stranger-ca"):
        openssl(
            folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
            "-subj", f"/CN={ca}", "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
    certificate(folder, "server", "ca")
    certificate(folder, "client", "ca")
    return folder


@pytest.fixture(scope="session")
def deny_agent(tmp_path_factory, certificates):
    """ACL on, everything denied without a token; the modules speak HTTPS with it."""
    config = {
        "acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT_TOKEN, "agent": ROOT_TOKEN}},
        "cert_file": str(certificates / "server.pem"),
        "key_file": str(certificates / "server.key"),
    }
    with run_agent(tmp_path_factory.mktemp("deny"), config=config, token=ROOT_TOKEN, https=True) as agent:
        agent.connection |= {"scheme": "https", "port": agent.ports["https"], "ca_path": str(certificates / "ca.pem")}
        yield agent


@pytest.fixture(params=["open", "deny"])
def agent(request):
    """Each of the two, emptied."""
    agent = request.getfixturevalue(f"{request.param}_agent")
    agent.api("DELETE", "/v1/kv/?recurse")
    for identity in agent.api("GET", "/v1/agent/services"):
        agent.api("PUT", f"/v1/agent/service/deregister/{identity}")
    for identity in agent.api("GET", "/v1/agent/checks"):
        agent.api("PUT", f"/v1/agent/check/deregister/{identity}")
    for session in agent.api("GET", "/v1/session/list"):
        agent.api("PUT", f"/v1/session/destroy/{session['ID']}")
    return agent


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


class Runner:
    """What tests do with tasks, run one way or the other."""

    def failures(self, *tasks, **options):
        """The messages of tasks that must all fail, each one line, in one run."""
        results = self.run(*({**task, "ignore_errors": True} for task in tasks), **options)
        results = results if isinstance(results, list) else [results]
        messages = [result["msg"] for result in results if result.get("failed")]
        assert len(messages) == len(tasks), results
        assert not any("\n" in message for message in messages), messages
        return messages

    def four_ways(self, task, removal, state):
        """Check mode, create, repeat, remove. C(state()) is what Consul holds; returns the result of the creation."""
        empty = state()
        foretold = self.run(task, check=True)
        assert foretold["changed"]
        assert state() == empty, "check mode wrote"

        dry = {"check_mode": True}
        created, again, check_again, check_removal = self.run(task, task, {**task, **dry}, {**removal, **dry})
        assert created["changed"] and created["diff"] == foretold["diff"]
        assert not again["changed"] and not check_again["changed"]
        assert check_removal["changed"]
        assert state() != empty, "nothing was written, or check mode removed it"

        removed, removed_again = self.run(removal, removal)
        assert removed["changed"] and not removed_again["changed"]
        assert state() == empty
        return created


class Playbook(Runner):
    """Runs tasks with ansible-playbook and keeps what each of them returned."""

    def __init__(self, folder, agent):
        self.folder = folder
        self.agent = agent
        self.output = ""

    def run(self, *tasks, check=False, fails=False, connection=None, environment=None, variables=None, verbose=False):
        """Results of the tasks, in order. A failing task ends the run; C(fails) says that one is awaited."""
        if connection is None:
            connection = self.agent.connection
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {"group/dockyard.consul.consul": connection},
            "environment": environment or {},
            "vars_files": [str(self.folder / "vars.yml")],
            "tasks": list(tasks),
        }
        path = self.folder / "play.yml"
        path.write_text(yaml.dump([play], Dumper=NoAliases, allow_unicode=True), encoding="utf-8")
        (self.folder / "vars.yml").write_text(json.dumps(variables or {}), encoding="utf-8")
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "--diff", path]
        command += ["--check"] if check else []
        command += ["-vvv"] if verbose else []
        python = os.environ.get("MODULE_PYTHON", sys.executable)
        done = subprocess.run(
            [*command, "-e", f"ansible_python_interpreter={python}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={
                **os.environ,
                "ANSIBLE_STDOUT_CALLBACK": "default" if verbose else "ansible.posix.json",
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
                "ANSIBLE_INJECT_INVOCATION": "true",
            },
        )
        self.output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, self.output
        assert "Traceback" not in self.output, self.output
        if verbose:
            return None
        results = [task["hosts"]["localhost"] for task in json.loads(done.stdout)["plays"][0]["tasks"]]
        return results[0] if len(tasks) == 1 else results


@pytest.fixture
def playbook(tmp_path, agent):
    return Playbook(tmp_path, agent)


def run_in_process(folder, agent):
    """Runs tasks as a Playbook does, in milliseconds: for tests of a module, where Ansible's part makes no difference.
    Another Python for the modules needs playbooks."""
    from tasks_in_process import Tasks  # it imports this file

    return Playbook(folder, agent) if "MODULE_PYTHON" in os.environ else Tasks(agent)


@pytest.fixture
def in_process(tmp_path, agent):
    return run_in_process(tmp_path, agent)
