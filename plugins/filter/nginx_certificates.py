# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_certificates
author: The dockyard.consul authors (@dockyard)
version_added: 0.1.0
short_description: List the certificate files of a load balancer
description:
  - Returns the files that hold the certificates of C(nginx_lb_services), each with its key, as entries of the option C(files) of
    M(dockyard.consul.files). The one that all services share is C(nginx_lb.pem), that of a service C(nginx_lb-NAME.pem).
  - Files of that kind that are on the host and belong to no service any more are listed as absent.
options:
  _input:
    description: The services, as in the variable C(nginx_lb_services) of the role P(dockyard.consul.nginx_lb#role).
    type: list
    elements: dict
    required: true
  certificate_file:
    description: The certificate that all services share, a file on the controller. Empty if there is none.
    type: str
    required: true
  key_file:
    description: The key of O(certificate_file), a file on the controller.
    type: str
    required: true
  paths:
    description: The files on the host, as C(ansible_facts.dockyard_host.paths) has them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Place the certificates
  dockyard.consul.files:
    files: >-
      {{ nginx_lb_services | dockyard.consul.nginx_certificates(nginx_lb_tls_certificate_file, nginx_lb_tls_key_file,
                                                                ansible_facts.dockyard_host.paths) }}
"""

RETURN = r"""
_value:
  description: Entries for the files. Certificate and key are in one file, so that both are replaced, or neither.
  type: list
  elements: dict
"""

import fnmatch

FOLDER = "/etc/nginx"


def nginx_certificates(services, certificate_file, key_file, paths):
    """The certificates that are wanted on a host, and those that are left over."""
    sources = {f"{FOLDER}/nginx_lb.pem": [certificate_file, key_file]} if certificate_file else {}
    for service in services:
        if service.get("tls_certificate_file"):
            sources[f"{FOLDER}/nginx_lb-{service['name']}.pem"] = [
                service["tls_certificate_file"],
                service["tls_key_file"],
            ]
    wanted = [{"path": path, "src": files, "mode": "0600", "secret": True} for path, files in sources.items()]
    left_over = sorted(path for path in fnmatch.filter(paths, f"{FOLDER}/nginx_lb*.pem") if path not in sources)
    return wanted + [{"path": path, "state": "absent"} for path in left_over]


class FilterModule:
    """Jinja2 filter dockyard.consul.nginx_certificates."""

    def filters(self):
        return {"nginx_certificates": nginx_certificates}
