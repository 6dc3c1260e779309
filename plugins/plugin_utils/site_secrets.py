# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of secrets of a site, on the controller: where each secret is, how it is made, how it is read."""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
import string
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple


class SecretError(Exception):
    """A sentence for the operator. It never holds a secret."""


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


def _is_password(value: str) -> bool:
    """One that configuration files take between quotation marks."""
    return re.fullmatch(r"[!#-\[\]-~]{8,}", value) is not None


PASSWORD = '8 or more printable ASCII characters, without spaces, quotation marks (") and backslashes'

KINDS = {
    "gossip_key": Kind(_make_gossip_key, _is_gossip_key, "16, 24 or 32 bytes in base64, as 'consul keygen' makes them"),
    "uuid": Kind(lambda: str(uuid.uuid4()), _is_uuid, "a UUID in lower-case letters"),
    "password": Kind(_make_password, _is_password, PASSWORD),
}


class File(NamedTuple):
    path: str  # in the folder of secrets; {node} and {service} stand for names
    kind: str  # one of KINDS, or "" for a file that site_certificates makes
    meaning: str


# Every file in the folder. docs/production.md shows this table to operators; a unit test compares the two.
# A name of a node or a service never stands alone beside a fixed name, so no name is reserved.
FILES = {
    "ca_certificate": File("ca.pem", "", "certificate of the site CA"),
    "ca_key": File("ca.key", "", "private key of the site CA"),
    "gossip_key": File("operator/gossip.key", "gossip_key", "gossip encryption key"),
    "management_token": File("operator/management.token", "uuid", "ACL token that may do everything"),
    "dns_token": File("operator/dns.token", "uuid", "ACL token that answers DNS queries"),
    "monitoring_token": File("operator/monitoring.token", "uuid", "ACL token that reads the state of the site"),
    "deployer_token": File("operator/deployer.token", "uuid", "ACL token that releases mydemo"),
    "release_token": File("operator/release-{service}.token", "uuid", "ACL token that releases a service"),
    "redis_password": File("operator/redis.password", "password", "password of Redis"),
    "node_token": File("node/{node}/agent.token", "uuid", "ACL token of the Consul agent"),
    "node_certificate": File("node/{node}/server.pem", "", "certificate of the Consul server"),
    "node_key": File("node/{node}/server.key", "", "private key of the Consul server"),
    "node_service_token": File("node/{node}/service-{service}.token", "uuid", "ACL token of a service on this node"),
    "node_service_certificate": File("node/{node}/service-{service}.pem", "", "certificate of a service on this node"),
    "node_service_key": File("node/{node}/service-{service}.key", "", "private key of a service on this node"),
    "service_token": File("service/{service}.token", "uuid", "ACL token of a service on every node"),
}


def node_token(node: str) -> str:
    """The file with the ACL token of a node's Consul agent."""
    return path_of("node_token", node=node)


def node_service_token(node: str, service: str) -> str:
    """The file with the ACL token of a service on one node."""
    return path_of("node_service_token", node=node, service=service)


def service_token(service: str) -> str:
    """The file with the ACL token of a service that uses the same one on every node."""
    return path_of("service_token", service=service)


def release_token(service: str) -> str:
    """The file with the ACL token that releases a service."""
    return path_of("release_token", service=service)


def node_certificate(node: str) -> str:
    """The certificate of a Consul server and its key, without C(.pem) and C(.key)."""
    return path_of("node_certificate", node=node).removesuffix(".pem")


def node_service_certificate(node: str, service: str) -> str:
    """The certificate of a service on a node and its key, without C(.pem) and C(.key)."""
    return path_of("node_service_certificate", node=node, service=service).removesuffix(".pem")


def path_of(file: str, **names: str) -> str:
    """The path of one of FILES, relative to the folder of secrets."""
    for what, name in names.items():
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            raise SecretError(f"{name!r} is not a valid name of a {what}: its secrets could not be kept in a file.")
    return FILES[file].path.format_map(names)


def checked_folder(directory: str) -> Path:
    """The folder of secrets. A relative path would mean another folder in each play."""
    folder = Path(directory)
    if not folder.is_absolute():
        raise SecretError(
            f"The folder of secrets is {directory!r}, which is not an absolute path."
            ' Use an absolute path, such as "{{ inventory_dir }}/.secrets".'
        )
    return folder


def checked_name(name: Any) -> str:
    if not isinstance(name, str) or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise SecretError(
            f"{name!r} is not a valid name of a secret."
            " Use a path in the folder of secrets, such as 'operator/gossip.key'."
        )
    return name


def read(folder: Path, name: str, kind: str) -> str | None:
    """The value of a secret, or None if its file is missing."""
    file = folder / checked_name(name)
    try:
        refuse_open_folders(folder, name)
        with file.open("rb") as stream:
            refuse_open_file(file, os.fstat(stream.fileno()).st_mode)
            content = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(error, file) from error
    return _value(file, content, KINDS[kind])


def missing(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """The names of the secrets (name to kind) that are missing. Raises every problem of those that are there."""
    names, problems = [], []
    for name, kind in wanted.items():
        try:
            if read(folder, name, kind) is None:
                names.append(name)
        except SecretError as error:
            problems.append(str(error))
    if problems:
        raise SecretError("\n".join(dict.fromkeys(problems)))
    return names


def make(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Make secrets (name to kind). Return the names of those that nobody else has made meanwhile."""
    return [name for name, kind in wanted.items() if write_once(folder, name, f"{KINDS[kind].make()}\n")]


def write_once(folder: Path, name: str, content: str) -> bool:
    """Write a file unless it exists: a whole file appears under the name, or nothing does. Return whether it is ours."""
    return _write(folder, name, content, os.link)


def replace(folder: Path, name: str, content: str) -> None:
    """Write a file in place of the one that is there. A reader finds the old content or the new."""
    _write(folder, name, content, os.replace)


def refuse_open_folders(folder: Path, name: str) -> None:
    for path in _folders(folder, name):
        if path.exists():
            _refuse_open(path, path.stat().st_mode, "700")


def refuse_open_file(file: Path, mode: int) -> None:
    _refuse_open(file, mode, "600")


def _refuse_open(path: Path, mode: int, closed: str) -> None:
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretError(
            f"{path} is open to other users (mode {stat.S_IMODE(mode):04o}), and secrets are kept there."
            f" Find out who could read them, then run: chmod {closed} {path}"
        )


def _folders(folder: Path, name: str) -> Iterable[Path]:
    """The folder of secrets and those below it on the way to the name, outermost first."""
    return [folder / part for part in reversed(PurePosixPath(name).parents)]


def _value(file: Path, content: bytes, kind: Kind) -> str:
    try:
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        value = ""
    if not value or not kind.fits(value):
        what = "is empty" if not content.strip() else "has the wrong content"
        raise SecretError(
            f"{file} {what}. It must hold {kind.meaning}."
            " Put the right value there. If nothing uses this secret yet, remove the file, and the next run makes it."
        )
    return value


def _write(folder: Path, name: str, content: str, put: Callable[[str, Path], None]) -> bool:
    file = folder / checked_name(name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for path in _folders(folder, name):
            path.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            put(temporary, file)
            _sync_folder(file.parent)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except FileExistsError:
        return False  # another fork or run was first, and its value is the site's
    except OSError as error:
        raise _failed(error, file) from error
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(error: OSError, file: Path) -> SecretError:
    return SecretError(f"{error.filename or file}: {error.strerror}.")
