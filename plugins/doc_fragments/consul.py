# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description:
      - Where the agent's HTTP API is.
      - Unset, the host in the environment variable E(CONSUL_HTTP_ADDR) is used, else V(127.0.0.1).
    type: str
  port:
    description:
      - Port of the agent's HTTP API.
      - Unset, the port in E(CONSUL_HTTP_ADDR) is used, else V(8500).
    type: int
  scheme:
    description:
      - Unset, the scheme in E(CONSUL_HTTP_ADDR) is used, V(https) if E(CONSUL_HTTP_SSL) is true, else V(http).
    type: str
    choices: [http, https]
  unix_socket:
    description:
      - Talk to the agent through this UNIX socket; O(host) and O(port) then play no part.
      - Unset, the path in E(CONSUL_HTTP_ADDR) is used if that begins with C(unix://) and O(host) is not given.
    type: path
  token:
    description:
      - ACL token. It is sent in a header, never in an address.
      - Unset, the content of the file named by E(CONSUL_HTTP_TOKEN_FILE) is used, else E(CONSUL_HTTP_TOKEN).
      - Consul answers a token that it does not know with an error, and so does the module, in every state.
    type: str
  validate_certs:
    description:
      - Whether the agent's certificate is verified.
      - Unset, E(CONSUL_HTTP_SSL_VERIFY) is used, else V(true).
    type: bool
  ca_path:
    description:
      - File on the managed host with the CA certificates to trust.
      - Unset, E(CONSUL_CACERT) is used, else what the host trusts.
    type: path
  client_cert:
    description:
      - File on the managed host with the client's certificate, for an agent that demands one.
      - Unset, E(CONSUL_CLIENT_CERT) is used.
    type: path
  client_key:
    description:
      - File on the managed host with the private key of O(client_cert).
      - Unset, E(CONSUL_CLIENT_KEY) is used.
    type: path
  datacenter:
    description:
      - Datacenter in which keys are read and written, and services are looked up, by default that of the agent.
      - What is registered or put in maintenance belongs to the agent that is asked, wherever that is, so this plays no
        part there.
    type: str
  consistency:
    description:
      - How reads from the servers are answered. V(stale) may be answered by any server and without a leader,
        V(consistent) makes the leader confirm that it is one.
    type: str
    choices: [default, consistent, stale]
    default: default
  timeout:
    description: Seconds to wait for an answer.
    type: float
    default: 10
  retries:
    description:
      - How often a call that can safely be repeated is repeated when the connection is refused, or the answer is
        429, 503 or 500 for want of a leader. The pauses between grow from a quarter of a second to four.
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    description: Can run in check_mode and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
"""
