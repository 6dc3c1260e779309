# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.role_secrets import KINDS, ROLES, secrets_of
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import FILES
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import KINDS as ALL_KINDS

ALLOW = {"consul_agent_acl_default_policy": "allow"}
TOKEN = "11111111-0000-4000-8000-000000000000"
AGENT = {"operator/gossip.key": "gossip_key", "node/web1/agent.token": "uuid"}
DNS = {"operator/dns.token": "uuid"}
MANAGEMENT = {"operator/management.token": "uuid"}
REDIS = {"operator/redis.password": "password"}
MYDEMO = {"node/web1/service-mydemo.token": "uuid", "operator/deployer.token": "uuid"}


@pytest.mark.parametrize(
    ("role", "given", "files"),
    [
        ("consul_client", {}, AGENT | DNS),
        ("consul_client", ALLOW, AGENT),
        ("consul_client", {"consul_agent_node_name": "web2"}, AGENT | DNS),
        ("consul_client", {"consul_agent_gossip_key": "k" * 43 + "="}, {"node/web1/agent.token": "uuid"} | DNS),
        ("consul_client", {"consul_agent_acl_agent_token": TOKEN, "consul_agent_acl_dns_token": TOKEN},
         {"operator/gossip.key": "gossip_key"}),
        ("consul_client", {"consul_agent_gossip_key": ""}, AGENT | DNS),
        ("consul_server", {}, AGENT | DNS | MANAGEMENT | {"operator/monitoring.token": "uuid"}),
        ("consul_server", ALLOW, AGENT | DNS | MANAGEMENT | {"operator/monitoring.token": "uuid"}),
        ("consul_server", {"consul_agent_acl_management_token": TOKEN, "consul_server_monitoring_token": TOKEN}, AGENT | DNS),
        ("redis", {"redis_service_acl": True}, REDIS | {"service/redis.token": "uuid"}),
        ("redis", {"redis_service_acl": False}, REDIS),
        ("redis", {"redis_service_acl": True, "redis_service_name": "cache"}, REDIS | {"service/cache.token": "uuid"}),
        ("redis", {"redis_service_acl": True, "redis_password": "x" * 20, "redis_service_token": TOKEN}, {}),
        ("registry", {"registry_service_acl": True}, {"service/registry.token": "uuid"}),
        ("registry", {"registry_service_acl": False}, {}),
        ("registry", {"registry_service_acl": True, "registry_service_token": TOKEN}, {}),
        ("docker_host", {}, {}),
        ("nginx_lb", {}, {}),
        ("nginx_lb", ALLOW, {}),
        ("nginx_lb", {"nginx_lb_telemetry_listen": "8082"}, {}),
        ("nginx_lb", {**ALLOW, "nginx_lb_telemetry_listen": "8082"}, {"operator/monitoring.token": "uuid"}),
        ("nginx_lb", {**ALLOW, "nginx_lb_telemetry_listen": "8082", "nginx_lb_telemetry_token": TOKEN}, {}),
    ],
)  # fmt: skip
def test_what_a_role_reads(values, role, given, files):
    wanted = dict(files)
    if "consul_agent_node_name" in given:
        wanted["node/web2/agent.token"] = wanted.pop("node/web1/agent.token")
    assert secrets_of(values(role, given)) == wanted


def test_the_order_is_that_of_the_role(values):
    assert list(secrets_of(values("consul_client"))) == [*AGENT, *DNS]


@pytest.mark.parametrize(
    ("role", "given", "files"),
    [
        ("mydemo", {}, REDIS | MYDEMO),
        ("mydemo", ALLOW, REDIS),
        ("mydemo", {"mydemo_acl": False}, {}),
        ("mydemo", {"mydemo_redis_password": "x" * 20}, MYDEMO),
        ("mydemo", {"redis_password": "x" * 20}, MYDEMO),
        ("mydemo", {"mydemo_token": TOKEN}, REDIS | {"operator/deployer.token": "uuid"}),
        ("mydemo", {"mydemo_deployer_token": TOKEN}, REDIS | {"node/web1/service-mydemo.token": "uuid"}),
        ("release", {}, {"operator/release-shop.token": "uuid"}),
        ("release", ALLOW, {}),
        ("release", {"release_acl": False}, {}),
        ("release", {"release_token": TOKEN}, {}),
    ],
)
def test_what_a_release_reads(values, role, given, files):
    given = {"release_name": "shop", **given}
    with_token = {"consul_agent_acl_management_token": TOKEN, **given}
    assert secrets_of(values(role, with_token)) == files
    assert secrets_of(values(role, given, check_mode=True)) == files
    assert secrets_of(values(role, given, creates_secrets=True)) == files


@pytest.mark.parametrize("role", ["mydemo", "release"])
def test_who_cannot_make_tokens_makes_no_secrets_for_them(values, role, tmp_path):
    """A token that is made on a controller without the management token would be unknown to Consul."""
    assert secrets_of(values(role, {"release_name": "shop"})) == {}
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/management.token").write_text(TOKEN)
    assert secrets_of(values(role, {"release_name": "shop"})) != {}


def test_every_secret_has_a_kind(values):
    assert set(KINDS) == {file.path for file in FILES.values()}
    given = {"release_name": "shop", "redis_service_acl": True, "registry_service_acl": True}
    for role in ROLES:
        assert set(secrets_of(values(role, given, check_mode=True)).values()) <= set(ALL_KINDS), role
