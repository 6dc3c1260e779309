# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: consul_config
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Render Consul agent configuration for the version installed
description:
  - Converts the configuration of a Consul agent from the names of the newest Consul to those of the given version. So one set
    of variables is enough for every version.
  - Splits the result over four files of one configuration directory, by what a change requires (a restart, a reload, or
    nothing until the next start), with secrets apart so that no diff shows one.
  - Consul merges the files. It appends lists, merges stanzas, and replaces an earlier free-form map by a later one. The split
    loses nothing.
notes:
  - Older names (C(ui), the flat TLS keys, C(acl.tokens.master), C(start_join) and so on) are accepted and converted as well.
    The C(acl_*) keys that Consul 1.4 replaced are refused, with their new name.
  - A setting that the version cannot express is an error. The exceptions are C(ports.grpc_tls) and
    C(addresses.grpc_tls), which are left out before Consul 1.14, since nothing listens there.
  - Before Consul 1.12 there is one set of TLS files for all listeners (C(tls.defaults)), and gRPC
    never asks clients for a certificate.
  - With a certificate for gRPC and C(ports.grpc), Consul 1.14 and newer refuse to start unless C(ports.grpc_tls)
    is set; it is then set to 8503, HashiCorp's default, on the addresses of C(addresses.grpc).
  - Keys that this filter does not know are not changed. C(consul validate) on the host checks them. Keys with the value null
    are left out.
options:
  _input:
    description: The configuration, in the form of the newest Consul.
    type: dict
    required: true
  version:
    description:
      - The version of Consul that will read the result, such as V(1.8.7+dfsg1), V(v1.20.0) or V(1.21.4+ent).
      - Quote it. As a number, 1.10 is 1.1.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Render a client's configuration
  ansible.builtin.set_fact:
    files: "{{ settings | dockyard.consul.consul_config(version='1.8.7') }}"
  no_log: true
  vars:
    settings:
      datacenter: dc1
      log_level: INFO
      encrypt: "{{ gossip_key }}"
      ui_config:
        enabled: true
      tls:
        defaults:
          ca_file: /etc/consul.d/tls/ca.pem
          verify_outgoing: true
        internal_rpc:
          verify_server_hostname: true
# files.main:       {datacenter: dc1, ui: true, ca_file: ..., verify_outgoing: true, verify_server_hostname: true}
# files.start:      {}
# files.reloadable: {log_level: INFO}
# files.secret:     {encrypt: ...}
"""

RETURN = r"""
_value:
  description: Four parts that together are the configuration. A part with nothing in it is an empty dictionary.
  type: dict
  contains:
    main:
      description: Settings that need a restart.
      type: dict
    start:
      description:
        - Settings that the agent uses at its start only, such as C(retry_join) and C(bootstrap_expect). To change them on a
          running agent has no effect until then, so they need no restart.
      type: dict
    reloadable:
      description: Settings that C(consul reload) reads.
      type: dict
    secret:
      description:
        - What must not be shown or be readable by others. This is the gossip key, every ACL token, other credentials
          that Consul knows, and each service, check, watch, CA provider or cloud auto-join string that carries one.
        - A secret hidden in the arguments of a script check or in an URL is not recognised.
      type: dict
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

OLDEST = (1, 8)

# (name today, name before, version that brought today's name)
RENAMED = [
    ("ui_config.enabled", "ui", (1, 9)),
    ("ui_config.dir", "ui_dir", (1, 9)),
    ("ui_config.content_path", "ui_content_path", (1, 9)),
    ("acl.enable_token_replication", "enable_acl_replication", OLDEST),
    ("acl.tokens.initial_management", "acl.tokens.master", (1, 11)),
    ("acl.tokens.agent_recovery", "acl.tokens.agent_master", (1, 11)),
    ("retry_join", "start_join", OLDEST),
    ("retry_join_wan", "start_join_wan", OLDEST),
    ("tls.defaults.ca_file", "ca_file", (1, 12)),
    ("tls.defaults.ca_path", "ca_path", (1, 12)),
    ("tls.defaults.cert_file", "cert_file", (1, 12)),
    ("tls.defaults.key_file", "key_file", (1, 12)),
    ("tls.defaults.tls_min_version", "tls_min_version", (1, 12)),
    ("tls.defaults.tls_cipher_suites", "tls_cipher_suites", (1, 12)),
    ("tls.defaults.verify_incoming", "verify_incoming", (1, 12)),
    ("tls.defaults.verify_outgoing", "verify_outgoing", (1, 12)),
    ("tls.https.verify_incoming", "verify_incoming_https", (1, 12)),
    ("tls.internal_rpc.verify_incoming", "verify_incoming_rpc", (1, 12)),
    # tls.defaults takes it too, but only from 1.17, and no listener but internal_rpc ever uses it.
    ("tls.internal_rpc.verify_server_hostname", "tls.defaults.verify_server_hostname", OLDEST),
    ("tls.internal_rpc.verify_server_hostname", "verify_server_hostname", (1, 12)),
]

# Some of these switched other settings on as well, so translating them one by one would change what they mean.
REPLACED_BEFORE_OLDEST = {
    "acl_agent_master_token": "acl.tokens.agent_recovery",
    "acl_agent_token": "acl.tokens.agent",
    "acl_datacenter": "primary_datacenter",
    "acl_default_policy": "acl.default_policy",
    "acl_down_policy": "acl.down_policy",
    "acl_enable_key_list_policy": "acl.enable_key_list_policy",
    "acl_master_token": "acl.tokens.initial_management",
    "acl_replication_token": "acl.tokens.replication",
    "acl_token": "acl.tokens.default",
    "acl_ttl": "acl.token_ttl",
}

# Settings without an older name.
CAME_IN = {
    "ui_config": (1, 9),
    "tls": (1, 12),
    "acl.tokens.config_file_service_registration": (1, 15),
    "acl.tokens.dns": (1, 17),
}

GRPC_TLS_CAME_IN = (1, 14)
GRPC_TLS_DEFAULT_PORT = 8503

TLS_STANZA_CAME_IN = (1, 12)
TLS_VERSIONS = {"tls10": "TLSv1_0", "tls11": "TLSv1_1", "tls12": "TLSv1_2", "tls13": "TLSv1_3"}
TLS_VERSIONS_BEFORE = {new: old for old, new in TLS_VERSIONS.items()} | {"TLS_AUTO": ""}

SECRET = [
    "encrypt",
    "acl.tokens",
    "auto_config.intro_token",
    "cloud.client_secret",
    "snapshot_agent",
    "telemetry.circonus_api_token",
    "ui_config.metrics_proxy.add_headers",
]

# Moved to the secret part whole, or item by item where they are lists, if anything in them is a secret: Consul
# appends lists of several files, but of a map in several files it takes the last only
# (https://github.com/hashicorp/consul/blob/main/agent/config/merge.go).
MAY_HOLD_SECRETS = [
    "check",
    "checks",
    "connect.ca_config",
    "retry_join",
    "retry_join_wan",
    "service",
    "services",
    "watches",
]
SECRET_NAME = re.compile(r"(auth_?method|header|password|private_?key|secret|secret_?id|token)$", re.IGNORECASE)
CLOUD_AUTO_JOIN = "provider="

# What every version since 1.8 reloads, by "Reloadable Configuration" in
# https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file (before: /consul/docs/agent/config).
# Left out, though on that page: the raft settings (from 1.10) and the TLS files (a reload reads them again, their
# settings it takes only in part). ACL tokens reload too; they are in the secret part, whose gossip key does not.
RELOADABLE = [
    "check",
    "checks",
    "discard_check_output",
    "limits.http_max_conns_per_client",
    "limits.rpc_max_burst",
    "limits.rpc_rate",
    "log_level",
    "node_meta",
    "service",
    "services",
    "telemetry.prefix_filter",
    "watches",
]


# What an agent uses at its start only. A server that has Raft data ignores bootstrap_expect at that.
AT_START_ONLY = ["bootstrap_expect", "retry_join", "retry_join_wan", "start_join", "start_join_wan"]


def consul_config(settings: Any, version: Any) -> dict[str, dict]:
    """Render settings for a version of Consul, as files for what is secret, what reloads, and the rest."""
    if not isinstance(settings, Mapping):
        raise AnsibleFilterError(f"consul_config: the settings must be a dictionary, not {_kind(settings)}")
    config = _render(_plain(settings), parse_version(version))
    secret = _take(config, SECRET)
    _take_secret_definitions(config, secret)
    start = _take(config, AT_START_ONLY)
    reloadable = _take(config, RELOADABLE)
    return {"main": config, "start": start, "reloadable": reloadable, "secret": secret}


def parse_version(version: Any) -> tuple[int, int]:
    """Return (major, minor), which is all that decides on names."""
    match = isinstance(version, str) and re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?([-+~].*)?", version.strip())
    if not match:
        raise AnsibleFilterError(
            f"consul_config: {version!r} is not a version of Consul; give a quoted one, such as version='1.20.2'"
        )
    parsed = int(match[1]), int(match[2])
    if parsed < OLDEST:
        raise AnsibleFilterError(
            f"consul_config: Consul {version} is too old; {_dotted(OLDEST)} is the oldest supported"
        )
    return parsed


def _render(config: dict, version: tuple[int, int]) -> dict:
    _refuse_replaced(config)
    for new, old, _since in RENAMED:
        _rename(config, old, new)
    _spell_tls_versions(config, TLS_VERSIONS)

    if version < GRPC_TLS_CAME_IN:
        _take(config, ["ports.grpc_tls", "addresses.grpc_tls"])
    else:
        _give_grpc_a_tls_port(config)

    if version < TLS_STANZA_CAME_IN:
        _join_tls_listeners(config)
        _spell_tls_versions(config, TLS_VERSIONS_BEFORE)
    for new, old, since in RENAMED:
        if version < since:
            _rename(config, new, old)
    _refuse_too_new(config, version)
    return config


def _refuse_replaced(config: dict) -> None:
    for old, new in REPLACED_BEFORE_OLDEST.items():
        if old in config:
            raise AnsibleFilterError(f"consul_config: {old} was replaced in Consul 1.4; write {new} instead")


def _refuse_too_new(config: dict, version: tuple[int, int]) -> None:
    for path, since in CAME_IN.items():
        if version >= since:
            continue
        value = _get(config, path)
        if value:
            hint = " (before that, what tls.defaults says holds for every listener)" if path == "tls" else ""
            raise AnsibleFilterError(
                f"consul_config: {_first_leaf(path, value)} came in Consul {_dotted(since)}{hint};"
                f" Consul {_dotted(version)} cannot express it: leave it out or install a newer Consul"
            )
        _take(config, [path])  # an empty stanza or string says nothing


def _give_grpc_a_tls_port(config: dict) -> None:
    """Say on which port gRPC speaks TLS: with a certificate and none said, Consul refuses to start."""
    has_certificate = any(
        _get(config, path) for path in ("tls.defaults.cert_file", "tls.grpc.cert_file", "tls.grpc.use_auto_cert")
    )
    port = _get(config, "ports.grpc")
    if has_certificate and port not in (None, 0, -1) and _get(config, "ports.grpc_tls") is None:
        _set(config, "ports.grpc_tls", GRPC_TLS_DEFAULT_PORT)
        address = _get(config, "addresses.grpc")
        if address is not None and _get(config, "addresses.grpc_tls") is None:
            _set(config, "addresses.grpc_tls", address)


def _join_tls_listeners(config: dict) -> None:
    """Say with tls.defaults all that the listeners' own stanzas say, as far as one set for all can."""
    defaults = _stanza(config, "tls.defaults")
    rpc = _stanza(config, "tls.internal_rpc")
    https = _stanza(config, "tls.https")
    grpc = _stanza(config, "tls.grpc")

    if "verify_outgoing" in rpc:  # the flat key was about RPC first of all
        defaults["verify_outgoing"] = rpc.pop("verify_outgoing")
    if grpc.get("verify_incoming") is False:  # as it always was
        del grpc["verify_incoming"]

    # The flat key is "or"ed with the listeners' own, so it may stand only where both agree.
    incoming = defaults.pop("verify_incoming", None)
    for_rpc = rpc.pop("verify_incoming", incoming)
    for_https = https.pop("verify_incoming", incoming)
    if for_rpc == for_https:
        _set_unless_none(defaults, "verify_incoming", for_rpc)
    else:
        _set_unless_none(rpc, "verify_incoming", for_rpc)
        _set_unless_none(https, "verify_incoming", for_https)

    for listener in (rpc, https, grpc):
        for name in [name for name, value in listener.items() if name in defaults and defaults[name] == value]:
            del listener[name]
    for path in ("tls.defaults", "tls.internal_rpc", "tls.https", "tls.grpc"):
        if not _get(config, path):
            _take(config, [path])


def _spell_tls_versions(config: dict, spelling: Mapping[str, str]) -> None:
    for listener in ("defaults", "internal_rpc", "https", "grpc"):
        path = f"tls.{listener}.tls_min_version"
        value = _get(config, path)
        if isinstance(value, str) and value in spelling:
            _take(config, [path])
            if spelling[value]:
                _set(config, path, spelling[value])


def _take_secret_definitions(config: dict, secret: dict) -> None:
    for path in MAY_HOLD_SECRETS:
        value = _get(config, path)
        if isinstance(value, list):
            secrets = [item for item in value if _holds_secret(item)]
            others = [item for item in value if not _holds_secret(item)]
        else:
            secrets, others = (value, None) if _holds_secret(value) else (None, value)
        if secrets:
            _take(config, [path])
            _set(secret, path, secrets)
            if others:
                _set(config, path, others)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any((inner and SECRET_NAME.search(name)) or _holds_secret(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(_holds_secret(inner) for inner in value)
    return isinstance(value, str) and value.startswith(CLOUD_AUTO_JOIN)


def _rename(config: dict, present: str, wanted: str) -> None:
    value = _get(config, present)
    if value is None:
        return
    if _get(config, wanted) not in (None, value):
        raise AnsibleFilterError(
            f"consul_config: {present} and {wanted} are one setting under two names, given with two values;"
            f" keep {wanted}"
        )
    _take(config, [present])
    _set(config, wanted, value)


# Settings are named by their path, as in Consul's documentation: "acl.tokens.agent".


def _get(config: dict, path: str) -> Any:
    """Return the value at path, or None."""
    *parents, name = path.split(".")
    for depth, parent in enumerate(parents, 1):
        config = config.get(parent)
        if config is None:
            return None
        if not isinstance(config, dict):
            raise AnsibleFilterError(
                f"consul_config: {'.'.join(parents[:depth])} must be a dictionary, not {_kind(config)}"
            )
    return config.get(name)


def _set(config: dict, path: str, value: Any) -> None:
    parent, _dot, name = path.rpartition(".")
    (_stanza(config, parent) if parent else config)[name] = value


def _set_unless_none(config: dict, name: str, value: Any) -> None:
    if value is not None:
        config[name] = value


def _stanza(config: dict, path: str) -> dict:
    """Return the dictionary at path, made where it is missing."""
    for name in path.split("."):
        config = config.setdefault(name, {})
    return config


def _take(config: dict, paths: Iterable[str]) -> dict:
    """Move the values at these paths, and the stanzas that are then empty, out of config. Returns them."""
    taken: dict = {}
    for path in paths:
        value = _get(config, path)
        if value is None:
            continue
        _set(taken, path, value)
        _remove(config, path)
    return taken


def _remove(config: dict, path: str) -> None:
    parent, _dot, name = path.rpartition(".")
    if not parent:
        del config[name]
        return
    stanza = _stanza(config, parent)
    del stanza[name]
    if not stanza:
        _remove(config, parent)


def _first_leaf(path: str, value: Any) -> str:
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path = f"{path}.{name}"
    return path


def _plain(value: Any) -> Any:
    """Return a copy in plain containers, without nulls: to Consul a null and a missing key are the same."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), f"of type {type(value).__name__}")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


class FilterModule:
    def filters(self) -> dict:
        return {"consul_config": consul_config}
