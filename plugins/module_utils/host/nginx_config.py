# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the nginx of a host: where its servers listen, and what it includes. Of all other directives, which
may hold secrets, nothing is returned.

The files are read as nginx reads them. C(nginx -T) would also resolve the names of upstreams, and prints nothing if the
configuration has an error.
"""

from __future__ import annotations

import glob
import hashlib
import mmap
import os
import re

from ansible_collections.dockyard.consul.plugins.module_utils.nginx_language import NginxSyntaxError, parse

NGINX_CONF = "etc/nginx/nginx.conf"
LARGEST_FILE = 1 << 20
# What a large file must not have to be a mere table, such as one for geo.
OF_SERVERS = re.compile(rb"\b(server|listen|server_name|include)\b")
# Blocks with servers in them, and the servers.
CONTEXTS = ("http", "stream", "mail")

# The sites that a package brings, by the file that serves them: the folder that they serve, and the files in there that the
# package made, with the file of the package that each is a copy of.
PAGE = "usr/share/nginx/html/index.html"
WELCOME_SITES = {
    "etc/nginx/sites-enabled/default": ("var/www/html", {"index.nginx-debian.html": PAGE}),
    "etc/nginx/conf.d/default.conf": (
        "usr/share/nginx/html",
        {"index.html": PAGE, "50x.html": "usr/share/nginx/html/50x.html"},
    ),
}


class ConfigReader:
    """Collects what is found while it follows the includes. C(root) is another folder than / in tests."""

    def __init__(self, root="/"):
        self.root = root
        self.open_files = []
        self.error = None
        self.settings = {"user": None, "error_log": None, "worker_connections": None}
        self.servers = []
        self.includes = []

    def read(self):
        if os.path.exists(self.path(NGINX_CONF)):
            self.file(self.path(NGINX_CONF), "main")
        else:
            self.error = f"/{NGINX_CONF} does not exist"
        return {"error": self.error, **self.settings, "servers": self.servers, "includes": self.includes}

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def shown(self, path):
        return "/" + os.path.relpath(path, self.root) if self.root != "/" else path

    def file(self, path, context, server=None):
        if path in self.open_files:
            self.error = self.error or f"{self.shown(path)} includes itself"
            return
        try:
            if os.path.getsize(path) > LARGEST_FILE:
                if may_have_servers(path):
                    self.error = self.error or f"{self.shown(path)}: it is larger than 1 MiB"
                return
            with open(path, encoding="utf-8", errors="replace") as file:
                directives = parse(file.read())
        except (OSError, NginxSyntaxError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.error = self.error or f"{self.shown(path)}: {reason}"
            return
        self.open_files.append(path)
        self.directives(directives, path, context, server)
        self.open_files.pop()

    def directives(self, directives, path, context, server=None):
        for one in directives:
            if one.name == "include" and one.arguments:
                self.include(one.arguments[0], context, server)
            elif context == "main" and one.name in CONTEXTS and one.block is not None:
                self.directives(one.block, path, one.name)
            elif context == "main" and one.name == "events":
                self.directives(one.block or [], path, "events")
            elif context in CONTEXTS and one.name == "server" and one.block is not None:
                self.server(one, path, context)
            elif server is not None and one.name == "listen":
                server["listen"].append(" ".join(one.arguments))
            elif server is not None and one.name == "server_name":
                server["names"] += one.arguments
            elif context in ("main", "events") and one.name in self.settings and one.arguments:
                self.setting(one.name, one.arguments[0])

    def setting(self, name, value):
        if name != "error_log" or value.startswith("/"):  # not stderr, syslog: or a path relative to the prefix
            self.settings[name] = value

    def server(self, directive, path, context):
        server = {"kind": context, "file": self.shown(path), "line": directive.line, "listen": [], "names": []}
        self.directives(directive.block, path, "server", server)
        if context == "http" and not server["listen"]:
            server["listen"] = ["80"]
        self.servers.append(server)

    def include(self, pattern, context, server):
        if not pattern.startswith("/"):
            pattern = f"/{os.path.dirname(NGINX_CONF)}/{pattern}"
        for path in sorted(glob.glob(self.path(pattern))):
            self.file(path, context, server)
        if context == "http":
            self.includes.append({"pattern": pattern, "servers": len(self.servers)})


def may_have_servers(path):
    """Whether a file that is too large to parse names what servers are made of."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return OF_SERVERS.search(content) is not None


def look_at_config(origins, root="/"):
    """C(origins): see host_info."""
    return {
        **ConfigReader(root).read(),
        "welcome_sites": welcome_sites(origins, root),
        "nginx_conf": text(os.path.join(root, NGINX_CONF)) if f"/{NGINX_CONF}" in origins else None,
    }


def text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def welcome_sites(origins, root="/"):
    """The sites on this host that are as the package brought them, and serve nothing but its own page."""
    found = []
    for site, (folder, pages) in WELCOME_SITES.items():
        path, folder = os.path.join(root, site), os.path.join(root, folder)
        conffile = "/" + os.path.relpath(os.path.realpath(path), os.path.realpath(root))
        if origins.get(conffile) == "package" and all(
            name in pages and is_copy(os.path.join(folder, name), root, pages[name]) for name in names_in(folder)
        ):
            found.append("/" + site)
    return found


def names_in(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def is_copy(path, root, of):
    """Whether a file has the MD5 that dpkg has of a file of the package."""
    try:
        with open(path, "rb") as file:
            mine = hashlib.md5(file.read()).hexdigest()
    except (OSError, ValueError):  # a host's Python may have no MD5
        return False
    for name in ("nginx", "nginx-common"):
        try:
            with open(os.path.join(root, f"var/lib/dpkg/info/{name}.md5sums"), encoding="utf-8") as file:
                if f"{mine}  {of}\n" in file.readlines():
                    return True
        except OSError:
            continue
    return False
