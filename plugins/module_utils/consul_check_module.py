# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of the modules whose options describe checks."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import JSON_OPTIONS, without_secrets
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule


class CheckModule(ConsulModule):
    json_options = JSON_OPTIONS

    def shown_params(self):
        """C(no_log) knows no field of a sidecar, and would garble every message that holds a short value of a header."""
        return without_secrets(self.params)
