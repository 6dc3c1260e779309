# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another registry than the collection's own, which wants to know who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.testing import Lab, PlaybookRun

pytestmark = pytest.mark.chaos
SERVICES = [("registry1", "private-registry"), ("app1", "docker")]
REGISTRY = "registry.service.consul:5001"
USER, PASSWORD = "deployer", "the-registry-knows-me"
# By bcrypt, as the registry wants it.
HTPASSWD = f"{USER}:$2b$10$abcdefghijklmnopqrstuu0BC1hpEYQ1tcamr8SJQql77x6pla6wm\n"


@pytest.fixture(scope="module")
def registry(lab) -> Iterator[str]:
    """Beside the site's own, with its certificate."""
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": "/var/lib/private-registry"}},
        "http": {
            "addr": f"{lab.address('registry1')}:5001",
            "tls": {"certificate": "/etc/docker/registry/registry.pem", "key": "/etc/docker/registry/registry.key"},
        },
        "auth": {"htpasswd": {"realm": "private", "path": "/etc/private-registry/htpasswd"}},
    }
    lab.exec("registry1", "mkdir -p /etc/private-registry && cat >/etc/private-registry/config.yml", json.dumps(config))
    lab.exec("registry1", "cat >/etc/private-registry/htpasswd", HTPASSWD)
    lab.exec("registry1", "systemd-run --unit private-registry docker-registry serve /etc/private-registry/config.yml")
    released = lab.consul("kv/releases/mydemo?raw")
    yield REGISTRY
    done = lab.playbook("playbooks/deploy.yml")
    # What is gone with this registry is nothing to go back to.
    lab.consul("kv/releases/mydemo", method="PUT", data=released)
    lab.exec("registry1", "systemctl stop private-registry; rm -rf /etc/private-registry /var/lib/private-registry")
    for host in lab.hosts("mydemo"):
        lab.exec(host, f"docker logout {REGISTRY}; rm -rf /etc/docker/certs.d/{REGISTRY}")
    assert done.ok, done.output


def run(lab: Lab, playbook: str, password: str = PASSWORD) -> PlaybookRun:
    known = {"mydemo_registry_username": USER, "mydemo_registry_password": password}
    done = lab.playbook(f"playbooks/{playbook}.yml", "-vvv", "--diff", docker_host_registry=REGISTRY, **known)
    assert password not in done.output and lab.secrets_in(done.output) == []
    return done


def test_it_is_built_for_and_released_from_a_registry_with_a_password(lab, registry):
    done = run(lab, "docker_host")
    assert done.ok, done.output
    assert "no basic auth credentials" in lab.fails("app1", f"docker pull {REGISTRY}/mydemo:1.0.0")

    done = run(lab, "build", "not-the-password")
    assert not done.ok and "401 Unauthorized" in done.output, done.output

    for playbook in ("build", "deploy"):
        done = run(lab, playbook)
        assert done.ok, done.output
    for host in lab.hosts("mydemo"):
        assert lab.exec(host, "docker inspect --format '{{.Config.Image}}' mydemo").startswith(f"{REGISTRY}/mydemo@")
        assert lab.http(host, 5000, "/health").text == "i am fine"
        assert lab.exec(host, "stat --format %a /root/.docker/config.json") == "600"
    again = run(lab, "deploy")
    assert again.ok and not again.changed, again.changes
