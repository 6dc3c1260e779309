# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.filter.knows_containers import knows_containers
from ansible_collections.dockyard.consul.plugins.filter.service_containers import service_containers as from_look
from ansible_collections.dockyard.consul.plugins.plugin_utils.releases import (
    instance_settings,
    replaced,
    service_containers,
)

IMAGE = "registry.example.com/shop@sha256:aa"
DEFINITION = {
    "image": IMAGE,
    "env": {"LEVEL": 3},
    "port_variable": "PORT",
    "volumes": ["/a:/b:ro"],
    "command": ["serve"],
    "stop_seconds": 10,
    "log_max_size": "10m",
    "log_max_file": 3,
}


def container(port=7000, state="running", service="shop", **labels):
    found = {
        "dockyard_service": service,
        "dockyard_port": str(port),
        "dockyard_settings": instance_settings(DEFINITION, port)["digest"],
        **labels,
    }
    name = f"{service}-{port}"
    return {"name": name, "state": state, "image_ref": IMAGE, "labels": found}


def test_each_instance_is_told_its_port():
    settings = instance_settings(DEFINITION, 7001)
    assert settings["env"] == {"LEVEL": "3", "PORT": "7001"}
    assert instance_settings({**DEFINITION, "port_variable": ""}, 7001)["env"] == {"LEVEL": "3"}
    assert settings["digest"] != instance_settings(DEFINITION, 7000)["digest"]


def test_a_number_and_its_text_are_the_same_settings():
    """Extra vars give text where the inventory gives numbers."""
    same = {**DEFINITION, "env": {"LEVEL": "3"}, "stop_seconds": "10", "log_max_file": "3"}
    assert instance_settings(same, 7000) == instance_settings(DEFINITION, 7000)


@pytest.mark.parametrize(
    "other",
    [
        {"image": "registry.example.com/shop@sha256:bb"},
        {"env": {}},
        {"env": {"LEVEL": 4}},
        {"volumes": []},
        {"command": []},
        {"stop_seconds": 11},
        {"log_max_size": "11m"},
        {"log_max_file": 4},
        {"port_variable": "OTHER"},
    ],
)
def test_any_other_setting_is_another_digest(other):
    assert instance_settings({**DEFINITION, **other}, 7000)["digest"] != instance_settings(DEFINITION, 7000)["digest"]
    assert replaced([7000], service_containers([container()], "shop"), {**DEFINITION, **other}) == [7000]


def test_what_is_as_wanted_is_left_alone():
    containers = service_containers([container(7000), container(7001)], "shop")
    assert replaced([7000, 7001], containers, DEFINITION) == []


@pytest.mark.parametrize("state", ["exited", "paused", "restarting", "created", "dead"])
def test_a_container_that_does_not_run_is_replaced(state):
    assert replaced([7000], service_containers([container(state=state)], "shop"), DEFINITION) == [7000]


def test_a_container_that_is_missing_or_from_elsewhere_is_replaced():
    assert replaced([7000], {}, DEFINITION) == [7000]
    assert replaced([7000], service_containers([container(service="other")], "shop"), DEFINITION) == [7000]
    foreign = container()
    del foreign["labels"]["dockyard_settings"]
    assert replaced([7000], service_containers([foreign], "shop"), DEFINITION) == [7000]


def test_containers_are_found_by_their_labels():
    by_hand = {"name": "shop", "state": "running", "image_ref": "shop", "labels": {}}
    assert service_containers([by_hand, container(7000)], "shop") == {
        "7000": {
            "name": "shop-7000",
            "running": True,
            "image": IMAGE,
            "settings": instance_settings(DEFINITION, 7000)["digest"],
        }
    }


def test_containers_that_this_run_has_changed_are_not_known():
    look = {"docker": {"error": None, "containers": [container()]}, "units": {"docker": {"active": "active"}}}
    assert knows_containers(look) and set(from_look(look, "shop")) == {"7000"}
    for changed in (["docker"], ["unit:docker"]):
        assert not knows_containers({**look, "changed": changed})
    assert from_look({**look, "changed": ["docker"]}, "shop") == {}
    assert not knows_containers({**look, "docker": {"error": "the engine does not run"}})
    assert not knows_containers({})
