# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a Consul binary, or the one in a release's zip, where it is run from.

    place_binary.py BINARY_OR_ZIP DESTINATION

The new binary must run on this host before it takes the place of the old one, which it does in one
step: no moment is without a binary. Says nothing where the same binary is there already.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile


@contextlib.contextmanager
def open_binary(path):
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as binary:
            yield binary
        return
    with zipfile.ZipFile(path) as archive, archive.open("consul") as binary:
        yield binary


def same(one, other, size=1 << 20):
    while True:
        block = one.read(size)
        if block != other.read(size):
            return False
        if not block:
            return True


def is_placed(source, destination):
    if not os.path.exists(destination):
        return False
    with open_binary(source) as new, open(destination, "rb") as old:
        return same(new, old)


def place(source, destination):
    # In the same folder: a rename replaces a file in one step only within a file system.
    candidate = destination + ".new"
    try:
        with open_binary(source) as binary, open(candidate, "wb") as output:
            shutil.copyfileobj(binary, output)
        os.chmod(candidate, 0o755)
        subprocess.run([candidate, "version"], check=True, stdout=subprocess.DEVNULL)
        os.replace(candidate, destination)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(candidate)


def main():
    source, destination = sys.argv[1:]
    try:
        if is_placed(source, destination):
            return
        place(source, destination)
    except (OSError, KeyError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
        sys.exit(
            f"{source} was not put in place of {destination}: {error}\n"
            "It must be a Consul binary for this host's architecture, or a zip with one named 'consul'."
        )
    print(f"placed {destination}")


if __name__ == "__main__":
    main()
