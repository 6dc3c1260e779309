# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

ONE_OF_TWO = "{} is not set, and {} is. Set both of them, or neither."
CERTIFICATE, KEY = "site_tls_ca_certificate", "site_tls_ca_private_key"


@pytest.mark.parametrize("given", [{}, {CERTIFICATE: "PEM", KEY: "PEM"}, {"site_tls_dir": "/srv/secrets"}])
def test_right(said, given):
    assert said("site_tls", given) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"site_secrets_dir": "secrets"},
            "site_secrets_dir is 'secrets'. It must be an absolute path, such as '{{ inventory_dir }}/.secrets'.",
        ),
        (
            {"site_tls_dir": "secrets"},
            "site_tls_dir is 'secrets'. It must be an absolute path, such as '{{ inventory_dir }}/.secrets'.",
        ),
        ({CERTIFICATE: "PEM"}, ONE_OF_TWO.format(KEY, CERTIFICATE)),
        ({KEY: "PEM"}, ONE_OF_TWO.format(CERTIFICATE, KEY)),
    ],
)
def test_wrong(said, given, text):
    assert said("site_tls", given) == [text]


def test_a_ca_without_its_key(said, tmp_path):
    (tmp_path / "ca.pem").touch()
    assert said("site_tls") == [
        (
            f"{tmp_path}/ca.pem exists, and its private key {tmp_path}/ca.key does not. The CA cannot sign a certificate. Copy the"
            " key to that file, or set site_tls_ca_certificate and site_tls_ca_private_key."
        )
    ]
    (tmp_path / "ca.key").touch()
    assert said("site_tls") == []


def test_a_ca_that_is_given_needs_no_files(said, tmp_path):
    (tmp_path / "ca.pem").touch()
    assert said("site_tls", {CERTIFICATE: "PEM", KEY: "PEM"}) == []
