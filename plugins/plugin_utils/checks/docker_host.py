# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the role docker_host."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import (
    at_least,
    batch,
    debian,
    found,
    if_set,
    is_file,
    lan_address,
    log_size,
    not_a_file,
)
from ansible_collections.dockyard.consul.plugins.plugin_utils.docker_engine import DAEMON_JSON, FOUNDATIONS, Engine
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem, shown
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values


def check(v: Values) -> Iterator[Problem]:
    return found(CHECKS, v)


def dns(v: Values) -> Iterator[Problem]:
    loopback = [address for address in v["docker_host_dns"] if address.startswith("127.")]
    if loopback:
        yield Problem(
            "docker_host_dns",
            f"docker_host_dns contains {', '.join(map(shown, loopback))}. A container cannot reach the loopback addresses of"
            " its host. Use the host's LAN address.",
        )


def registry_ca(v: Values) -> Iterator[Problem]:
    ca = v["docker_host_registry_ca_file"]
    # A first run creates the site's CA before it comes to this role.
    to_be_made = os.path.join(v.site.secrets_dir, "ca.pem")
    if ca and not is_file(ca) and os.path.realpath(ca) != os.path.realpath(to_be_made):
        yield not_a_file(v, "docker_host_registry_ca_file")
    if ca and not v["docker_host_registry"]:
        yield Problem(
            "docker_host_registry_ca_file",
            "docker_host_registry is not set, and docker_host_registry_ca_file is. Set docker_host_registry to the host:port"
            " of the registry with a certificate from that CA.",
        )


def other_engine(v: Values) -> Iterator[Problem]:
    """An engine that is not the unit docker, and would be in the way of it."""
    paths, engine = v.look.get("paths") or {}, Engine(v.look)
    found = ""
    if "/snap/bin/docker" in paths:
        found = "the engine of the snap docker. Remove it (snap remove docker)"
    elif v.look.package("podman-docker"):
        found = "the package podman-docker, with which docker is podman. Remove it"
    elif engine.error:
        users = [path.split("/")[3] for path in paths if re.fullmatch(r"/run/user/[0-9]+/docker\.pid", path)]
        found = f"a rootless engine of the user {users[0]}, and no other engine runs. Stop it" if users else ""
    if found:
        yield Problem("ansible_facts", f"This host has {found}, or remove the host from the group docker_host.")


def unread_engine(v: Values) -> Iterator[Problem]:
    """What it has could be lost. An engine that does not run is started."""
    engine = Engine(v.look)
    if engine.error and (v.look.unit("docker") or {}).get("active") in ("active", "reloading"):
        yield Problem(
            "ansible_facts",
            f"The Docker engine of {v.host} runs, and could not be read: {engine.error}. The role does not change an engine that"
            " may lose containers. Check the engine (docker info, journalctl -u docker), then run again.",
        )


def daemon_json(v: Values) -> Iterator[Problem]:
    error = Engine(v.look).file.get("error")
    if error:
        yield Problem(
            "ansible_facts",
            f"{DAEMON_JSON} {error}. The role merges its settings into that file. Correct the file on the host.",
        )


def conflicts(v: Values) -> Iterator[Problem]:
    """What the user's daemon.json sets against what the role promises."""
    engine, extra = Engine(v.look), v["docker_host_daemon_extra"]
    if engine.users_own("live-restore") and not engine.has("live-restore", True) and "live-restore" not in extra:
        yield Problem(
            "docker_host_daemon_extra",
            f"{DAEMON_JSON} on the host has a live-restore other than true, so containers stop when the engine restarts. Remove"
            " it from the file, or set live-restore in docker_host_daemon_extra: true to switch it on, false to keep it off.",
        )
    if (
        engine.users_own("dns")
        and "dns" not in extra
        and v.is_default("docker_host_dns")
        and not engine.has("dns", v["docker_host_dns"])
    ):
        yield Problem(
            "docker_host_dns",
            f"{DAEMON_JSON} on the host has other nameservers (dns) than docker_host_dns, which is"
            f" {shown(v['docker_host_dns'])} by default. Containers on a bridge may not resolve Consul names with them. Set"
            " docker_host_dns to the nameservers to use, or remove dns from the file.",
        )
    limits = [name for name in LOG_LIMITS if not v.is_default(name)]
    if limits and not engine.rotates(extra):
        yield Problem(
            limits[0],
            f"{' and '.join(limits)} cannot be applied, because the engine has a log driver other than json-file and local."
            " Leave the default, or set log-driver in docker_host_daemon_extra.",
        )


def command_line(v: Values) -> Iterator[Problem]:
    """dockerd does not start if the same is set on its command line and in daemon.json."""
    engine, extra = Engine(v.look), v["docker_host_daemon_extra"]
    wanted = {"dns", *extra, *(["log-opts"] if any(not v.is_default(name) for name in LOG_LIMITS) else [])}
    if not engine.has_live_restore:
        wanted.add("live-restore")
    if "config-file" in engine.keys_on_command_line:
        yield Problem(
            "ansible_facts",
            f"dockerd on the host reads another file than {DAEMON_JSON}: it has --config-file on its command line. Move your"
            f" settings to {DAEMON_JSON}, and remove the option (see systemctl cat docker, and /etc/default/docker).",
        )
    # dockerd merges these.
    both = sorted((wanted & engine.keys_on_command_line) - {"runtimes"})
    if both:
        yield Problem(
            "docker_host_daemon_extra" if set(both) & set(extra) else "ansible_facts",
            f"dockerd on the host has {', '.join(both)} on its command line, and does not start if {DAEMON_JSON} has it too."
            " Remove it from the command line: see systemctl cat docker, and /etc/default/docker.",
        )


def swarm(v: Values) -> Iterator[Problem]:
    engine = Engine(v.look)
    if engine.state.get("swarm") and v["docker_host_daemon_extra"].get("live-restore", True) is not False:
        yield Problem(
            "docker_host_daemon_extra",
            "The engine is a node of a swarm, and does not start with live-restore. Set docker_host_daemon_extra:"
            " {live-restore: false}. Containers then stop when the engine restarts.",
        )


def foundations(v: Values) -> Iterator[Problem]:
    """What decides where the engine has its containers stays, as long as it has some."""
    name = "docker_host_daemon_extra"
    engine, extra = Engine(v.look), v[name]
    for key in FOUNDATIONS:
        if key in extra and not engine.has(key, extra[key]):
            what = f"{name} has {key} {shown(extra[key])}, and {DAEMON_JSON} on the host does not"
            remedy = f"remove {key} from {name}"
        elif key not in extra and engine.is_placed(key):
            what = f"{name} does not have {key} any more, so the role would remove it from {DAEMON_JSON}"
            remedy = f"set {key} in {name} to the value in that file"
        else:
            continue
        if engine.containers:
            count, them = (f"{engine.containers} containers", "them") if engine.containers > 1 else ("a container", "it")
            yield Problem(
                name, f"{what}. The engine has {count}, which it would lose. Remove {them} first, or {remedy}."
            )
        elif engine.error and engine.is_installed:
            yield Problem(
                name,
                f"{what}. The engine does not run, so its containers are not known. It would lose them. To keep them, {remedy}.",
                is_warning=True,
            )


def daemon_extra(v: Values) -> Iterator[Problem]:
    try:
        json.dumps(v["docker_host_daemon_extra"], allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Problem("docker_host_daemon_extra", f"docker_host_daemon_extra cannot be written as JSON: {error}.")


LOG_LIMITS = ("docker_host_log_max_size", "docker_host_log_max_file")

CHECKS = [
    debian,
    other_engine,
    unread_engine,
    daemon_json,
    daemon_extra,
    conflicts,
    command_line,
    swarm,
    foundations,
    batch("docker_host_restart_serial"),
    lan_address,
    if_set("docker_host_dns", dns),
    log_size("docker_host_log_max_size"),
    at_least(1, "docker_host_log_max_file"),
    registry_ca,
]
