# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The connection to Consul's HTTP API: of modules, the lookup and the inventory plugin. The attributes are of modules."""

    DOCUMENTATION = r"""
options:
  host:
    description:
      - Host of the agent's HTTP API, a name or an address. An IPv6 address may be in brackets.
      - Defaults to the host in the environment variable E(CONSUL_HTTP_ADDR), otherwise V(127.0.0.1).
    type: str
  port:
    description:
      - Port of the agent's HTTP API.
      - Defaults to the port in E(CONSUL_HTTP_ADDR), otherwise V(8500).
    type: int
  scheme:
    description:
      - Scheme of the agent's HTTP API.
      - Defaults to V(https) if E(CONSUL_HTTP_SSL) is true, otherwise to the scheme in E(CONSUL_HTTP_ADDR), otherwise
        V(http). For a UNIX socket, the default is V(http).
    type: str
    choices: [http, https]
  unix_socket:
    description:
      - UNIX socket of the agent's HTTP API, an absolute path. O(host), O(port) and an address in E(CONSUL_HTTP_ADDR) are
        then ignored.
      - Defaults to the path in E(CONSUL_HTTP_ADDR) if that begins with C(unix://) and O(host) is not set.
    type: path
  path_prefix:
    description:
      - Path under which a reverse proxy serves the API, without C(/v1). The proxy must pass on the header C(X-Consul-Index).
      - Defaults to the path in E(CONSUL_HTTP_ADDR) if neither O(host) nor O(unix_socket) is set, otherwise there is none.
    type: str
  token:
    description:
      - ACL token. It is sent in a header, never in a URL.
      - Defaults to the content of the file in E(CONSUL_HTTP_TOKEN_FILE), otherwise to E(CONSUL_HTTP_TOKEN).
      - A token that Consul does not know is an error, even if there is nothing to do.
    type: str
  http_auth:
    description:
      - User and password for a reverse proxy in front of Consul (HTTP basic authentication), as V(USER:PASSWORD).
      - Defaults to E(CONSUL_HTTP_AUTH). Otherwise to the user and the password in E(CONSUL_HTTP_ADDR) if neither O(host) nor
        O(unix_socket) is set.
    type: str
  validate_certs:
    description:
      - Whether the agent's certificate is verified.
      - Defaults to E(CONSUL_HTTP_SSL_VERIFY), otherwise V(true).
    type: bool
  ca_path:
    description:
      - File with the CA certificates to trust, or a folder of such files, which is read at any depth. It is on the host
        that runs the module or plugin.
      - Defaults to E(CONSUL_CACERT), otherwise to E(CONSUL_CAPATH), otherwise to the CA certificates that the host trusts.
    type: path
  client_cert:
    description:
      - File with the client certificate, for an agent that requires one. It is on the host that runs the module or plugin.
      - Defaults to E(CONSUL_CLIENT_CERT).
    type: path
  client_key:
    description:
      - File with the private key of O(client_cert). It is on the host that runs the module or plugin.
      - Defaults to E(CONSUL_CLIENT_KEY).
    type: path
  tls_server_name:
    description:
      - Name that the agent's certificate must have, and that is sent to the agent (SNI). By default, O(host).
      - Defaults to E(CONSUL_TLS_SERVER_NAME).
    type: str
  datacenter:
    description:
      - Datacenter in which keys, sessions and external nodes are read and written, and services are looked up. By default,
        that of the agent.
      - Registrations with an agent and maintenance mode always belong to the agent itself, so this option does not affect
        them.
    type: str
  namespace:
    description:
      - Namespace (Consul Enterprise). An open source agent refuses it.
      - Defaults to E(CONSUL_NAMESPACE).
      - The tests of this collection run the open source Consul. They test what is sent, and that such an agent refuses it.
    type: str
  partition:
    description:
      - Admin partition (Consul Enterprise 1.11 or newer). An older agent would ignore it, so it is an error there.
      - Defaults to E(CONSUL_PARTITION).
      - Tested as O(namespace).
    type: str
  consistency:
    description:
      - Consistency of reads from the servers. With V(stale) any server answers, also without a leader. With V(consistent)
        the leader first confirms that it still leads.
    type: str
    choices: [default, consistent, stale]
    default: default
  timeout:
    description: Timeout for an answer, in seconds, above 0.
    type: float
    default: 10
  retries:
    description:
      - How often a request is repeated if the connection is refused, or if the answer is 429, 503, or 500 because there is
        no leader. Only requests that are safe to repeat are repeated. The pauses grow from 0.25 s to 4 s. 0 or more.
    type: int
    default: 3
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in check_mode and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
"""
