# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the role nginx_lb places on a host: nginx.conf is ours, the package's or the user's."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import Directive, parse
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

NGINX_CONF = "/etc/nginx/nginx.conf"
# Last in its folder: where no server has default_server, nginx takes the first one, and that stays the user's.
SITE = "zz_nginx_lb.conf"
FOLDERS = ("/etc/nginx/conf.d", "/etc/nginx/sites-enabled")
# The folders that nginx.conf of the role includes, as that of the package does.
MODULES = "/etc/nginx/modules-enabled"
CONF_D, SITES = "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*"
COMMENT = "# Set by the role nginx_lb. A request that is passed on has two connections."

# nginx.conf if the user wants to have it replaced, as Debian's.
REPLACEMENT = """\
# Ansible managed
# As that of Debian. The services are in {site}.
user {user};
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {{
}}

http {{
\tsendfile on;
\ttcp_nopush on;
\ttypes_hash_max_size 2048;
\tinclude /etc/nginx/mime.types;
\tdefault_type application/octet-stream;
\tssl_protocols TLSv1.2 TLSv1.3;
\taccess_log /var/log/nginx/access.log;
\tgzip on;
\t{includes}
}}
"""


class Layout(NamedTuple):
    conf: str
    """Of nginx.conf: V(ours) if the role may change it, V(replaced), V(theirs), or V(unknown) before nginx is installed."""

    site: str | None
    """The file with all that balances. None if nginx.conf includes no folder for it."""

    includes: list[str]
    """The patterns that nginx.conf includes in C(http)."""

    welcome: list[str]
    """Sites of the package that serve nothing but its welcome page."""


def config_of(look: Look) -> Mapping[str, Any]:
    """What the look has of the configuration. Empty if nginx is not installed."""
    return (look.get("nginx") or {}).get("config") or {}


def layout(look: Look, mode: str) -> Layout:
    """C(mode): the variable nginx_lb_nginx_conf."""
    config = config_of(look)
    if mode == "replace":
        conf = "replaced"
    elif not config:
        conf = "unknown"
    else:
        conf = "ours" if config["nginx_conf"] is not None and mode == "auto" else "theirs"
    includes = [one["pattern"] for one in config["includes"]] if config else [CONF_D, SITES]
    if conf == "replaced" and config.get("error"):
        includes = [CONF_D, SITES]  # it is not known which of them it includes now
    if conf == "replaced":
        includes = [CONF_D, *([SITES] if SITES in includes else [])]
    return Layout(conf, site_in(includes), includes, config.get("welcome_sites", []))


def site_in(includes: Iterable[str]) -> str | None:
    """The place for the file of the role: in the folder that nginx reads last."""
    for pattern in reversed(list(includes)):
        folder = os.path.dirname(pattern)
        if folder in FOLDERS and fnmatch.fnmatch(f"{folder}/{SITE}", pattern):
            return f"{folder}/{SITE}"
    return None


def files(look: Look, mode: str, worker_connections: int, has_services: bool) -> list[dict[str, Any]]:
    """Entries for the module files: nginx.conf, the file of the role, and what is not needed any more."""
    plan, config = layout(look, mode), config_of(look)
    entries: list[dict[str, Any]] = []
    if plan.conf == "replaced":
        includes = "\n\t".join(f"include {pattern};" for pattern in plan.includes)
        new = REPLACEMENT.format(site=plan.site, user=config.get("user") or "www-data", includes=includes)
        entries.append({"path": NGINX_CONF, "content": with_workers(new, worker_connections)})
    elif plan.conf == "ours":
        entries.append({"path": NGINX_CONF, "content": with_workers(config["nginx_conf"], worker_connections)})
    site = plan.site or f"{FOLDERS[0]}/{SITE}"  # without one, check_variables has refused the run
    entries.append({"path": site, "template": "nginx_lb.conf.j2"})
    gone = [f"{folder}/{SITE}" for folder in FOLDERS if f"{folder}/{SITE}" != site]
    gone += plan.welcome if has_services else []
    there = look.known.get("paths") or {}
    return entries + [{"path": path, "state": "absent"} for path in gone if path in there]


def with_workers(text: str, connections: int) -> str:
    """nginx.conf with this number of connections and of open files. All else stays as it is."""
    main = parse(text)
    events = next(one for one in main if one.name == "events")
    inside = next((one for one in events.block if one.name == "worker_connections"), None)
    limit = next((one for one in main if one.name == "worker_rlimit_nofile"), None)
    new_inside, new_limit = f"worker_connections {connections};", f"worker_rlimit_nofile {2 * connections + 64};"
    changes = [
        _replaced(inside, new_inside) if inside else (events.end, events.end, f"\n\t{new_inside}"),
        _replaced(limit, new_limit) if limit else (events.start, events.start, f"{COMMENT}\n{new_limit}\n\n"),
    ]
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replaced(directive: Directive, new: str) -> tuple[int, int, str]:
    return directive.start, directive.end, new
