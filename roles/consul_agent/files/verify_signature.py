# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See with gpgv that a file is signed by the owner of a public key, and by nobody else.

    verify_signature.py KEY SIGNATURE FILE

gpgv reads a key in binary only; an armored one is turned into that.
"""

import base64
import subprocess
import sys
import tempfile


def dearmored(key):
    """The binary form of a public key: https://www.rfc-editor.org/rfc/rfc4880#section-6"""
    lines = key.decode("ascii").strip().splitlines()
    body = [line.strip() for line in lines[lines.index("") + 1 : -1]]
    return base64.b64decode("".join(line for line in body if not line.startswith("=")))


def main():
    key_file, signature, signed = sys.argv[1:]
    with open(key_file, "rb") as file:
        key = file.read()
    if key.lstrip().startswith(b"-----BEGIN"):
        key = dearmored(key)
    with tempfile.NamedTemporaryFile() as keyring:
        keyring.write(key)
        keyring.flush()
        gpgv = subprocess.run(["gpgv", "--keyring", keyring.name, signature, signed], check=False)
    if gpgv.returncode:
        sys.exit(f"{signature} is not a signature of {signed} by the key in {key_file}.")


if __name__ == "__main__":
    main()
