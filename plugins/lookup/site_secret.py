# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_secret
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: Read a secret of the site, making it the first time
description:
  - Returns the content of a file in the site's folder of secrets on the controller. Where the file is missing, the
    secret is made and kept there first.
  - Any number of forks, and of runs at the same time, get one and the same value. An interrupted run leaves either a
    whole secret or none.
  - A secret that exists already, from a site set up by other means, is used when put into the file beforehand.
options:
  _terms:
    description: Names of files, relative to O(directory). Folders in them, as in V(tokens/web1), are made as needed.
    type: list
    elements: str
    required: true
  kind:
    description: What the secret must be. Content that does not fit is an error.
    type: str
    required: true
    choices:
      gossip_key: 32 random bytes in base64, as C(consul keygen) makes them. An existing key may have 16 or 24 too.
      uuid: A random UUID, the form of Consul's ACL tokens.
      password: 32 letters and digits. An existing one may be any word without white space.
  directory:
    description:
      - The site's folder of secrets. It is made, open to nobody else (0700), where it is missing.
      - By its whole path. A relative one would mean another folder in each play, and so another secret.
    type: str
    required: true
  create:
    description: Whether a missing secret is made. If V(false), it is an error.
    type: bool
    default: true
notes:
  - In check mode nothing is written. A secret that is there is read; in place of one that is missing, a value to
    throw away is returned, another one each time.
  - Files that the group or others may read, and folders that they may enter, are refused.
  - Use C(no_log) on tasks that the value goes into.
"""

EXAMPLES = r"""
- name: Give the agent its gossip key
  ansible.builtin.template:
    src: secret.json.j2
    dest: /etc/consul.d/secret.json
    owner: root
    group: consul
    mode: "0640"
  no_log: true
  diff: false
  vars:
    gossip_key: >-
      {{ lookup('dockyard.consul.site_secret', 'gossip.key', kind='gossip_key', directory=consul_agent_secrets_dir) }}
"""

RETURN = r"""
_raw:
  description: The secrets, one for each name.
  type: list
  elements: str
"""

import base64
import os
import re
import secrets
import stat
import string
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class Kind(NamedTuple):
    make: Callable[[], str]
    fits: Callable[[str], bool]
    meaning: str


def _make_gossip_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _is_gossip_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) in (16, 24, 32)
    except ValueError:
        return False


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


def _make_password() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _position in range(32))


def _is_word(value: str) -> bool:
    return value.isprintable() and not any(map(str.isspace, value))


KINDS = {
    "gossip_key": Kind(_make_gossip_key, _is_gossip_key, "base64 of 16, 24 or 32 bytes, as consul keygen makes it"),
    "uuid": Kind(lambda: str(uuid.uuid4()), _is_uuid, "a UUID in small letters"),
    "password": Kind(_make_password, _is_word, "one word without white space"),
}


class LookupModule(LookupBase):
    def run(self, terms: list, variables: dict | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        kind = KINDS[self.get_option("kind")]
        folder = Path(self.get_option("directory"))
        if not folder.is_absolute():
            raise AnsibleLookupError(
                f"site_secret: the folder {str(folder)!r} must be given by its whole path, such as"
                " '{{ inventory_dir }}/.secrets': it would mean another one in each play"
            )
        create = self.get_option("create")
        dry_run = bool((variables or {}).get("ansible_check_mode"))
        try:
            return [_secret(folder, _checked_name(term), kind, create, dry_run) for term in terms]
        except OSError as error:
            raise AnsibleLookupError(f"site_secret: {error.filename or folder}: {error.strerror}") from error


def _checked_name(term: Any) -> str:
    if not isinstance(term, str) or "\0" in term or any(part in ("", ".", "..") for part in term.split("/")):
        raise AnsibleLookupError(
            f"site_secret: {term!r} is not the name of a secret; give a path in the folder, such as 'tokens/web1'"
        )
    return term


def _secret(folder: Path, name: str, kind: Kind, create: bool, dry_run: bool) -> str:
    file = folder / name
    _refuse_open_folders(folder, name)
    if not file.exists():
        if not create:
            raise AnsibleLookupError(f"site_secret: {file} is missing, and create=false says not to make it")
        if dry_run:
            return kind.make()
        _make_folders(folder, name)
        _write_once(file, kind.make())
    return _read(file, kind)


def _folders(folder: Path, name: str) -> list[Path]:
    """Return the folder of secrets and those below it on the way to the name, outermost first."""
    return [folder / part for part in reversed(PurePosixPath(name).parents)]


def _refuse_open_folders(folder: Path, name: str) -> None:
    for path in _folders(folder, name):
        if path.exists():
            _refuse_if_open(path, path.stat().st_mode, "700")


def _refuse_if_open(path: Path, mode: int, wanted: str) -> None:
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AnsibleLookupError(
            f"site_secret: {path} is open to others than its owner (mode {stat.S_IMODE(mode):04o});"
            f" secrets are kept there, so look who could read them, then: chmod {wanted} {path}"
        )


def _make_folders(folder: Path, name: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for path in _folders(folder, name):
        path.mkdir(mode=0o700, exist_ok=True)


def _write_once(file: Path, value: str) -> None:
    """Put the value into the file unless there is one: a whole file appears under the name, or nothing does."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{value}\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, file)
        _sync_folder(file.parent)
    except FileExistsError:
        pass  # another fork was first, and its value is the site's
    finally:
        os.unlink(temporary)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(file: Path, kind: Kind) -> str:
    with file.open("rb") as stream:
        _refuse_if_open(file, os.fstat(stream.fileno()).st_mode, "600")
        content = stream.read()
    try:
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        value = ""
    if not value or not kind.fits(value):
        what = "is empty" if not content.strip() else f"does not hold what it should, {kind.meaning}"
        raise AnsibleLookupError(
            f"site_secret: {file} {what}; put the right value there, or, if nothing uses this secret yet,"
            " remove the file and it is made anew"
        )
    return value
