# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_certificates
short_description: Make the site CA and sign the certificates that are due
version_added: 0.1.0
description:
  - Looks at the CA and the certificates of the site in the folder of secrets on the controller, makes a CA if there is
    none, and signs each certificate that is due.
  - A certificate is due if it is missing, cannot be read, ends within O(renew_days), is signed by another CA, does not
    belong to its key, or is for other names or addresses than those listed.
  - An existing private key is never replaced. New keys are ECDSA with P-256.
  - Any number of forks and of runs at the same time get the same CA, the same keys and the same new certificates.
  - The task runs on the controller, whatever host it is for, and needs no connection.
author:
  - The dockyard.consul authors (@dockyard)
requirements:
  - cryptography 40 or newer, on the controller
options:
  directory:
    description:
      - Folder of secrets on the controller. An absolute path.
      - The folder is made with mode 0700 if it is missing.
    type: str
    required: true
  ca_certificate:
    description:
      - Certificate of an existing CA in PEM form. Set it together with O(ca_private_key).
      - It is kept as C(ca.pem) in O(directory).
      - By default, the CA is C(ca.pem) and C(ca.key) in O(directory), which are made if C(ca.pem) is missing.
    type: str
    default: ""
  ca_private_key:
    description: Private key of O(ca_certificate) in PEM form, without a passphrase. It is never written to a file.
    type: str
    default: ""
  ca_common_name:
    description: Common name of a CA that is made. 1 to 64 characters.
    type: str
    default: Site CA
  ca_days:
    description: Validity of a CA that is made. Days, 1 to 36500.
    type: int
    default: 3650
  certificates:
    description: The certificates that the site needs. An empty list makes the CA only.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Path of the files in O(directory), without C(.pem) and C(.key). Folders in it are made with mode 0700.
        type: str
        required: true
      dns_names:
        description: DNS names that the certificate is for. The first one is its common name.
        type: list
        elements: str
        default: []
      addresses:
        description: IP addresses that the certificate is for.
        type: list
        elements: str
        default: []
  days:
    description: Validity of a certificate. Days, 1 to 36500.
    type: int
    default: 365
  renew_days:
    description: A certificate that ends within this time is signed again. Days.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Nothing is written. RV(ca_made) and RV(signed) say what a real run does.
  diff_mode:
    support: full
    description: Shows the paths of the certificates and the reasons, never a key.
notes:
  - Fails before anything is written if O(directory) is not an absolute path, if a folder or a key is open to other
    users, if a key has a passphrase, if the CA has ended, or if the key of the CA is missing or is another one. All
    problems are reported at once.
  - A certificate begins five minutes in the past, for hosts with clocks that are behind.
seealso:
  - module: dockyard.consul.site_secrets
"""

EXAMPLES = r"""
- name: Make the certificates of the site
  dockyard.consul.site_certificates:
    directory: "{{ inventory_dir }}/.secrets"
    certificates:
      - name: node/consul1/server
        dns_names: [server.dc1.consul, localhost]
        addresses: [127.0.0.1, 192.0.2.11]
      - name: node/registry1/service-registry
        dns_names: [registry.service.consul]
        addresses: [192.0.2.21]
  run_once: true
"""

RETURN = r"""
ca_made:
  description: Whether this task has made the CA.
  returned: success
  type: bool
  sample: false
signed:
  description: Certificates that this task has signed, in the order of O(certificates).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Path of the files, as in O(certificates).
      type: str
      sample: node/consul1/server
    reason:
      description: Why the certificate was due.
      type: str
      sample: ends on 2027-01-31, in 29 days
"""
