# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine and its containers."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import urllib.error
from urllib.parse import quote

from ansible.module_utils.common.text.converters import to_native
from ansible_collections.dockyard.consul.plugins.module_utils.host.local_http import local_http

DOCKER_SOCKET = "/var/run/docker.sock"
DOCKER_PID_FILE = "/var/run/docker.pid"


class DockerError(Exception):
    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class Docker:
    """The engine's HTTP API on its socket."""

    def __init__(self, timeout, socket_path=DOCKER_SOCKET, pid_file=DOCKER_PID_FILE, unit_pid=0):
        self.timeout = timeout
        self.socket_path = socket_path
        self.pid_file = pid_file
        self.unit_pid = unit_pid
        self.http = local_http(unix_socket=socket_path)

    def get(self, path):
        try:
            with self.http.open("GET", "http://localhost" + path, timeout=self.timeout) as answer:
                return json.loads(answer.read().decode("utf-8"))
        except urllib.error.HTTPError as error:
            raise DockerError(f"GET {path} at {self.socket_path}: HTTP {error.code}", error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", error)
            words = f"no answer within {self.timeout:g} s" if isinstance(cause, socket.timeout) else to_native(cause)
            raise DockerError(f"GET {path} at {self.socket_path}: {words}") from error

    def pid(self):
        """The process of the engine. systemd listens on the socket for an engine that does not run, and would start it.

        It is that of the unit. daemon.json can set another PID file. An engine without a unit has the usual one."""
        if self.unit_pid:
            return str(self.unit_pid)
        try:
            with open(self.pid_file, encoding="ascii") as file:
                pid = file.read().strip()
        except OSError:
            pid = ""
        if not pid or not os.path.exists("/proc/" + pid):
            raise DockerError(f"the engine does not run: {self.pid_file} names no process; see systemctl status docker")
        return pid


def look_at_docker(docker, images=()):
    """Each part that could be read, and the first error."""
    try:
        found = {"error": None, "flags": flags_of(docker.pid())}
    except DockerError as error:
        return {"error": str(error)}
    for read, arguments in ((read_info, ()), (read_containers, ()), (read_images, (images,))):
        try:
            read(docker, found, *arguments)
        except DockerError as error:
            found["error"] = found["error"] or str(error)
    return found


def read_info(docker, found):
    info = docker.get("/info")
    found["version"] = info["ServerVersion"]
    found["live_restore"] = info["LiveRestoreEnabled"]
    found["swarm"] = info["Swarm"]["LocalNodeState"] not in ("", "inactive")


def read_containers(docker, found):
    """Those up to the first that cannot be read: an engine that is slow would be so for each."""
    listed = docker.get("/containers/json?all=1")
    found["containers"] = []
    for one in listed:
        seen = container(docker, one)
        if seen:
            found["containers"].append(seen)
    found["containers"].sort(key=lambda one: one["name"])


def read_images(docker, found, images):
    if images:
        found["images"] = {}
    for reference in images:
        found["images"][reference] = image(docker, reference)


DEFAULT_CONFIG_FILE = "--config-file[=\0]/etc/docker/daemon.json\0"
SHORT_FLAGS = {
    "-H": "host", "-D": "debug", "-l": "log-level", "-g": "graph", "-b": "bridge", "-s": "storage-driver", "-G": "group",
    "-p": "pidfile",
}  # fmt: skip


def flags_of(pid, proc="/proc"):
    """The names of the options on a command line. A value may be a secret."""
    try:
        with open(os.path.join(proc, pid, "cmdline"), "rb") as file:
            line = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    words = re.sub(DEFAULT_CONFIG_FILE, "", line).split("\0")[1:]
    names = {SHORT_FLAGS.get(word[:2], "") for word in words if re.match("-[a-zA-Z]", word)}
    names.update(word[2:].partition("=")[0] for word in words if word.startswith("--"))
    return sorted(names - {""})


def image(docker, reference):
    """None if the engine has no such image."""
    try:
        whole = docker.get(f"/images/{quote(reference, safe='/:@')}/json")
    except DockerError as error:
        if error.status == 404:
            return None
        raise
    return {"id": whole["Id"], "repo_digests": whole["RepoDigests"] or [], "cmd": whole["Config"]["Cmd"] or []}


def container(docker, one):
    try:
        whole = docker.get(f"/containers/{one['Id']}/json")
    except DockerError as error:
        if error.status == 404:  # removed since it was listed
            return None
        raise
    repository, _at, digest = one["Image"].partition("@")
    if not digest:
        try:
            digests = docker.get(f"/images/{one['ImageID']}/json")["RepoDigests"] or []
        except DockerError:  # an image may be removed under a container that is stopped
            digests = []
        # What was built here and never pushed has an id only.
        name, _at, digest = (digests[0] if digests else "").partition("@")
        repository, digest = without_tag(repository) if not is_id(repository) else name, digest or one["ImageID"]
    return {
        "name": one["Names"][0].lstrip("/"),
        "state": one["State"],
        "status": one["Status"],
        "image": repository,
        "digest": digest,
        "kept": whole["HostConfig"]["RestartPolicy"]["Name"] in ("always", "unless-stopped"),
        "image_ref": whole["Config"]["Image"],
        "labels": whole["Config"]["Labels"] or {},
    }


def is_id(name):
    return re.match(r"(sha256:)?[0-9a-f]{12,64}\Z", name) is not None


def without_tag(name):
    """The repository of C(host:5000/name:tag)."""
    return re.sub(r":[^:/]*\Z", "", name)
