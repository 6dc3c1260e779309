# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and private keys in PEM form, and whether a server can use those in two files on the controller.

Imports C(cryptography) only when a function is called, because only sites with TLS need it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any


class Unusable(Exception):
    """What is wrong with a file: a sentence."""


def tls_problems(certificate_file: str, key_file: str) -> list[str]:
    """What is wrong with the two files, one sentence each."""
    certificate = key = None
    problems = []
    try:
        certificate = load_certificate(certificate_file)
    except Unusable as error:
        problems.append(str(error))
    try:
        key = load_key(key_file)
    except Unusable as error:
        problems.append(str(error))
    if certificate:
        problems += _out_of_date(certificate, certificate_file)
    if certificate and key and public_key(certificate) != public_key(key):
        problems.append(
            f"{key_file} is not the key of the first certificate in {certificate_file}. The server's own certificate"
            " must be the first one in its file."
        )
    return problems


def load_certificate(file: str | Path) -> Any:
    """The first certificate in a file. In a chain, that is the one of the server."""
    return parse_certificate(_content(file, "certificate"), file)


def load_key(file: str | Path) -> Any:
    return parse_key(_content(file, "private key"), file)


def parse_certificate(content: bytes, where: str | Path) -> Any:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise Unusable(f"{where} is not a certificate in PEM form.") from error


def parse_key(content: bytes, where: str | Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, password=None)
    except TypeError as error:
        raise Unusable(
            f"The private key {where} has a passphrase. A server cannot enter one: remove the passphrase."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(f"{where} is not a private key in PEM form.") from error


def public_key(holder: Any) -> bytes:
    """The public key of a certificate or of a private key, to compare."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def validity(certificate: Any) -> tuple[datetime.datetime, datetime.datetime]:
    """When a certificate begins and ends."""
    try:
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except AttributeError:  # cryptography before 42
        begins, ends = certificate.not_valid_before, certificate.not_valid_after
        return begins.replace(tzinfo=datetime.UTC), ends.replace(tzinfo=datetime.UTC)


def _content(file: str | Path, what: str) -> bytes:
    path = Path(file).expanduser()
    if not path.is_file():
        raise Unusable(f"'{file}' is not a file on the controller. The {what} is read from it.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"The {what} {file} cannot be read: {error.strerror}.") from error


def _out_of_date(certificate: Any, file: str) -> list[str]:
    begins, ends = validity(certificate)
    now = datetime.datetime.now(datetime.UTC)
    if now > ends:
        return [f"The certificate {file} expired on {ends:%Y-%m-%d}. Replace it."]
    if now < begins:
        return [f"The certificate {file} is not valid before {begins:%Y-%m-%d}. Check the controller's clock."]
    return []
