# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look, matches
from ansible_collections.dockyard.consul.plugins.plugin_utils.managed import PATHS
from ansible_collections.dockyard.consul.plugins.plugin_utils.parts import PARTS, groups_of, leftovers, plan, present

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
            "consul": {"services": {f"{name}-1": {"Service": name, "Meta": {DIGEST: "x"}} for name in services}},
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
        *REDIS,
        *CONSUL,
        "/etc/nginx/sites-enabled/zz_nginx_lb.conf",
        containers=[("mydemo", {"dockyard_service": "mydemo"})],
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


def goes_on(found):
    return [one["unit"] for one in found["goes_on"]]


NAMES = {"redis": "cache", "registry": "registry"}


def test_a_redis_of_ours_is_stopped_and_deregistered():
    found = plan(
        look(*REDIS, packaged=["/etc/redis/redis.conf"], services=["cache", "registry", "web"]), ["redis"], NAMES
    )
    assert (found["stop"], goes_on(found), found["services"]) == (["redis-server"], [], ["cache"])
    assert set(found["paths"]) == set(REDIS)


def test_a_service_of_another_stays_although_it_has_our_name():
    consul = {"services": {"cache": {"Service": "cache", "Meta": {}}}}
    assert plan(look(*REDIS, consul=consul), ["redis"], NAMES)["services"] == []


def test_a_redis_with_settings_of_the_user_goes_on():
    found = plan(look(*REDIS, others=["/etc/redis/redis.conf"]), ["redis"])
    assert (found["stop"], goes_on(found)) == ([], ["redis-server"])
    assert found["goes_on"][0]["reads"] and not found["goes_on"][0]["reload_reads"]


@pytest.mark.parametrize(
    ("file", "is_ours"), [("/etc/nginx/sites-enabled/zz_nginx_lb.conf", True), ("/etc/nginx/conf.d/a.conf", False)]
)
def test_nginx_goes_on_for_servers_of_the_user(file, is_ours):
    nginx = {"config": {"servers": [{"file": file}], "error": None}}
    found = plan(look("/etc/nginx/nginx.conf", "/etc/nginx/sites-enabled/zz_nginx_lb.conf", nginx=nginx), ["nginx_lb"])
    assert (found["stop"], goes_on(found)) == ((["nginx"], []) if is_ours else ([], ["nginx"]))


def test_a_file_that_the_user_has_placed_with_the_module_is_no_layer():
    assert present(look("/etc/nginx/conf.d/shop.conf", "/etc/consul.d/site.json", "/etc/redis/more.conf")) == []


def test_nginx_goes_on_if_its_configuration_could_not_be_read():
    nginx = {"config": {"error": "/etc/nginx/conf.d/a.conf: line 1: '}' is missing at the end", "servers": []}}
    found = plan(look("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/zz_nginx_lb.conf", nginx=nginx), ["nginx_lb"])
    assert (found["stop"], goes_on(found)) == ([], ["nginx"])


def test_a_docker_engine_is_never_stopped():
    containers = [("mydemo", {"dockyard_service": "mydemo"}), ("shop", {"dockyard_service": "shop"}), ("theirs", {})]
    host = look(containers=containers, services=["mydemo", "shop", "web"])
    found = plan(host, ["docker_host", "mydemo"])
    assert found["containers"] == ["mydemo", "shop"]
    assert found["services"] == ["mydemo", "shop"]
    assert (found["stop"], goes_on(found)) == ([], ["docker"])


def test_the_app_stays_on_a_host_that_leaves_docker_host_alone():
    containers = [("mydemo", {"dockyard_service": "mydemo"}), ("shop", {"dockyard_service": "shop"})]
    assert plan(look(containers=containers), ["docker_host"])["containers"] == ["shop"]


def test_what_manages_the_resolver_goes_on():
    found = plan(look(*CONSUL, running=["consul", "systemd-resolved"]), ["consul_agent"])
    assert (found["stop"], goes_on(found)) == (["consul"], ["systemd-resolved"])


def test_a_server_of_a_cluster_that_works():
    consul = {"services": {}, "server": True, "leader": "192.0.2.1:8300"}
    (said,) = plan(look(*CONSUL, consul=consul), ["consul_agent"])["problems"]
    assert "Take it out of the site first" in said
    assert plan(look(*CONSUL, consul=consul), ["consul_agent"], servers=True)["problems"] == []
    assert plan(look(*CONSUL, consul={**consul, "leader": ""}), ["consul_agent"])["problems"] == []
    assert plan(look(*CONSUL, consul={**consul, "server": False}), ["consul_agent"])["problems"] == []
    assert plan(look(*CONSUL, *REDIS, consul=consul), ["redis"])["problems"] == []


def test_a_redis_of_the_user_that_would_lose_its_data():
    persistence = {"save": "", "appendonly": "no", "shutdown-on-sigterm": "default"}
    data = {"error": None, "persistence": persistence, "running": None}
    theirs = look(*REDIS, others=["/etc/redis/redis.conf"], redis=data)
    (said,) = plan(theirs, ["redis"])["problems"]
    assert said.startswith("A restart would lose the data of Redis")
    assert plan(theirs, ["consul_agent"])["problems"] == []
    ours = look(*REDIS, packaged=["/etc/redis/redis.conf"], redis=data)
    assert plan(ours, ["redis"])["problems"] == [], "it is stopped, on request"


def test_an_engine_that_could_not_be_read():
    host = look(docker={"error": "no answer within 5 s"})
    (said,) = plan(host, ["mydemo"])["problems"]
    assert "no answer within 5 s" in said
    assert plan(host, ["redis"])["problems"] == []


def test_a_data_root_of_ours_stays_under_containers_of_others():
    settings = {"/data-root": {"digest": "x", "placed": True}}
    files = {"/etc/docker/daemon.json": {"settings": settings, "error": None}}
    containers = [("mydemo", {"dockyard_service": "mydemo"}), ("theirs", {})]
    (said,) = plan(look(containers=containers, json_files=files), ["docker_host", "mydemo"])["problems"]
    assert "would lose data-root" in said
    assert plan(look(containers=containers[:1], json_files=files), ["docker_host", "mydemo"])["problems"] == []


def test_a_unit_that_would_start_at_the_next_boot_is_stopped_too():
    host = look(*REDIS, packaged=["/etc/redis/redis.conf"], running=[])
    host.known["units"]["redis-server"] = {"active": "failed", "enabled": "enabled"}
    assert plan(host, ["redis"])["stop"] == ["redis-server"]


def test_the_groups_of_a_server_in_a_group_with_another_name():
    variables = {"inventory_hostname": "a", "group_names": ["raft"], "groups": {"raft": ["a"]}}
    assert groups_of(variables) == ["raft"]
    assert groups_of({**variables, "consul_agent_servers_group": "raft"}) == ["raft", "consul_server"]


def test_a_unit_that_does_not_run_is_left_alone():
    assert plan(look(*REDIS, running=[]), ["redis"])["stop"] == []


@pytest.mark.parametrize("name", PARTS)
def test_the_look_knows_all_paths(name):
    """Where the look does not read a path, its origin is not known either."""
    for pattern in PARTS[name].paths:
        assert any(matches(pattern, known) or pattern == known for known in PATHS), pattern
