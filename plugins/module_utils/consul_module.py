# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of every module here: connection options, texts as JSON, errors as messages, diffs as YAML, hidden secrets."""

from __future__ import annotations

import fnmatch
import fractions
import json
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import (
    ConsulClient,
    ConsulError,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import with_texts
from ansible_collections.dockyard.consul.plugins.module_utils.consul_settings import settings_from

HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, changed)"

# The key in a service's meta that is consul_service's own, and of no use to anyone else.
DIGEST = "dockyard_consul_digest"

# Defaults are ConsulClient's: an option that is not given may still come from the environment.
CONNECTION_SPEC = {
    "host": {"type": "str"},
    "port": {"type": "int"},
    "scheme": {"type": "str", "choices": ["http", "https"]},
    "unix_socket": {"type": "path"},
    "path_prefix": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "http_auth": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "tls_server_name": {"type": "str"},
    "datacenter": {"type": "str"},
    "namespace": {"type": "str"},
    "partition": {"type": "str"},
    "consistency": {"type": "str", "choices": ["default", "consistent", "stale"], "default": "default"},
    "timeout": {"type": "float", "default": 10},
    "retries": {"type": "int", "default": 3},
}


class ConsulModule(AnsibleModule):
    # Text options in which a structure stands for its JSON.
    json_options = ()

    def __init__(self, argument_spec, **kwargs):
        self._no_text = None
        super().__init__(argument_spec={**CONNECTION_SPEC, **argument_spec}, supports_check_mode=True, **kwargs)

    def _load_params(self):
        """Write texts as JSON before Ansible writes them as Python: it would make True of true."""
        super()._load_params()
        try:
            self.params = with_texts(self.params, self.argument_spec, self.json_options)
        except ConsulError as error:
            self._no_text = error

    def run(self, execute):
        """Exit with what C(execute(module, client)) returns, or fail with what it raises, in one line."""
        try:
            if self._no_text:
                raise self._no_text
            options = {name: self.params[name] for name in CONNECTION_SPEC}
            result = execute(self, ConsulClient(**settings_from(options)))
        except ConsulError as error:
            details = {"status": error.status, "written": getattr(error, "written", None)}
            self.fail_json(msg=str(error), **{name: value for name, value in details.items() if value is not None})
        self.exit_json(**result)

    def shown_params(self):
        """The parameters as they may be logged and returned. Overridden where secrets depend on other parameters,
        which C(no_log) of an argument spec cannot say."""
        return self.params

    def _log_invocation(self):
        params = self.params
        self.params = self.shown_params()
        try:
            super()._log_invocation()
        finally:
            self.params = params

    def _return_formatted(self, kwargs):
        kwargs.setdefault("invocation", {"module_args": self.shown_params()})
        super()._return_formatted(kwargs)


def diff_of(before, after, name):
    """Ansible's diff of two structures, as YAML."""
    return {
        "before": to_yaml(before),
        "after": to_yaml(after),
        "before_header": name,
        "after_header": name,
    }


def hide(value, names, other=None):
    """The structure with the fields that match C(names) hidden; one that differs from C(other)'s says that it changed."""
    if isinstance(value, dict):
        others = other if isinstance(other, dict) else {}
        return {key: _hide_field(key, item, names, others.get(key, item)) for key, item in value.items()}
    if isinstance(value, list):
        return [hide(item, names) for item in value]
    return value


def _hide_field(key, item, names, other):
    if matches(key, names):
        return HIDDEN if item == other else HIDDEN_CHANGED
    return hide(item, names, other)


def matches(name, patterns):
    """Whether a key, or its last part, matches one of the glob patterns."""
    name = str(name)
    return any(fnmatch.fnmatchcase(part, pattern) for pattern in patterns for part in (name, name.rsplit("/", 1)[-1]))


# YAML is written here because PyYAML need not be on a managed host. Every JSON scalar is a YAML scalar.
PLAIN_SCALAR = re.compile(r"[A-Za-z_/](?:[\w ./@-]*[\w./@-])?\Z", re.ASCII)
NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def to_yaml(data):
    if data in ({}, []):
        return ""
    return "".join(line + "\n" for line in _yaml_lines(data))


def _yaml_lines(data):
    if isinstance(data, dict) and data:
        for key in sorted(data, key=str):
            head, value = f"{_yaml_scalar(str(key))}:", data[key]
            if isinstance(value, (dict, list)) and value:
                yield head
                yield from ("  " + line for line in _yaml_lines(value))
            else:
                yield f"{head} {_yaml_scalar(value)}"
    elif isinstance(data, list) and data:
        for item in data:
            if isinstance(item, (dict, list)) and item:
                lines = list(_yaml_lines(item))
                yield "- " + lines[0]
                yield from ("  " + line for line in lines[1:])
            else:
                yield "- " + _yaml_scalar(item)
    else:
        yield _yaml_scalar(data)


def _yaml_scalar(value):
    if isinstance(value, str) and PLAIN_SCALAR.match(value) and value.lower() not in NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)


# Durations as Go's time.ParseDuration, hence Consul, reads them.
DURATION_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
DURATION_PART = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"


def nanoseconds(text):
    """The length of a duration such as C(1m30s), or ValueError."""
    if text in ("0", "+0", "-0"):
        return 0
    if not re.match(rf"[-+]?(?:{DURATION_PART})+\Z", text):
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, as 10s, 500ms or 1m30s")
    # A float has too few digits for a year.
    total = sum(fractions.Fraction(number) * DURATION_UNITS[unit] for number, unit in re.findall(DURATION_PART, text))
    return -round(total) if text.startswith("-") else round(total)
