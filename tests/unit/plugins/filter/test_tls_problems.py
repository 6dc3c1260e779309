# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.dockyard.consul.plugins.filter.tls_problems import tls_problems
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
TODAY = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def certificate_of(key, begins=TODAY - DAY, ends=TODAY + DAY):
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, begins, ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(key, passphrase=None):
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.fixture
def problems(tmp_path):
    """What is said of a certificate and key with these contents; the folder is left out of it."""

    def problems(certificate, key):
        files = [tmp_path / "www.pem", tmp_path / "www.key"]
        for file, content in zip(files, (certificate, key), strict=True):
            if content is not None:
                file.write_bytes(content)
        return [problem.replace(f"{tmp_path}/", "") for problem in tls_problems(["www", *map(str, files)])]

    return problems


@pytest.mark.parametrize("key", [EC, RSA], ids=["ec", "rsa"])
def test_nothing_is_wrong(problems, key):
    assert problems(certificate_of(key), pem(key)) == []


def test_a_chain_begins_with_the_servers_own(problems):
    assert problems(certificate_of(EC) + certificate_of(RSA), pem(EC)) == []
    assert problems(certificate_of(RSA) + certificate_of(EC), pem(EC)) != []


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        (None, pem(EC), "'www.pem' is not a file on the controller; the certificate is taken from there."),
        (certificate_of(EC), None, "'www.key' is not a file on the controller; the private key is taken from there."),
        (b"nothing\n", pem(EC), "www.pem is not a certificate in PEM form."),
        (pem(EC), pem(EC), "www.pem is not a certificate in PEM form."),
        (certificate_of(EC), certificate_of(EC), "www.key is not a private key in PEM form."),
        (
            certificate_of(EC),
            pem(EC, b"secret"),
            "the private key www.key has a passphrase, which a server that starts by itself cannot give.",
        ),
        (
            certificate_of(EC),
            pem(RSA),
            "www.pem and www.key do not belong together: the first certificate there is not that of this key.",
        ),
        (
            certificate_of(EC, ends=TODAY - DAY / 2),
            pem(EC),
            f"the certificate www.pem has ended on {TODAY - DAY / 2:%Y-%m-%d}. Put a new one there.",
        ),
        (
            certificate_of(EC, begins=TODAY + DAY / 2),
            pem(EC),
            f"the certificate www.pem begins on {TODAY + DAY / 2:%Y-%m-%d} only. Is the controller's clock right?",
        ),
    ],
)
def test_what_is_wrong(problems, certificate, key, says):
    assert problems(certificate, key) == [says]


def test_everything_that_is_wrong_is_said(problems):
    assert len(problems(certificate_of(EC, ends=TODAY - DAY / 2), pem(RSA))) == 2
    assert len(problems(None, None)) == 2
