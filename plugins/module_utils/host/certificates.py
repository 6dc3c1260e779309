# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys in files: when they end, how old they are. Never what is in a key."""

from __future__ import annotations

import calendar
import glob
import hashlib
import os
import re
import ssl
import time

from ansible.module_utils.common.text.converters import to_native


def look_at_certificates(patterns):
    found = [certificate(path) for path in expanded(patterns)]
    return [one for one in found if one["error"] != NO_CERTIFICATE or one["path"] in patterns]


def expanded(patterns):
    return sorted({path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)})


NO_CERTIFICATE = "it holds no certificate in PEM form"
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificate(path):
    nothing = {"path": path, "ends": None, "fingerprint": None, "fingerprints": []}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            all_of_them = certificates_in(file.read())
        if not all_of_them:
            return dict(nothing, error=NO_CERTIFICATE)
        end, first = min((ends(der), der) for der in all_of_them)
    except (OSError, ValueError, IndexError) as error:
        return dict(nothing, error=to_native(error))
    fingerprints = [fingerprint(der) for der in all_of_them]
    return {"path": path, "ends": end, "fingerprint": fingerprint(first), "fingerprints": fingerprints, "error": None}


def certificates_in(text):
    """Each certificate in a text in PEM form, in DER form. ValueError if one is damaged."""
    return [ssl.PEM_cert_to_DER_cert(block) for block in PEM.findall(text)]


def fingerprint(der):
    return hashlib.sha256(der).hexdigest()


def fingerprints(path):
    """Of all certificates in a file, or in the files of a folder. An empty list where there is neither."""
    below = [os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in sorted(names)]
    return [one for file in below or [path] if os.path.isfile(file) for one in certificate(file)["fingerprints"]]


def ends(der):
    """When a certificate ends. Python's own library tells that only of one that was verified, and cryptography need not
    be on a host; so the few steps down to it are taken here. https://www.rfc-editor.org/rfc/rfc5280#section-4.1"""
    whole = inside(der, 0)[0]
    signed = inside(der, whole)
    fields = [start for start, _end in items(der, *signed)]
    if der[fields[0]] == 0xA0:  # the version, which only the oldest form leaves out
        fields.pop(0)
    validity = inside(der, fields[3])  # after serial number, algorithm, issuer
    after = list(items(der, *validity))[1][0]
    start, end = inside(der, after)
    text = der[start:end].decode("ascii")
    form = "%y%m%d%H%M%SZ" if der[after] == 0x17 else "%Y%m%d%H%M%SZ"
    return calendar.timegm(time.strptime(text, form))


def inside(der, at):
    """Where the content of the item at this place begins and ends."""
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    if start + length > len(der):
        raise ValueError("a certificate that is cut short")
    return start, start + length


def items(der, start, end):
    while start < end:
        after = inside(der, start)[1]
        yield start, after
        start = after


def look_at_ages(patterns):
    return [{"path": path, "written": int(os.stat(path).st_mtime)} for path in expanded(patterns)]
