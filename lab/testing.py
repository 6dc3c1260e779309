# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests look at a lab with: from outside, by the means that anybody has.

molecule/conftest.py puts the clone on sys.path; a scenario's own makes its Lab:

    lab = Lab(Path(__file__).parents[1])
    lab.exec("app1", "cat /etc/resolv.conf")
    lab.wait_for(lambda: lab.dns("redis.service.consul"), 20, "Redis is in DNS")
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


class CommandFailed(AssertionError):
    """A command that was to succeed did not."""


def run(*command: str | Path, check: bool = True, timeout: float = 60, **options: Any) -> subprocess.CompletedProcess:
    """Run a command of this machine and keep what it says."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise CommandFailed(f"{shlex.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Answer(NamedTuple):
    status: int
    text: str
    headers: http.client.HTTPMessage

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        return None


@functools.cache
def _opener(tls: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """Made once: each reads all the CAs that this machine trusts, which takes 40 ms."""
    # The lab is on this machine: no proxy is between. That an answer leads elsewhere is the answer.
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls), _NoRedirect()]
    return urllib.request.build_opener(*handlers)


def ask(
    url: str,
    method: str = "GET",
    data: Any = None,
    headers: dict | None = None,
    timeout: float = 10,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Ask over HTTP, on a connection of its own. An error status is an answer, too; no answer is an OSError."""
    body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with _opener(tls).open(request, timeout=timeout) as response:
            return Answer(response.status, response.read().decode(), response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(), error.headers)


# What a condition may meet while it does not hold yet.
NOT_YET = (OSError, http.client.HTTPException, ValueError, LookupError, subprocess.TimeoutExpired, CommandFailed)


def kill_with_children(pid: int) -> None:
    """Also those with a session of their own: an Ansible worker would go on with the loop of its task."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def wait_for(condition: Callable[[], Any], timeout: float, what: str) -> Any:
    """The first true value of the condition. A failure, with what was last in the way, when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        trouble = ""
        try:
            if value := condition():
                return value
        except NOT_YET as error:
            trouble = f"\nLast: {error!r}"
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout:g} s: {what}{trouble}")
        time.sleep(0.1)


def seconds_until(condition: Callable[[], Any], timeout: float, what: str) -> float:
    start = time.monotonic()
    wait_for(condition, timeout, what)
    return time.monotonic() - start


class PlaybookRun(NamedTuple):
    ok: bool
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """{host: {"ok": 12, "changed": 0, ...}}"""
        lines = re.findall(r"^(\S+) +: (ok=.*)$", self.output.rpartition("PLAY RECAP")[2], re.MULTILINE)
        return {
            _short(host): {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines
        }

    @property
    def changed(self) -> dict[str, int]:
        """How much was changed, on those hosts where something was."""
        return {host: counts["changed"] for host, counts in self.recap.items() if counts["changed"]}

    @property
    def changes(self) -> list[str]:
        """The tasks that changed something, and where."""
        lines = re.findall(r"^TASK \[(.*)\] \**$|^(changed: \[\S+?\])", self.output, re.MULTILINE)
        found, task = [], ""
        for name, change in lines:
            task = name or task
            if change:
                found.append(f"{task}: {change}")
        return found


def _short(host: str) -> str:
    return host.partition(".")[0]


class Lab:
    """A scenario's test hosts, reached as somebody would who stands beside them."""

    run = staticmethod(run)
    wait_for = staticmethod(wait_for)

    def __init__(self, scenario: Path, inventories: Sequence[Path] | None = None) -> None:
        self.scenario = scenario
        demo = [ROOT / "lab" / "hosts.yml", ROOT / "inventories" / "demo", scenario / "hosts.yml"]
        self.inventory = [argument for path in inventories or demo for argument in ("--inventory", path)]
        self._inventory = json.loads(
            run(BIN / "ansible-inventory", *self.inventory, "--list", **self._as_a_user).stdout
        )
        variables = self._inventory["_meta"]["hostvars"]
        # By their short names: what comes after the first dot says nothing here.
        self._addresses = {_short(host): f"{of['lab_network']}.{of['lab_number']}" for host, of in variables.items()}
        self.name = next(iter(variables.values()))["lab_name"]
        self.secrets = ROOT / ".cache" / "lab" / self.name / "secrets"

    # The hosts

    def hosts(self, group: str = "all") -> list[str]:
        """The hosts of a group and of its children."""
        if group == "all":
            return list(self._addresses)
        members = self._inventory[group]
        children = [host for child in members.get("children", []) for host in self.hosts(child)]
        return [*map(_short, members.get("hosts", [])), *children]

    def inventory_names(self, group: str) -> list[str]:
        """The hosts of a group as the inventory calls them, as --limit wants it."""
        members = self._inventory.get(group, {})  # "ungrouped" is a child of "all" that is not listed while it is empty
        children = [host for child in members.get("children", []) for host in self.inventory_names(child)]
        return [*members.get("hosts", []), *children]

    def address(self, host: str) -> str:
        return self._addresses[host]

    @property
    def former_resolv_conf(self) -> Path:
        """What each host's resolv.conf was before anybody changed it."""
        return ROOT / ".cache" / "lab" / self.name / "resolv.conf"

    def container(self, host: str) -> str:
        return f"{self.name}-{host}"

    def exec(self, host: str, command: str | Sequence[str], stdin: str | None = None, timeout: float = 60) -> str:
        """What a command says on a host; a string is given to the shell. That it fails is a failure."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        flags = ["--interactive"] if stdin is not None else []
        done = self.run("docker", "exec", *flags, self.container(host), *words, input=stdin, timeout=timeout)
        return done.stdout.strip()

    def fails(self, host: str, command: str | Sequence[str]) -> str:
        """What a command says that must fail."""
        try:
            output = self.exec(host, command)
        except CommandFailed as error:
            return str(error)
        raise AssertionError(f"on {host} this was to fail: {command}\n{output}")

    def restart(self, host: str) -> None:
        self.run("docker", "restart", self.container(host))

    @contextmanager
    def cable_pulled(self, host: str) -> Iterator[None]:
        """The host's network is cut, and there again afterwards."""
        route = self.exec(host, "ip route show default")
        self.exec(host, "ip link set eth0 down")
        try:
            yield
        finally:
            # A host's network manager brings the route back with the link; the lab's hosts have none.
            self.exec(host, f"ip link set eth0 up && ip route replace {route}")

    def journal(self, host: str, unit: str, lines: int = 25) -> str:
        return self.run(
            "docker", "exec", self.container(host), "journalctl", "--unit", unit, "--lines", str(lines), check=False
        ).stdout

    @property
    def talkative(self) -> list[tuple[str, str]]:
        """Whose journals are shown where a test fails: (host, unit)."""
        return [(host, "consul") for host in self.hosts()]

    # What runs on them

    def http(self, host: str, port: int = 80, path: str = "/", **options: Any) -> Answer:
        return ask(f"http://{self.address(host)}:{port}{path}", **options)

    def consul(self, path: str, host: str = "consul1", method: str = "GET", data: Any = None) -> Any:
        """What a host's Consul API says, its JSON read. An error status is a failure."""
        answer = self.http(host, 8500, f"/v1/{path}", method=method, data=data)
        if answer.status >= 400:
            raise CommandFailed(f"Consul on {host}, {method} {path}: {answer.status} {answer.text}")
        return answer.json() if answer.text.strip() else None

    def pid(self, host: str) -> str:
        """The agent's process: another one after a restart, the same after a reload."""
        return self.exec(host, "systemctl show --property MainPID --value consul")

    def dns(self, name: str, host: str = "lb1") -> set[str]:
        """The addresses that a host's agent gives for a name."""
        return set(self.exec(host, ["dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", name]).split())

    def outside_name(self, host: str) -> str:
        """A name that is none of Consul's: that of the mirror which the host's own apt knows."""
        site = self.exec(host, "apt-get indextargets --format '$(SITE)' | head -n 1")
        name = os.environ.get("LAB_OUTSIDE_NAME") or urllib.parse.urlsplit(site).hostname
        assert not re.fullmatch(r"[0-9.]+", name), f"{site} is no name: set LAB_OUTSIDE_NAME to one that resolves here"
        return name

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    # Ansible

    def playbook(self, name: str, *options: str, **variables: Any) -> PlaybookRun:
        done = run(*self._playbook(name, options, variables), check=False, timeout=900, **self._as_a_user)
        return PlaybookRun(done.returncode == 0, done.stdout + done.stderr)

    def interrupted_playbook(self, until: str, name: str, *options: str, **variables: Any) -> None:
        """Run a playbook and kill it, with all its processes here, as soon as it says this."""
        command = self._playbook(name, options, variables)
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, **output, **self._as_a_user) as process:
            too_late = threading.Timer(600, kill_with_children, [process.pid])
            too_late.start()
            seen = []
            for line in process.stdout:
                seen.append(line)
                if until in line:
                    break
            too_late.cancel()
            if process.poll() is None:
                kill_with_children(process.pid)
        assert until in seen[-1], f"the run ended and never said {until!r}:\n{''.join(seen)}"

    def _playbook(self, name: str, options: Sequence[str], variables: dict[str, Any]) -> list[str | Path]:
        extra = ["--extra-vars", json.dumps(variables)] if variables else []
        return [BIN / "ansible-playbook", *self.inventory, name, *options, *extra]

    @property
    def _as_a_user(self) -> dict[str, Any]:
        """From the clone, by its own ansible.cfg, and not with what molecule sets for its own runs."""
        of_molecule = ("ANSIBLE_CONFIG", "ANSIBLE_FORCE_COLOR")
        environment = {name: value for name, value in os.environ.items() if name not in of_molecule}
        return {"cwd": ROOT, "env": environment | {"ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}}


class Reply(NamedTuple):
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


RPC_OVER_TLS = b"\x03"  # the first byte on Consul's RPC port says what follows; see agent/pool/conn.go in its source


class LockedLab(Lab):
    """A site under deny: the API answers on each host's loopback only, and says little without a token."""

    def api(self, host: str, path: str, token: str = "", method: str = "GET", data: Any = None) -> Reply:
        body = [] if data is None else ["--data", json.dumps(data)]
        # The token comes from stdin: a command line is there for everybody to read. Without one there is no stdin, since
        # `docker exec` sometimes misses the end of an empty one, and waits for ever (moby/moby#37870).
        header = ["--header", "@-"] if token else []
        output = self.exec(
            host,
            ["curl", "--silent", "--show-error", "--max-time", "10", *header, "--request", method, *body]
            + ["--write-out", "\\n%{http_code}", f"http://127.0.0.1:8500/v1/{path}"],
            stdin=f"X-Consul-Token: {token}\n" if token else None,
        )
        text, _newline, status = output.rpartition("\n")
        return Reply(int(status), text)

    def consul(self, path: str, host: str = "consul1", method: str = "GET", data: Any = None) -> Any:
        """What an operator is told, who has the management token."""
        reply = self.api(host, path, self.secret("operator/management.token"), method, data)
        if reply.status != 200:
            raise CommandFailed(f"Consul on {host}, {method} {path}: {reply}")
        return reply.json() if reply.text else None

    def members(self) -> dict[str, int]:
        """Every member of the cluster with its status: 1 is alive, 3 is left."""
        return {member["Name"]: member["Status"] for member in self.consul("agent/members")}

    def served_certificate(self, server: str = "consul1") -> dict[str, Any]:
        """The certificate that a server shows on its RPC port, to somebody who has one of the site's as well."""
        context = ssl.create_default_context(cafile=self.secrets / "ca.pem")
        context.load_cert_chain(self.secrets / f"node/{server}/server.pem", self.secrets / f"node/{server}/server.key")
        with socket.create_connection((self.address(server), 8300), timeout=10) as connection:
            connection.sendall(RPC_OVER_TLS)
            with context.wrap_socket(connection, server_hostname="server.dc1.consul") as rpc:
                return rpc.getpeercert()

    def secret_values(self) -> dict[str, str]:
        """What nobody may see. Of a private key one line, since output may fold or escape the line ends."""
        files = [path for path in self.secrets.rglob("*") if path.is_file() and path.suffix not in (".pem", ".csr")]
        values = {str(path.relative_to(self.secrets)): path.read_text().splitlines() for path in files}
        return {name: lines[0] if len(lines) == 1 else lines[1] for name, lines in values.items()}

    def secrets_in(self, text: str) -> list[str]:
        """The names of the secrets that a text gives away."""
        return [name for name, value in self.secret_values().items() if value in text]
