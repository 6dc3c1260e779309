# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why Consul refuses a transaction on the catalog."""

from __future__ import annotations

import json

STALE = "index is stale"
DENIED = "Permission denied"


def refusal(words):
    """Why Consul refused a transaction of one operation. Empty if that was not the reason."""
    try:
        return json.loads(words)["Errors"][0]["What"]
    except (LookupError, TypeError, ValueError):
        return ""
