# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mydemo: a counter in Redis that knows nothing but the address of its host.

Everything else comes from Consul: the settings from a key that is watched, Redis by its name in DNS.
gunicorn.conf.py says which process runs what.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import logging
import math
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import consul
import redis
import requests
from flask import Flask, Response
from gunicorn.arbiter import Arbiter
from redis.backoff import NoBackoff
from redis.retry import Retry

SERVICE = "mydemo"
KEY = os.environ.get("MYDEMO_KEY", "redis")

log = logging.getLogger("gunicorn.error")
app = Flask(__name__)


class Unusable(Exception):
    """What was given (environment or key) cannot be used; the message says why, and never shows a value."""


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: short, as whatever comes back should be noticed soon."""
    return min(0.125 * 2 ** min(failures, 10), 2.0)


# --- Who we are -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instance:
    """Where this instance is reached; its id is the same after each restart."""

    address: str
    port: int

    @property
    def id(self) -> str:
        return f"{SERVICE}-{self.address}-{self.port}"

    @classmethod
    def from_environment(cls) -> Instance:
        address, port = os.environ.get("LAN_IP", ""), os.environ.get("MYDEMO_PORT", "5000")
        if not address:
            raise Unusable("LAN_IP is not set: give this host's address, at which the load balancer reaches it")
        try:
            if ipaddress.IPv4Address(address).is_unspecified:
                raise ValueError
        except ValueError:
            raise Unusable(f"LAN_IP is {address!r}: it must be one IPv4 address of this host") from None
        if not _is_port(port):
            raise Unusable(f"MYDEMO_PORT is {port[:40]!r}: it must be a port number")
        return cls(address, int(port))


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 0 < int(text) < 65536


def _is_host(text: str) -> bool:
    """Whether a name can be looked up at all. An address is such a name too."""
    try:
        return text.isprintable() and " " not in text and bool(text.encode("idna"))
    except UnicodeError:
        return False


def number_from_environment(name: str, default: str, kind: type[int | float], least: int) -> float:
    """A finite number of this kind that is not below the least."""
    text = os.environ.get(name, default)
    try:
        number = kind(text)
        if not least <= number < math.inf:
            raise ValueError
    except ValueError:
        what = "a whole number" if kind is int else "a number of seconds"
        raise Unusable(f"{name} is {text[:40]!r}: it must be {what}, at least {least}") from None
    return number


def check_key() -> None:
    """Consul redirects a request for such a key to another key, or refuses it."""
    if not KEY.isprintable():
        raise Unusable(f"MYDEMO_KEY is {KEY!r}: it holds a character that is not printable")
    first, *others = KEY.split("/")
    if (
        first in ("", ".", "..")
        or any(part in ("", ".", "..") for part in others[:-1])
        or others[-1:] in (["."], [".."])
    ):
        raise Unusable(f"MYDEMO_KEY is {KEY!r}: it must be the name of a key, without empty parts, '.' and '..'")


# --- What we are told: the settings under the key ---------------------------------------------------------------------


@dataclass(frozen=True)
class RedisAddress:
    host: str
    port: int
    db: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    redis: RedisAddress
    message: str

    @classmethod
    def parse(cls, value: bytes | None) -> Settings:
        if value is None:
            raise Unusable("no such key")
        document = _json(value)
        section = _member(document, "redis_config", dict)
        address = RedisAddress(
            host=_member(section, "redis_config.redis_host", str),
            port=_member(section, "redis_config.redis_port", int),
            db=_member(section, "redis_config.redis_db", int),
            password=_member(section, "redis_config.redis_password", str),
        )
        if not address.host:
            raise Unusable("redis_config.redis_host is empty")
        if not _is_host(address.host):
            raise Unusable("redis_config.redis_host is not a host name")
        if not 0 < address.port < 65536:
            raise Unusable("redis_config.redis_port is not a port number")
        if address.db < 0:
            raise Unusable("redis_config.redis_db is negative")
        if address.db > MAX_DB:
            raise Unusable(f"redis_config.redis_db is more than {MAX_DB}")
        return cls(address, _member(document, "show_message", str))


# Redis reads the number of a database as a 32-bit integer.
MAX_DB = 2**31 - 1
# Python's json recurses. Its own limit differs between versions, and is too high for the small stacks of musl's threads.
MAX_DEPTH = 100


def _json(value: bytes) -> object:
    try:
        text = value.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable("not JSON: the value is not UTF-8 text") from None
    depth = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        if depth > MAX_DEPTH:
            raise Unusable(f"nested more than {MAX_DEPTH} levels deep")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Unusable(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:  # the limit of Python itself, sys.int_info.default_max_str_digits
        raise Unusable("a number has more than 4300 digits") from None


def _member(document: object, path: str, kind: type):
    """The member that the last part of the path names, if it is there and of this very type (True is no int)."""
    if not isinstance(document, dict):
        raise Unusable("the JSON is not an object")
    name = path.rpartition(".")[2]
    if name not in document:
        raise Unusable(f"{path} is missing")
    if not isinstance(document[name], kind) or isinstance(document[name], bool):
        wanted = {dict: "an object", str: "a string", int: "an integer"}[kind]
        raise Unusable(f"{path} must be {wanted}")
    if kind is str and any("\ud800" <= character <= "\udfff" for character in document[name]):
        # JSON can hold one half of a surrogate pair, UTF-8 cannot.
        raise Unusable(f"{path} is not valid Unicode")
    return document[name]


# --- Consul -----------------------------------------------------------------------------------------------------------


def _check_consul_address() -> None:
    """py-consul ignores what it does not know in an address, and asks another one."""
    address = os.environ.get("CONSUL_HTTP_ADDR")
    if not address:
        return
    if "@" in address:
        raise Unusable("CONSUL_HTTP_ADDR holds a user name, which is not supported: set CONSUL_HTTP_TOKEN instead")
    match = re.fullmatch(r"(?:https?://)?([\w.-]+):(\w+)/?", address, re.ASCII | re.IGNORECASE)
    if not match or not _is_host(match[1]) or not _is_port(match[2]):
        reason = "IPv6 is not supported, " if address.count(":") > 2 else ""
        raise Unusable(f"CONSUL_HTTP_ADDR is {address!r}: {reason}it must be host:port or http(s)://host:port")


def consul_client(timeout: float) -> consul.Consul:
    """A client of the local agent, from the environment variables that the consul command reads too."""
    _check_consul_address()
    ca_file = os.environ.get("CONSUL_CACERT") or None
    if ca_file and not os.access(ca_file, os.R_OK):
        raise Unusable(f"CONSUL_CACERT is {ca_file!r}: it must be a file that can be read")
    try:
        token_file = os.environ.get("CONSUL_HTTP_TOKEN_FILE")
        token = Path(token_file).read_text().strip() if token_file else os.environ.get("CONSUL_HTTP_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"CONSUL_HTTP_TOKEN_FILE: {error}") from None
    if token and not re.fullmatch("[!-~]+", token):
        # requests would show it in its error.
        name = "CONSUL_HTTP_TOKEN_FILE" if token_file else "CONSUL_HTTP_TOKEN"
        raise Unusable(f"{name} is not a token: it holds white space or a character that is not ASCII")
    client = consul.Consul(verify=ca_file, connections_timeout=timeout)
    client.token = token
    # A proxy in the container's environment is not for the agent next door, and must not see the token.
    client.http.session.trust_env = False
    return client


def in_short(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, requests.RequestException):
        # The last words of its long text say it: "[Errno 111] Connection refused".
        text = text.rpartition(": ")[2].rstrip("\"')")
    return text


class Shared:
    """What the processes of one instance share: an anonymous file in memory, made before the forks and gone with them.

    Byte 0 says whether we are leaving; after it comes the last good value of the key, for a worker that is born while
    the key holds a bad one. Record locks on it make one worker the lead, and the next one when that dies.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("mydemo")
        os.pwrite(self._file, b"\0", 0)

    def lead(self) -> bool:
        """Whether this process is the one that registers and that speaks for all."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except OSError:
            return False
        return True

    def resign(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    @property
    def leaving(self) -> bool:
        return os.pread(self._file, 1, 0) == b"\1"

    def leave(self) -> None:
        os.pwrite(self._file, b"\1", 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 1)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 1)

    @property
    def value(self) -> bytes:
        with self._locked():
            return os.pread(self._file, os.fstat(self._file).st_size, 1)

    @value.setter
    def value(self, value: bytes) -> None:
        with self._locked():
            os.ftruncate(self._file, 1)
            os.pwrite(self._file, value, 1)


class ConsulLoop:
    """Does its step over and over in a thread of its own; on trouble again after a back-off, told once."""

    timeout = 2.0
    purpose = ""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.client: consul.Consul | None = None
        self.trouble = ""
        self.failures = 0

    def start(self) -> None:
        """Called in each worker, not in the master: a process with threads must not fork."""
        self.client = None  # the master's connections are the master's
        threading.Thread(target=self._run, name=type(self).__name__, daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self.turn())

    def turn(self) -> float:
        """One step. Gives the seconds to wait before the next."""
        try:
            self.client = self.client or consul_client(self.timeout)
            pause = self.step(self.client)
        except Exception as error:  # noqa: BLE001 - a loop that ended would go unnoticed, and so would every change
            self.client = None  # the next one reads the token again, which may have been replaced
            self.failures += 1
            self.on_trouble()
            self._tell_trouble(error)
            return backoff(self.failures)
        if self.trouble and self.shared.lead():
            log.info("Consul: %s works again", self.purpose)
        self.trouble, self.failures = "", 0
        return pause

    def _tell_trouble(self, error: Exception) -> None:
        trouble = in_short(error)
        if trouble != self.trouble and self.shared.lead():
            log.warning("Consul: %s failed, trying again: %s", self.purpose, trouble)
        self.trouble = trouble

    def on_trouble(self) -> None:
        pass

    def step(self, client: consul.Consul) -> float:
        raise NotImplementedError


class Watch(ConsulLoop):
    """Holds the settings and keeps them up to date by blocking queries."""

    purpose = f"reading the key {KEY!r}"
    # A query that waits does not see a restored snapshot before its time is up (seen with 1.8.7).
    wait = "4s"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.settings: Settings | None = None
        self._index = 0
        self._last: object = self  # no value of a key is this
        self._refused = False

    def start(self) -> None:
        if self.shared.value:
            self.settings = Settings.parse(self.shared.value)
        self._index, self._last = 0, self
        super().start()

    def on_trouble(self) -> None:
        self._index = 0

    def step(self, client: consul.Consul) -> float:
        index, entry = client.kv.get(KEY, index=self._index or None, wait=self.wait)
        # It goes backwards when Consul was restored or rebuilt: then start over.
        self._index = int(index) if int(index) >= self._index else 0
        value = (entry["Value"] or b"") if entry else None
        if value != self._last:
            self._last = value
            self._take(value)
        # While there is no such key, each change of any other wakes us: not more often than this.
        return 0.1

    def _take(self, value: bytes | None) -> None:
        try:
            settings = Settings.parse(value)
        except Unusable as error:
            self._refused = True
            # Whoever comes to lead as another ends for this has nothing to add.
            if self.shared.lead() and not self.shared.leaving:
                self._refuse(f"Consul key {KEY!r} cannot be used: {error}")
            return
        if settings != self.settings and self.shared.lead():
            self.shared.value = value
            log.info("Consul key %r: settings taken", KEY)
        elif self._refused and self.shared.lead():
            log.info("Consul key %r is good again, the settings are unchanged", KEY)
        self.settings, self._refused = settings, False

    def _refuse(self, problem: str) -> None:
        if self.settings:
            log.error("%s; keeping the last good settings", problem)
        else:
            log.critical(problem)
            self.shared.leave()
            # Ends this process from any thread; gunicorn takes it as a worker that cannot boot, and ends with it.
            os._exit(Arbiter.WORKER_BOOT_ERROR)


class Registration(ConsulLoop):
    """Registers the instance once there are settings, and again whenever the agent has lost it."""

    purpose = "registering the service"
    interval = 5.0

    def __init__(self, shared: Shared, instance: Instance, watch: Watch) -> None:
        super().__init__(shared)
        self.instance, self.watch = instance, watch
        self.registered = False

    def on_trouble(self) -> None:
        # The agent keeps the token of a registration: if it is that which was replaced, it needs the new one.
        self.registered = False

    def step(self, client: consul.Consul) -> float:
        if not self.watch.settings or not self.shared.lead() or self.shared.leaving:
            return 0.5
        if not self.registered or self.instance.id not in client.agent.services():
            self._register(client)
        return self.interval

    def _register(self, client: consul.Consul) -> None:
        url = f"http://{self.instance.address}:{self.instance.port}/health"
        # No initial status: critical until the first check has passed, so no request comes too early. Who is gone
        # refuses at once; a host with much to do is slow, and taking it out would leave its work to the others (seen: a
        # time-out of 1 s took the only other one out during a release). 1m is the least that Consul takes for
        # `deregister`.
        check = consul.Check.http(url, interval="2s", timeout="3s", deregister="1m")
        client.agent.service.register(
            SERVICE, service_id=self.instance.id, address=self.instance.address, port=self.instance.port, check=check
        )
        self.registered = True
        log.info("Consul: registered %s, checked at %s", self.instance.id, url)
        if self.shared.leaving:  # since just now: the master may have deregistered us before this
            client.agent.service.deregister(self.instance.id)

    def leave(self, drain: float = 0) -> None:
        """Out of DNS first; then go on serving those who still hold our address. Called in the master."""
        if self.shared.leaving:
            return
        self.shared.leave()
        try:
            agent = consul_client(self.timeout).agent
            if self.instance.id in agent.services():
                agent.service.deregister(self.instance.id)
                log.info("Consul: deregistered %s, serving %g s more", self.instance.id, drain)
                time.sleep(drain)
        except (consul.ConsulException, requests.RequestException, Unusable) as error:
            log.warning("Consul: deregistering %s failed: %s", self.instance.id, in_short(error))


# --- Redis ------------------------------------------------------------------------------------------------------------


class RedisAway(Exception):
    pass


class Counter:
    """The counter in Redis. While Redis is ailing one request of a worker tries it, after a back-off. Who comes during that
    waits a little for what it finds, as Redis may be well again; who comes during the back-off is told at once, and
    leaves the threads to /health."""

    name = "hits"
    # Seconds, for each step (connect, each command) and for who waits for a trial. Less than a load balancer waits for an
    # answer: a Redis that is away costs one step, and users are told so.
    timeout = 0.5

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trial = threading.Lock()
        self._address: RedisAddress | None = None
        self._client: redis.Redis | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._reported = False

    def add_one(self, address: RedisAddress) -> int:
        client, failures = self._admit(address)
        if not failures:
            return self._increment(client, failures)
        if not self._trial.acquire(timeout=self.timeout):
            raise RedisAway
        try:
            with self._lock:
                if client is not self._client or time.monotonic() < self._retry_at:
                    raise RedisAway
                failures = self._failures
            return self._increment(client, failures)
        finally:
            self._trial.release()

    def _increment(self, client: redis.Redis, failures: int) -> int:
        try:
            count = client.incr(self.name)
        # ValueError: a host name that cannot even be looked up
        except (redis.RedisError, OSError, ValueError) as error:
            # The idle ones may be as dead, and each would cost somebody an answer.
            client.connection_pool.disconnect(inuse_connections=False)
            with self._lock:
                # Of those that failed at the same time one counts.
                if client is self._client and failures == self._failures:
                    if not failures:
                        log.warning("Redis does not answer, trying again: %s", error)
                    self._reported = True
                    self._failures += 1
                    self._retry_at = time.monotonic() + backoff(self._failures)
            raise RedisAway from error
        if self._reported:
            with self._lock:
                if self._reported and client is self._client:
                    log.info("Redis answers again")
                    self._failures, self._retry_at, self._reported = 0, 0.0, False
        return count

    def _admit(self, address: RedisAddress) -> tuple[redis.Redis, int]:
        """The client, and how often it has failed in a row. RedisAway during the back-off."""
        with self._lock:
            if address != self._address:
                self._connect(address)
            if time.monotonic() < self._retry_at:
                raise RedisAway
            return self._client, self._failures

    def _connect(self, address: RedisAddress) -> None:
        if self._client:
            # Requests under way end on the connections they hold.
            self._client.connection_pool.disconnect(inuse_connections=False)
        self._client = redis.Redis(
            address.host,
            address.port,
            address.db,
            address.password or None,
            socket_connect_timeout=self.timeout,
            socket_timeout=self.timeout,
            # An idle connection then outlives a network that was cut. One that keepalive has given up looks well to
            # redis-py (8.1 takes its ETIMEDOUT for "nothing to read"), and whoever is given it gets no answer (seen).
            socket_keepalive=False,
            # An INCR whose answer was lost may have counted: never sent twice.
            retry=Retry(NoBackoff(), 0),
            # The plain handshake, that each Redis knows; RESP3's notifications are of no use here.
            protocol=2,
        )
        self._address, self._failures, self._retry_at = address, 0, 0.0


# --- The pages --------------------------------------------------------------------------------------------------------

shared = Shared()
watch = Watch(shared)
counter = Counter()


def plain(text: str, status: int = 200, **headers: str) -> Response:
    return Response(text, status, {name.replace("_", "-"): value for name, value in headers.items()}, "text/plain")


@app.get("/")
def hello() -> Response:
    settings = watch.settings
    if not settings:
        return plain("There are no settings from Consul yet. Please try again.", 503, Retry_After="2")
    try:
        count = counter.add_one(settings.redis)
    except RedisAway:
        return plain("Redis does not answer. Please try again.", 503, Retry_After="2")
    return plain(f"{settings.message}! I have been seen {count} times.")


@app.get("/health")
def health() -> Response:
    """Says that this instance can answer. Redis is not asked: without it every instance would leave DNS at once, and
    the load balancer would have nobody left to say what is wrong."""
    return plain("i am fine")


@app.after_request
def name_the_instance(response: Response) -> Response:
    response.headers["X-Served-By"] = app.config.get("INSTANCE_ID", SERVICE)
    return response
