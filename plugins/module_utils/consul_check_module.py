# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of the modules whose options describe checks."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import JSON_OPTIONS, without_secrets
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import with_texts


class CheckModule(ConsulModule):
    def __init__(self, argument_spec, **kwargs):
        self._texts_of = argument_spec
        self._no_text = None
        super().__init__(argument_spec=argument_spec, **kwargs)

    def _load_params(self):
        """Write texts as JSON before Ansible writes them as Python: it would make True of true."""
        super()._load_params()
        try:
            self.params = with_texts(self.params, self._texts_of, JSON_OPTIONS)
        except ConsulError as error:
            self._no_text = error

    def run(self, execute):
        if self._no_text:
            self.fail_json(msg=str(self._no_text))
        super().run(execute)

    def shown_params(self):
        """C(no_log) knows no field of a sidecar, and would garble every message that holds a short value of a header."""
        return without_secrets(self.params)
