# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mydemo promises, one promise a test. No traceback and no secret in any log: see `make_app`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from programs import Answer, App, Redis, free_port, wait_for

GOOD = (
    '{"redis_config": {"redis_host": "h", "redis_port": 1, "redis_db": 0, "redis_password": "p"}, "show_message": "m"}'
)
# What may be wrong with a value, and how it is named.
BAD_VALUES = {
    "": "not JSON",
    '{"redis_config": ': "not JSON",
    '"text"': "the JSON is not an object",
    "{}": "redis_config is missing",
    GOOD.replace('"redis_port": 1, ', ""): "redis_config.redis_port is missing",
    GOOD.replace('"redis_port": 1', '"redis_port": "1"'): "redis_config.redis_port must be an integer",
    GOOD.replace('"redis_port": 1', '"redis_port": true'): "redis_config.redis_port must be an integer",
    GOOD.replace('"redis_port": 1', '"redis_port": 70000'): "redis_config.redis_port is not a port number",
    GOOD.replace('"redis_db": 0', '"redis_db": -1'): "redis_config.redis_db is negative",
    GOOD.replace('"h"', '""'): "redis_config.redis_host is empty",
    GOOD.replace('"p"', "null"): "redis_config.redis_password must be a string",
    GOOD.replace('"m"', "5"): "show_message must be a string",
    # No such text can be sent.
    GOOD.replace('"m"', r'"\ud800"'): "show_message is not valid Unicode",
    "[" * 200_000: "nested more than 100 levels deep",
    GOOD.replace('"redis_port": 1', f'"redis_port": {"1" * 5000}'): "a number has more than 4300 digits",
}
# More of the same kinds, which take no start of an app each.
MORE_BAD_VALUES = {
    GOOD.replace('"p"', r'"\udfff"'): "redis_config.redis_password is not valid Unicode",
    GOOD.replace('"h"', r'"\ud800"'): "redis_config.redis_host is not valid Unicode",
    GOOD.encode().replace(b'"m"', b'"\xed\xa0\x80"'): "not JSON: the value is not UTF-8 text",
    GOOD.replace('"h"', r'"h\u0000"'): "redis_config.redis_host is not a host name",
    GOOD.replace('"h"', '"h h"'): "redis_config.redis_host is not a host name",
    GOOD.replace('"h"', f'"{"h" * 64}"'): "redis_config.redis_host is not a host name",
    GOOD.replace('"show', '"more": ' + "[" * 100_000 + "]" * 100_000 + ', "show'): "nested more than 100 levels deep",
    '{"a":' * 50_000: "nested more than 100 levels deep",
    GOOD.replace('"show', f'"more": -{"1" * 5000}, "show'): "a number has more than 4300 digits",
    GOOD.replace('"redis_db": 0', '"redis_db": 2147483648'): "redis_config.redis_db is more than 2147483647",
}


# --- The pages --------------------------------------------------------------------------------------------------------


def test_each_answer_counts_exactly_one(app, redis):
    answers = app.get_many(100)
    counts = sorted(int(answer.body.split()[-2]) for answer in answers)
    assert counts == list(range(2, 102))  # 1 was the fixture's
    assert redis.hits == 101
    assert {answer.status for answer in answers} == {200}
    assert app.get().body == "Hello World! I have been seen 102 times."


def test_pages_name_the_instance_and_are_logged_with_their_time(app):
    health = app.get("/health")
    assert (health.status, health.body) == (200, "i am fine")
    assert health.headers["X-Served-By"] == app.get().headers["X-Served-By"] == app.id
    line = app.lines('"GET /health')[0]
    assert float(line.split("9 ")[-1].split("s ")[0]) < 1


# --- The registration -------------------------------------------------------------------------------------------------


def test_registers_once_whatever_the_number_of_workers(make_app, consul, redis):
    consul.put(redis.settings())
    app = make_app(consul, WEB_CONCURRENCY="4").start()
    wait_for(lambda: consul.instance(app, passing=True), "the check passes")
    assert len(app.workers()) == 4
    (instance,) = consul.instances()
    service = instance["Service"]
    assert (service["ID"], service["Address"], service["Port"]) == (app.id, "127.0.0.1", app.port)
    assert len(app.lines("registered mydemo")) == 1


def test_is_critical_until_a_check_has_passed(app, consul):
    status = wait_for(lambda: consul.instance(app), "registered")["Checks"][-1]
    assert status["Status"] == "critical" or "200 OK" in status["Output"]


def test_sigterm_leaves_consul_first_and_serves_on_meanwhile(make_app, consul, redis):
    consul.put(redis.settings())
    app = make_app(consul, MYDEMO_DRAIN="2").start()
    wait_for(lambda: consul.instance(app), "registered")
    app.popen.send_signal(signal.SIGTERM)
    wait_for(lambda: not consul.instances(), "deregistered", 1)
    assert {answer.status for answer in app.get_many(20)} == {200}
    assert app.popen.wait(5) == 0
    assert not app.answers()


def test_killed_app_comes_back_under_its_id(app, consul):
    wait_for(lambda: consul.instance(app, passing=True), "the check passes")
    killed = app.workers()
    app.stop(signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in killed), "its workers are gone")
    wait_for(lambda: not consul.instances(passing=True), "the check fails")
    app.start()
    wait_for(lambda: consul.instance(app, passing=True), "the check passes again")
    assert len(consul.instances()) == 1


def test_killed_worker_is_replaced_and_keeps_the_last_good_settings(app, consul, redis):
    consul.put(redis.settings("Second"))
    wait_for(lambda: len(app.lines("settings taken")) == 2, "the second settings are taken")
    consul.put("no JSON")
    wait_for(lambda: app.lines("keeping the last good settings"), "the bad value is noticed")
    killed = app.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(app.workers() - killed) == 2 and app.answers(), "new workers answer")
    answers = app.get_many()
    assert {answer.status for answer in answers} == {200}
    assert all(answer.body.startswith("Second!") for answer in answers)


# --- The key ----------------------------------------------------------------------------------------------------------


def test_changed_message_is_live_on_every_worker_within_5_s(app, consul, redis):
    consul.put(redis.settings("Good morning"))

    def all_new() -> bool:
        return all(answer.body.startswith("Good morning!") for answer in app.get_many())

    wait_for(all_new, "the new message", 5)
    wait_for(lambda: all_new() and app.served_by() == app.workers(), "it shows on every worker")


def test_changed_password_is_live_within_5_s(app, consul, redis):
    app.secrets.add("another-pass-0815")
    redis.cli("CONFIG", "SET", "requirepass", "another-pass-0815")
    redis.password = "another-pass-0815"
    redis.cli("CLIENT", "KILL", "TYPE", "normal")
    wait_for(lambda: app.answers(status=503), "the old password is refused")
    consul.put(redis.settings())
    wait_for(lambda: {answer.status for answer in app.get_many()} == {200}, "the new password is used", 5)


def test_restored_snapshot_takes_the_index_backwards(app, consul, redis, tmp_path):
    def snapshot(action: str) -> None:
        command = [consul.binary, "snapshot", action, f"-http-addr={consul.address}", tmp_path / "snapshot"]
        subprocess.run(command, check=True, capture_output=True)

    snapshot("save")
    for message in "Later", "Later still":
        consul.put(redis.settings(message))
        wait_for(lambda message=message: app.get().body.startswith(f"{message}!"), message, 5)
    snapshot("restore")
    wait_for(lambda: all(one.body.startswith("Hello World!") for one in app.get_many()), "the restored message", 6)
    consul.put(redis.settings("New"))
    wait_for(lambda: all(one.body.startswith("New!") for one in app.get_many()), "and what comes after it", 5)


def test_bad_value_is_logged_once_and_the_last_good_one_kept(app, consul, redis):
    bad_values = {**BAD_VALUES, **MORE_BAD_VALUES}
    for value, problem in bad_values.items():
        before = len(app.lines("cannot be used"))
        consul.put(value)
        wait_for(lambda before=before: len(app.lines("cannot be used")) > before, f"a log line for {value[:200]!r}")
        (line,) = app.lines("cannot be used")[before:]
        assert problem in line and "'redis'" in line and "keeping the last good" in line
        assert app.get().body.startswith("Hello World!")
    consul.call("kv/redis", "DELETE")
    wait_for(lambda: app.lines("no such key; keeping"), "a log line for the deleted key")
    consul.put(redis.settings("Again good"))
    wait_for(lambda: app.get().body.startswith("Again good!"), "the good value is taken", 5)
    assert len(app.lines("cannot be used")) == len(bad_values) + 1
    assert not app.lines("trying again") and not app.lines("works again")


def test_text_that_only_looks_nested_is_taken(app, consul, redis):
    message = "[" * 300 + '"' + "{" * 300 + "\\"
    consul.put(redis.settings(message))
    wait_for(lambda: app.get().body.startswith(f"{message}!"), "the new message", 5)


@pytest.mark.parametrize("bad", ["no JSON", GOOD.replace('"m"', r'"\ud800"'), None])
def test_key_that_is_good_again_is_logged_once(app, consul, redis, bad):
    for count, end_workers in enumerate([False, True], 1):
        if bad is None:
            consul.call("kv/redis", "DELETE")
        else:
            consul.put(bad)
        wait_for(
            lambda count=count: len(app.lines("keeping the last good settings")) >= count, "the bad value is noticed"
        )
        if end_workers:
            killed = app.workers()
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: len(app.lines("keeping the last good settings")) == 3, "a new worker notices it too")
        consul.put(redis.settings())
        wait_for(lambda count=count: len(app.lines("is good again")) == count, "a line for the good value")
    lines = app.lines("Consul key 'redis'")
    assert "is good again, the settings are unchanged" in lines[-1]
    consul.put(redis.settings("Next"))
    wait_for(lambda: all(answer.body.startswith("Next!") for answer in app.get_many()), "the next message", 5)
    assert len(app.lines("is good again")) == 2 and app.lines("Consul key 'redis'")[-1].endswith("settings taken")


# --- What it cannot start without -------------------------------------------------------------------------------------


BAD_ADDRESSES = [
    "[::1]:8500",
    "http://[::1]:8500",
    "::1:8500",
    "h:0",
    "h:65536",
    "h:-1",
    "h:x",
    "http://h:8500/consul",
    "h:8500?x",
    "ftp://h:8500",
    "unix:///run/consul.sock",
    "h..h:8500",
    "h h:8500",
    ":8500",
]
# None of these can be asked for by its name.
BAD_KEYS = ["", "/", "/x", "a//b", "a/../b", "a/./b", "..", "a/.", "a\tb", "a\nb", "a\xa0b", "a\u2028b"]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"LAN_IP": None}, "LAN_IP is not set"),
        ({"LAN_IP": "app1"}, "LAN_IP is 'app1'"),
        ({"LAN_IP": "0.0.0.0"}, "LAN_IP is '0.0.0.0'"),
        ({"MYDEMO_PORT": "abc"}, "MYDEMO_PORT is 'abc'"),
        ({"CONSUL_HTTP_ADDR": "127.0.0.1"}, "CONSUL_HTTP_ADDR is '127.0.0.1'"),
        ({"MYDEMO_PORT": "9" * 5000}, "MYDEMO_PORT is '9999"),
        *(({"CONSUL_HTTP_ADDR": address}, f"CONSUL_HTTP_ADDR is {address!r}: ") for address in BAD_ADDRESSES),
        ({"CONSUL_HTTP_ADDR": "http://me:pass-1@h:1"}, "CONSUL_HTTP_ADDR holds a user name"),
        ({"CONSUL_HTTP_TOKEN_FILE": "/nowhere"}, "CONSUL_HTTP_TOKEN_FILE: [Errno 2]"),
        ({"CONSUL_HTTP_TOKEN": "pass-1\n2"}, "CONSUL_HTTP_TOKEN is not a token"),
        ({"CONSUL_HTTP_TOKEN": "pass-1\u20ac"}, "CONSUL_HTTP_TOKEN is not a token"),
        ({"CONSUL_HTTP_ADDR": "https://h:1", "CONSUL_CACERT": "/nowhere"}, "CONSUL_CACERT is '/nowhere'"),
        *(({"MYDEMO_KEY": key}, f"MYDEMO_KEY is {key!r}: ") for key in BAD_KEYS),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY is '0': "),
        *(({"MYDEMO_DRAIN": number}, f"MYDEMO_DRAIN is {number!r}: ") for number in ["x", "-1", "nan", "inf", ""]),
    ],
)
def test_wrong_environment_ends_the_start(make_app, start_consul, environment, problem):
    app = make_app(start_consul(now=False), **environment).start(wait=False)
    assert app.popen.wait(10) != 0
    assert app.text().count("\n") == 1 and problem in app.text()
    assert "pass-1" not in app.text()


def test_unusable_key_ends_the_start(make_app, consul):
    for value, problem in {None: "no such key", **BAD_VALUES}.items():
        if value is not None:
            consul.put(value)
        app = make_app(consul).start(wait=False)
        assert app.popen.wait(10) != 0
        (line,) = app.lines("Consul key 'redis' cannot be used: ")
        assert problem in line
        assert not app.lines("Listening") and not consul.instances()


@pytest.mark.parametrize("key", ["apps/mydemo", "a b?c#d%2Fe", "schl\u00fcssel/"])
def test_the_key_may_have_another_name(make_app, consul, redis, key):
    consul.put(redis.settings("Other key"), key=quote(key))
    assert make_app(consul, MYDEMO_KEY=key).start().get().body.startswith("Other key!")


# --- Redis away -------------------------------------------------------------------------------------------------------


def assert_says_sorry(answer, what: str):
    assert answer.status == 503
    assert what in answer.body and "<" not in answer.body
    assert int(answer.headers["Retry-After"]) > 0


def test_redis_stopped_and_started(app, consul, redis):
    wait_for(lambda: consul.instance(app, passing=True), "the check passes")
    before = redis.hits
    redis.stop()
    for answer in app.get_many(30):
        assert_says_sorry(answer, "Redis does not answer")
    assert app.get("/health").status == 200
    redis.start()
    wait_for(app.answers, "the app has found Redis again", 5)
    wait_for(lambda: {answer.status for answer in app.get_many()} == {200}, "on every worker", 5)
    assert before == 1 and redis.hits == app.text().count('"GET / HTTP/1.1" 200')
    assert len(app.lines("Redis does not answer, trying")) <= 2  # one a worker


@contextlib.contextmanager
def frozen(redis: Redis) -> Iterator[None]:
    redis.popen.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis.popen.send_signal(signal.SIGCONT)


def test_frozen_redis_does_not_take_the_health_page_along(app, redis):
    with frozen(redis):
        for answer in app.get_many(60):
            assert_says_sorry(answer, "Redis does not answer")
            assert answer.seconds < 2
        assert app.get("/health").seconds < 0.5
    wait_for(lambda: {answer.status for answer in app.get_many()} == {200}, "the app has recovered", 5)


def all_served(app: App, attempt: Callable[[], list[Answer]]) -> bool:
    """In one of three attempts: a busy machine may take its time over what has half a second."""
    for _ in range(3):
        if {answer.status for answer in attempt()} == {200}:
            return True
        wait_for(lambda: {answer.status for answer in app.get_many()} == {200}, "the app has recovered", 5)
    return False


def test_who_comes_while_redis_is_tried_again_gets_an_answer(app, redis):
    """As an instance's users do when its host is back in the network: by then they come by the hundred."""
    longest = app.backoff(99)

    def attempt() -> list[Answer]:
        with frozen(redis), ThreadPoolExecutor(1) as pool:
            for answer in app.get_many(60):
                assert_says_sorry(answer, "Redis does not answer")
            # The end of a back-off cannot be waited for: a request that finds it over starts the next one.
            time.sleep(longest + 0.2)
            asked = pool.submit(app.get_many, 20)
            wait_for(lambda: redis.has_requests() or asked.done(), "one of them is on its way to Redis")
            redis.popen.send_signal(signal.SIGCONT)
            return asked.result()

    assert all_served(app, attempt)


def test_requests_that_fail_together_count_as_one(app, redis):
    """Otherwise half a second without Redis would cost the users two seconds more."""
    first, third = app.backoff(1), app.backoff(3)

    def attempt() -> list[Answer]:
        with frozen(redis):
            for answer in app.get_many(10):
                assert_says_sorry(answer, "Redis does not answer")
        # Time is what this test is about: the first back-off is over, the third one would not be.
        time.sleep((first + third) / 2)
        return app.get_many()

    app.get_many()
    assert all_served(app, attempt)


def test_frozen_redis_is_left_for_another_one(app, consul, redis, tmp_path):
    other = Redis(redis.binary, tmp_path).start()
    try:
        with frozen(redis):
            for answer in app.get_many(60):
                assert_says_sorry(answer, "Redis does not answer")
            consul.put(other.settings())
            wait_for(
                lambda: {answer.status for answer in app.get_many()} == {200}, "every worker asks the other one", 5
            )
            logged = {part: len(app.lines(part)) for part in ("Redis does not answer, trying", "Redis answers again")}
            assert len(set(logged.values())) == 1, logged
        wait_for(lambda: not redis.clients(), "the former one has done what it still had to do")
        former, counted = redis.hits, other.hits
        assert {answer.status for answer in app.get_many()} == {200}
        assert (redis.hits, other.hits) == (former, counted + 40)
    finally:
        other.stop(signal.SIGKILL)


def test_connections_closed_while_idle_cost_nobody_an_answer(app, redis):
    app.get_many()
    before = redis.hits
    redis.cli("CLIENT", "KILL", "TYPE", "normal")
    assert {answer.status for answer in app.get_many()} == {200}
    assert redis.hits == before + 40


def test_connections_to_redis_are_without_keepalive(app, redis):
    """What keepalive has given up, the network cut, looks well to redis-py, and the next to use it gets no answer."""
    app.get_many()
    connections = subprocess.run(
        ["ss", "--tcp", "--numeric", "--options", f"dport = :{redis.port}"], check=True, capture_output=True, text=True
    ).stdout
    assert "ESTAB" in connections and "keepalive" not in connections, connections


# --- Consul away ------------------------------------------------------------------------------------------------------


def test_consul_away_at_the_start(make_app, start_consul, redis):
    consul = start_consul(now=False)
    app = make_app(consul).start(wait=False)
    wait_for(lambda: app.answers(status=503), "the app is up")
    assert_says_sorry(app.get(), "no settings from Consul yet")
    assert len(app.lines("trying again: [Errno 111] Connection refused")) == 1
    # The key must be there before the app sees the agent, as in a Consul that keeps its data: so it sleeps meanwhile.
    everyone = {app.popen.pid, *app.workers()}
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    consul.start()
    consul.put(redis.settings())
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: {answer.status for answer in app.get_many()} == {200}, "the app has recovered", 5)
    wait_for(lambda: consul.instance(app, passing=True), "the check passes")


def test_consul_back_without_the_key_ends_the_start(make_app, start_consul):
    consul = start_consul(now=False)
    app = make_app(consul).start(wait=False)
    wait_for(lambda: app.answers(status=503), "the app is up")
    consul.start()
    assert app.popen.wait(10) != 0
    assert len(app.lines("Consul key 'redis' cannot be used: no such key")) == 1


def test_agent_that_lost_everything_gets_the_registration_again(app, consul, redis):
    wait_for(lambda: consul.instance(app), "registered")
    for _ in range(30):
        consul.put("{}", key="other")  # so that the index goes backwards with the restart
    consul.stop(signal.SIGKILL)
    assert {answer.status for answer in app.get_many()} == {200}
    consul.start()
    wait_for(lambda: consul.instance(app, passing=True), "registered again", 12)
    assert app.get().body.startswith("Hello World!")
    consul.put(redis.settings("New Consul"))
    wait_for(
        lambda: all(answer.body.startswith("New Consul!") for answer in app.get_many()), "the key is watched again", 5
    )


def test_deregistered_by_someone_else(app, consul):
    wait_for(lambda: consul.instance(app), "registered")
    command = [consul.binary, "services", "deregister", f"-http-addr={consul.address}", f"-id={app.id}"]
    subprocess.run(command, check=True, capture_output=True)
    wait_for(lambda: consul.instance(app), "registered again", 8)


# --- Tokens, TLS, two sites -------------------------------------------------------------------------------------------

RULES = 'key "redis" { policy = "read" } service "mydemo" { policy = "write" }'


@pytest.fixture
def locked_consul(start_consul, redis):
    consul = start_consul({"acl": {"enabled": True, "default_policy": "deny"}})
    consul.token = wait_for(lambda: bootstrap(consul), "ACLs are bootstrapped")
    consul.put(redis.settings())
    return consul


def bootstrap(consul) -> str | None:
    with contextlib.suppress(AssertionError):
        return consul.call("acl/bootstrap", "PUT")["SecretID"]
    return None


def test_token_under_deny(make_app, locked_consul):
    token = locked_consul.acl_token(RULES)["SecretID"]
    app = make_app(locked_consul, CONSUL_HTTP_TOKEN=token)
    app.secrets.add(token)
    app.start()
    wait_for(lambda: locked_consul.instance(app, passing=True), "the check passes")
    assert app.stop() == 0
    assert not locked_consul.instances()


def test_token_file_may_change(make_app, locked_consul, redis, tmp_path):
    file = tmp_path / "token"
    file.write_text("11111111-2222-3333-4444-555555555555\n")
    app = make_app(locked_consul, CONSUL_HTTP_TOKEN_FILE=str(file)).start(wait=False)
    wait_for(lambda: app.lines("ACL not found"), "the unknown token is refused")
    assert_says_sorry(app.get(), "no settings from Consul yet")

    for message in "First token", "Second token":
        token = locked_consul.acl_token(RULES)
        app.secrets.add(token["SecretID"])
        file.write_text(token["SecretID"] + "\n")
        locked_consul.put(redis.settings(message))
        wait_for(lambda message=message: app.get().body.startswith(message), message, 8)
        wait_for(lambda: locked_consul.instance(app, passing=True), "the check passes")
        locked_consul.call(f"acl/token/{token['AccessorID']}", "DELETE")


def test_https_with_a_ca_of_ones_own(make_app, start_consul, redis, tmp_path, consul_binary):
    for command in ["ca", "create"], ["cert", "create", "-server"]:
        subprocess.run([consul_binary, "tls", *command], cwd=tmp_path, check=True, capture_output=True)
    tls = {"cert_file": tmp_path / "dc1-server-consul-0.pem", "key_file": tmp_path / "dc1-server-consul-0-key.pem"}
    port = free_port()
    consul = start_consul({"ports": {"https": port}, **{name: str(path) for name, path in tls.items()}})
    consul.put(redis.settings())
    address = f"https://127.0.0.1:{port}"
    ca = str(tmp_path / "consul-agent-ca.pem")
    assert make_app(consul, CONSUL_HTTP_ADDR=address, CONSUL_CACERT=ca).start().get().status == 200
    stranger = make_app(consul, CONSUL_HTTP_ADDR=address).start(wait=False)
    wait_for(lambda: stranger.lines("self-signed certificate") or stranger.lines("local issuer"), "TLS is verified")


def test_two_consuls_differ_only_in_what_they_hold(make_app, start_consul, redis):
    apps = []
    for db, message in enumerate(["Here is staging", "Here is production"]):
        consul = start_consul()
        consul.put(redis.settings(message, redis_db=db))
        app = make_app(consul).start()
        apps.append(app)
        wait_for(lambda consul=consul, app=app: consul.instance(app), "registered")
        assert [one["Service"]["ID"] for one in consul.instances()] == [app.id]
        assert app.get().body == f"{message}! I have been seen 2 times."
    assert apps[0].get().body.startswith("Here is staging!")
