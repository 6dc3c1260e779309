# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.consul.plugins.filter.consul_config import consul_config, parse_version

KNOWN = json.loads((Path(__file__).parents[2] / "data" / "consul_config_keys.json").read_text())
VERSIONS = KNOWN["keys"]["datacenter"].split()

CLIENT = {
    "datacenter": "dc1",
    "data_dir": "/var/lib/consul",
    "encrypt": "GOSSIP",
    "bind_addr": "10.0.0.11",
    "client_addr": "127.0.0.1",
    "retry_join": ["10.0.0.10"],
    "recursors": ["9.9.9.9"],
    "performance": {"raft_multiplier": 1},
    "ports": {"dns": 53},
    "leave_on_terminate": False,
    "skip_leave_on_interrupt": True,
    "log_level": "INFO",
    "node_meta": {"rack": "a"},
    "auto_encrypt": {"tls": True},
    "tls": {
        "defaults": {
            "ca_file": "/etc/consul.d/tls/ca.pem",
            "tls_min_version": "TLSv1_2",
            "verify_incoming": True,
            "verify_outgoing": True,
        },
        "internal_rpc": {"verify_server_hostname": True},
    },
    "acl": {
        "enabled": True,
        "default_policy": "deny",
        "enable_token_persistence": True,
        "tokens": {"agent": "AGENT", "default": "DEFAULT"},
    },
    "dns_config": {
        "enable_truncate": True,
        "use_cache": True,
        "cache_max_age": "1h",
        "service_ttl": {"*": "0s"},
    },
    "telemetry": {"prometheus_retention_time": "1h", "prefix_filter": ["-consul.http"]},
    "limits": {"http_max_conns_per_client": 500, "rpc_rate": 100, "rpc_max_burst": 1000, "rpc_handshake_timeout": "5s"},
}

SERVER = {
    **{key: value for key, value in CLIENT.items() if key not in ("auto_encrypt", "ports", "tls", "acl")},
    "server": True,
    "bootstrap_expect": 3,
    "connect": {"enabled": True},
    "ui_config": {"enabled": True},
    "addresses": {"grpc": "127.0.0.1"},
    "ports": {"dns": 53, "grpc": 8502},
    "auto_encrypt": {"allow_tls": True},
    "tls": {
        "defaults": {
            **CLIENT["tls"]["defaults"],
            "cert_file": "/etc/consul.d/tls/server.pem",
            "key_file": "/etc/consul.d/tls/server.key",
        },
        "internal_rpc": {"verify_server_hostname": True},
    },
    "acl": {
        **CLIENT["acl"],
        "tokens": {"agent": "AGENT", "default": "DEFAULT", "initial_management": "ROOT", "agent_recovery": "RECOVERY"},
    },
}


def merged(parts):
    """Merge as Consul does (agent/config/merge.go): stanzas merge, lists append, of two free-form maps one is lost."""

    def merge(one, other, path=""):
        for key, value in other.items():
            where = f"{path}{key}"
            if key not in one:
                one[key] = value
            elif isinstance(value, list):
                one[key] = one[key] + value
            else:
                assert isinstance(value, dict) and where not in KNOWN["free_form"], f"{where} is in two files"
                merge(one[key], value, f"{where}.")
        return one

    result = {}
    for part in ("main", "start", "reloadable", "secret"):
        merge(result, copy.deepcopy(parts[part]))
    return result


def paths(config, prefix=""):
    for key, value in config.items():
        path = f"{prefix}{key}"
        yield path
        if isinstance(value, dict) and path not in KNOWN["free_form"]:
            yield from paths(value, f"{path}.")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("settings", [CLIENT, SERVER], ids=["client", "server"])
def test_every_version_knows_every_key_and_none_is_deprecated(settings, version):
    rendered = list(paths(merged(consul_config(settings, version))))
    unfit = {path: KNOWN["keys"].get(path) for path in rendered if version not in KNOWN["keys"].get(path, "").split()}
    assert len(rendered) > 30
    assert unfit == {}


@pytest.mark.parametrize("settings", [CLIENT, SERVER], ids=["client", "server"])
def test_the_newest_form_is_rendered_as_it_is(settings):
    expected = copy.deepcopy(settings)
    if settings is SERVER:
        expected["ports"]["grpc_tls"] = 8503
        expected["addresses"]["grpc_tls"] = "127.0.0.1"
    assert merged(consul_config(settings, "1.21.4")) == expected


def test_settings_are_left_as_they_were():
    before = copy.deepcopy(SERVER)
    consul_config(SERVER, "1.8.7")
    assert before == SERVER


FLAT_CLIENT_TLS = {
    "ca_file": "/etc/consul.d/tls/ca.pem",
    "tls_min_version": "tls12",
    "verify_incoming": True,
    "verify_outgoing": True,
    "verify_server_hostname": True,
}
FLAT_SERVER_TLS = {
    **FLAT_CLIENT_TLS,
    "cert_file": "/etc/consul.d/tls/server.pem",
    "key_file": "/etc/consul.d/tls/server.key",
}


def test_client_of_1_8_in_full():
    parts = consul_config(CLIENT, "1.8.7+dfsg1")
    main = {
        key: value
        for key, value in CLIENT.items()
        if key not in ("encrypt", "tls", "acl", "log_level", "node_meta", "telemetry", "limits", "retry_join")
    }
    assert parts == {
        "main": {
            **main,
            **FLAT_CLIENT_TLS,
            "acl": {"enabled": True, "default_policy": "deny", "enable_token_persistence": True},
            "telemetry": {"prometheus_retention_time": "1h"},
            "limits": {"rpc_handshake_timeout": "5s"},
        },
        "start": {"retry_join": CLIENT["retry_join"]},
        "reloadable": {
            "log_level": "INFO",
            "node_meta": {"rack": "a"},
            "limits": {"http_max_conns_per_client": 500, "rpc_rate": 100, "rpc_max_burst": 1000},
            "telemetry": {"prefix_filter": ["-consul.http"]},
        },
        "secret": {"encrypt": "GOSSIP", "acl": {"tokens": {"agent": "AGENT", "default": "DEFAULT"}}},
    }


OLD_TOKENS = {"agent": "AGENT", "default": "DEFAULT", "master": "ROOT", "agent_master": "RECOVERY"}
NEW_TOKENS = {"agent": "AGENT", "default": "DEFAULT", "initial_management": "ROOT", "agent_recovery": "RECOVERY"}
PLAIN_GRPC = {"addresses": {"grpc": "127.0.0.1"}, "ports": {"dns": 53, "grpc": 8502}}
TLS_GRPC = {
    "addresses": {"grpc": "127.0.0.1", "grpc_tls": "127.0.0.1"},
    "ports": {"dns": 53, "grpc": 8502, "grpc_tls": 8503},
}


@pytest.mark.parametrize(
    ("version", "differs"),
    [
        ("1.8", {"ui": True, **FLAT_SERVER_TLS, "tokens": OLD_TOKENS, **PLAIN_GRPC}),
        ("1.9", {"ui_config": {"enabled": True}, **FLAT_SERVER_TLS, "tokens": OLD_TOKENS, **PLAIN_GRPC}),
        ("1.10", {"ui_config": {"enabled": True}, **FLAT_SERVER_TLS, "tokens": OLD_TOKENS, **PLAIN_GRPC}),
        ("1.11", {"ui_config": {"enabled": True}, **FLAT_SERVER_TLS, "tokens": NEW_TOKENS, **PLAIN_GRPC}),
        ("1.12", {"ui_config": {"enabled": True}, "tls": SERVER["tls"], "tokens": NEW_TOKENS, **PLAIN_GRPC}),
        ("1.14", {"ui_config": {"enabled": True}, "tls": SERVER["tls"], "tokens": NEW_TOKENS, **TLS_GRPC}),
        ("1.16", {"ui_config": {"enabled": True}, "tls": SERVER["tls"], "tokens": NEW_TOKENS, **TLS_GRPC}),
        ("1.17", {"ui_config": {"enabled": True}, "tls": SERVER["tls"], "tokens": NEW_TOKENS, **TLS_GRPC}),
        ("1.21", {"ui_config": {"enabled": True}, "tls": SERVER["tls"], "tokens": NEW_TOKENS, **TLS_GRPC}),
    ],
)
def test_server_where_names_changed(version, differs):
    tokens = differs.pop("tokens")
    same = {key: SERVER[key] for key in SERVER if key not in ("ui_config", "tls", "acl", "addresses", "ports")}
    assert merged(consul_config(SERVER, version)) == {**same, **differs, "acl": {**SERVER["acl"], "tokens": tokens}}


OLD_SPELLING = {
    "ui": True,
    "ui_content_path": "/consul/",
    "enable_acl_replication": True,
    "acl": {"tokens": {"master": "ROOT", "agent_master": "RECOVERY"}},
    "start_join": ["10.0.0.10"],
    "ca_file": "/ca.pem",
    "tls_min_version": "tls12",
    "verify_incoming_rpc": True,
    "verify_server_hostname": True,
}


def test_old_spellings_are_modernised():
    assert merged(consul_config(OLD_SPELLING, "1.21")) == {
        "ui_config": {"enabled": True, "content_path": "/consul/"},
        "acl": {
            "enable_token_replication": True,
            "tokens": {"initial_management": "ROOT", "agent_recovery": "RECOVERY"},
        },
        "retry_join": ["10.0.0.10"],
        "tls": {
            "defaults": {"ca_file": "/ca.pem", "tls_min_version": "TLSv1_2"},
            "internal_rpc": {"verify_incoming": True, "verify_server_hostname": True},
        },
    }


def test_old_spellings_stay_where_they_are_the_right_ones():
    expected = copy.deepcopy(OLD_SPELLING)
    expected["acl"]["enable_token_replication"] = expected.pop("enable_acl_replication")
    expected["retry_join"] = expected.pop("start_join")
    assert merged(consul_config(OLD_SPELLING, "1.8")) == expected


def test_one_setting_under_two_names():
    agreeing = {"ui": True, "ui_config": {"enabled": True}}
    assert merged(consul_config(agreeing, "1.20")) == {"ui_config": {"enabled": True}}
    with pytest.raises(AnsibleFilterError, match="ui and ui_config.enabled are one setting under two names"):
        consul_config({"ui": False, "ui_config": {"enabled": True}}, "1.20")


@pytest.mark.parametrize("version", ["1.8", "1.21"])
def test_keys_replaced_long_ago_are_refused(version):
    with pytest.raises(AnsibleFilterError, match=r"acl_master_token .* write acl.tokens.initial_management"):
        consul_config({"acl_master_token": "ROOT"}, version)


@pytest.mark.parametrize("version", ["1.12", "1.16", "1.17", "1.21"])
def test_verify_server_hostname_goes_where_every_version_reads_it(version):
    settings = {"tls": {"defaults": {"verify_server_hostname": True}}}
    assert merged(consul_config(settings, version)) == {"tls": {"internal_rpc": {"verify_server_hostname": True}}}


@pytest.mark.parametrize(
    ("tls", "flat"),
    [
        ({"defaults": {"verify_incoming": True}}, {"verify_incoming": True}),
        ({"internal_rpc": {"verify_incoming": True}}, {"verify_incoming_rpc": True}),
        ({"https": {"verify_incoming": True}}, {"verify_incoming_https": True}),
        (
            {"internal_rpc": {"verify_incoming": True}, "https": {"verify_incoming": True}},
            {"verify_incoming": True},
        ),
        # Written as verify_incoming=true, verify_incoming_https=false would do nothing.
        (
            {"defaults": {"verify_incoming": True}, "https": {"verify_incoming": False}},
            {"verify_incoming_rpc": True, "verify_incoming_https": False},
        ),
        ({"defaults": {"verify_incoming": True}, "grpc": {"verify_incoming": False}}, {"verify_incoming": True}),
        ({"internal_rpc": {"verify_outgoing": True}}, {"verify_outgoing": True}),
        ({"defaults": {"ca_file": "/ca"}, "https": {"ca_file": "/ca"}}, {"ca_file": "/ca"}),
        ({"defaults": {"tls_min_version": "TLS_AUTO"}}, {}),
        ({"defaults": {"tls_min_version": "TLSv1_3", "tls_cipher_suites": "A,B"}}, None),
        ({}, {}),
    ],
)
def test_listeners_before_the_tls_stanza(tls, flat):
    if flat is None:
        flat = {"tls_min_version": "tls13", "tls_cipher_suites": "A,B"}
    assert merged(consul_config({"tls": tls}, "1.11.2")) == flat


@pytest.mark.parametrize(
    ("settings", "version", "message"),
    [
        ({"ui_config": {"metrics_provider": "prometheus"}}, "1.8.7", "ui_config.metrics_provider came in Consul 1.9"),
        ({"tls": {"https": {"ca_file": "/other"}}}, "1.11", "tls.https.ca_file came in Consul 1.12 .*tls.defaults"),
        ({"tls": {"grpc": {"verify_incoming": True}}}, "1.11", "tls.grpc.verify_incoming came in Consul 1.12"),
        ({"acl": {"tokens": {"config_file_service_registration": "T"}}}, "1.14", "registration came in Consul 1.15"),
        ({"acl": {"tokens": {"dns": "T"}}}, "1.16.9", "acl.tokens.dns came in Consul 1.17.*Consul 1.16 cannot"),
        ({"tls": True}, "1.20", "tls must be a dictionary, not a boolean"),
        ({"acl": [{"tokens": {}}]}, "1.20", "acl must be a dictionary, not a list"),
        (["ui"], "1.20", "settings must be a dictionary, not a list"),
        (None, "1.20", "settings must be a dictionary"),
    ],
)
def test_what_cannot_be_rendered_is_an_error(settings, version, message):
    with pytest.raises(AnsibleFilterError, match=message):
        consul_config(settings, version)


def test_tokens_of_their_own_version():
    tokens = {"acl": {"tokens": {"dns": "T", "config_file_service_registration": "U"}}}
    assert consul_config(tokens, "1.17.0")["secret"] == tokens


@pytest.mark.parametrize(
    ("settings", "ports"),
    [
        ({"ports": {"grpc": 8502}}, {"grpc": 8502}),
        ({"ports": {"grpc": -1}, "tls": {"defaults": {"cert_file": "/c"}}}, {"grpc": -1}),
        ({"ports": {"dns": 53}, "tls": {"defaults": {"cert_file": "/c"}}}, {"dns": 53}),
        ({"ports": {"grpc": 8502}, "tls": {"grpc": {"cert_file": "/c"}}}, {"grpc": 8502, "grpc_tls": 8503}),
        ({"ports": {"grpc": 8502}, "tls": {"grpc": {"use_auto_cert": True}}}, {"grpc": 8502, "grpc_tls": 8503}),
        ({"ports": {"grpc": 8502, "grpc_tls": -1}, "cert_file": "/c"}, {"grpc": 8502, "grpc_tls": -1}),
    ],
)
def test_grpc_tls_port_from_1_14(settings, ports):
    assert consul_config(settings, "1.14.0")["main"]["ports"] == ports


def test_grpc_tls_port_before_1_14():
    settings = {"ports": {"grpc_tls": 8503}, "addresses": {"grpc_tls": "127.0.0.1"}}
    assert merged(consul_config(settings, "1.13.9")) == {}


def test_secrets_are_only_in_the_secret_part():
    settings = {
        "encrypt": "S3CRET",
        "acl": {"tokens": {"replication": "S3CRET", "managed_service_provider": [{"secret_id": "S3CRET"}]}},
        "auto_config": {"enabled": True, "intro_token": "S3CRET"},
        "cloud": {"client_id": "me", "client_secret": "S3CRET"},
        "telemetry": {"circonus_api_token": "S3CRET"},
        "snapshot_agent": {"aws_storage": {"secret_access_key": "S3CRET"}},
        "ui_config": {"metrics_proxy": {"add_headers": [{"name": "Authorization", "value": "S3CRET"}]}},
        "connect": {"enabled": True, "ca_provider": "vault", "ca_config": {"address": "https://v", "Token": "S3CRET"}},
        "retry_join": ["10.0.0.1", "provider=aws secret_access_key=S3CRET"],
        "services": [{"name": "open"}, {"name": "closed", "token": "S3CRET"}],
        "checks": [{"name": "http", "http": "http://x", "header": {"Authorization": ["S3CRET"]}}],
        "watches": [{"type": "key", "key": "open"}, {"type": "key", "key": "closed", "token": "S3CRET"}],
        "service": {"name": "one", "check": {"http": "http://x", "header": {"X": ["S3CRET"]}}},
    }
    parts = consul_config(settings, "1.21")
    assert "S3CRET" not in json.dumps([parts["main"], parts["reloadable"]])
    assert merged(parts) == settings
    assert parts["reloadable"] == {"services": [{"name": "open"}], "watches": [{"type": "key", "key": "open"}]}
    assert parts["start"] == {"retry_join": ["10.0.0.1"]}
    assert parts["secret"]["connect"] == {"ca_config": settings["connect"]["ca_config"]}


def test_a_ca_provider_without_secrets_may_be_shown():
    settings = {"connect": {"ca_config": {"leaf_cert_ttl": "72h"}}, "services": [{"name": "web", "token": ""}]}
    assert consul_config(settings, "1.20") == {
        "main": {"connect": settings["connect"]},
        "start": {},
        "reloadable": {"services": settings["services"]},
        "secret": {},
    }


def test_unknown_keys_pass_and_nulls_do_not():
    settings = {"new_thing": {"deep": [1, {"x": None}]}, "log_file": None, "ports": {"http": None, "dns": 8600}}
    assert consul_config(settings, "1.8") == {
        "main": {"new_thing": {"deep": [1, {}]}, "ports": {"dns": 8600}},
        "start": {},
        "reloadable": {},
        "secret": {},
    }


@pytest.mark.parametrize(
    ("version", "parsed"),
    [
        ("1.8.7+dfsg1", (1, 8)),
        ("1.8.7+dfsg1-2+b3", (1, 8)),
        ("1.21.4+ent", (1, 21)),
        ("v1.20.0", (1, 20)),
        ("1.20.0-rc1", (1, 20)),
        ("1.12", (1, 12)),
        ("2.0.1", (2, 0)),
    ],
)
def test_versions(version, parsed):
    assert parse_version(version) == parsed


@pytest.mark.parametrize("version", ["", "latest", "1", "1.x", "1.8.7 or so", "Consul v1.8.7", 1.1, None])
def test_no_versions(version):
    with pytest.raises(AnsibleFilterError, match="is not a version of Consul; give a quoted one"):
        parse_version(version)


def test_what_is_used_at_a_start_only_needs_no_restart():
    """So a server or a host more changes no file that a running agent is restarted for."""
    few = {"server": True, "bootstrap_expect": 3, "retry_join": ["10.0.0.1"], "start_join": ["10.0.0.1"]}
    more = few | {"bootstrap_expect": 5, "retry_join": ["10.0.0.1", "10.0.0.2"], "start_join": None}
    for version in ("1.8.7", "1.21.0"):
        one, other = consul_config(few, version), consul_config(more, version)
        assert one.pop("start") != other.pop("start")
        assert one == other


def test_too_old():
    with pytest.raises(AnsibleFilterError, match=r"Consul 1.7.14 is too old; 1.8 is the oldest"):
        parse_version("1.7.14")
