# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of a task, completed from the environment as the consul command line reads it."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError


def settings_from(options, environ=None):
    """Fill in unset connection options from the variables that the consul command line reads."""
    environ = os.environ if environ is None else environ
    settings = {name: value for name, value in options.items() if value is not None}
    if environ.get("CONSUL_HTTP_AUTH"):
        settings.setdefault("http_auth", environ["CONSUL_HTTP_AUTH"])
    address = {} if "unix_socket" in settings else _address_from(environ)
    if "host" in settings:
        # Another host has neither the socket nor the path of the address, and must not get its password.
        for name in ("unix_socket", "path_prefix", "http_auth"):
            address.pop(name, None)
    settings = {**address, **settings}
    for name, variables in (
        ("ca_path", ("CONSUL_CACERT", "CONSUL_CAPATH")),
        ("client_cert", ("CONSUL_CLIENT_CERT",)),
        ("client_key", ("CONSUL_CLIENT_KEY",)),
        ("tls_server_name", ("CONSUL_TLS_SERVER_NAME",)),
        ("namespace", ("CONSUL_NAMESPACE",)),
        ("partition", ("CONSUL_PARTITION",)),
    ):
        for variable in variables:
            if environ.get(variable):
                settings.setdefault(name, environ[variable])
    if environ.get("CONSUL_HTTP_SSL_VERIFY"):
        settings.setdefault("validate_certs", _truth(environ, "CONSUL_HTTP_SSL_VERIFY"))
    if "token" not in settings:
        settings["token"] = _token_from(environ)
    return settings


def _address_from(environ):
    """The options that CONSUL_HTTP_ADDR and CONSUL_HTTP_SSL stand for."""
    address = environ.get("CONSUL_HTTP_ADDR", "")
    found = {}
    if address.lower().startswith("unix://"):
        found["unix_socket"] = address[len("unix://") :]
    elif address:
        found = _parts_of(address)
    if environ.get("CONSUL_HTTP_SSL") and _truth(environ, "CONSUL_HTTP_SSL") and "unix_socket" not in found:
        found["scheme"] = "https"
    return {name: value for name, value in found.items() if value}


def _parts_of(address):
    """The parts of CONSUL_HTTP_ADDR. A message does not repeat an address that may have a password in it."""
    shown = "an address with '@'" if "@" in address else repr(address)
    if not address.isprintable() or " " in address:
        raise ConsulError(f"CONSUL_HTTP_ADDR holds {shown}, which has a space or an unprintable character")
    try:
        parts = urlsplit(address if "://" in address else "//" + address)
        found = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}
    except ValueError:
        raise ConsulError(
            f"CONSUL_HTTP_ADDR holds {shown}, which is not an address: write it as http://host:port or host:port,"
            " and an IPv6 address in brackets"
        ) from None
    if found["scheme"] not in ("", "http", "https"):
        raise ConsulError(f"CONSUL_HTTP_ADDR holds {shown}: its scheme must be http, https or unix")
    if parts.query or parts.fragment:
        raise ConsulError(f"CONSUL_HTTP_ADDR holds {shown}: an address has no '?' and no '#'")
    found["path_prefix"] = unquote(parts.path).strip("/")
    if parts.username is not None:
        found["http_auth"] = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return found


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
        except OSError as error:
            raise ConsulError(
                f"cannot read the token file {path} that CONSUL_HTTP_TOKEN_FILE names: {error}"
            ) from error
        except ValueError:
            raise ConsulError(f"the token file {path} that CONSUL_HTTP_TOKEN_FILE names is not text") from None
    return token or environ.get("CONSUL_HTTP_TOKEN")
