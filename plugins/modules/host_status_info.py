# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_status_info
short_description: What one host knows of its site
version_added: 0.1.0
description:
  - Looks, in one go, at the Consul agent of a host, at its containers, its nginx, its certificates, and at what its
    nameserver answers. The filter P(dockyard.consul.site_status#filter) makes a report of what all hosts know.
  - It never changes anything, and never fails because something is broken. Each part says in RV(ignore:error) why it
    could not be looked at, and the other parts are there all the same.
  - No question waits longer than O(timeout), and a part that was once left without an answer asks no more.
  - With O(consistency=stale) a cluster without a leader is told of as well. Else Consul looks for one for some seconds,
    and then says no more than that there is none.
notes:
  - A Docker engine that does not run is not asked, for a question to its socket would start it.
  - Of a container only what is listed here is returned, never its environment.
  - Of a file in O(ages) only the name and the time are read.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
attributes:
  diff_mode:
    support: none
options:
  agent:
    description: Look at the host's Consul agent.
    type: bool
    default: true
  checks:
    description:
      - Look at the checks of that agent alone. For this a token does that may read the node and its services, as the agent's
        own.
    type: bool
    default: false
  cluster:
    description: Ask that agent for the whole cluster as well, its leader, members, services and checks.
    type: bool
    default: false
  docker:
    description: Look at the host's containers.
    type: bool
    default: false
  nginx_status_port:
    description: Look at the host's nginx, whose C(stub_status) is at this port of 127.0.0.1. With V(0), do not.
    type: int
    default: 0
  services:
    description:
      - What nginx balances, as in the variable C(nginx_lb_services) of the role P(dockyard.consul.nginx_lb#role).
        Each one's name is looked up.
      - Used are C(name), C(upstream) and C(port). Where C(port) is V(srv), the SRV records are looked up.
    type: list
    elements: dict
    default: []
  nameserver:
    description: Who is asked for these names, with a port (C(host:port)) where it is not 53.
    type: str
    default: 127.0.0.1
  domain:
    description: Consul's DNS domain.
    type: str
    default: consul
  certificates:
    description:
      - Files with certificates in PEM form; V(*) and V(?) are understood.
      - What is not there is left out, and so is, of those that are not named in full, what holds no certificate.
    type: list
    elements: str
    default: []
  ages:
    description: Files whose age is asked for; V(*) and V(?) are understood. What is not there is left out.
    type: list
    elements: str
    default: []
seealso:
  - plugin: dockyard.consul.site_status
    plugin_type: filter
  - module: dockyard.consul.consul_service_info
"""

EXAMPLES = r"""
- name: Look at the host and at the cluster
  dockyard.consul.host_status_info:
    cluster: true
    certificates: [/etc/consul.d/*.pem]
    consistency: stale
    timeout: 5
    retries: 0
  register: known

- name: Show which version of Consul runs here, and who leads
  ansible.builtin.debug:
    msg: "{{ known.consul.version }}, leader {{ known.cluster.leader }}"
"""

RETURN = r"""
os:
  description: What the host calls its system.
  returned: success
  type: str
  sample: Debian GNU/Linux 12 (bookworm)
consul:
  description: The agent.
  returned: with O(agent)
  type: dict
  contains:
    error:
      description: Why the agent could not be asked, V(null) if it could.
      type: str
      sample: null
    version:
      description: Its version.
      type: str
      sample: 1.21.4
    node:
      description: The name of its node.
      type: str
      sample: app1
    address:
      description: Its address on the LAN.
      type: str
      sample: 192.0.2.31
    server:
      description: Whether it is a server.
      type: bool
      sample: false
    outputs:
      description:
        - By the ids of those of its checks that do not pass, what they said last. The cluster hears of that only
          minutes later.
      type: dict
      sample: {"service:web-1": "HTTP GET http://192.0.2.31/health: 500"}
checks:
  description: The agent's checks.
  returned: with O(checks)
  type: dict
  contains:
    error:
      description: Why the agent could not be asked, V(null) if it could.
      type: str
      sample: null
    passing:
      description: The ids of those that pass, sorted.
      type: list
      elements: str
      sample: ["service:web-2"]
    outputs:
      description: By the ids of those that do not pass, what they said last.
      type: dict
      sample: {"service:web-1": "HTTP GET http://192.0.2.31/health: 500"}
cluster:
  description: The cluster, as the agent sees it.
  returned: with O(cluster)
  type: dict
  contains:
    error:
      description: Why it could not be asked for, V(null) if it could.
      type: str
      sample: null
    leader:
      description: Address of the leader, empty if there is none.
      type: str
      sample: 192.0.2.11:8300
    peers:
      description: Addresses of the Raft peers.
      type: list
      elements: str
      sample: ["192.0.2.11:8300"]
    members:
      description: All members, each with name, address, state, whether it is a server, and its version.
      type: list
      elements: dict
      sample: [{name: app1, address: 192.0.2.31, state: alive, server: false, version: 1.21.4}]
    instances:
      description: All instances of all services.
      type: list
      elements: dict
      sample: [{service: web, id: web-1, node: app1, address: 192.0.2.31, port: 80}]
    checks:
      description: All checks.
      type: list
      elements: dict
      sample: [{node: app1, service_id: web-1, id: "service:web-1", name: web, status: passing, output: "", notes: ""}]
docker:
  description: The engine and its containers.
  returned: with O(docker)
  type: dict
  contains:
    error:
      description: Why it could not be asked, V(null) if it could.
      type: str
      sample: null
    version:
      description: Its version.
      type: str
      sample: 26.1.5
    containers:
      description:
        - All containers. RV(ignore:kept) says whether the engine keeps it running, that is, whether its restart policy is
          C(always) or C(unless-stopped).
      type: list
      elements: dict
      sample:
        - name: web
          state: running
          status: Up 2 hours
          image: registry.example.com/web
          digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          kept: true
nginx:
  description: The nginx that runs here.
  returned: with O(nginx_status_port)
  type: dict
  contains:
    error:
      description: Why it could not be asked, V(null) if it could.
      type: str
      sample: null
    version:
      description: The version of the program.
      type: str
      sample: 1.26.3
dns:
  description: What each of O(services) resolves to.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: Name of the service.
      type: str
      sample: web
    name:
      description: The name looked up.
      type: str
      sample: web.service.consul
    answers:
      description: Addresses, with the port where SRV records were asked for.
      type: list
      elements: str
      sample: [192.0.2.31]
    error:
      description: Why there is no answer, V(null) if there is one. That a name has no address is an answer.
      type: str
      sample: null
certificates:
  description: The certificates found, of a file with several that which ends first.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
      sample: /etc/consul.d/agent.pem
    ends:
      description: When it ends, in seconds since 1970; V(null) if it cannot be read.
      type: int
      sample: 1830000000
    fingerprint:
      description: SHA-256 of the certificate.
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    error:
      description: Why it cannot be read, V(null) if it can.
      type: str
      sample: null
ages:
  description: The files of O(ages), each with its path and when it was last written, in seconds since 1970.
  returned: success
  type: list
  elements: dict
  sample: [{path: /home/admin/site/.secrets/gossip.key, written: 1790000000}]
"""

import calendar
import glob
import hashlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import struct
import time
import urllib.error

from ansible.module_utils.common.text.converters import to_native
from ansible.module_utils.urls import Request
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule

MEMBER_STATES = {1: "alive", 2: "leaving", 3: "left", 4: "failed"}
LONGEST_OUTPUT = 300
DOCKER_SOCKET = "/var/run/docker.sock"
DOCKER_PID_FILE = "/var/run/docker.pid"


def shortened(text):
    """One line, and no longer than a person reads."""
    return " ".join((text or "").split())[:LONGEST_OUTPUT]


def local_http(**options):
    """HTTP to this host itself. Given a context, Ansible does not load the host's CA certificates, for 40 ms a call."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Request(use_proxy=False, use_netrc=False, follow_redirects="none", context=context, **options)


# The Consul agent


def look_at_agent(client):
    try:
        own = client.get("agent/self").data
        checks = client.get("agent/checks").data or {}
    except ConsulError as error:
        return {"error": str(error)}
    return {
        "error": None,
        "version": own["Config"]["Version"],
        "node": own["Config"]["NodeName"],
        "address": own["Member"]["Addr"],
        "server": own["Config"]["Server"],
        "outputs": outputs(checks),
    }


def look_at_checks(client):
    try:
        checks = client.get("agent/checks").data or {}
    except ConsulError as error:
        return {"error": str(error)}
    failing = outputs(checks)
    return {"error": None, "passing": sorted(checks.keys() - failing.keys()), "outputs": failing}


def outputs(checks):
    """What those that do not pass said last."""
    return {id_: shortened(check["Output"]) for id_, check in checks.items() if check["Status"] != "passing"}


def look_at_cluster(client):
    try:
        leader = client.get("status/leader").data
        peers = client.get("status/peers").data
        members = client.get("agent/members").data
        names = client.get("catalog/services").data
        found = [one for name in sorted(names) for one in client.get("catalog/service/" + name).data]
        checks = client.get("health/state/any").data
    except ConsulError as error:
        return {"error": str(error)}
    return {
        "error": None,
        "leader": leader,
        "peers": peers or [],
        "members": [member(one) for one in members or []],
        "instances": [instance(one) for one in found],
        "checks": [check(one) for one in checks],
    }


def member(one):
    return {
        "name": one["Name"],
        "address": one["Addr"],
        "state": MEMBER_STATES.get(one["Status"], "unknown"),
        "server": one["Tags"].get("role") == "consul",
        # "1.8.7+dfsg1:48e1c5a7": what follows the colon is the revision
        "version": one["Tags"].get("build", "").partition(":")[0],
    }


def instance(one):
    return {
        "service": one["ServiceName"],
        "id": one["ServiceID"],
        "node": one["Node"],
        "address": one["ServiceAddress"] or one["Address"],
        "port": one["ServicePort"],
    }


def check(one):
    return {
        "node": one["Node"],
        "service_id": one["ServiceID"],
        "id": one["CheckID"],
        "name": one["Name"],
        "status": one["Status"],
        "output": shortened(one["Output"]),
        "notes": one["Notes"],
    }


# Docker


class DockerError(Exception):
    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class Docker:
    """The engine's HTTP API on its socket."""

    def __init__(self, timeout, socket_path=DOCKER_SOCKET, pid_file=DOCKER_PID_FILE):
        self.timeout = timeout
        self.socket_path = socket_path
        self.pid_file = pid_file
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

    def refuse_if_stopped(self):
        """systemd listens on the socket for an engine that does not run, and would start it."""
        try:
            with open(self.pid_file, encoding="ascii") as file:
                pid = file.read().strip()
        except OSError:
            pid = ""
        if not pid or not os.path.exists("/proc/" + pid):
            raise DockerError(f"the engine does not run: {self.pid_file} names no process; see systemctl status docker")


def look_at_docker(docker):
    try:
        docker.refuse_if_stopped()
        version = docker.get("/version")["Version"]
        containers = [container(docker, one) for one in docker.get("/containers/json?all=1")]
    except DockerError as error:
        return {"error": str(error)}
    there = [one for one in containers if one]
    return {"error": None, "version": version, "containers": sorted(there, key=lambda one: one["name"])}


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
    }


def is_id(name):
    return re.match(r"(sha256:)?[0-9a-f]{12,64}\Z", name) is not None


def without_tag(name):
    """The repository of C(host:5000/name:tag)."""
    return re.sub(r":[^:/]*\Z", "", name)


# nginx


def look_at_nginx(module, port, timeout):
    program = module.get_bin_path("nginx", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if not program:
        return {"error": "it is not installed"}
    _rc, out, err = module.run_command([program, "-v"])
    version = re.search(r"nginx/([\w.]+)", out + err)
    return {"version": version.group(1) if version else None, "error": why_nginx_is_silent(port, timeout)}


def why_nginx_is_silent(port, timeout):
    url = f"http://127.0.0.1:{port}/nginx_status"
    try:
        with local_http().open("GET", url, timeout=timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return f"{url}: HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ConnectionRefusedError):
            return f"{url}: connection refused: it does not run, or has not read its configuration; see systemctl status nginx"
        return f"{url}: no answer within {timeout:g} s" if isinstance(cause, socket.timeout) else f"{url}: {cause}"
    return None


# DNS

A = 1
SRV = 33
RCODES = {1: "FORMERR", 2: "SERVFAIL", 5: "REFUSED"}
TRUNCATED = 0x0200


class DNSError(Exception):
    pass


class Resolver:
    """A nameserver, asked as nginx asks: over UDP, and over TCP what is cut short there."""

    def __init__(self, address, timeout):
        with_port = re.match(r"(?:\[(.+)\]|([^:]+)):([0-9]+)\Z", address)
        host, port = (with_port.group(1) or with_port.group(2), with_port.group(3)) if with_port else (address, 53)
        self.place = (host.strip("[]"), int(port))
        self.timeout = timeout

    def ask(self, name, kind):
        """The answers, sorted; none if there is no such name."""
        query_id = random.randrange(1 << 16)
        query = struct.pack(">6H", query_id, 0x0100, 1, 0, 0, 0) + packed(name) + struct.pack(">2H", kind, 1)
        try:
            reply = self._over_udp(query)
            if struct.unpack(">2H", reply[:4])[1] & TRUNCATED:
                reply = self._over_tcp(query)
            if reply[:2] != query[:2]:
                raise DNSError("a reply to another question")
            return answers(reply, kind)
        except socket.timeout:
            raise DNSError(f"no answer within {self.timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            raise DNSError(getattr(error, "strerror", None) or to_native(error)) from error
        except (IndexError, struct.error):
            raise DNSError("a reply that is not whole") from None

    def _over_udp(self, query):
        family = socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(self.timeout)
            sock.connect(self.place)
            sock.send(query)
            return sock.recv(65535)

    def _over_tcp(self, query):
        with socket.create_connection(self.place, timeout=self.timeout) as sock:
            sock.sendall(struct.pack(">H", len(query)) + query)
            stream = sock.makefile("rb")
            return stream.read(struct.unpack(">H", stream.read(2))[0])


def packed(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def answers(reply, kind):
    _id, flags, questions, answered, authorities, additional = struct.unpack(">6H", reply[:12])
    rcode = flags & 0xF
    if rcode == 3:  # no such name
        return []
    if rcode:
        raise DNSError(RCODES.get(rcode, f"rcode {rcode}"))
    at = 12
    for _question in range(questions):
        _name, at = unpacked(reply, at)
        at += 4
    found = {A: [], SRV: []}
    addresses = {}
    for number in range(answered + authorities + additional):
        owner, at = unpacked(reply, at)
        record, _class, _ttl, length = struct.unpack(">2HIH", reply[at : at + 10])
        at += 10
        if record == A:
            addresses[owner] = socket.inet_ntoa(reply[at : at + 4])
            if number < answered:
                found[A].append(addresses[owner])
        elif record == SRV and number < answered:
            port = struct.unpack(">H", reply[at + 4 : at + 6])[0]
            found[SRV].append((unpacked(reply, at + 6)[0], port))
        at += length
    if kind == A:
        return sorted(found[A])
    return sorted(f"{addresses.get(target, target)}:{port}" for target, port in found[SRV])


def unpacked(reply, at):
    """The name that is at this place, and the place after it. A pointer ends a name, and points backwards only."""
    labels, end = [], None
    while reply[at]:
        if reply[at] >= 0xC0:
            target = struct.unpack(">H", reply[at : at + 2])[0] & 0x3FFF
            if target >= at:
                raise DNSError("a reply whose names go round in a circle")
            end = end or at + 2
            at = target
        else:
            labels.append(reply[at + 1 : at + 1 + reply[at]].decode("ascii", "replace").lower())
            at += 1 + reply[at]
    return ".".join(labels), end or at + 1


def look_up(services, domain, resolver):
    found, gone = [], None
    for service in services:
        name = service.get("upstream") or f"{service['name']}.service.{domain}"
        kind = SRV if service.get("port") == "srv" else A
        one = {"service": service["name"], "name": name, "answers": [], "error": gone}
        if not gone:
            try:
                one["answers"] = resolver.ask(name, kind)
            except DNSError as error:
                one["error"] = f"{resolver.place[0]}:{resolver.place[1]}: {error}"
                gone = one["error"] if "within" in one["error"] else None  # who is silent is not asked again
        found.append(one)
    return found


# Certificates and keys


def look_at_certificates(patterns):
    found = [certificate(path) for path in expanded(patterns)]
    return [one for one in found if one["error"] != NO_CERTIFICATE or one["path"] in patterns]


def expanded(patterns):
    return sorted({path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)})


NO_CERTIFICATE = "it holds no certificate in PEM form"
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificate(path):
    nothing = {"path": path, "ends": None, "fingerprint": None}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            blocks = PEM.findall(file.read())
        all_of_them = [ssl.PEM_cert_to_DER_cert(block) for block in blocks]
        if not all_of_them:
            return dict(nothing, error=NO_CERTIFICATE)
        end, first = min((ends(der), der) for der in all_of_them)
    except (OSError, ValueError, IndexError) as error:
        return dict(nothing, error=to_native(error))
    return {"path": path, "ends": end, "fingerprint": hashlib.sha256(first).hexdigest(), "error": None}


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


def name_of_system(path="/etc/os-release"):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(r'^PRETTY_NAME="?(.*?)"?$', file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else "unknown"


def execute(module, client):
    params = module.params
    timeout = params["timeout"]
    for service in params["services"]:
        if not service.get("name"):
            raise ConsulError(f"services: one has no name: {service}")
    known = {"changed": False, "os": name_of_system()}
    if params["agent"]:
        known["consul"] = look_at_agent(client)
    if params["checks"]:
        known["checks"] = look_at_checks(client)
    if params["cluster"]:
        # An agent that was silent would be so again.
        silent = known.get("consul", {}).get("error")
        known["cluster"] = {"error": silent} if silent else look_at_cluster(client)
    if params["docker"]:
        known["docker"] = look_at_docker(Docker(timeout))
    if params["nginx_status_port"]:
        known["nginx"] = look_at_nginx(module, params["nginx_status_port"], timeout)
    known["dns"] = look_up(params["services"], params["domain"], Resolver(params["nameserver"], min(timeout, 3)))
    known["certificates"] = look_at_certificates(params["certificates"])
    known["ages"] = look_at_ages(params["ages"])
    return known


def main():
    module = ConsulModule(
        argument_spec={
            "agent": {"type": "bool", "default": True},
            "checks": {"type": "bool", "default": False},
            "cluster": {"type": "bool", "default": False},
            "docker": {"type": "bool", "default": False},
            "nginx_status_port": {"type": "int", "default": 0},
            "services": {"type": "list", "elements": "dict", "default": []},
            "nameserver": {"type": "str", "default": "127.0.0.1"},
            "domain": {"type": "str", "default": "consul"},
            "certificates": {"type": "list", "elements": "str", "default": []},
            "ages": {"type": "list", "elements": "str", "default": []},
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
