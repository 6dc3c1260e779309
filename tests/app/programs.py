# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app as it runs in its container (gunicorn, pinned requirements), with real Consul agents and Redis servers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "roles" / "mydemo" / "files" / "app"
PASSWORD = "redis-pass-4711"


def wait_for(condition: Callable, what: str, timeout: float = 10):
    """The first true value of the condition; a failure of the test when there is none in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"not within {timeout:g} s: {what}")


def free_port() -> int:
    """A free port below those that the kernel gives to clients, so that it stays free until it is used."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    status: int
    body: str
    headers: dict
    seconds: float


def request(url: str, method: str = "GET", data: bytes | None = None, headers: dict | None = None) -> Answer:
    start = time.monotonic()
    try:
        response = OPENER.open(urllib.request.Request(url, data, headers or {}, method=method), timeout=15)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return Answer(response.status, response.read().decode(), dict(response.headers), time.monotonic() - start)


class Process:
    """A real program in the background, its output in a file."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / f"{self.name}-{free_port()}"
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        self.popen: subprocess.Popen | None = None

    def run(self, command: list, **options) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [str(part) for part in command], stdout=log, stderr=log, start_new_session=True, **options
            )

    def stop(self, signum: int = signal.SIGTERM, timeout: float = 15) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signum)
        return self.popen.wait(timeout)

    def text(self) -> str:
        return self.log.read_text()


class Consul(Process):
    name = "consul"

    def __init__(self, binary: str, folder: Path, config: dict | None = None) -> None:
        super().__init__(folder)
        self.binary, self.port, self.token = binary, free_port(), ""
        ports = {"http": self.port, "dns": -1, "grpc": -1, "serf_wan": -1}
        config = {**(config or {}), "ports": {**ports, **(config or {}).get("ports", {})}}
        config["ports"].update(server=free_port(), serf_lan=free_port())
        self.config_file = self.folder / "config.json"
        self.config_file.write_text(json.dumps(config))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Consul:
        """A development agent: it keeps nothing, so a restart loses all it knew."""
        self.run([self.binary, "agent", "-dev", "-bind=127.0.0.1", f"-config-file={self.config_file}"])
        wait_for(self._leads, "the Consul agent is up", 20)
        return self

    def _leads(self) -> bool:
        with contextlib.suppress(OSError):
            return len(request(f"http://{self.address}/v1/status/leader").body) > 2
        return False

    def call(self, path: str, method: str = "GET", body: object = None):
        data = body.encode() if isinstance(body, str) else body
        data = json.dumps(data).encode() if data is not None and not isinstance(data, bytes) else data
        answer = request(f"http://{self.address}/v1/{path}", method, data, {"X-Consul-Token": self.token})
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def put(self, value: str | bytes | dict, key: str = "redis") -> None:
        assert self.call(f"kv/{key}", "PUT", value)

    def instances(self, passing: bool = False) -> list[dict]:
        return self.call("health/service/mydemo" + ("?passing" if passing else ""))

    def instance(self, app: App, passing: bool = False) -> dict | None:
        return next((one for one in self.instances(passing) if one["Service"]["ID"] == app.id), None)

    def acl_token(self, rules: str) -> dict:
        name = f"policy-{random.randrange(10**9)}"
        self.call("acl/policy", "PUT", {"Name": name, "Rules": rules})
        return self.call("acl/token", "PUT", {"Policies": [{"Name": name}]})


class Redis(Process):
    name = "redis"

    def __init__(self, binary: str, folder: Path) -> None:
        super().__init__(folder)
        self.binary, self.port, self.password = binary, free_port(), PASSWORD

    def start(self) -> Redis:
        options = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--appendonly", "yes"]
        self.run([self.binary, *options, "--save", "", "--requirepass", self.password])
        wait_for(lambda: "PONG" in self.cli("PING", check=False), "Redis is up")
        return self

    def cli(self, *command: str, check: bool = True) -> str:
        environment = {**os.environ, "REDISCLI_AUTH": self.password}
        line = ["redis-cli", "-p", str(self.port), *command]
        return subprocess.run(line, env=environment, check=check, capture_output=True, text=True).stdout.strip()

    def clients(self) -> int:
        """How many programs are connected, without the one that asks."""
        return len(self.cli("CLIENT", "LIST").splitlines()) - 1

    def has_requests(self) -> bool:
        """Whether somebody waits for it with a request that it has not read, as while it is frozen."""
        command = ["ss", "--no-header", "--tcp", "--numeric", "state", "established", f"sport = :{self.port}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return any(int(line.split()[0]) for line in lines)

    @property
    def hits(self) -> int:
        return int(self.cli("GET", "hits") or 0)

    def settings(self, message: str = "Hello World", **redis_config) -> dict:
        config = {"redis_host": "127.0.0.1", "redis_port": self.port, "redis_db": 0, "redis_password": self.password}
        return {"redis_config": {**config, **redis_config}, "show_message": message}


class App(Process):
    name = "app"

    def __init__(self, venv: Path, folder: Path, consul: Consul, **environment: str | None) -> None:
        super().__init__(folder)
        self.venv, self.port, self.secrets = venv, free_port(), {PASSWORD}
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAN_IP": "127.0.0.1",
            "MYDEMO_PORT": str(self.port),
            "MYDEMO_DRAIN": "0.3",
            "CONSUL_HTTP_ADDR": consul.address,
            # Docker hands the proxies of its own configuration to each container; nothing here may go through one.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            **environment,
        }

    @property
    def id(self) -> str:
        return f"mydemo-127.0.0.1-{self.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait: bool = True) -> App:
        # As the Dockerfile's CMD
        dockerfile = (APP / "Dockerfile").read_text()
        command = json.loads(re.search(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE).group(1))
        environment = {name: value for name, value in self.environment.items() if value is not None}
        self.run([self.venv / "bin" / command[0], *command[1:]], cwd=APP, env=environment)
        if wait:
            wait_for(self.answers, "the app answers")
        return self

    def answers(self, path: str = "/", status: int = 200) -> bool:
        with contextlib.suppress(OSError):
            return self.get(path).status == status
        return False

    def get(self, path: str = "/") -> Answer:
        return request(self.url + path)

    def get_many(self, count: int = 40, path: str = "/") -> list[Answer]:
        """At the same time, so that all workers and threads have to do."""
        with ThreadPoolExecutor(10) as pool:
            return list(pool.map(lambda _: self.get(path), range(count)))

    def workers(self) -> set[int]:
        pid = self.popen.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def served_by(self, path: str = "/") -> set[int]:
        """The workers that the access log names."""
        found = re.findall(rf'"GET {re.escape(path)} HTTP/1.1" 200 .*<(\d+)>', self.text())
        return {int(pid) for pid in found}

    def backoff(self, failures: int) -> float:
        """Seconds that a worker leaves Redis alone after so many failures in a row. It shows this nowhere."""
        code = f"import app; print(app.backoff({failures}))"
        command = [self.venv / "bin" / "python", "-c", code]
        return float(subprocess.run(command, cwd=APP, check=True, capture_output=True, text=True).stdout)

    def lines(self, part: str) -> list[str]:
        return [line for line in self.text().splitlines() if part in line]
