# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of Consul agents: the names of all settings, and the values of some that are never secret."""

from __future__ import annotations

import json
import os
import re

from ansible_collections.dockyard.consul.plugins.module_utils.host.hcl import HclError, parse
from ansible_collections.dockyard.consul.plugins.module_utils.host.paths import keyed

# Larger than any configuration that a person writes.
LARGEST_READ = 1 << 20
LONGEST_SHOWN = 200
# What a file may define for services. Anything below it may be the user's own, so no name in it is returned.
DEFINITIONS = ("service", "services", "check", "checks", "watches")
# The only settings with values that are returned. Tokens and the gossip key, for example, are secrets.
SHOWN = (
    *("data_dir", "node_name", "node_id", "datacenter", "primary_datacenter", "domain", "alt_domain"),
    *("server", "bootstrap_expect", "bind_addr", "client_addr", "advertise_addr", "recursors"),
    *("retry_join", "start_join", "ui", "ui_config.enabled", "connect.enabled"),
    *("acl.enabled", "acl.default_policy", "acl_datacenter", "acl_default_policy"),
    *("leave_on_terminate", "skip_leave_on_interrupt", "encrypt_verify_incoming", "encrypt_verify_outgoing"),
    *("ca_file", "ca_path", "cert_file", "key_file"),
    *("verify_incoming", "verify_incoming_rpc", "verify_incoming_https", "verify_outgoing", "verify_server_hostname"),
)
SHOWN_BELOW = re.compile(
    r"(?:ports|addresses|auto_encrypt)\.\w+"
    r"|tls\.\w+\.(?:ca_file|ca_path|cert_file|key_file|verify_incoming|verify_outgoing|verify_server_hostname)"
)
# These may hold the credentials of a cloud, as in "provider=aws secret_access_key=...".
JOINS = ("retry_join", "start_join")
ADDRESS = re.compile(r"[\w.:\[\]-]+")


def look_at_config(agents, folders, key=None):
    """By path, the configuration files in the folders and of the agents. Adds to each agent its files and settings."""
    found = {}
    for folder in folders:
        found.update((path, None) for path in files_in(folder))
    for agent in agents:
        agent["files"] = files_of(agent)
        found.update((path, None) for path in agent["files"])
    found = {path: file_of(path, key) for path in found}
    for agent in agents:
        agent["settings"] = merged([found[path]["settings"] for path in agent["files"]] + [agent["options"]])
        agent["data_dir"] = as_configured(agent["data_dir"], agent["settings"].get("data_dir"))
    return found


def as_configured(folder, configured):
    """A data folder by the name that its configuration has for it, which may be a link."""
    return configured if configured and folder == os.path.realpath(configured) else folder


def files_of(agent):
    """The files that an agent reads, in its order."""
    found = [path for folder in agent["config_dirs"] for path in files_in(folder)]
    return list(dict.fromkeys(found + agent["config_files"]))


def files_in(folder):
    """What Consul reads in a folder. It skips other names."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [os.path.join(folder, name) for name in names if name.endswith((".hcl", ".json"))]
    return [path for path in paths if not os.path.isdir(path)]


def file_of(path, key=None):
    found = {"error": None, "keys": [], "settings": {}, "services": [], "checks": [], "gossip_key_digest": None}
    try:
        config = read(path)
    except (OSError, ValueError, HclError) as error:
        return dict(found, error=reason(error))
    found["keys"] = names_in(config)
    found["settings"] = shown_settings(config)
    found["services"] = definitions_in(config, "service", "services")
    found["checks"] = definitions_in(config, "check", "checks")
    if key and isinstance(config.get("encrypt"), str):
        found["gossip_key_digest"] = keyed(key, config["encrypt"].encode("utf-8"))
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read(LARGEST_READ + 1)
    if len(text) > LARGEST_READ:
        raise HclError("it is larger than 1 MiB")
    # A file named .hcl may hold JSON, too.
    if path.endswith(".json") or text.lstrip().startswith("{"):
        config = json.loads(text)
        if not isinstance(config, dict):
            raise HclError("it holds no settings")
        return config
    return parse(text)


def reason(error):
    """Why a file could not be read, without what it holds."""
    if isinstance(error, OSError):
        return error.strerror
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}: it is not valid JSON"
    if isinstance(error, HclError):
        return str(error)
    return "it is not text in UTF-8"


def names_in(config):
    """The names of all settings, such as C(ports.http). Of services and checks, that there are some."""
    return sorted(
        {key for key, _value in leaves(config) if key.partition(".")[0] not in DEFINITIONS}
        | {key for key in config if key in DEFINITIONS}
    )


def leaves(config, prefix=""):
    for name, value in config.items():
        key = f"{prefix}{name}"
        below = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        below = [one for one in below if isinstance(one, dict)]
        for one in below:
            yield from leaves(one, f"{key}.")
        if not below:
            yield key, value


def shown_settings(config):
    return {
        key: value
        for key, value in leaves(config)
        if (key in SHOWN or SHOWN_BELOW.fullmatch(key)) and is_harmless(key, value)
    }


def ca_of(settings, kinds=("ca_file", "ca_path")):
    """Where an agent has the CA of its cluster, an empty string if it has none. Among servers, that of internal RPC precedes the
    default. Consul before 1.12 has one for all. A file precedes a folder of files."""
    names = [f"{prefix}{kind}" for kind in kinds for prefix in ("tls.internal_rpc.", "tls.defaults.", "")]
    return next((settings[name] for name in names if settings.get(name)), "")


def is_harmless(key, value):
    values = value if isinstance(value, list) else [value]
    if key in JOINS:
        return all(isinstance(one, str) and ADDRESS.fullmatch(one) for one in values)
    return all(isinstance(one, (bool, int, float)) or is_short(one) for one in values)


def is_short(value):
    return isinstance(value, str) and len(value) <= LONGEST_SHOWN and value.isprintable()


def definitions_in(config, *names):
    """The services or checks that a file registers: id, name, and whether it gives them a token."""
    found = []
    for name in names:
        value = config.get(name)
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                continue
            # service "web" { } is the same as a block web in a block service.
            blocks = [one] if is_named(one) else [block for block in one.values() if isinstance(block, dict)]
            found += [definition_of(block) for block in blocks if is_named(block)]
    return found


def is_named(definition):
    return bool({"name", "id", "checkid", "check_id"} & {key.lower() for key in definition})


def definition_of(definition):
    lower = {key.lower(): value for key, value in definition.items()}
    name = str(lower.get("name", ""))
    identity = lower.get("id") or lower.get("check_id") or lower.get("checkid") or name
    return {"id": str(identity), "name": name, "token": bool(lower.get("token"))}


def merged(all_settings):
    """The settings of several files. Later ones win, lists are joined."""
    found = {}
    for settings in all_settings:
        for key, value in settings.items():
            former = found.get(key)
            found[key] = former + value if isinstance(former, list) and isinstance(value, list) else value
    return found
