# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import calendar
import os
import subprocess

import pytest
from ansible_collections.dockyard.consul.plugins.module_utils.host.certificates import (
    fingerprints,
    look_at_ages,
    look_at_certificates,
)


def make_certificate(path, days):
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=web",
        ]
        + ["-days", str(days), "-out", str(path)],
        check=True,
        capture_output=True,
    )


# From 2050 on a certificate writes its dates in another form.
@pytest.mark.parametrize("days", [1, 10000])
def test_when_a_certificate_ends_is_as_openssl_says(tmp_path, days):
    path = tmp_path / "web.pem"
    make_certificate(path, days)
    said = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    year, month, rest = said.strip().partition("=")[2].rstrip("Z").split("-")
    date, clock = rest.split(" ")
    expected = calendar.timegm((int(year), int(month), int(date), *map(int, clock.split(":"))))
    seen = look_at_certificates([str(path)])
    assert [one["ends"] for one in seen] == [expected]
    fingerprint = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert fingerprint.strip().partition("=")[2].replace(":", "").lower() == seen[0]["fingerprint"]


def test_of_several_certificates_in_a_file_that_which_ends_first(tmp_path):
    for name, days in (("long", 300), ("brief", 3)):
        make_certificate(tmp_path / f"{name}.pem", days)
    both = tmp_path / "both.crt"
    both.write_text((tmp_path / "long.pem").read_text() + (tmp_path / "brief.pem").read_text())
    seen = look_at_certificates([str(tmp_path / "*.pem"), str(both), str(tmp_path / "none.pem")])
    assert [os.path.basename(one["path"]) for one in seen] == ["both.crt", "brief.pem", "long.pem"]
    assert seen[0]["fingerprint"] == seen[1]["fingerprint"] != seen[2]["fingerprint"]
    assert seen[0]["fingerprints"] == [seen[2]["fingerprint"], seen[1]["fingerprint"]]


def test_all_certificates_of_a_folder(tmp_path):
    """Consul reads the folders in a ca_path, too."""
    (tmp_path / "more").mkdir()
    for name in ("b.pem", "more/a.crt"):
        make_certificate(tmp_path / name, 3)
    (tmp_path / "notes").write_text("no certificate")
    found = fingerprints(str(tmp_path))
    assert found == fingerprints(str(tmp_path / "b.pem")) + fingerprints(str(tmp_path / "more/a.crt"))
    assert len(found) == 2 and fingerprints(str(tmp_path / "none")) == fingerprints("") == []


@pytest.mark.parametrize(
    "text, error",
    [
        ("no certificate", "no certificate in PEM form"),
        ("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n", ""),
        ("-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n", ""),
    ],
)
def test_what_is_no_certificate_is_told_of(tmp_path, text, error):
    path = tmp_path / "web.pem"
    path.write_text(text)
    (seen,) = look_at_certificates([str(path)])
    assert seen["ends"] is None and seen["error"] and error in seen["error"]


def test_keys_among_certificates_are_left_out(tmp_path):
    (tmp_path / "dhparam.pem").write_text("-----BEGIN DH PARAMETERS-----")
    assert look_at_certificates([str(tmp_path / "*.pem")]) == []


def test_the_age_of_a_secret_and_not_what_it_is(tmp_path):
    (tmp_path / "gossip.key").write_text("secret")
    os.utime(tmp_path / "gossip.key", (1000, 1000))
    assert look_at_ages([str(tmp_path / "*.key"), str(tmp_path / "tokens/*")]) == [
        {"path": str(tmp_path / "gossip.key"), "written": 1000}
    ]
