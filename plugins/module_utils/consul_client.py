# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Consul's HTTP API on Ansible's own URL library. It knows nothing of Ansible modules."""

from __future__ import annotations

import base64
import collections
import functools
import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import time
import urllib.error
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.common.text.converters import to_native, to_text
from ansible.module_utils.urls import Request, make_context

RETRY_FIRST_PAUSE = 0.25
RETRY_LONGEST_PAUSE = 4

# Consul's answers to these carry X-Consul-Index, also a 404 and an empty list.
INDEXED = ("kv/", "session/", "health/", "catalog/node", "catalog/service", "acl/policies", "acl/roles", "acl/tokens")
# What Consul's own 404 says where it carries no X-Consul-Index.
MISSING = {
    "agent/service/": re.compile("unknown service ID", re.IGNORECASE),
    "agent/health/service/": re.compile(r'\[\]\Z|\{"AggregatedStatus"|Service(Name|Id) \S+ Not Found', re.IGNORECASE),
    "session/renew/": re.compile("Session id .* not found"),
}
# The JSON type of answers that carry no X-Consul-Index.
SHAPES = {
    "agent/self": dict,
    "agent/services": (dict, type(None)),
    "agent/checks": (dict, type(None)),
    "agent/members": list,
    "status/leader": str,
    "status/peers": list,
}
CHECK_ADDRESS = "check host, port, scheme and path_prefix"
NOT_CONSUL = f"a web server or a proxy answered, not Consul's HTTP API: {CHECK_ADDRESS}"

Answer = collections.namedtuple("Answer", "status data index")


class ConsulError(Exception):
    """What went wrong, in one line for a person, with what was asked. The token is never part of it."""

    def __init__(self, message, status=None, method=None, path=None, detail=None, is_missing=False):
        super().__init__(message)
        self.status = status
        self.method = method
        self.path = path
        self.detail = detail  # what Consul itself said
        self.is_missing = is_missing  # Consul has nothing under this path


class ConsulClient:
    def __init__(
        self,
        host="127.0.0.1",
        port=8500,
        scheme="http",
        unix_socket=None,
        path_prefix="",
        token=None,
        http_auth=None,
        validate_certs=True,
        ca_path=None,
        client_cert=None,
        client_key=None,
        tls_server_name=None,
        datacenter=None,
        namespace=None,
        partition=None,
        consistency="default",
        timeout=10,
        retries=3,
    ):
        host = _checked_host(host)
        if not 0 < port < 65536:
            raise ConsulError(f"port: {port} is not a TCP port: write a number from 1 to 65535")
        if not 0 < timeout < float("inf"):
            raise ConsulError(f"timeout: {timeout:g} is not a number of seconds above 0")
        if retries < 0:
            raise ConsulError(f"retries: {retries} is below 0")
        if unix_socket and not os.path.isabs(unix_socket):
            raise ConsulError(f"unix_socket: {unix_socket!r} is not an absolute path")
        for option, path in (("ca_path", ca_path), ("client_cert", client_cert), ("client_key", client_key)):
            if path and not os.access(path, os.R_OK):
                raise ConsulError(f"{option}: there is no file {path} that can be read on this host")
        self.base_url = _base_url(scheme, host, port) + _checked_prefix(path_prefix)
        self.place = f"unix://{unix_socket}" if unix_socket else self.base_url
        self.unix_socket = unix_socket
        self.datacenter = datacenter
        self.namespace = namespace
        self.partition = partition
        self.consistency = consistency
        self.timeout = timeout
        self.retries = retries
        self.token = token
        self._partition_is_known = not partition
        self._http = Request(
            headers=_headers(token, http_auth),
            http_agent="dockyard.consul",
            unix_socket=unix_socket,
            context=_tls_context(scheme, validate_certs, ca_path, client_cert, client_key, tls_server_name),
            # As the consul command line: a proxy is never asked for what is on this machine.
            use_proxy=not (unix_socket or _is_loopback(host)),
            use_netrc=False,
            follow_redirects="none",
        )

    @property
    def query(self):
        """The parameter of a request that names the datacenter. Empty for that of the agent."""
        return {"dc": self.datacenter} if self.datacenter else {}

    def get(self, path, params=None, missing_ok=False, wait=None):
        """Read. With C(missing_ok) a 404 answers None. C(wait) holds a blocking query for so many seconds."""
        params = dict(params or {})
        if self.consistency != "default":
            params[self.consistency] = ""
        timeout = self.timeout
        if wait is not None:
            params["wait"] = f"{int(wait * 1000)}ms"
            timeout += wait * 17 / 16  # Consul adds up to a sixteenth, so that not all clients return at once
        return self._call("GET", path, params, None, timeout, missing_ok, idempotent=True)

    def put(self, path, params=None, data=None, idempotent=False):
        """Write bytes as they are, anything else as JSON."""
        if data is not None and not isinstance(data, bytes):
            data = json.dumps(data).encode("utf-8")
        return self._call("PUT", path, params, data, self.timeout, False, idempotent)

    def post(self, path, params=None, data=None):
        """Ask a question that has a body."""
        body = json.dumps(data).encode("utf-8")
        return self._call("POST", path, params, body, self.timeout, False, idempotent=True)

    def delete(self, path, params=None):
        return self._call("DELETE", path, params, None, self.timeout, False, idempotent=True)

    def _call(self, method, path, params, data, timeout, missing_ok, idempotent):
        self._refuse_unknown_partition()
        params = {**self._tenancy("ns", "partition"), **(params or {})}
        if path == "txn" and (self.namespace or self.partition):
            data = json.dumps(_in_tenancy(json.loads(data), self._tenancy("Namespace", "Partition"))).encode("utf-8")
        return self._call_again(method, path, params, data, timeout, missing_ok, idempotent)

    def _tenancy(self, namespace, partition):
        """The namespace and the admin partition of Consul Enterprise, under these names, where they are set."""
        found = {namespace: self.namespace, partition: self.partition}
        return {name: value for name, value in found.items() if value}

    def _refuse_unknown_partition(self):
        """Before 1.11 Consul ignores the parameter, and would write into its only partition."""
        if self._partition_is_known:
            return
        self._partition_is_known = True
        try:
            self._call_again("GET", "partitions", {}, None, self.timeout, False, idempotent=True)
        except ConsulError as error:
            if error.status == 404:
                raise ConsulError(
                    f"partition: the agent at {self.place} has no admin partitions. Only Consul Enterprise 1.11 and"
                    " newer has them"
                ) from error
            # Any other answer, such as a refusal for a missing right, comes from an agent that knows partitions.

    def _call_again(self, method, path, params, data, timeout, missing_ok, idempotent):
        pause = RETRY_FIRST_PAUSE
        for attempts_left in range(self.retries if idempotent else 0, -1, -1):
            try:
                return self._call_once(method, path, params, data, timeout)
            except ConsulError as error:
                if missing_ok and error.is_missing:
                    return Answer(404, None, None)
                if not attempts_left or not _may_pass(error):
                    raise
            time.sleep(pause)
            pause = min(pause * 2, RETRY_LONGEST_PAUSE)
        raise AssertionError("unreachable")

    def _call_once(self, method, path, params, data, timeout):
        query = urlencode(params) if params else ""
        url = self.base_url + quote("/v1/" + path) + ("?" + query if query else "")
        asked = {"method": method, "path": "/v1/" + path}
        try:
            with self._http.open(method, url, data=data, timeout=timeout) as response:
                answer = _answer(response.status, response.headers, response.read())
            if method == "GET":
                _refuse_foreign(path, answer)
            return answer
        except ConsulError as error:
            raise ConsulError(f"{method} /v1/{path} at {self.place}: {error}", **asked) from error
        except urllib.error.HTTPError as error:
            words = _words(error)
            missing = error.code == 404 and _is_missing(path, error.headers, words)
            advice = "" if missing else _advice(error.code, words, _is_html(error.headers))
            message = f"{method} /v1/{path} at {self.place}: HTTP {error.code}: {words[:500]}{advice}"
            raise ConsulError(message, status=error.code, detail=words, is_missing=missing, **asked) from error
        # Whatever else happens below HTTP; Ansible's library has no common base class for its own errors.
        except Exception as error:
            message = f"{method} /v1/{path} at {self.place}: {_transport_message(error, timeout, self.unix_socket)}"
            raise ConsulError(message, **asked) from error


def _in_tenancy(operations, tenancy):
    """A transaction's operations name their namespace and partition themselves: a key in the operation, a service or check
    in the object under its own name."""

    def placed(kind, operation):
        return {**operation, kind: {**operation[kind], **tenancy}} if kind in operation else {**operation, **tenancy}

    return [{kind: placed(kind, operation) for kind, operation in one.items()} for one in operations]


def _checked_host(host):
    """The host as a URL has it without brackets, or an error that says what to write."""
    if not host:
        raise ConsulError("host is empty: write a name or an address, or leave it out to mean 127.0.0.1")
    if "@" in host:
        raise ConsulError("host holds a '@': set the user and the password in http_auth")
    if host.lower().startswith("unix://"):
        raise ConsulError(f"host: {host!r} is a UNIX socket: set unix_socket: {host[len('unix://') :]}")
    if "://" in host:
        parts = _pieces(host)
        raise ConsulError(f"host: {host!r} is a URL: set {', '.join(parts) or 'scheme, host and port'} instead")
    if not host.isprintable() or set(host) & set(" /?#\\"):
        raise ConsulError(f"host: {host!r} has a character that is not part of a host: write a name or an address only")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" not in bare and bare == host:
        return host
    if _is_ipv6(bare):
        return bare
    parts = _pieces("//" + host)
    if len(parts) == 2:
        raise ConsulError(f"host: {host!r} holds a port: set {' and '.join(parts)}")
    raise ConsulError(f"host: {host!r} is neither a name nor an address")


def _pieces(url):
    """Which options to set instead of this URL, as text."""
    try:
        parts = urlsplit(url)
        found = {
            "scheme": parts.scheme,
            "host": parts.hostname,
            "port": parts.port,
            "path_prefix": parts.path.strip("/"),
        }
    except ValueError:
        return []
    return [f"{name}: {value}" for name, value in found.items() if value]


def _is_ipv6(text):
    try:
        return bool(ipaddress.IPv6Address(text.split("%")[0]))  # Python 3.8 knows no zone
    except ValueError:
        return False


def _checked_prefix(path):
    if not path.isprintable() or set(path) & set("?#"):
        raise ConsulError(f"path_prefix: {path!r} is not the path of a URL")
    path = path.strip("/")
    return quote("/" + path) if path else ""


def _headers(token, http_auth):
    headers = {}
    if token:
        # http.client would refuse these with a message that quotes the token, or names a codec.
        if not token.isprintable():
            raise ConsulError("the token holds a line break or another unprintable character")
        if not token.isascii():
            raise ConsulError(
                "the token holds a character that is not ASCII, such as an umlaut or a typographic quote. Consul's tokens"
                " have none: copy it again"
            )
        headers["X-Consul-Token"] = token
    if http_auth:
        if ":" not in http_auth:
            http_auth += ":"
        headers["Authorization"] = "Basic " + base64.b64encode(http_auth.encode("utf-8")).decode("ascii")
    return headers


def _base_url(scheme, host, port):
    host = "[" + host.replace("%", "%25") + "]" if ":" in host else host
    return f"{scheme}://{host}:{port}"


def _tls_context(scheme, validate_certs, ca_path, client_cert, client_key, server_name=None):
    """One for all calls: Ansible would load the host's CA certificates for each, which takes 40 ms, even for http."""
    if scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    first, *others = _ca_files(ca_path)
    try:
        context = make_context(
            cafile=first, validate_certs=validate_certs, client_cert=client_cert, client_key=client_key
        )
        for first in others:
            context.load_verify_locations(cafile=first)
    except (OSError, ValueError) as error:
        where = f" ({first})" if first != ca_path else ""
        raise ConsulError(f"cannot use ca_path{where}, client_cert or client_key: {to_native(error)}") from error
    if server_name:
        wrap_socket = context.wrap_socket

        @functools.wraps(wrap_socket)
        def wrap_as(sock, **options):
            return wrap_socket(sock, **{**options, "server_hostname": server_name})

        context.wrap_socket = wrap_as
    return context


def _ca_files(path):
    """The file itself, or all files of a folder, at any depth. As the consul command line reads CONSUL_CAPATH."""
    if not path or not os.path.isdir(path):
        return [path]
    found = sorted(os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in names)
    if not found:
        raise ConsulError(f"ca_path: the folder {path} has no files")
    return found


def _is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _answer(status, headers, body):
    try:
        data = json.loads(body.decode("utf-8")) if body.strip() else None
    except ValueError:
        raise ConsulError(f"the answer is not JSON: {NOT_CONSUL}") from None
    index = headers.get("X-Consul-Index", "")
    return Answer(status, data, int(index) if index.isdigit() else None)


def _refuse_foreign(path, answer):
    """Another program may answer with JSON too, and an empty list or object would look as if Consul had nothing."""
    indexed = path.startswith(INDEXED) and answer.index is None
    if indexed or not isinstance(answer.data, SHAPES.get(path, object)):
        raise ConsulError(
            f"the answer {'has no X-Consul-Index' if indexed else 'is not as Consul writes it'}: {NOT_CONSUL}"
        )


def _is_missing(path, headers, words):
    """Whether a 404 comes from Consul, and means that there is nothing under this path."""
    if headers.get("X-Consul-Index", "").isdigit():
        return True
    return any(path.startswith(start) and pattern.match(words) for start, pattern in MISSING.items())


def _is_html(headers):
    return headers.get("Content-Type", "").lower().startswith("text/html")


def _words(error):
    """What Consul said, as one line. A web page is not repeated."""
    try:
        words = " ".join(to_text(error.read()).split())
    except (OSError, http.client.HTTPException):
        words = ""
    return words if words and not _is_html(error.headers) else to_native(error.reason)


def _advice(status, words, html=False):
    if status == 401 and "ACL" not in words:
        return " (a proxy in front of Consul requires a user and a password: check http_auth)"
    if status == 404 or html:
        return f" ({NOT_CONSUL})"
    if "ACL not found" in words:
        return " (the token is unknown to Consul: mistyped, expired or deleted, or the leader has no ACLs yet; give a valid one)"
    if "legacy mode" in words:
        return " (no leader has set up the ACL system yet: check that enough servers are up)"
    if "ACL support disabled" in words:
        return " (the agent runs without ACLs: set acl.enabled in its configuration and restart it)"
    if status == 403:
        return " (the token's policies do not allow this, or no token was given)"
    if "Consul Enterprise feature" in words:
        return " (this agent is open source: leave out namespace and partition, and their environment variables)"
    if "No cluster leader" in words:
        return " (no server is the leader: check that enough servers are up)"
    if "unknown field" in words:
        return " (this agent's version of Consul does not know that field: leave it out, or upgrade the agent)"
    if status == 413:
        return " (larger than this agent accepts)"
    return ""


def _cause(error):
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _transport_message(error, timeout, unix_socket=None):
    cause = _cause(error)
    words = to_native(cause)
    if unix_socket and "Invalid Socket File" in words:
        return f"{words}; check that the agent runs, and unix_socket"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused: no agent listens there; check that it runs, and host and port"
    if isinstance(cause, (socket.timeout, TimeoutError)):
        return f"no answer within {timeout:g} s: check the agent and the network, or raise the timeout"
    if isinstance(cause, ssl.SSLError) or "CERTIFICATE" in words.upper():
        return f"TLS failed: {words}; check scheme, ca_path, client_cert and client_key"
    if isinstance(cause, (ConnectionError, http.client.HTTPException)):
        return f"the connection broke before the answer was complete ({words or type(cause).__name__}): did the agent stop?"
    return f"{words or type(cause).__name__}; check host, port and scheme"


def was_refused(error):
    """Whether the call never reached an agent."""
    return isinstance(_cause(error.__cause__), ConnectionRefusedError)


def _may_pass(error):
    """Trouble that is known to pass by itself."""
    if was_refused(error):
        return True
    return error.status in (429, 503) or (error.status == 500 and "leader" in error.detail)
