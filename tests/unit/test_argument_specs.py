# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs describe the variables in defaults/main.yml completely and correctly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
SECRET = re.compile(r"_(password|token|private_key|gossip_key)$")
# Variables of the collection that no role has of its own.
SHARED = {"site_secrets_dir"}

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def entry_points(role):
    return load(role / "meta/argument_specs.yml")["argument_specs"]


def options(role):
    return entry_points(role)["main"]["options"]


def defaults(role):
    return load(role / "defaults/main.yml")


def is_computed(value):
    """Return whether a default has Jinja in it, at any depth."""
    return re.search(r"{{|{%", json.dumps(value)) is not None


def walk(specs, prefix=""):
    """Yield the path and the spec of each option and suboption, such as nginx_lb_services[].listen."""
    for name, spec in specs.items():
        yield prefix + name, spec
        inner = f"{prefix}{name}[]." if spec["type"] == "list" else f"{prefix}{name}."
        yield from walk(spec.get("options", {}), inner)


def paragraphs(spec):
    description = spec["description"]
    return [description] if isinstance(description, str) else description


def test_spec_has_the_variables_of_the_defaults_in_their_order(role):
    assert [name for name, spec in options(role).items() if not spec.get("required")] == list(defaults(role))


def test_required_variable_has_no_default(role):
    required = {name for name, spec in walk(options(role)) if spec.get("required")}
    assert not required & set(defaults(role))
    assert [name for name, spec in walk(options(role)) if name in required and "default" in spec] == []


def test_spec_has_the_literal_defaults_and_no_others(role):
    # As JSON, because 1 == True.
    literal = {name: json.dumps(value) for name, value in defaults(role).items() if not is_computed(value)}
    assert {name: json.dumps(spec["default"]) for name, spec in options(role).items() if "default" in spec} == literal


def test_description_of_a_computed_default_ends_with_it(role):
    for name, spec in walk(options(role)):
        described = [text for text in paragraphs(spec) if text.startswith("Defaults to ")]
        if spec.get("required") or "default" in spec:
            assert not described, name
        else:
            assert described == paragraphs(spec)[-1:], name


def test_ansible_accepts_the_literal_defaults(role):
    given = {name: value for name, value in defaults(role).items() if not is_computed(value)}
    optional = {name: spec for name, spec in options(role).items() if not spec.get("required")}
    assert ArgumentSpecValidator(optional).validate(given).error_messages == []


def test_spec_has_type_and_description(role):
    incomplete = [name for name, spec in walk(options(role)) if not spec.get("type") or not spec.get("description")]
    assert incomplete == []
    lists = [name for name, spec in walk(options(role)) if spec["type"] == "list" and "elements" not in spec]
    assert lists == []


def test_descriptions_name_only_variables_that_exist(role):
    known = {name for other in ROLES for name, _spec in walk(options(other))} | SHARED
    variable = re.compile(rf"({'|'.join(other.name for other in ROLES)})_\w+")
    for name, spec in walk(options(role)):
        text = " ".join(paragraphs(spec))
        own = {reference.partition("=")[0] for reference in re.findall(r"\bO\(([^)]+)\)", text)}
        assert own <= {option for option, _spec in walk(options(role))}, name
        others = {reference.partition("=")[0] for reference in re.findall(r"\bC\(([^)]+)\)", text)}
        assert {other for other in others if variable.fullmatch(other)} <= known, name


def test_secret_is_kept_out_of_the_output(role):
    shown = [name for name, spec in walk(options(role)) if SECRET.search(name) and not spec.get("no_log")]
    assert shown == []


def test_entry_points_are_task_files_with_the_same_options(role):
    for name, entry_point in entry_points(role).items():
        assert (role / "tasks" / f"{name}.yml").is_file()
        assert entry_point["short_description"]
        assert entry_point["options"] == options(role)


def test_no_role_has_an_entry_point_for_its_checks(role):
    # The action check_variables runs them.
    assert "preflight" not in entry_points(role)
