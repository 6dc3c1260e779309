# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.consul_install_due import consul_install_due

BINARY = "/usr/bin/consul"
CAPABILITY = "cap_net_bind_service=ep"


def due(wanted="", capability="", method="package", **found):
    binary = {"version": "1.8.7+dfsg1", "capabilities": "", "error": "", **found}
    return consul_install_due({"consul_binaries": {BINARY: binary}}, method, BINARY, wanted, capability)


@pytest.mark.parametrize("look", [{}, {"consul_binaries": None}, {"consul_binaries": {"/usr/local/bin/consul": {}}}])
@pytest.mark.parametrize("method", ["package", "local"])
def test_there_is_none(look, method):
    assert consul_install_due(look, method, BINARY) == "there is no /usr/bin/consul"


@pytest.mark.parametrize("method", ["package", "local"])
def test_it_does_not_run(method):
    assert due(method=method, error="it ends with 139") == "/usr/bin/consul: it ends with 139"


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [
        ("1.8.7+dfsg1", ""),
        ("1.8.7+dfsg1", "1.8.7+dfsg1"),
        ("1.8.7+dfsg1", "1.8.7+dfsg1-5"),  # the version of Debian's package
        ("1.21.4", "1.21.4-1"),  # that of HashiCorp's
        ("1.21.4", "1.21.4+ent"),
        ("1.21.4", "1.21"),
        ("1.21.4", "1"),
    ],
)
def test_a_version_that_is_the_wanted_one(installed, wanted):
    assert due(wanted, version=installed) == ""


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [("1.21.4", "1.21.5"), ("1.21.4", "1.2"), ("1.21.4", "1.21.40"), ("1.21.40", "1.21.4"), ("1.21", "1.21.4")],
)
def test_another_version(installed, wanted):
    assert due(wanted, version=installed) == f"Consul {installed} is installed, not {wanted}"


def test_capabilities():
    assert due(capability=CAPABILITY, capabilities=CAPABILITY) == ""
    assert due(capability=CAPABILITY) == f"/usr/bin/consul has the capabilities '', not '{CAPABILITY}'"
    assert due(capabilities=CAPABILITY) == f"/usr/bin/consul has the capabilities '{CAPABILITY}', not ''"


def test_a_file_of_the_controller_is_always_compared():
    assert due(method="local") == "the file on the controller is compared"
    assert due(method="local", capability=CAPABILITY, capabilities=CAPABILITY) != ""
