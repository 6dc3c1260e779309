# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys on the controller: what is wrong with them, which are due, and how the site CA signs them."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import SecretError
from ansible_collections.dockyard.consul.plugins.plugin_utils.tls_files import (
    Unusable,
    load_certificate,
    load_key,
    parse_certificate,
    parse_key,
    public_key,
    validity,
)

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    CRYPTOGRAPHY_ERROR: ImportError | None = error
else:
    CRYPTOGRAPHY_ERROR = None

MISSING = "missing"
GIVEN = ("ca_certificate", "ca_private_key")  # what messages call a CA that is given
MAX_COMMON_NAME = 64  # RFC 5280, upper bound of a common name
MAX_DAYS = 36500
CLOCK_SKEW = datetime.timedelta(minutes=5)  # a host may be this far behind the controller


class Wanted(NamedTuple):
    """A certificate that the site needs. Its files are C(name).pem and C(name).key in the folder of secrets."""

    name: str
    dns_names: list[str]
    addresses: list[str]


class Authority(NamedTuple):
    """The site CA."""

    certificate: Any
    key: Any


# What is there


def is_signed_by(certificate: Any, ca_certificate: Any) -> bool:
    try:
        certificate.verify_directly_issued_by(ca_certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names_of(certificate: Any) -> set[str]:
    """The DNS names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


# What is due


def certificate_due(
    certificate_file: str | Path,
    key_file: str | Path,
    ca_certificate: str,
    dns_names: Iterable[str],
    addresses: Iterable[str],
    renew_days: int,
    now: datetime.datetime,
) -> str:
    """Why a certificate has to be signed, or an empty string. C(ca_certificate) is PEM text."""
    if not Path(certificate_file).exists():
        return MISSING
    try:
        certificate = load_certificate(certificate_file)
        key = load_key(key_file) if Path(key_file).exists() else None
    except Unusable:
        return "cannot be read"
    if key is None:
        return "its key is missing"
    if public_key(certificate) != public_key(key):
        return "key does not belong to certificate"
    ca = x509.load_pem_x509_certificate(ca_certificate.encode())
    return _out_of_date(certificate, renew_days, now) or _wrong_signer_or_names(
        certificate, ca, {*dns_names, *(str(ipaddress.ip_address(address)) for address in addresses)}
    )


def _out_of_date(certificate: Any, renew_days: int, now: datetime.datetime) -> str:
    begins, ends = validity(certificate)
    if now < begins:
        return f"begins on {begins:%Y-%m-%d} only"
    if now > ends:
        return f"ended on {ends:%Y-%m-%d}"
    if ends - now < datetime.timedelta(days=renew_days):
        return f"ends on {ends:%Y-%m-%d}, in {(ends - now).days} days"
    return ""


def _wrong_signer_or_names(certificate: Any, ca: Any, wanted: set[str]) -> str:
    if not is_signed_by(certificate, ca):
        return "signed by another CA"
    covered = names_of(certificate)
    if wanted - covered:
        return f"does not cover {', '.join(sorted(wanted - covered))}"
    if covered - wanted:
        return f"covers {', '.join(sorted(covered - wanted))}, which is not listed"
    return ""


# The site CA and what it signs


def site_ca(folder: Path, given_certificate: str, given_key: str, now: datetime.datetime) -> Authority | None:
    """The CA that is given, or the one in the folder of secrets. None if it has to be made."""
    files = site_secrets.FILES
    certificate_file, key_file = folder / files["ca_certificate"].path, folder / files["ca_key"].path
    if bool(given_certificate) != bool(given_key):
        raise SecretError("Only one of ca_certificate and ca_private_key of the site CA is set. Set both, or neither.")
    site_secrets.refuse_open_folders(folder, certificate_file.name)
    if not given_key and key_file.exists():
        site_secrets.refuse_open_file(key_file, key_file.stat().st_mode)
    if not given_certificate and not certificate_file.exists():
        return None
    if not given_key and not key_file.exists():
        raise SecretError(
            f"{certificate_file} exists and its key {key_file} does not, so this CA cannot sign certificates."
            " Put the key there, or set ca_certificate and ca_private_key."
        )
    try:
        if given_key:
            certificate = parse_certificate(given_certificate.encode(), GIVEN[0])
            key = parse_key(given_key.encode(), GIVEN[1])
        else:
            certificate, key = load_certificate(certificate_file), load_key(key_file)
    except Unusable as error:
        raise SecretError(str(error)) from error
    names = GIVEN if given_key else (certificate_file, key_file)
    if public_key(certificate) != public_key(key):
        raise SecretError(
            f"{names[0]} and {names[1]} do not belong together. Use the certificate and the key of one CA."
        )
    ends = validity(certificate)[1]
    if ends < now:
        raise SecretError(f"The CA certificate {names[0]} ended on {ends:%Y-%m-%d}. Replace the CA and its key.")
    return Authority(certificate, key)


def refuse_limits(ca_common_name: str, ca_days: int, days: int) -> None:
    """Refuse what a certificate cannot hold."""
    if not 0 < len(ca_common_name) <= MAX_COMMON_NAME:
        raise SecretError(f"ca_common_name is {ca_common_name!r}. Use 1 to {MAX_COMMON_NAME} characters.")
    for option, value in (("ca_days", ca_days), ("days", days)):
        if not 0 < value <= MAX_DAYS:
            raise SecretError(f"{option} is {value}. Use a number of days from 1 to {MAX_DAYS}.")


def plan(
    folder: Path, given: tuple[str, str], wanted: Iterable[Wanted], renew_days: int, now: datetime.datetime
) -> tuple[Authority | None, list[tuple[Wanted, str]]]:
    """The CA (certificate and key as given, or empty; None if it has to be made) and the certificates that have to be
    signed, each with the reason. Raises every problem that prevents it."""
    ca, problems, usable = None, [], []
    wanted = list(wanted)
    # Before the CA: another run may make the CA and sign with it in between.
    signed_before = {one.name for one in wanted if (folder / f"{one.name}.pem").exists()}
    try:
        ca = site_ca(folder, *given, now)
    except SecretError as error:
        problems.append(str(error))
    for one in wanted:
        try:
            _refuse_unusable(folder, one)
            usable.append(one)
        except SecretError as error:
            problems.append(str(error))
    if problems:
        raise SecretError("\n".join(dict.fromkeys(problems)))
    if ca is None:
        return None, [(one, "signed by another CA" if one.name in signed_before else MISSING) for one in usable]
    reasons = [(one, _reason(folder, ca, one, renew_days, now)) for one in usable]
    return ca, [(one, reason) for one, reason in reasons if reason]


def _reason(folder: Path, ca: Authority, wanted: Wanted, renew_days: int, now: datetime.datetime) -> str:
    certificate, key = folder / f"{wanted.name}.pem", folder / f"{wanted.name}.key"
    pem = pem_of(ca.certificate)
    return certificate_due(certificate, key, pem, wanted.dns_names, wanted.addresses, renew_days, now)


def _refuse_unusable(folder: Path, wanted: Wanted) -> None:
    site_secrets.checked_name(wanted.name)
    site_secrets.refuse_open_folders(folder, wanted.name)
    if not _alternative_names(wanted):
        raise SecretError(f"The certificate {wanted.name} has neither DNS names nor addresses. List at least one.")
    key_file = folder / f"{wanted.name}.key"
    if key_file.exists():
        site_secrets.refuse_open_file(key_file, key_file.stat().st_mode)
        try:
            load_key(key_file)  # an existing key is never replaced
        except Unusable as error:
            raise SecretError(f"{error} Remove the file, and the next run makes a key.") from error


def _alternative_names(wanted: Wanted) -> list[Any]:
    names: list[Any] = []
    for name in wanted.dns_names:
        try:
            names.append(x509.DNSName(name))
        except (TypeError, ValueError) as error:
            raise SecretError(
                f"{name!r} is not a DNS name, and the certificate {wanted.name} lists it. Correct its DNS names."
            ) from error
    for address in wanted.addresses:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError as error:
            raise SecretError(
                f"{address!r} is not an IP address, and the certificate {wanted.name} lists it. Correct its addresses."
            ) from error
    return names


def make_ca(folder: Path, common_name: str, days: int, now: datetime.datetime) -> Authority:
    """Make the CA of a new site. Of several runs at the same time, all return the CA of the first one."""
    files = site_secrets.FILES
    key = _made_key(folder, files["ca_key"].path)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False)
    usage |= dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False)
    builder = _builder(subject, subject, key, days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    pem = pem_of(builder.sign(key, _digest(key)))
    site_secrets.write_once(folder, files["ca_certificate"].path, pem)
    return Authority(load_certificate(folder / files["ca_certificate"].path), key)


def keep_ca(folder: Path, pem: str) -> None:
    """Keep the certificate of a CA that was given, for whoever verifies by it."""
    site_secrets.replace(folder, site_secrets.FILES["ca_certificate"].path, pem)


def keeps_ca(folder: Path, pem: str) -> bool:
    file = folder / site_secrets.FILES["ca_certificate"].path
    return file.is_file() and file.read_bytes() == pem.encode()


def sign(folder: Path, ca: Authority, wanted: Wanted, reason: str, days: int, now: datetime.datetime) -> None:
    """Sign a certificate, with the key that is there or a new one."""
    key = _made_key(folder, f"{wanted.name}.key")
    short = [name for name in (*wanted.dns_names, *wanted.addresses) if len(name) <= MAX_COMMON_NAME]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in short[:1]])
    names = x509.SubjectAlternativeName(_alternative_names(wanted))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(subject, ca.certificate.subject, key, days, now)
    builder = builder.add_extension(names, critical=not short)  # RFC 5280, 4.2.1.6
    builder = builder.add_extension(usage, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_identifier_of(ca.certificate), critical=False)
    put = site_secrets.write_once if reason == MISSING else site_secrets.replace
    put(folder, f"{wanted.name}.pem", pem_of(builder.sign(ca.key, _digest(ca.key))))


def _made_key(folder: Path, name: str) -> Any:
    """The key in a file. Of several runs at the same time, all return the key of the first one."""
    if not (folder / name).exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        site_secrets.write_once(folder, name, pem)
    return load_key(folder / name)


def _builder(subject: Any, issuer: Any, key: Any, days: int, now: datetime.datetime) -> Any:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + datetime.timedelta(days=days))
    return builder.add_extension(identifier, critical=False)


def _key_identifier_of(ca_certificate: Any) -> Any:
    try:
        identifier = ca_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_certificate.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _digest(key: Any) -> Any:
    """What a signature with this key hashes by: the two Edwards curves bring their own."""
    return None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()


def pem_of(certificate: Any) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
