# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import shutil
import stat
import subprocess

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils import certificates, site_secrets, tls_files
from ansible_collections.dockyard.consul.plugins.plugin_utils.certificates import Wanted
from ansible_collections.dockyard.consul.plugins.plugin_utils.site_secrets import SecretError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from races import race

NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
WEB = Wanted("node/web1/server", ["web.example.com", "localhost"], ["10.0.0.1", "fd00::1"])
NONE_GIVEN = ("", "")
WEB_SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web.example.com")])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


@pytest.fixture
def ca(folder):
    return certificates.make_ca(folder, "Site CA", 3650, NOW)


@pytest.fixture
def signed(folder, ca):
    certificates.sign(folder, ca, WEB, "missing", 365, NOW)


def pem(key, passphrase=None):
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def other_ca(key=None, name="Site CA", ends=NOW + DAY):
    """A CA of the operator: certificate and key in PEM."""
    key = key or ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW - 9 * DAY, ends)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    return certificates.pem_of(builder.sign(key, None if edwards else hashes.SHA256())), pem(key)


def due(folder, ca, wanted=WEB, renew_days=30, now=NOW):
    files = folder / f"{wanted.name}.pem", folder / f"{wanted.name}.key"
    ca_pem = certificates.pem_of(ca.certificate)
    return certificates.certificate_due(*files, ca_pem, wanted.dns_names, wanted.addresses, renew_days, now)


def certificate(folder, name=WEB.name):
    return tls_files.load_certificate(folder / f"{name}.pem")


# certificate_due


def test_a_new_certificate_is_not_due(folder, ca, signed):
    assert due(folder, ca) == ""


def test_the_order_and_the_form_of_names_do_not_matter(folder, ca, signed):
    assert due(folder, ca, Wanted(WEB.name, WEB.dns_names[::-1], ["fd00:0::1", "10.0.0.1"])) == ""


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (334, ""),
        (335, ""),
        (336, "ends on 2027-11-26, in 29 days"),
        (364, "ends on 2027-11-26, in 1 days"),
        (366, "ended on 2027-11-26"),
        (-1, "begins on 2026-11-26 only"),
    ],
)
def test_near_its_end(folder, ca, signed, days, reason):
    assert due(folder, ca, now=NOW + days * DAY) == reason


def test_renew_days(folder, ca, signed):
    assert due(folder, ca, renew_days=0, now=NOW + 364 * DAY) == ""
    assert due(folder, ca, renew_days=400).startswith("ends on 2027-11-26, in 365 days")


def test_missing(folder, ca):
    assert due(folder, ca) == "missing"


def test_its_key_is_missing(folder, ca, signed):
    (folder / f"{WEB.name}.key").unlink()
    assert due(folder, ca) == "its key is missing"


@pytest.mark.parametrize("suffix", ["pem", "key"])
@pytest.mark.parametrize("content", ["", "nothing\n", "-----BEGIN CERTIFICATE-----\n"])
def test_cannot_be_read(folder, ca, signed, suffix, content):
    (folder / f"{WEB.name}.{suffix}").write_text(content)
    assert due(folder, ca) == "cannot be read"


def test_a_folder_in_its_place_cannot_be_read(folder, ca, signed):
    (folder / f"{WEB.name}.pem").unlink()
    (folder / f"{WEB.name}.pem").mkdir()
    assert due(folder, ca) == "cannot be read"


def test_key_of_another_certificate(folder, ca, signed):
    (folder / f"{WEB.name}.key").write_text(pem(rsa.generate_private_key(65537, 2048)))
    assert due(folder, ca) == "key does not belong to certificate"


def test_another_ca_of_the_same_name(folder, ca, signed):
    certificate, _key = other_ca()
    another = certificates.Authority(x509.load_pem_x509_certificate(certificate.encode()), None)
    assert another.certificate.subject == ca.certificate.subject
    assert due(folder, another) == "signed by another CA"


@pytest.mark.parametrize(
    ("dns_names", "addresses", "reason"),
    [
        (WEB.dns_names, [*WEB.addresses, "10.0.0.2"], "does not cover 10.0.0.2"),
        (
            [*WEB.dns_names, "b.example.com", "a.example.com"],
            WEB.addresses,
            "does not cover a.example.com, b.example.com",
        ),
        (WEB.dns_names, ["fd00::1"], "covers 10.0.0.1, which is not listed"),
        (["web.example.com"], WEB.addresses, "covers localhost, which is not listed"),
    ],
)
def test_other_names(folder, ca, signed, dns_names, addresses, reason):
    assert due(folder, ca, Wanted(WEB.name, dns_names, addresses)) == reason


def test_a_certificate_without_names(folder, ca, signed):
    key = tls_files.load_key(folder / f"{WEB.name}.key")
    builder = x509.CertificateBuilder(ca.certificate.subject, WEB_SUBJECT, key.public_key(), 1, NOW, NOW + 99 * DAY)
    (folder / f"{WEB.name}.pem").write_text(certificates.pem_of(builder.sign(ca.key, hashes.SHA256())))
    assert due(folder, ca) == "does not cover 10.0.0.1, fd00::1, localhost, web.example.com"


# Making and signing


def test_what_the_ca_may_do(folder, ca):
    usage = ca.certificate.extensions.get_extension_for_class(x509.KeyUsage)
    basic = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign and not usage.value.digital_signature
    assert basic.critical and basic.value.ca
    assert ca.certificate.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Site CA")])
    assert tls_files.validity(ca.certificate)[1] == NOW + 3650 * DAY


def test_files_are_for_their_owner_only(folder, ca, signed):
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {
        **dict.fromkeys(("ca.key", "ca.pem", "node/web1/server.key", "node/web1/server.pem"), 0o600),
        **dict.fromkeys(("node", "node/web1"), 0o700),
    }


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_accepts_it(folder, ca, signed, purpose):
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-verify_hostname", "web.example.com"]
        + ["-attime", str(int(NOW.timestamp())), "-CAfile", folder / "ca.pem", folder / f"{WEB.name}.pem"],
        check=True,
    )


def test_it_begins_before_now(folder, ca, signed):
    begins, ends = tls_files.validity(certificate(folder))
    assert begins == NOW - datetime.timedelta(minutes=5) and ends == NOW + 365 * DAY


def test_a_renewed_certificate_keeps_its_key(folder, ca, signed):
    key, old = (folder / f"{WEB.name}.key").read_bytes(), certificate(folder)
    certificates.sign(folder, ca, WEB, "ends on 2027-11-26, in 9 days", 365, NOW + 356 * DAY)
    assert (folder / f"{WEB.name}.key").read_bytes() == key
    assert certificate(folder).serial_number != old.serial_number
    assert due(folder, ca, now=NOW + 356 * DAY) == ""


def test_a_run_that_is_interrupted_after_a_key_is_made_good(folder, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(certificates, "_builder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            certificates.make_ca(folder, "Site CA", 3650, NOW)
    key = (folder / "ca.key").read_bytes()
    assert certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW) == (None, [(WEB, "missing")])
    ca = certificates.make_ca(folder, "Site CA", 3650, NOW)
    assert (folder / "ca.key").read_bytes() == key

    with monkeypatch.context() as patched:
        patched.setattr(certificates, "_builder", interrupt)
        with pytest.raises(KeyboardInterrupt):
            certificates.sign(folder, ca, WEB, "missing", 365, NOW)
    key = (folder / f"{WEB.name}.key").read_bytes()
    assert certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW)[1] == [(WEB, "missing")]
    certificates.sign(folder, ca, WEB, "missing", 365, NOW)
    assert (folder / f"{WEB.name}.key").read_bytes() == key
    assert due(folder, ca) == ""


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
    ],
    ids=["rsa", "ed25519", "p521"],
)
def test_a_ca_that_was_given_signs(folder, key):
    given = other_ca(key, "Company CA")
    ca, due_now = certificates.plan(folder, given, [WEB], 30, NOW)
    for one, reason in due_now:
        certificates.sign(folder, ca, one, reason, 365, NOW)
    assert certificates.is_signed_by(certificate(folder), ca.certificate)
    assert certificates.plan(folder, given, [WEB], 30, NOW)[1] == []
    assert not (folder / "ca.key").exists(), "the key of a given CA is written nowhere"


def test_names_longer_than_a_common_name(folder, ca):
    long = Wanted("long", [f"{'a' * 40}.{'b' * 40}.example.com"], [])
    certificates.sign(folder, ca, long, "missing", 365, NOW)
    assert certificate(folder, "long").subject == x509.Name([])
    assert certificate(folder, "long").extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert due(folder, ca, long) == ""


def plan_and_sign(folder):
    ca, due_now = certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW)
    ca = ca or certificates.make_ca(folder, "Site CA", 3650, NOW)
    for one, reason in due_now:
        certificates.sign(folder, ca, one, reason, 365, NOW)
    files = [(folder / name).read_text() for name in ("ca.key", "ca.pem", f"{WEB.name}.key", f"{WEB.name}.pem")]
    return (certificates.pem_of(ca.certificate), *files)


def test_eight_processes_get_one_ca_and_one_certificate(tmp_path):
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        results = set(race(plan_and_sign, folder))
        assert len(results) == 1
        ca, due_now = certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW)
        assert ca and due_now == []


# What prevents it


def refused(folder, given=NONE_GIVEN, *wanted, now=NOW):
    with pytest.raises(SecretError) as error:
        certificates.plan(folder, given, wanted, 30, now)
    return str(error.value).replace(f"{folder}/", "").split("\n")


def test_a_plan_writes_nothing(folder):
    assert certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW) == (None, [(WEB, "missing")])
    assert not folder.exists()


def test_certificates_of_a_ca_that_is_gone(folder, ca, signed):
    (folder / "ca.pem").unlink()
    assert certificates.plan(folder, NONE_GIVEN, [WEB], 30, NOW) == (None, [(WEB, "signed by another CA")])


def test_a_ca_without_its_key(folder, ca):
    (folder / "ca.key").unlink()
    [problem] = refused(folder)
    assert problem.startswith("ca.pem exists and its key ca.key does not, so this CA cannot sign certificates.")


def test_a_ca_with_the_key_of_another(folder, ca):
    (folder / "ca.key").write_text(other_ca()[1])
    assert refused(folder) == ["ca.pem and ca.key do not belong together. Use the certificate and the key of one CA."]


def test_a_ca_that_ended(folder, ca):
    [problem] = refused(folder, now=NOW + 3651 * DAY)
    assert problem == "The CA certificate ca.pem ended on 2036-11-23. Replace the CA and its key."


def test_a_ca_that_is_given_by_halves(folder):
    certificate, key = other_ca()
    sentence = "Only one of ca_certificate and ca_private_key of the site CA is set. Set both, or neither."
    assert refused(folder, (certificate, "")) == refused(folder, ("", key)) == [sentence]


def test_a_given_ca_that_is_unusable(folder):
    (certificate, key), (_other, other_key) = other_ca(), other_ca()
    secret = pem(ec.generate_private_key(ec.SECP256R1()), b"passphrase")
    assert refused(folder, ("nothing", key)) == ["ca_certificate is not a certificate in PEM form."]
    assert refused(folder, (certificate, "nothing")) == ["ca_private_key is not a private key in PEM form."]
    assert refused(folder, (certificate, secret))[0].startswith("The private key ca_private_key has a passphrase")
    assert refused(folder, (certificate, other_key))[0].startswith("ca_certificate and ca_private_key do not belong")


@pytest.mark.parametrize("file", ["ca.key", "node/web1/server.key", "node", "."])
def test_what_is_open_to_other_users(folder, ca, signed, file):
    (folder / file).chmod(0o755)
    assert "is open to other users (mode 0755)" in refused(folder, NONE_GIVEN, WEB)[0]


def test_every_problem_is_reported(folder, ca, signed):
    (folder / "ca.key").unlink()
    (folder / f"{WEB.name}.key").write_text(pem(ec.generate_private_key(ec.SECP256R1()), b"passphrase"))
    problems = refused(
        folder,
        NONE_GIVEN,
        WEB,
        Wanted("none", [], []),
        Wanted("name", ["b\u00fccher.example.com"], []),
        Wanted("address", [], ["10.0.0.256"]),
        Wanted("../out", ["x"], []),
    )
    assert len(problems) == 6
    assert problems[1] == (
        "The private key node/web1/server.key has a passphrase. A server cannot enter one: remove the passphrase."
        " Remove the file, and the next run makes a key."
    )
    assert problems[2] == "The certificate none has neither DNS names nor addresses. List at least one."
    assert problems[3].startswith("'b\u00fccher.example.com' is not a DNS name, and the certificate name lists it.")
    assert problems[4].startswith("'10.0.0.256' is not an IP address, and the certificate address lists it.")
    assert problems[5].startswith("'../out' is not a valid name of a secret.")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (("", 1, 1), "ca_common_name is ''. Use 1 to 64 characters."),
        (("x" * 65, 1, 1), "Use 1 to 64 characters."),
        (("x", 0, 1), "ca_days is 0. Use a number of days from 1 to 36500."),
        (("x", 1, -1), "days is -1. Use a number of days from 1 to 36500."),
        (("x", 1, 36501), "days is 36501."),
    ],
)
def test_limits(limits, says):
    with pytest.raises(SecretError, match=says):
        certificates.refuse_limits(*limits)


def test_the_table_of_files_names_those_of_the_ca(folder, ca):
    assert {path.name for path in folder.iterdir()} == {
        site_secrets.FILES["ca_certificate"].path,
        site_secrets.FILES["ca_key"].path,
    }
