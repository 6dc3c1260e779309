# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, matches
from ansible_collections.dockyard.consul.plugins.plugin_utils.managed import PATHS
from ansible_collections.dockyard.consul.plugins.plugin_utils.parts import PARTS, leftovers, plan, present

UNITS = ("consul", "redis-server", "nginx", "docker", "docker-registry")


def look(*placed, packaged=(), others=(), running=UNITS, containers=(), services=(), **more):
    """A host with these files, units, containers and registered services."""
    return Look(
        {
            "paths": {path: {"type": "file"} for path in [*placed, *packaged, *others]},
            "patterns": PATHS,
            "origins": {**dict.fromkeys(placed, "placed"), **dict.fromkeys(packaged, "package")},
            "units": {unit: {"active": "active"} for unit in running},
            "docker": {"containers": [{"name": name, "labels": labels} for name, labels in containers]},
            "consul": {"services": {f"{name}-1": {"Service": name} for name in services}},
            **more,
        }
    )


REDIS = ("/etc/redis/site.conf", "/etc/systemd/system/redis-server.service.d/site.conf")
CONSUL = ("/etc/consul.d/consul.json", "/etc/systemd/system/consul.service")


def test_a_fresh_host_has_nothing():
    assert present(look(packaged=["/etc/redis/redis.conf", "/etc/nginx/nginx.conf"])) == []
    assert present(Look({})) == []


def test_what_was_placed_tells_the_layers():
    host = look(
        *REDIS, *CONSUL, "/etc/nginx/conf.d/nginx_lb.conf", containers=[("mydemo", {"dockyard_service": "mydemo"})]
    )
    assert present(host) == ["nginx_lb", "mydemo", "redis", "consul_agent"]


def test_merged_settings_are_a_layer():
    settings = {"/live-restore": {"digest": "x", "placed": True}}
    assert present(look(json_files={"/etc/docker/daemon.json": {"settings": settings}})) == ["docker_host"]
    settings["/live-restore"]["placed"] = False
    assert present(look(json_files={"/etc/docker/daemon.json": {"settings": settings}})) == []


def test_leftovers_are_those_of_no_group():
    host = look(*REDIS, *CONSUL)
    assert leftovers(host, ["consul_client", "redis"]) == []
    assert leftovers(host, ["consul_server"]) == ["redis"]
    assert leftovers(host, []) == ["redis", "consul_agent"]


def test_a_service_of_the_users_own_is_no_leftover_of_mydemo():
    host = look(containers=[("shop", {"dockyard_service": "shop"}), ("theirs", {})])
    assert leftovers(host, ["docker_host"]) == []


def test_a_redis_of_ours_is_stopped_and_deregistered():
    found = plan(look(*REDIS, packaged=["/etc/redis/redis.conf"], services=["redis", "web"]), ["redis"])
    assert (found["stop"], found["after"], found["services"]) == (["redis-server"], [], ["redis"])
    assert set(found["paths"]) == {"/etc/redis/*", "/etc/systemd/system/redis-server.service.d/*"}


def test_a_redis_with_settings_of_the_user_goes_on():
    found = plan(look(*REDIS, others=["/etc/redis/redis.conf"]), ["redis"])
    assert (found["stop"], found["after"]) == ([], [{"unit": "redis-server", "state": "restarted"}])


@pytest.mark.parametrize(
    ("file", "goes_on"), [("/etc/nginx/conf.d/nginx_lb.conf", False), ("/etc/nginx/conf.d/a.conf", True)]
)
def test_nginx_goes_on_for_servers_of_the_user(file, goes_on):
    nginx = {"config": {"servers": [{"file": file}]}}
    found = plan(look("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/nginx_lb.conf", nginx=nginx), ["nginx_lb"])
    assert found["stop"] == ([] if goes_on else ["nginx"])
    assert found["after"] == ([{"unit": "nginx", "state": "reloaded"}] if goes_on else [])


def test_nginx_goes_on_if_its_configuration_could_not_be_read():
    nginx = {"config": {"error": "/etc/nginx/conf.d/a.conf: line 1: '}' is missing at the end", "servers": []}}
    found = plan(look("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/zz_nginx_lb.conf", nginx=nginx), ["nginx_lb"])
    assert (found["stop"], found["after"]) == ([], [{"unit": "nginx", "state": "reloaded"}])


def test_a_docker_engine_is_never_stopped():
    containers = [("mydemo", {"dockyard_service": "mydemo"}), ("shop", {"dockyard_service": "shop"}), ("theirs", {})]
    found = plan(look(containers=containers, services=["mydemo", "shop", "web"]), ["docker_host"])
    assert found["containers"] == ["mydemo", "shop"]
    assert found["services"] == ["mydemo", "shop"]
    assert (found["stop"], found["after"]) == ([], [{"unit": "docker", "state": "reloaded"}])


def test_who_reads_the_resolver_settings_is_told():
    host = look(*CONSUL, "/etc/systemd/resolved.conf.d/consul.conf")
    found = plan(host, ["consul_agent"])
    assert found["stop"] == ["consul"]
    assert found["after"] == [{"unit": "systemd-resolved", "state": "restarted"}]


def test_a_unit_that_does_not_run_is_left_alone():
    assert plan(look(*REDIS, running=[]), ["redis"])["stop"] == []


@pytest.mark.parametrize("name", PARTS)
def test_the_look_knows_all_paths(name):
    """Where the look does not read a path, its origin is not known either."""
    for pattern in PARTS[name].paths:
        assert any(matches(pattern, known) or pattern == known for known in PATHS), pattern
