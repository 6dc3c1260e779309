# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest


@pytest.mark.parametrize("given", [{}, {"registry_port": 5001}, {"registry_data_dir": "/srv/images"}])
def test_right(said, given):
    assert said("registry", given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"registry_port": 70000}, "registry_port is 70000. A port is a number from 1 to 65535."),
        (
            {"registry_data_dir": "images"},
            "registry_data_dir is 'images'. It must be the absolute path of a folder on the host.",
        ),
        (
            {"site_tls_ca_certificate": "PEM"},
            "site_tls_ca_private_key is not set, and site_tls_ca_certificate is. Set both of them, or neither.",
        ),
        (
            {"consul_agent_bind_interface": "eth7"},
            "consul_agent_bind_interface is eth7. The host does not have that interface. It has eth0.",
        ),
    ],
)
def test_wrong(said, given, text):
    assert said("registry", given) == [text]


def test_a_ca_that_is_not_on_this_controller(said, tmp_path):
    """A second controller without the folder of secrets: no Docker host would trust a new CA."""
    there = {"paths": {"/etc/docker/registry/registry.pem": {"type": "file"}}}
    (text,) = said("registry", {}, look=there)
    assert "ca.pem does not exist, and the registry on this host has a certificate already" in text
    assert said("registry", {}, look={"paths": {}}) == []
    given = {"site_tls_ca_certificate": "PEM", "site_tls_ca_private_key": "PEM"}
    assert said("registry", given, look=there) == []
    (tmp_path / "ca.pem").touch()
    (tmp_path / "ca.key").touch()
    assert said("registry", {}, look=there) == []


def test_a_registry_that_was_configured_by_hand(said):
    file = "/etc/docker/registry/config.yml"
    there = {"paths": {file: {"type": "file"}}, "origins": {}}
    (text,) = said("registry", {}, look=there)
    assert "was configured in /etc/docker/registry/config.yml, which the role would replace" in text
    assert said("registry", {"registry_replace_settings": True}, look=there) == []
    for origin in ("placed", "package"):
        assert said("registry", {}, look={**there, "origins": {file: origin}}) == []
    assert said("registry", {}, look={"paths": {}}) == []


def test_a_registry_of_the_site_that_somebody_has_changed(said):
    """The next run undoes it."""
    files = ("/etc/docker/registry/config.yml", "/etc/docker/registry/registry.pem")
    ours = {"paths": {file: {"type": "file"} for file in files}, "origins": {}}
    assert not any("was configured in" in text for text in said("registry", {}, look=ours))
