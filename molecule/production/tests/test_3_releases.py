# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases, while users ask: good ones, broken ones, such as are killed half-way, back again, and hosts to be drained.

It asks of a scenario's conftest.py `lab`, and `nobody_notices`: users who ask from the first line of a test until it is
called, and then none of whom may have got anything but an answer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from lab.load import Users
from lab.testing import Lab, PlaybookRun

SERVICES = [("lb1", "nginx"), ("app1", "consul"), ("app1", "docker"), ("app2", "consul")]
DEPLOY, ROLLBACK = "playbooks/deploy.yml", "playbooks/rollback.yml"
DRAIN, RETURN, LOCK = "playbooks/drain_host.yml", "playbooks/return_host.yml", "playbooks/lock.yml"
REPOSITORY = "registry.service.consul:5000/mydemo"
FIRST, SECOND, SICK, DEAD = "1.0.0", "2.0.0", "3.0.0-sick", "3.0.0-dead"
# What differs from the first version.
DOCKERFILES = {
    SECOND: 'LABEL version="2.0.0"',
    SICK: 'CMD ["sh", "-c", "echo I never get well; exec sleep 600"]',
    DEAD: 'CMD ["sh", "-c", "echo I end at once; exit 3"]',
}
FAST = {"mydemo_wait_seconds": 20}


@pytest.fixture(scope="module")
def versions(lab, tmp_path_factory) -> None:
    """All versions are in the registry."""
    for version, difference in DOCKERFILES.items():
        source = tmp_path_factory.mktemp("source")
        (source / "Dockerfile").write_text(f"FROM {REPOSITORY}:{FIRST}\n{difference}\n")
        see_it_built(lab, source, mydemo_version=version)


def see_it_built(lab: Lab, source: Path, **variables: object) -> None:
    plain = {"mydemo_base_image": "", "mydemo_base_image_archive": "", "mydemo_build_ca_file": ""}
    build = {"mydemo_source_dir": str(source), "mydemo_build_dir": f"/var/lib/mydemo/{source.name}"}
    done = lab.playbook("playbooks/build.yml", **plain, **build, **variables)
    assert done.ok, done.output


@pytest.fixture
def release(lab, versions) -> Callable[..., PlaybookRun]:
    """Releases a version, which has to succeed, and to show no secret, as talkative as it is."""

    def release(version: str, *options: str, **variables: object) -> PlaybookRun:
        done = lab.playbook(DEPLOY, "-vvv", "--diff", *options, mydemo_version=version, **FAST, **variables)
        assert lab.secrets_in(done.output) == []
        assert done.ok, done.output
        return done

    return release


@pytest.fixture
def second(lab, release) -> None:
    """The second version runs, and is noted, after the first."""
    if noted(lab)[:2] != [SECOND, FIRST] or set(images(lab).values()) != {digest(lab, SECOND)}:
        release(FIRST)
        release(SECOND)


@pytest.fixture(scope="module", autouse=True)
def back_to_the_first(lab) -> Iterator[None]:
    """Afterwards, the site is as its inventory has it."""
    yield
    done = lab.playbook(DEPLOY)
    assert done.ok, done.output


def inventory_name(lab: Lab, host: str) -> str:
    """As --limit wants it."""
    return next(name for name in lab.inventory_names("mydemo") if name.partition(".")[0] == host)


def containers(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Of each host's container: its id, since when it runs, and its image."""
    of = ["docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.Config.Image}}", "mydemo"]
    return {host: tuple(lab.exec(host, of).split()) for host in lab.hosts("mydemo")}


def images(lab: Lab) -> dict[str, str]:
    return {host: image for host, (_id, _since, image) in containers(lab).items()}


def digest(lab: Lab, version: str) -> str:
    """What the registry's engine would pull under a version's name, by its digest."""
    of = ["docker", "inspect", "--format", "{{index .RepoDigests 0}}", f"{REPOSITORY}:{version}"]
    return lab.exec(lab.hosts("mydemo")[0], of)


def see_that_all_run(lab: Lab, version: str) -> None:
    assert images(lab) == dict.fromkeys(lab.hosts("mydemo"), digest(lab, version))


def see_that_all_serve(lab: Lab) -> None:
    """None is in maintenance, and every load balancer is told of all."""
    checks = lab.consul("health/state/any")
    assert [check for check in checks if "maintenance" in check["CheckID"]] == []
    addresses = {lab.address(host) for host in lab.hosts("mydemo")}
    for balancer in lab.hosts("nginx_lb"):
        lab.wait_for(
            lambda of=balancer: lab.dns("mydemo.service.consul", of) == addresses, 20, f"{balancer} is told of all"
        )


def noted(lab: Lab) -> list[str]:
    """The versions that went through, the newest first."""
    return [one["version"] for one in lab.consul("kv/releases/mydemo?raw")]


def words(done: PlaybookRun) -> str:
    """What a run said, without the folds that Ansible makes."""
    return " ".join(done.output.split()).replace("''", "'")


ACCESS_LOG = "/var/log/nginx/access.log"


def logged(lab: Lab) -> dict[str, int]:
    """How many lines the log of each load balancer has."""
    return {host: int(lab.exec(host, f"wc --lines < {ACCESS_LOG}")) for host in lab.hosts("nginx_lb")}


def asked_of_another(lab: Lab, since: dict[str, int]) -> list[str]:
    """The requests since then that nginx passed on to a second instance, the first having failed. Users do not notice,
    but there are none where an instance is out of DNS before it is stopped."""
    found = []
    for host, lines in since.items():
        for line in lab.exec(host, f"tail --lines=+{lines + 1} {ACCESS_LOG}").splitlines():
            # "to 192.0.2.1:5000, 192.0.2.2:5000 in ..."; a name is that of a set in which there was none to ask.
            if len(re.findall(r"[0-9.]+:[0-9]+", line.rpartition('" to ')[2])) > 1:
                found.append(f"{host}: {line}")
    return found


def test_a_release_goes_through(lab, release, nobody_notices):
    since = logged(lab)
    if noted(lab)[:1] != [FIRST] or set(images(lab).values()) != {digest(lab, FIRST)}:
        release(FIRST)
    done = release(SECOND)
    nobody_notices("a release")
    assert asked_of_another(lab, since) == []
    assert done.changed.keys() >= set(lab.hosts("mydemo"))
    see_that_all_run(lab, SECOND)
    see_that_all_serve(lab)
    assert noted(lab)[:2] == [SECOND, FIRST]


def test_the_same_version_again_changes_nothing(lab, second, release):
    before = containers(lab)
    done = release(SECOND)
    assert not done.changed, done.changes
    assert containers(lab) == before


@pytest.mark.chaos
def test_check_mode_says_what_would_change(lab, second, release):
    before, was_noted = containers(lab), noted(lab)
    assert release(FIRST, "--check").changed.keys() == set(lab.hosts("mydemo"))
    assert not release(SECOND, "--check").changed
    back = lab.playbook(ROLLBACK, "--check", **FAST)
    assert back.ok and f"mydemo would go back to {FIRST}" in words(back), back.output
    assert (containers(lab), noted(lab)) == (before, was_noted)
    see_that_all_serve(lab)


@pytest.mark.parametrize(
    ("version", "last_words"),
    [
        pytest.param(SICK, "I never get well", id="sick"),
        pytest.param(DEAD, "I end at once", id="dead", marks=pytest.mark.chaos),
    ],
)
def test_a_broken_version_is_taken_back(lab, second, version, last_words, nobody_notices):
    before, was_noted = containers(lab), noted(lab)
    first, *others = lab.hosts("mydemo")
    done = lab.playbook(DEPLOY, mydemo_version=version, **FAST)
    nobody_notices(f"a broken release ({version})")
    assert not done.ok
    assert f"is not healthy with version {version}" in words(done), done.output
    assert last_words in done.output and f"back at {before[first][2]}, and is healthy" in words(done), done.output
    see_that_all_run(lab, SECOND)
    assert {host: containers(lab)[host] for host in others} == {host: before[host] for host in others}
    assert noted(lab) == was_noted
    see_that_all_serve(lab)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "until",
    [
        pytest.param("Wait until the servers know]", id="in maintenance"),
        pytest.param("Run the container]", id="while its container is replaced"),
        pytest.param("Wait until it answers]", id="replaced"),
    ],
)
def test_a_killed_release_is_made_good_by_the_next(lab, release, until, nobody_notices):
    target = FIRST if set(images(lab).values()) == {digest(lab, SECOND)} else SECOND
    lab.interrupted_playbook(until, DEPLOY, mydemo_version=target, **FAST)
    release(target)
    nobody_notices(f"a release killed at {until[:-1]!r}, and run again")
    see_that_all_run(lab, target)
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_maintenance_that_a_killed_release_left_is_ended_by_the_same_version(lab, second, release):
    first, before = lab.hosts("mydemo")[0], containers(lab)
    service = f"mydemo-{lab.address(first)}-5000"
    lab.consul(f"agent/service/maintenance/{service}?enable=true&reason=left", first, "PUT")
    lab.wait_for(lambda: lab.address(first) not in lab.dns("mydemo.service.consul"), 10, "it is out of DNS")
    release(SECOND)
    see_that_all_serve(lab)
    assert containers(lab) == before


@pytest.mark.chaos
def test_a_rollback_needs_no_name(lab, second, nobody_notices):
    done = lab.playbook(ROLLBACK, **FAST)
    nobody_notices("a rollback")
    assert done.ok, done.output
    assert f"mydemo is back at {FIRST}" in words(done) and "into the inventory" in words(done), done.output
    see_that_all_run(lab, FIRST)
    see_that_all_serve(lab)
    assert SECOND not in noted(lab) and noted(lab)[0] == FIRST


@pytest.mark.chaos
def test_a_killed_rollback_goes_on_to_the_same(lab, second):
    lab.interrupted_playbook("Wait until it answers]", ROLLBACK, **FAST)
    done = lab.playbook(ROLLBACK, **FAST)
    assert done.ok, done.output
    see_that_all_run(lab, FIRST)
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_where_nothing_was_before_a_rollback_says_so(lab, release):
    release(FIRST)
    before = containers(lab)
    only = [one for one in lab.consul("kv/releases/mydemo?raw") if one["version"] == FIRST]
    lab.consul("kv/releases/mydemo", method="PUT", data=only)
    done = lab.playbook(ROLLBACK, **FAST)
    assert not done.ok and "has no release of mydemo before the one that runs" in words(done), done.output
    assert containers(lab) == before


@pytest.mark.chaos
def test_the_only_one_that_serves_is_not_replaced(lab, second):
    first, *others = lab.hosts("mydemo")
    before = containers(lab)[first]
    for host in others:
        lab.exec(host, "docker stop mydemo")
    try:
        done = lab.playbook(DEPLOY, "--limit", inventory_name(lab, first), mydemo_version=FIRST, **FAST)
        assert not done.ok and "is the only instance of mydemo that passes" in words(done), done.output
        assert "mydemo_allow_outage=true" in words(done)
        assert containers(lab)[first] == before
    finally:
        for host in others:
            lab.exec(host, "docker start mydemo")
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_a_release_that_stops_half_way_touches_no_other_host(lab, second):
    first, *others = lab.hosts("mydemo")
    before, was_noted = containers(lab), noted(lab)
    # A name that there is not: so the load balancers are never told of the new instance.
    done = lab.playbook(DEPLOY, mydemo_version=FIRST, nginx_lb_domain="node.consul", **FAST)
    assert not done.ok and "is not present after 30 s" in words(done), done.output
    assert images(lab)[first] == digest(lab, FIRST)
    assert {host: containers(lab)[host] for host in others} == {host: before[host] for host in others}
    assert noted(lab) == was_noted
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_where_a_load_balancer_still_tells_of_an_instance_it_is_not_replaced(lab, second):
    """Its agent hears no server, and goes on with what it remembers."""
    before, was_noted = containers(lab), noted(lab)
    for server in lab.hosts("consul_server"):
        lab.exec(server, f"ip route add blackhole {lab.address('lb1')}")
    try:
        done = lab.playbook(DEPLOY, mydemo_version=FIRST, **FAST)
    finally:
        for server in lab.hosts("consul_server"):
            lab.exec(server, f"ip route del blackhole {lab.address('lb1')}")
        # Rather than wait until it finds out by itself that its connection is none any more.
        lab.exec("lb1", "systemctl restart consul")
    assert not done.ok and "is not absent after 30 s" in words(done), done.output
    assert (containers(lab), noted(lab)) == (before, was_noted)
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_where_one_host_cannot_pull_none_is_touched(lab, second):
    """The last one, whose turn would come after all others."""
    last, registry = lab.hosts("mydemo")[-1], lab.address("registry1")
    before, was_noted = containers(lab), noted(lab)
    # What a host has it need not pull.
    lab.exec(last, f"docker image rm --force {digest(lab, FIRST)}")
    lab.exec(last, f"ip route add unreachable {registry}")
    try:
        done = lab.playbook(DEPLOY, mydemo_version=FIRST, **FAST)
    finally:
        lab.exec(last, f"ip route del unreachable {registry}")
    assert not done.ok and f"fatal: [{inventory_name(lab, last)}]" in done.output, done.output
    assert f"{registry}:5000" in done.output, done.output
    assert (containers(lab), noted(lab)) == (before, was_noted)
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_two_hosts_of_a_batch_are_both_taken_back(lab, second):
    before = containers(lab)
    *pair, _last = lab.hosts("mydemo")
    done = lab.playbook(DEPLOY, mydemo_version=SICK, mydemo_serial=2, **FAST)
    assert not done.ok and f"is not healthy with version {SICK}" in words(done), done.output
    see_that_all_run(lab, SECOND)
    after = containers(lab)
    assert {host for host in after if after[host] != before[host]} == set(pair)
    see_that_all_serve(lab)


@pytest.mark.chaos
def test_two_hosts_at_a_time(lab, second, release, nobody_notices):
    *pair, last = lab.hosts("mydemo")
    release(FIRST, mydemo_serial=2)
    nobody_notices("a release on two hosts at a time")
    see_that_all_run(lab, FIRST)
    see_that_all_serve(lab)
    since = {host: datetime.fromisoformat(at[:19]) for host, (_id, at, _image) in containers(lab).items()}
    gap = max(since[host] for host in pair) - min(since[host] for host in pair)
    assert 2 * gap < since[last] - max(since[host] for host in pair), since


@pytest.mark.chaos
def test_two_instances_on_each_host(lab, second, release, figures):
    ports = {"mydemo_ports": [5000, 5001]}
    everybody = {f"mydemo-{lab.address(host)}-{port}" for host in lab.hosts("mydemo") for port in ports["mydemo_ports"]}
    before = containers(lab)
    try:
        release(SECOND, **ports)
        assert containers(lab) == before
        # Where nginx takes the ports from Consul. The other load balancer, with the one port that it knows, would ask
        # for an instance that is out of DNS as long as the other one of its host is in it.
        by_srv = {"name": "mydemo", "port": "srv", "server_name": "demo.example.com", "read_timeout": "1s"}
        balancer = next(name for name in lab.inventory_names("nginx_lb") if name.startswith("lb2"))
        done = lab.playbook("playbooks/nginx_lb.yml", "--limit", balancer, nginx_lb_services=[by_srv])
        assert done.ok, done.output
        see_that_it_asks(lab, everybody)
        with Users([f"https://{lab.address('lb2')}/"], host="demo.example.com") as users:
            release(FIRST, **ports)
        figures.append(("a release of two instances on each of three hosts", str(users)))
        assert users.enough and users.failed == 0, users
        see_that_it_asks(lab, everybody)
        see_that_all_run(lab, FIRST)
        for host in lab.hosts("mydemo"):
            image = lab.exec(host, "docker inspect --format '{{.Config.Image}}' mydemo-5001")
            assert image == digest(lab, FIRST)
            assert lab.http(host, 5001).headers["X-Served-By"] == f"mydemo-{lab.address(host)}-5001"
    finally:
        done = lab.playbook("playbooks/nginx_lb.yml")
        for host in lab.hosts("mydemo"):
            lab.exec(host, "docker stop mydemo-5001; docker rm --force mydemo-5001; ! docker inspect mydemo-5001")
    assert done.ok, done.output
    see_that_all_serve(lab)


def see_that_it_asks(lab: Lab, everybody: set[str]) -> None:
    lab.wait_for(
        lambda: {lab.site("lb2").headers["X-Served-By"] for _request in range(40)} == everybody,
        20,
        "lb2 asks every instance",
    )


@pytest.mark.chaos
def test_the_deployers_tokens_are_enough(lab, second, tmp_path):
    """As the README of mydemo has it: a folder with nothing else in it."""
    tmp_path.chmod(0o700)
    for name in ("operator/deployer.token", *(f"node/{host}/service-mydemo.token" for host in lab.hosts("mydemo"))):
        for folder in reversed((tmp_path / name).relative_to(tmp_path).parents):
            (tmp_path / folder).mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(lab.secrets / name, tmp_path / name)
    given = sorted(tmp_path.rglob("*"))
    with_it = {"site_secrets_dir": str(tmp_path), "mydemo_version": FIRST, **FAST}

    refused = lab.playbook(DEPLOY, **with_it)
    assert not refused.ok and not refused.changed and "operator/management.token" in words(refused), refused.output
    done = lab.playbook(DEPLOY, mydemo_acl=False, **with_it)
    assert done.ok, done.output
    see_that_all_run(lab, FIRST)
    assert noted(lab)[:2] == [FIRST, SECOND]
    see_that_all_serve(lab)
    again = lab.playbook(DEPLOY, mydemo_acl=False, **with_it)
    assert again.ok and not again.changed, again.output
    refused = lab.playbook("playbooks/kv.yml", mydemo_acl=False, **with_it)
    assert not refused.ok and "operator/redis.password" in words(refused), refused.output
    assert sorted(tmp_path.rglob("*")) == given


@pytest.mark.chaos
def test_a_host_is_drained_and_brought_back(lab, second, nobody_notices):
    *others, last = lab.hosts("mydemo")
    before = containers(lab)
    limit = inventory_name(lab, last)
    done = lab.playbook(DRAIN, "--limit", limit)
    assert done.ok and done.changed, done.output
    for balancer in lab.hosts("nginx_lb"):
        assert lab.dns("mydemo.service.consul", balancer) == {lab.address(host) for host in others}
    assert containers(lab) == before
    again = lab.playbook(DRAIN, "--limit", limit)
    assert again.ok and not again.changed, again.output

    stopped = lab.playbook(DEPLOY, mydemo_version=FIRST, **FAST)
    assert not stopped.ok and not stopped.changed, stopped.output
    assert f"{limit} is in maintenance" in words(stopped) and "dockyard.consul.return_host" in words(stopped), (
        stopped.output
    )

    back = lab.playbook(RETURN, "--limit", limit)
    assert back.ok and back.changed, back.output
    see_that_all_serve(lab)
    assert containers(lab) == before
    again = lab.playbook(RETURN, "--limit", limit)
    assert again.ok and not again.changed, again.output
    nobody_notices("a host drained and brought back")

    # An instance that was never released there.
    more = lab.playbook(RETURN, "--limit", limit, mydemo_ports=[5000, 5001], mydemo_wait_seconds=3)
    assert not more.ok and f"{limit} is out of maintenance, and not all of it serves" in words(more), more.output
    assert "1 of 1 instance(s) passing after 3 s, 2 needed" in words(more), more.output


def test_of_runs_in_the_same_second_one_goes_on(lab, second, nobody_notices):
    """Three operators drain a host each, and two release a version each. Without the lock, users would have no instance left."""
    hosts = [inventory_name(lab, host) for host in lab.hosts("mydemo")]
    before = containers(lab)
    # A drain that takes long, so that the slowest of them asks before it is over.
    wanted = [(DRAIN, ["--limit", host], {"mydemo_request_seconds": 30}) for host in hosts]
    wanted += [(DEPLOY, [], {"mydemo_version": version, **FAST}) for version in (FIRST, SECOND)]
    with ThreadPoolExecutor(len(wanted)) as pool:
        runs = list(pool.map(lambda one: lab.playbook(one[0], *one[1], **one[2]), wanted))
    drains, another_version = runs[:3], runs[3]
    nobody_notices("three drains and two releases in the same second")
    drained = [host for host, done in zip(hosts, drains, strict=True) if done.ok]
    assert not drained or containers(lab) == before
    for host in drained:
        assert lab.playbook(RETURN, "--limit", host).ok
    assert len(drained) + another_version.ok == 1, [done.output for done in runs]
    held = r"The lock dockyard/lock is held by \S+ since \S+, for: (drain|release) of "
    # A release of the version that runs has nothing to do, unless the other release has begun.
    for refused in runs:
        assert refused.ok or re.search(f"{held}|is in maintenance", words(refused)), refused.output
    assert "dockyard/lock" not in lab.consul("kv/?keys")
    see_that_all_serve(lab)


def test_the_lock_is_held_by_hand(lab, second):
    """Nothing is released until the lock is freed."""
    before = containers(lab)
    held = lab.playbook(LOCK, lock="hold", lock_purpose="no releases until 7 January")
    assert held.ok and held.changed, held.output
    try:
        refused = lab.playbook(DEPLOY, mydemo_version=FIRST, **FAST)
        assert not refused.ok and containers(lab) == before, refused.output
        assert re.search(
            r"The lock dockyard/lock is frozen by \S+ since \S+, for: no releases until 7 January", words(refused)
        )
        assert "dockyard.consul.lock -e lock=free" in words(refused)
        shown = lab.playbook(LOCK)
        assert shown.ok and not shown.changed and "for: no releases until 7 January" in words(shown), shown.output
    finally:
        freed = lab.playbook(LOCK, lock="free")
    assert freed.ok and freed.changed, freed.output
    assert "The lock of the site is free" in words(lab.playbook(LOCK))


@pytest.mark.chaos
def test_not_all_hosts_are_drained(lab):
    before = lab.consul("health/state/any")
    done = lab.playbook(DRAIN)
    assert not done.ok and "say which host is meant" in words(done), done.output
    done = lab.playbook(DRAIN, "--limit", "mydemo")
    assert not done.ok and "mydemo would have no passing instance left" in words(done), done.output
    assert {check["CheckID"] for check in lab.consul("health/state/any")} == {check["CheckID"] for check in before}


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("playbook", "options", "variables", "says"),
    [
        pytest.param(DRAIN, ["--limit", "registry"], {}, "This run has no host of 'mydemo'", id="drain"),
        pytest.param(RETURN, ["--limit", "registry"], {}, "This run has no host of 'mydemo'", id="return"),
        pytest.param(ROLLBACK, [], {"release_name": "shp"}, "This run has no host of 'shp'", id="rollback"),
        pytest.param(DEPLOY, [], {"release_name": "shp"}, "has no host in 'shp'", id="deploy"),
    ],
)
def test_a_run_that_means_no_host_is_no_success(lab, playbook, options, variables, says):
    done = lab.playbook(playbook, *options, **variables)
    assert not done.ok and says in words(done), done.output


@pytest.mark.chaos
def test_a_site_goes_on_where_the_limit_leaves_out_the_apps_hosts(lab):
    done = lab.playbook(DEPLOY, "--limit", "registry")
    assert done.ok and not done.changed, done.output
