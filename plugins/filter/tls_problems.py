# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_problems
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Say what is wrong with a certificate and its key
description:
  - Takes the files of a certificate and of its private key, on the controller, and returns what a server would stumble
    over, in sentences that name the file. An empty list says that a server can use them.
  - Looked at is whether both are there and in PEM form, the key without a passphrase, whether they belong together, and
    whether the certificate is valid now. Who signed it is not.
  - Needs C(cryptography) on the controller.
options:
  _input:
    description:
      - Two whole paths, of the certificate and of its key. What comes before them is passed over. In the certificate's
        file its own comes first, then those of the authorities between it and the root.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the certificate before anything is changed
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems }}"
  vars:
    problems: "{{ ['/root/site/www.pem', '/root/site/www.key'] | dockyard.consul.tls_problems }}"
"""

RETURN = r"""
_value:
  description: What is wrong, a sentence each.
  type: list
  elements: str
"""

import datetime
from pathlib import Path

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
except ImportError as error:
    CRYPTOGRAPHY_ERROR = error
else:
    CRYPTOGRAPHY_ERROR = None


def tls_problems(files):
    """Return what is wrong with a certificate and its key, given their files."""
    if CRYPTOGRAPHY_ERROR:
        raise AnsibleFilterError(
            f"tls_problems: the controller lacks the Python package cryptography: {CRYPTOGRAPHY_ERROR}"
        )
    certificate_file, key_file = files[-2:]
    certificate, problems = _load(certificate_file, "certificate", x509.load_pem_x509_certificate)
    key, key_problems = _load(key_file, "private key", lambda content: load_pem_private_key(content, password=None))
    problems += key_problems
    if certificate:
        problems += _out_of_date(certificate, certificate_file)
    if certificate and key and _public(certificate) != _public(key):
        problems.append(
            f"{certificate_file} and {key_file} do not belong together: the first certificate there is not that of this key."
        )
    return problems


def _load(file, what, load):
    """Return what is in the file, or None, and what is wrong with it."""
    if not Path(file).is_file():
        return None, [f"{file!r} is not a file on the controller; the {what} is taken from there."]
    try:
        return load(Path(file).read_bytes()), []
    except OSError as error:
        return None, [f"the {what} {file} cannot be read: {error.strerror}."]
    except TypeError:
        return None, [f"the {what} {file} has a passphrase, which a server that starts by itself cannot give."]
    except ValueError:
        return None, [f"{file} is not a {what} in PEM form."]


def _out_of_date(certificate, file):
    try:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except AttributeError:  # cryptography before 42
        utc = datetime.UTC
        begins, ends = (
            time.replace(tzinfo=utc) for time in (certificate.not_valid_before, certificate.not_valid_after)
        )
    now = datetime.datetime.now(datetime.UTC)
    if now > ends:
        return [f"the certificate {file} has ended on {ends:%Y-%m-%d}. Put a new one there."]
    if now < begins:
        return [f"the certificate {file} begins on {begins:%Y-%m-%d} only. Is the controller's clock right?"]
    return []


def _public(holder):
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class FilterModule:
    """Jinja2 filter dockyard.consul.tls_problems."""

    def filters(self):
        return {"tls_problems": tls_problems}
