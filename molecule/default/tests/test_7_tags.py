# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--tags` of each layer and stage, on a site that is converged except for one thing: that stage repairs it.

Several tags share a run, which is quicker. No task has two of them, so each selects what it would select alone."""

from __future__ import annotations

import json
import re
import time
from typing import Any, NamedTuple

import pytest

from lab.testing import ROOT, PlaybookRun

SERVICES = [("redis1", "consul"), ("app1", "docker")]
API = "http://127.0.0.1:8500/v1"


class Tag(NamedTuple):
    name: str
    # A host with work for the stage, and what makes that work there. Without it, there is nothing left to change.
    host: str
    harm: str = ""


# A run each, on the hosts of its tags.
RUNS = [
    [
        Tag("consul_install", "consul1"),
        Tag("consul_resolver", "redis1", "echo options rotate >>/etc/resolv.conf"),
        Tag("redis_install", "redis1"),
        Tag("registry_install", "registry1"),
        Tag("docker_host_install", "app1"),
        Tag("nginx_lb_install", "lb1"),
    ],
    [
        Tag("consul_tokens", "consul1"),
        Tag("redis_config", "redis1", "echo maxclients 99 >>/etc/redis/site.conf"),
        Tag("registry_config", "registry1", "echo >>/etc/docker/registry/config.yml"),
        Tag("docker_host_config", "app1", "sed -i /live-restore/d /etc/docker/daemon.json"),
        Tag("mydemo_kv", "app1", f"curl -sSf {API}/kv/redis?raw | sed s/Hello/Bye/ | curl -sSf -T - {API}/kv/redis"),
        Tag("nginx_lb_config", "lb1", "echo >>/etc/nginx/sites-enabled/zz_nginx_lb.conf"),
    ],
    [
        Tag("consul_config", "redis1", "echo >>/etc/consul.d/consul.json"),
        Tag("redis_service", "redis1", "touch /etc/redis/site.conf"),
        Tag("registry_service", "registry1", "touch /etc/docker/registry/config.yml"),
        Tag("docker_host_service", "app1", "touch /etc/docker/daemon.json"),
        Tag("mydemo_build", "app1"),
        Tag("nginx_lb_service", "lb1", "touch /etc/nginx/sites-enabled/zz_nginx_lb.conf"),
    ],
    [
        Tag("consul_service", "redis1", "touch /etc/consul.d/consul.json"),
        Tag("redis_register", "redis1", f"curl -sSf -X PUT {API}/agent/service/deregister/redis"),
        Tag("registry_register", "registry1", f"curl -sSf -X PUT {API}/agent/service/deregister/registry"),
        Tag("mydemo_deploy", "app1"),
    ],
    [
        Tag("consul_server", "consul1"),
        Tag("consul_client", "redis1"),
        Tag("redis", "redis1"),
        Tag("registry", "registry1"),
        Tag("docker_host", "app1"),
        Tag("mydemo", "app1"),
        Tag("nginx_lb", "lb1"),
    ],
    [Tag("consul", "redis1")],
]
TAGS = [tag for tags in RUNS for tag in tags]


class TaggedRun(NamedTuple):
    run: PlaybookRun
    tags: set[str]
    harmed: set[str]
    # The results of tasks, without those of tasks that always run.
    inside: list[dict[str, Any]]


@pytest.fixture(scope="module")
def runs(lab, tmp_path_factory, figures) -> dict[str, TaggedRun]:
    """By tag."""
    folder, begun, done = tmp_path_factory.mktemp("tags"), time.monotonic(), {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANSIBLE_CALLBACK_PLUGINS", str(ROOT / "tests" / "callback"))
        environment.setenv("ANSIBLE_CALLBACKS_ENABLED", "task_results")
        for number, tags in enumerate(RUNS):
            for tag in tags:
                if tag.harm:
                    lab.exec(tag.host, tag.harm)
            file = folder / str(number)
            environment.setenv("TASK_RESULTS", str(file))
            limit = ",".join({tag.host for tag in tags})
            run = lab.playbook("site.yml", "--tags", ",".join(tag.name for tag in tags), "--limit", limit)
            results = [json.loads(line) for line in file.read_text().splitlines()]
            inside = [one for one in results if "always" not in one["tags"]]
            harmed = {tag.host for tag in tags if tag.harm}
            done |= dict.fromkeys(
                [tag.name for tag in tags], TaggedRun(run, {tag.name for tag in tags}, harmed, inside)
            )
    figures.append((f"{len(RUNS)} runs with tags", f"{time.monotonic() - begun:.0f} s"))
    return done


@pytest.mark.parametrize("tag", TAGS, ids=[tag.name for tag in TAGS])
def test_a_tag_does_the_work_of_its_stage(runs, tag):
    run, tags, harmed, inside = runs[tag.name]
    assert run.ok, run.output
    assert all(len(tags.intersection(one["tags"])) == 1 for one in inside), "a task of another stage ran"
    own = [one for one in inside if tag.name in one["tags"]]
    # On a converged host, an installation decides that there is nothing to install. All others run something.
    reached = [one for one in own if one["outcome"] != "skipped" or tag.name.endswith("_install")]
    assert tag.host in {one["host"] for one in reached}, f"--tags {tag.name} did nothing:\n{inside}"
    assert {one["host"] for one in own if one["outcome"] == "changed"} == ({tag.host} if tag.harm else set())
    assert run.changed.keys() == harmed, run.changes


def test_no_tag_is_missing():
    """tests/unit/test_docs.py holds the table equal to the tags that there are."""
    section = (ROOT / "docs" / "production.md").read_text().partition("\n## Tags\n")[2].partition("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert {tag.name for tag in TAGS} == set(re.findall(r"`(\w+)`", table))
