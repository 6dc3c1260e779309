# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.dockyard.consul.plugins.doc_fragments.consul import ModuleDocFragment
from ansible_collections.dockyard.consul.plugins.lookup import consul_kv
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_kv_store import Record
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import CONNECTION_SPEC

# What Ansible's plugin loader does before it hands out a plugin.
DOCUMENTED = {
    **yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"],
    **yaml.safe_load(consul_kv.DOCUMENTATION)["options"],
}
constants.config.initialize_plugin_configuration_definitions("lookup", consul_kv.__name__, DOCUMENTED)


def lookup(*terms, **options):
    plugin = consul_kv.LookupModule(loader=DataLoader(), templar=Templar(DataLoader(), {}))
    plugin._load_name = consul_kv.__name__
    return plugin.run(list(terms), {}, **options)


def record(value, key="k"):
    return Record(key, value, 0, 9, 9, 0, None)


@pytest.mark.parametrize(
    "value, text, data",
    [(b"5", "5", 5), (b'"a"', '"a"', "a"), (b"null", "null", None), ('{"a":"é"}'.encode(), '{"a":"é"}', {"a": "é"})],
)
def test_values(value, text, data):
    assert consul_kv.decoded(record(value), False) == text
    assert consul_kv.decoded(record(value), True) == data


def test_a_value_that_is_not_text():
    assert consul_kv.decoded(record(b"\xff"), False) == {"$base64": "/w=="}


@pytest.mark.parametrize(
    "value, words",
    [
        (b"", "not JSON"),
        (b"S3cret", "not JSON"),
        (b'{"a": S3cret}', "not JSON"),
        (b'{"a": NaN, "b": "S3cret"}', "not JSON: JSON has no NaN"),
        (b'"S3cret" S3cret', "not JSON"),
        (b"\xff S3cret", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
        (b'{"a": 1e999, "b": "S3cret"}', "not JSON: a number is too large"),
        (b"-1e999", "not JSON: a number is too large"),
        (b'{"S3cret": 1, "S3cret": 2}', "not JSON: an object has a field twice"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_json(value, words):
    with pytest.raises(ConsulError, match=f"^k: .*{words}") as error:
        consul_kv.decoded(record(value), True)
    assert "S3cret" not in str(error.value) and "\n" not in str(error.value)


def test_a_folder_as_a_dictionary():
    records = {key: record(b"1", key) for key in ("app/", "app/a", "app/b/c", "app/d/")}
    assert consul_kv.values_in("app/", records, False) == {"a": "1", "b/c": "1", "d/": "1"}
    assert consul_kv.values_in("", records, True) == dict.fromkeys(records, 1)


@pytest.mark.parametrize(
    "terms, options, words",
    [
        (["k"], {"defualt": 1}, "defualt: there is no such option. The options are ca_path, "),
        ([5], {}, "5 is not a key"),
        ([""], {}, "the key is empty"),
        (["k"], {"ca_path": "/nowhere/ca.pem"}, "ca_path: there is no file /nowhere/ca.pem"),
        (["k"], {"token": "S3cret\n"}, "the token holds a line break"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_asked(terms, options, words):
    with pytest.raises(AnsibleLookupError, match=words) as error:
        lookup(*terms, **options)
    assert "S3cret" not in str(error.value) and error.value.__cause__ is None


@pytest.mark.parametrize("variable, value", [("CONSUL_HTTP_ADDR", "ftp://a"), ("CONSUL_HTTP_TOKEN_FILE", "/nowhere")])
def test_the_environment_of_the_controller_counts(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(AnsibleLookupError, match=variable):
        lookup("k")


def test_it_has_the_options_of_the_modules():
    assert set(CONNECTION_SPEC) <= set(DOCUMENTED)


def test_the_documentation_that_all_kinds_of_plugins_share_fits_each_of_them():
    """Check mode and a managed host are of modules. A lookup and an inventory plugin run on the controller."""
    assert list(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)) == ["options"]
    assert list(yaml.safe_load(ModuleDocFragment.ATTRIBUTES)["attributes"]) == ["check_mode", "diff_mode"]
    assert (
        "managed host" not in ModuleDocFragment.DOCUMENTATION and "module asks" not in ModuleDocFragment.DOCUMENTATION
    )
