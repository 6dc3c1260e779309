# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Consul's HTTP API on Ansible's own URL library. It knows nothing of Ansible modules."""

from __future__ import annotations

import collections
import http.client
import ipaddress
import json
import os
import socket
import ssl
import time
import urllib.error
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.common.text.converters import to_native, to_text
from ansible.module_utils.urls import Request, make_context

RETRY_FIRST_PAUSE = 0.25
RETRY_LONGEST_PAUSE = 4

Answer = collections.namedtuple("Answer", "status data index")


class ConsulError(Exception):
    """What went wrong, in one line for a person, with what was asked. The token is never part of it."""

    def __init__(self, message, status=None, method=None, path=None, words=None):
        super().__init__(message)
        self.status = status
        self.method = method
        self.path = path
        self.words = words  # what Consul itself said


def settings_from(options, environ=None):
    """Fill in unset connection options from the variables that the consul command line reads."""
    environ = os.environ if environ is None else environ
    settings = {name: value for name, value in options.items() if value is not None}
    for name, value in _address_from(environ).items():
        if name != "unix_socket" or "host" not in settings:
            settings.setdefault(name, value)
    for name, variable in (
        ("ca_path", "CONSUL_CACERT"),
        ("client_cert", "CONSUL_CLIENT_CERT"),
        ("client_key", "CONSUL_CLIENT_KEY"),
    ):
        if environ.get(variable):
            settings.setdefault(name, environ[variable])
    if environ.get("CONSUL_HTTP_SSL_VERIFY"):
        settings.setdefault("validate_certs", _truth(environ, "CONSUL_HTTP_SSL_VERIFY"))
    if "token" not in settings:
        settings["token"] = _token_from(environ)
    return settings


def _address_from(environ):
    found = {}
    address = environ.get("CONSUL_HTTP_ADDR", "")
    if address.startswith("unix://"):
        return {"unix_socket": address[len("unix://") :]}
    if address:
        try:
            parts = urlsplit(address if "://" in address else "//" + address)
            found = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
        except ValueError as error:
            raise ConsulError(f"CONSUL_HTTP_ADDR holds {address!r}, which is not an address: {error}") from error
        if found["scheme"] not in ("", "http", "https"):
            raise ConsulError(f"CONSUL_HTTP_ADDR holds {address!r}: its scheme must be http, https or unix")
    if environ.get("CONSUL_HTTP_SSL") and _truth(environ, "CONSUL_HTTP_SSL"):
        found["scheme"] = "https"
    return {name: value for name, value in found.items() if value}


def _truth(environ, variable):
    """Booleans as Go's strconv.ParseBool, hence the consul command line, reads them."""
    value = environ[variable]
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise ConsulError(f"{variable} holds {value!r}: write true or false")


def _token_from(environ):
    """The file wins over CONSUL_HTTP_TOKEN, as it does for the consul command line."""
    path = environ.get("CONSUL_HTTP_TOKEN_FILE")
    token = ""
    if path:
        try:
            with open(path, encoding="utf-8") as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise ConsulError(
                f"cannot read the token file {path} that CONSUL_HTTP_TOKEN_FILE names: {error}"
            ) from error
    return token or environ.get("CONSUL_HTTP_TOKEN")


class ConsulClient:
    def __init__(
        self,
        host="127.0.0.1",
        port=8500,
        scheme="http",
        unix_socket=None,
        token=None,
        validate_certs=True,
        ca_path=None,
        client_cert=None,
        client_key=None,
        datacenter=None,
        consistency="default",
        timeout=10,
        retries=3,
    ):
        # A header with a line break would be refused by http.client with a message that quotes it.
        if token and not token.isprintable():
            raise ConsulError("the token holds a line break or another unprintable character")
        for option, path in (("ca_path", ca_path), ("client_cert", client_cert), ("client_key", client_key)):
            if path and not os.access(path, os.R_OK):
                raise ConsulError(f"{option}: there is no file {path} that can be read on this host")
        self.base_url = _base_url(scheme, host, port)
        self.place = f"unix://{unix_socket}" if unix_socket else self.base_url
        self.datacenter = datacenter
        self.consistency = consistency
        self.timeout = timeout
        self.retries = retries
        self.token = token
        self._http = Request(
            headers={"X-Consul-Token": token} if token else {},
            http_agent="dockyard.consul",
            unix_socket=unix_socket,
            context=_tls_context(scheme, validate_certs, ca_path, client_cert, client_key),
            # As the consul command line: a proxy is never asked for what is on this machine.
            use_proxy=not (unix_socket or _is_loopback(host)),
            use_netrc=False,
            follow_redirects="none",
        )

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

    def delete(self, path, params=None):
        return self._call("DELETE", path, params, None, self.timeout, False, idempotent=True)

    def _call(self, method, path, params, data, timeout, missing_ok, idempotent):
        pause = RETRY_FIRST_PAUSE
        for attempts_left in range(self.retries if idempotent else 0, -1, -1):
            try:
                return self._call_once(method, path, params, data, timeout)
            except ConsulError as error:
                if missing_ok and error.status == 404:
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
                return _answer(response.status, response.headers, response.read())
        except ConsulError as error:
            raise ConsulError(f"{method} /v1/{path} at {self.place}: {error}", **asked) from error
        except urllib.error.HTTPError as error:
            words = _words(error)
            message = (
                f"{method} /v1/{path} at {self.place}: HTTP {error.code}: {words[:500]}{_advice(error.code, words)}"
            )
            raise ConsulError(message, status=error.code, words=words, **asked) from error
        # Whatever else happens below HTTP; Ansible's library has no common base class for its own errors.
        except Exception as error:
            message = f"{method} /v1/{path} at {self.place}: {_transport_message(error, timeout)}"
            raise ConsulError(message, **asked) from error


def _base_url(scheme, host, port):
    return f"{scheme}://{'[' + host + ']' if ':' in host else host}:{port}"


def _tls_context(scheme, validate_certs, ca_path, client_cert, client_key):
    """One for all calls: Ansible would load the host's CA certificates anew for each, which takes 40 ms, even for http."""
    if scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return make_context(
            cafile=ca_path, validate_certs=validate_certs, client_cert=client_cert, client_key=client_key
        )
    except (OSError, ValueError) as error:
        raise ConsulError(f"cannot use ca_path, client_cert or client_key: {to_native(error)}") from error


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
        raise ConsulError("the answer is not JSON: is this Consul's HTTP API? Check host, port and any proxy") from None
    index = headers.get("X-Consul-Index", "")
    return Answer(status, data, int(index) if index.isdigit() else None)


def _words(error):
    """What Consul said, as one line."""
    try:
        words = " ".join(to_text(error.read()).split())
    except (OSError, http.client.HTTPException):
        words = ""
    return words or to_native(error.reason)


def _advice(status, words):
    if "ACL not found" in words:
        return " (the token is unknown to Consul: mistyped, expired or deleted; give a valid one)"
    if "legacy mode" in words:
        return " (no leader has set up the ACL system yet: check that enough servers are up)"
    if "ACL support disabled" in words:
        return " (the agent runs without ACLs: set acl.enabled in its configuration and restart it)"
    if status == 403:
        return " (the token's policies do not allow this, or no token was given)"
    if "No cluster leader" in words:
        return " (no server is the leader: check that enough servers are up)"
    if "unknown field" in words:
        return " (this agent's version of Consul does not know that field: leave it out, or upgrade the agent)"
    if status == 413:
        return " (larger than this agent accepts)"
    return ""


def _cause(error):
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _transport_message(error, timeout):
    cause = _cause(error)
    words = to_native(cause)
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
    return error.status in (429, 503) or (error.status == 500 and "leader" in error.words)
