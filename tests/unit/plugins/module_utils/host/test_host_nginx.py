# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import sys

from ansible_collections.dockyard.consul.plugins.module_utils.host.nginx import look_at_nginx, why_nginx_is_silent
from ansible_collections.dockyard.consul.plugins.module_utils.host.programs import Program


def test_an_nginx_that_does_not_run():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert "connection refused" in why_nginx_is_silent(port, 1)
        free.listen()
        assert "no answer within 0.2 s" in why_nginx_is_silent(port, 0.2)


def printing(text):
    return Program([sys.executable, "-c", f"import sys; print({text!r}, file=sys.stderr)"], 10, errors_too=True)


def test_the_version_of_nginx():
    """nginx -v prints to stderr."""
    assert look_at_nginx(printing("nginx version: nginx/1.22.1"), 0, 1) == {"version": "1.22.1", "error": None}
    assert look_at_nginx(None, 0, 1) == {"error": "it is not installed"}


def test_an_nginx_that_does_not_answer_has_a_version_all_the_same():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        seen = look_at_nginx(printing("nginx version: nginx/1.22.1"), free.getsockname()[1], 1)
    assert seen["version"] == "1.22.1" and "connection refused" in seen["error"]
