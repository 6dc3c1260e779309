# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

ALLOW = {"consul_agent_acl_default_policy": "allow"}
DEPLOYER = {"mydemo_acl": False}


@pytest.fixture
def demo(said):
    return lambda **given: said("mydemo", {"mydemo_version": "1.0.0", **ALLOW, **given})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mydemo_version": 2},
        {"mydemo_ports": [5000, "5001"]},
        {"mydemo_base_image_archive": "/etc/hostname", "mydemo_build_ca_file": "/etc/hostname"},
        {"mydemo_source_dir": "/etc"},
        {"mydemo_kv_key": "mydemo/settings"},
        {"mydemo_token_file": "/etc/our-mydemo/token"},
        {"release_name": "mydemo"},
        {"mydemo_request_seconds": 0, "mydemo_redis_db": 0},
    ],
)
def test_right(demo, given):
    assert demo(**given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"mydemo_version": ""},
            (
                "mydemo_version is ''. It must have up to 128 letters, digits, '.', '_' and '-', the first and the last a letter,"
                " a digit or '_', such as 1.0.0."
            ),
        ),
        ({"mydemo_version": "a b"}, "mydemo_version is 'a b'."),
        ({"mydemo_version": "1.1."}, "mydemo_version is '1.1.'."),
        ({"mydemo_version": 1.10}, "mydemo_version is 1.1. It must be text: put it in quotes"),
        (
            {"release_name": "shop"},
            "release_name is 'shop'. The variables of your own service (-e @shop.yml) are for the playbooks",
        ),
        ({"mydemo_base_image_archive": "/no"}, "mydemo_base_image_archive: '/no' is not a file on the controller."),
        ({"mydemo_build_ca_file": "/no"}, "mydemo_build_ca_file: '/no' is not a file on the controller."),
        (
            {"mydemo_source_dir": "/etc/hostname"},
            "mydemo_source_dir: '/etc/hostname' is not a folder on the controller.",
        ),
        (
            {"mydemo_ports": []},
            "mydemo_ports is []. It must be a list with at least one port (1 to 65535), each only once.",
        ),
        ({"mydemo_ports": [5000, 5000]}, "mydemo_ports is [5000, 5000]."),
        ({"mydemo_ports": [0]}, "mydemo_ports is [0]."),
        ({"mydemo_ports": 5000}, "mydemo_ports is 5000. It must be a list"),
        ({"mydemo_env": {"MYDEMO_PORT": "1"}}, "mydemo_env sets MYDEMO_PORT."),
        (
            {"mydemo_token_file": "/etc/mydemo.token"},
            "mydemo_token_file is '/etc/mydemo.token'. Its folder is closed to others",
        ),
        ({"mydemo_token_file": "/var/lib/x"}, "mydemo_token_file is '/var/lib/x'. Its folder is closed to others"),
        (
            {"mydemo_log_max_size": "0m"},
            "mydemo_log_max_size is '0m'. It must be a whole number with the unit k, m or g",
        ),
        ({"mydemo_log_max_file": 0}, "mydemo_log_max_file is 0. It must be 1 or more."),
        ({"mydemo_wait_seconds": 0}, "mydemo_wait_seconds is 0. It must be 1 or more."),
        ({"mydemo_request_seconds": -1}, "mydemo_request_seconds is -1. It must be 0 or more."),
        ({"mydemo_kv_key": ""}, "mydemo_kv_key is ''. It must be a key of Consul's KV store"),
        ({"mydemo_kv_key": "/redis"}, "mydemo_kv_key is '/redis'."),
        ({"mydemo_redis_host": ""}, "mydemo_redis_host is empty. Set it to the host where the app finds Redis."),
        ({"mydemo_redis_port": 0}, "mydemo_redis_port is 0. A port is a number from 1 to 65535."),
        ({"mydemo_redis_db": -1}, "mydemo_redis_db is -1. It must be 0 or more."),
        (
            {"consul_agent_bind_addr": "10.9.9.9"},
            "consul_agent_bind_addr is 10.9.9.9. The host does not have that IPv4 address.",
        ),
    ],
)
def test_wrong(demo, given, text):
    problems = demo(**given)
    assert len(problems) == 1 and problems[0].startswith(text), problems


@pytest.mark.parametrize(
    ("own", "first", "variable"),
    [
        ({}, {}, ""),
        ({"mydemo_show_message": "Hi"}, {"mydemo_show_message": "Hi"}, ""),
        ({"mydemo_version": "2"}, {"mydemo_version": "1"}, ""),
        ({"redis_port": 6380, "mydemo_redis_port": 6379}, {"mydemo_redis_port": 6379}, ""),
        ({"mydemo_show_message": "Hi"}, {}, "mydemo_show_message"),
        ({}, {"mydemo_kv_key": "other"}, "mydemo_kv_key"),
        ({"redis_port": 6380}, {}, "mydemo_redis_port"),
        ({"mydemo_redis_password": "not-shown"}, {"redis_password": "neither"}, "mydemo_redis_password"),
    ],
)
def test_one_configuration_for_all_hosts(said, own, first, variable):
    """Any of them may write it into Consul."""
    given = {**ALLOW, **own, "groups": {"mydemo": ["web0", "web1"]}}
    problems = said("mydemo", given, entry_point="kv", creates_secrets=True, hostvars={"web0": first})
    text = f"{variable} of web1 differs from that of web0. All hosts of the group mydemo read one key of Consul."
    assert [problem.partition(" Set ")[0] for problem in problems] == ([text] if variable else [])


DENY = {"mydemo_version": "1.0.0"}


def test_missing_tokens(said, tmp_path):
    first, second = said("mydemo", DENY)
    assert first.startswith(f"{tmp_path} has no node/web1/service-mydemo.token, and no operator/management.token")
    assert second.startswith(f"{tmp_path} has no operator/deployer.token, and no operator/management.token")
    assert len(said("mydemo", {**DENY, "mydemo_token": "x"})) == 1
    assert said("mydemo", {**DENY, "mydemo_token": "x", "mydemo_deployer_token": "x"}) == []


def test_the_deployers_tokens_are_enough(said, tmp_path):
    for file in ("node/web1/service-mydemo.token", "operator/deployer.token"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    assert said("mydemo", {**DENY, **DEPLOYER}) == []


def test_the_management_token_makes_them(said, tmp_path):
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/management.token").touch()
    assert said("mydemo", DENY) == []
    assert len(said("mydemo", {**DENY, **DEPLOYER})) == 2


def test_a_first_run_makes_them(said):
    assert said("mydemo", DENY, creates_secrets=True) == []


def test_the_configuration_alone_needs_no_version_and_a_password(said, tmp_path):
    text = f"{tmp_path}/operator/redis.password does not exist. Copy it from where the site was set up, or set"
    assert said("mydemo", ALLOW, entry_point="kv") == []
    assert said("mydemo", entry_point="kv")[0].startswith(text)
    assert said("mydemo", {**ALLOW, "mydemo_kv_key": ""}, entry_point="kv")[0].startswith("mydemo_kv_key is ''.")
    for given in ({"mydemo_redis_password": "x"}, {"redis_password": "x"}):
        assert said("mydemo", given, entry_point="kv") == []
    assert said("mydemo", entry_point="kv", check_mode=True) == []
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator/redis.password").touch()
    assert said("mydemo", entry_point="kv") == []
