# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dockyard.consul.plugins.lookup import site_secret
from ansible_collections.dockyard.consul.plugins.plugin_utils import site_secrets

CHECK_MODE = {"ansible_check_mode": True}

# What Ansible's plugin loader does before it hands out a plugin.
DOCUMENTED = yaml.safe_load(site_secret.DOCUMENTATION)["options"]
constants.config.initialize_plugin_configuration_definitions("lookup", site_secret.__name__, DOCUMENTED)


def lookup(folder, *names, kind="password", variables=None, basedir="/", **options):
    loader = DataLoader()
    loader.set_basedir(str(basedir))
    plugin = site_secret.LookupModule(loader=loader, templar=Templar(loader, variables or {}))
    plugin._load_name = site_secret.__name__
    directory = {"directory": str(folder)} if folder else {}
    return plugin.run(list(names), variables or {}, kind=kind, **directory, **options)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "site" / "secrets"


@pytest.fixture
def made(folder):
    site_secrets.make(folder, {"one": "password", "node/two": "password"})
    return [(folder / name).read_text().strip() for name in ("one", "node/two")]


def files(folder):
    return sorted(path for path in folder.parent.rglob("*"))


@pytest.mark.parametrize("variables", [{}, CHECK_MODE])
@pytest.mark.parametrize("when_missing", ["error", "empty"])
def test_what_is_there_is_read(folder, made, variables, when_missing):
    before = files(folder)
    assert lookup(folder, "node/two", "one", variables=variables, missing=when_missing) == made[::-1]
    assert files(folder) == before


def test_what_is_missing_is_an_error_that_says_what_to_do(folder):
    with pytest.raises(AnsibleLookupError) as error:
        lookup(folder, "node/app1/agent.token", kind="uuid")
    assert str(error.value) == (
        f"{folder}/node/app1/agent.token is missing. Copy it from the controller that set up the site."
        " If the site is new, run the playbook dockyard.consul.site, which makes it."
    )
    assert not folder.parent.exists(), "a lookup writes nothing"


def test_what_is_missing_gets_a_random_value_in_check_mode(folder):
    values = lookup(folder, "one", "two", kind="uuid", variables=CHECK_MODE)
    assert values[0] != values[1] and all(uuid.UUID(value) for value in values)
    assert not folder.parent.exists()


@pytest.mark.parametrize("variables", [{}, CHECK_MODE])
def test_what_is_missing_may_be_empty(folder, made, variables):
    assert lookup(folder, "node/one", "one", missing="empty", variables=variables) == ["", made[0]]


def test_the_kinds_are_those_that_can_be_made():
    assert list(DOCUMENTED["kind"]["choices"]) == list(site_secrets.KINDS)


@pytest.mark.parametrize("variables", [{}, CHECK_MODE])
@pytest.mark.parametrize("when_missing", ["error", "empty"])
def test_content_of_another_kind_is_an_error(folder, made, variables, when_missing):
    with pytest.raises(AnsibleLookupError, match="secrets/one has the wrong content. It must hold a UUID") as error:
        lookup(folder, "one", kind="uuid", variables=variables, missing=when_missing)
    assert made[0] not in str(error.value)


@pytest.mark.parametrize("path", [".", "node", "one", "node/two"])
def test_what_is_open_to_other_users_is_refused(folder, made, path):
    (folder / path).chmod(0o755)
    with pytest.raises(AnsibleLookupError, match="is open to other users"):
        lookup(folder, "one", "node/two")


def test_a_name_that_leads_elsewhere_is_refused(folder):
    with pytest.raises(AnsibleLookupError, match="is not a valid name of a secret"):
        lookup(folder, "../out")


@pytest.mark.parametrize("folder", ["secrets", "~/secrets"])
def test_a_relative_folder_is_refused(tmp_path, folder):
    with pytest.raises(AnsibleLookupError, match="is not an absolute path"):
        lookup(folder, "redis", basedir=tmp_path)


@pytest.mark.parametrize("value", ["given", trust_as_template("{{ 'giv' ~ other }}")])
def test_a_variable_that_is_set_takes_the_place_of_the_file(folder, value):
    variables = {"redis_password": value, "other": trust_as_template("{{ 'en' }}")}
    assert lookup(folder, "one", variables=variables, variable="redis_password") == ["given"]
    assert lookup(folder, "one", "two", variables=variables, variable="redis_password") == ["given", "given"]
    assert lookup("relative", "one", variables=variables, variable="redis_password") == ["given"], "no file is read"


@pytest.mark.parametrize("variables", [{}, {"redis_password": ""}, {"redis_password": trust_as_template("{{ '' }}")}])
def test_a_variable_that_is_empty_does_not(folder, made, variables):
    assert lookup(folder, "one", variables=variables, variable="redis_password") == made[:1]


def test_a_variable_that_cannot_be_templated_is_an_error(folder, made):
    with pytest.raises(AnsibleError, match="'nobody' is undefined"):
        lookup(folder, "one", variables={"given": trust_as_template("{{ nobody }}")}, variable="given")


def test_the_folder_of_the_site_is_the_default(folder, made):
    inventory = {"inventory_hostname": "web1", "inventory_dir": str(folder.parent)}
    assert lookup(None, "one", variables={**inventory, "site_secrets_dir": str(folder)}) == made[:1]
    template = trust_as_template("{{ inventory_dir }}/secrets")
    assert lookup(None, "one", variables={**inventory, "site_secrets_dir": template}) == made[:1]
    folder.rename(folder.parent / ".secrets")
    assert lookup(None, "one", variables=inventory) == made[:1]
    assert lookup(None, "one", variables={**inventory, "site_secrets_dir": ""}) == made[:1]
