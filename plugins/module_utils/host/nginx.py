# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx of a host."""

from __future__ import annotations

import http.client
import re
import socket
import urllib.error

from ansible_collections.dockyard.consul.plugins.module_utils.host.local_http import local_http
from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program, ProgramError, find_program


def ask_version(timeout):
    """A running C(nginx -v), or None if nginx is not installed."""
    path = find_program("nginx")
    return Program([path, "-v"], timeout, errors_too=True) if path else None


def look_at_nginx(program, port, timeout):
    """C(port): where its stub_status is, 0 not to ask for it."""
    if not program:
        return {"error": "it is not installed"}
    try:
        version = re.search(r"nginx/([\w.]+)", program.output())
    except ProgramError as error:
        return {"version": None, "error": str(error)}
    error = why_nginx_is_silent(port, timeout) if port else None
    return {"version": version.group(1) if version else None, "error": error}


def why_nginx_is_silent(port, timeout):
    url = f"http://127.0.0.1:{port}/nginx_status"
    try:
        with local_http().open("GET", url, timeout=timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return f"{url}: HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ConnectionRefusedError):
            return f"{url}: connection refused: it does not run, or has not read its configuration; see systemctl status nginx"
        return f"{url}: no answer within {timeout:g} s" if isinstance(cause, socket.timeout) else f"{url}: {cause}"
    return None
