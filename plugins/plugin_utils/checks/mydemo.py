# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role mydemo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    at_least,
    can_create_tokens,
    file,
    found,
    has_secret,
    if_set,
    lan_address,
    log_size,
    matching,
    not_empty,
    port,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.release import distinct_ports
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found([*KV_CHECKS, *CHECKS], v)


def check_kv(v: Values) -> Iterator[Problem]:
    """For the entry point kv, which needs no version."""
    return found([*KV_CHECKS, kv_password], v)


def kv_password(v: Values) -> Iterator[Problem]:
    """A release does without it."""
    if v.check_mode or _makes_secrets(v) or v.is_set("mydemo_redis_password") or v.is_set("redis_password"):
        return
    if not has_secret(v, "operator/redis.password"):
        yield Problem(
            "mydemo_redis_password",
            f"{v.site.secrets_dir}/operator/redis.password does not exist. Copy it from where the site was set up, or set"
            " mydemo_redis_password.",
        )


def same_configuration(v: Values) -> Iterator[Problem]:
    """One key serves all hosts, and any of them may write it. The values are compared before templating."""
    hosts = v.groups.get("mydemo") or []
    if v.host not in hosts:
        return
    ours, theirs = v.raw_of(v.host), v.raw_of(hosts[0])
    for name, default in KV_VARIABLES.items():
        if ours.get(name, ours.get(default)) != theirs.get(name, theirs.get(default)):
            yield Problem(
                name,
                f"{name} of {v.host} differs from that of {hosts[0]}. All hosts of the group mydemo read one key of Consul. Set"
                f" {name} for the whole group.",
            )


def only_mydemo(v: Values) -> Iterator[Problem]:
    name = v.get("release_name", "mydemo")
    if name != "mydemo":
        yield Problem(
            "release_name",
            f"release_name is {shown(name)}. The variables of your own service (-e @shop.yml) are for the playbooks"
            " deploy, rollback, drain_host and return_host. Here they would replace mydemo.",
        )


def source_folder(v: Values) -> Iterator[Problem]:
    folder = v["mydemo_source_dir"]
    if not Path(folder).expanduser().is_dir():
        yield Problem("mydemo_source_dir", f"mydemo_source_dir: {shown(folder)} is not a folder on the controller.")


def ports(v: Values) -> Iterator[Problem]:
    return distinct_ports(v, "mydemo_ports")


def environment(v: Values) -> Iterator[Problem]:
    if "MYDEMO_PORT" in v["mydemo_env"]:
        yield Problem(
            "mydemo_env", "mydemo_env sets MYDEMO_PORT. Set the port, or several ports, in mydemo_ports instead."
        )


def tokens(v: Values) -> Iterator[Problem]:
    """With mydemo_acl=false, or without the management token, they are not made."""
    if not v.site.acl_enabled or _makes_secrets(v):
        return
    files = {
        "mydemo_token": f"node/{v.site.node_name}/service-mydemo.token",
        "mydemo_deployer_token": "operator/deployer.token",
    }
    for name, secret in files.items():
        if not v.is_set(name) and not has_secret(v, secret):
            yield Problem(
                name,
                f"{v.site.secrets_dir} has no {secret}, and no operator/management.token to make it with (mydemo_acl). Copy the"
                f" file from where the site was set up, or set {name}. If Consul needs no token, set"
                " consul_agent_acl_default_policy to allow.",
            )


def _makes_secrets(v: Values) -> bool:
    """Only with the management token: without it, what was made would not be the site's."""
    return not v.site.acl_enabled or v["mydemo_acl"] and can_create_tokens(v)


# What is in the key, and the variable that a default is taken from.
KV_VARIABLES = {
    "mydemo_kv_key": "",
    "mydemo_show_message": "",
    "mydemo_redis_host": "",
    "mydemo_redis_port": "redis_port",
    "mydemo_redis_db": "",
    "mydemo_redis_password": "redis_password",
}
# What the app would refuse to read from its key.
KV_CHECKS = [
    matching("mydemo_kv_key", r"[^/].*", "It must be a key of Consul's KV store, such as redis or mydemo/settings."),
    not_empty("mydemo_redis_host", "Set it to the host where the app finds Redis."),
    port("mydemo_redis_port"),
    at_least(0, "mydemo_redis_db"),
    same_configuration,
]
CHECKS = [
    lan_address,
    matching(
        "mydemo_version",
        r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?",
        "It must have up to 128 letters, digits, '.', '_' and '-', the first and the last a letter, a digit or '_', such as"
        " 1.0.0.",
    ),
    only_mydemo,
    file("mydemo_base_image_archive"),
    file("mydemo_build_ca_file"),
    if_set("mydemo_source_dir", source_folder),
    ports,
    environment,
    tokens,
    matching(
        "mydemo_token_file",
        r"/(.+/)?[^/]*mydemo[^/]*/[^/]+",
        "Its folder is closed to others and mounted into the containers. Use a folder of the app's own, with mydemo in its name,"
        " such as /etc/mydemo.",
    ),
    log_size("mydemo_log_max_size"),
    at_least(1, "mydemo_log_max_file", "mydemo_wait_seconds"),
    at_least(0, "mydemo_request_seconds"),
]
