# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's variables are in three places: defaults, argument spec and README. These tests keep them one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
SECRET = re.compile(r"_(password|token|private_key|gossip_key)$")

# | `name` | type | default | meaning |
README_ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<type>[^|]+) \| (?P<default>[^|]+) \| (?P<meaning>.+) \|$", re.MULTILINE
)

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def entry_points(role):
    return load(role / "meta/argument_specs.yml")["argument_specs"]


def options(role):
    return entry_points(role)["main"]["options"]


def defaults(role):
    return load(role / "defaults/main.yml")


def readme_rows(role):
    """Return the rows of the table of variables; a role's variables bear its name, and keys of theirs do not."""
    rows = README_ROW.finditer((role / "README.md").read_text(encoding="utf-8"))
    return {row["name"]: row for row in rows if row["name"].startswith(f"{role.name}_")}


def walk(specs):
    """Yield each option by name, those within options as well."""
    for name, spec in specs.items():
        yield name, spec
        yield from walk(spec.get("options", {}))


def shown_type(spec):
    return f"{spec['type']} of {spec['elements']}" if "elements" in spec else spec["type"]


def shown_default(value):
    return f"`{value}`" if value and isinstance(value, str) else f"`{json.dumps(value)}`"


def test_spec_has_the_variables_of_the_defaults(role):
    optional = {name for name, spec in options(role).items() if not spec.get("required")}
    assert optional == set(defaults(role))


def test_required_variable_has_no_default(role):
    required = {name for name, spec in options(role).items() if spec.get("required")}
    assert not required & set(defaults(role))


def test_spec_repeats_no_default(role):
    assert [name for name, spec in walk(options(role)) if "default" in spec] == []


def test_spec_says_type_and_meaning(role):
    incomplete = [name for name, spec in walk(options(role)) if not spec.get("type") or not spec.get("description")]
    assert incomplete == []
    lists = [name for name, spec in walk(options(role)) if spec["type"] == "list" and "elements" not in spec]
    assert lists == []


def test_literal_default_is_among_the_choices(role):
    for name, value in defaults(role).items():
        choices = options(role).get(name, {}).get("choices")
        assert not choices or value in choices, name


def test_secret_is_kept_out_of_the_output(role):
    shown = [name for name, spec in walk(options(role)) if SECRET.search(name) and not spec.get("no_log")]
    assert shown == []


def test_entry_points_are_task_files_with_the_same_options(role):
    for name, entry_point in entry_points(role).items():
        assert (role / "tasks" / f"{name}.yml").is_file()
        assert entry_point["short_description"]
        assert entry_point["options"] == options(role)


def test_preflight_checks_the_same(role):
    has_preflight = (role / "tasks/preflight.yml").is_file()
    assert has_preflight == ("preflight" in entry_points(role))


def test_readme_lists_the_variables_in_the_order_of_the_defaults(role):
    required = {name for name, spec in options(role).items() if spec.get("required")}
    assert [name for name in readme_rows(role) if name not in required] == list(defaults(role))


def test_readme_says_types_and_defaults_as_they_are(role):
    for name, row in readme_rows(role).items():
        assert row["type"] == shown_type(options(role)[name]), name
        default = defaults(role).get(name, "{{ required }}")
        if "{{" not in str(default):  # what is worked out is described in words
            assert row["default"] == shown_default(default), name
