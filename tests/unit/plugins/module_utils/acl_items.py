# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, roles and tokens as consul_acl has them after its argument spec."""

from __future__ import annotations

ONE, TWO = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"


def policy(name="dns", **options):
    return {"name": name, "description": None, "rules": None, "datacenters": [], "state": "present", **options}


def role(name="shop", **options):
    lists = {"policies": [], "node_identities": [], "service_identities": []}
    return {"name": name, "description": None, "state": "present", **lists, **options}


def token(accessor=ONE, **options):
    own = {"accessor_id": accessor, "roles": [], "local": False, "expiration_ttl": None, "expiration_time": None}
    item = role(**{**own, **options})
    del item["name"]
    return item
