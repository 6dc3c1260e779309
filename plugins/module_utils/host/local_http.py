# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to this host itself."""

from __future__ import annotations

import ssl

from ansible.module_utils.urls import Request


def local_http(**options):
    """HTTP to this host itself. Given a context, Ansible does not load the host's CA certificates, for 40 ms a call."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Request(use_proxy=False, use_netrc=False, follow_redirects="none", context=context, **options)
