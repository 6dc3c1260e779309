# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.consul.plugins.action.check_variables import CHECKS
from ansible_collections.dockyard.consul.plugins.module_utils.json_settings import canonical, leaves
from ansible_collections.dockyard.consul.plugins.plugin_utils import look

CA = "docker_host_registry_ca_file"
REGISTRY = {"docker_host_registry": "registry:5000"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"docker_host_dns": ["10.0.0.11"]},
        {"docker_host_log_max_size": "1g"},
        {**REGISTRY, CA: "/etc/hostname"},
        REGISTRY,
    ],
)
def test_right(said, given):
    assert said("docker_host", given) == []


def test_the_sites_ca_may_be_made_later(said, tmp_path):
    assert said("docker_host", {**REGISTRY, CA: f"{tmp_path}/../{tmp_path.name}/ca.pem"}) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"docker_host_dns": ["10.0.0.11", "127.0.0.1"]},
            (
                "docker_host_dns contains '127.0.0.1'. A container cannot reach the loopback addresses of its host. Use the host's"
                " LAN address."
            ),
        ),
        ({"docker_host_dns": "10.0.0.11"}, "docker_host_dns is '10.0.0.11'. It must be a list."),
        (
            {"docker_host_log_max_size": "10M"},
            "docker_host_log_max_size is '10M'. It must be a whole number with the unit k, m or g, such as 10m.",
        ),
        ({"docker_host_log_max_file": 0}, "docker_host_log_max_file is 0. It must be 1 or more."),
        ({**REGISTRY, CA: "/no/ca.pem"}, f"{CA}: '/no/ca.pem' is not a file on the controller."),
        (
            {CA: "/etc/hostname"},
            (
                f"docker_host_registry is not set, and {CA} is. Set docker_host_registry to the host:port of the registry with a"
                " certificate from that CA."
            ),
        ),
        (
            {"consul_agent_bind_cidr": "192.0.2.0/24"},
            "consul_agent_bind_cidr is 192.0.2.0/24. In that network the host has no IPv4 address. It has eth0: 10.0.0.11.",
        ),
    ],
)
def test_wrong(said, given, text):
    assert said("docker_host", given) == [text]


def host(users=(), ours=(), engine=(), error=None, packages=(), paths=(), active="active"):
    """A look at a host that has an engine already."""
    settings = {
        name: {"digest": look.digest(canonical(value)), "placed": placed}
        for placed, part in ((False, users), (True, ours))
        for name, value in leaves(dict(part)).items()
    }
    return {
        "docker": {"error": None, "live_restore": False, "flags": [], "swarm": False, "containers": [], **dict(engine)},
        "json_files": {"/etc/docker/daemon.json": {"error": error, "settings": settings, "changed": {}}},
        "packages": dict(packages),
        "paths": {key: {"type": "file"} for key in paths},
        "programs": {"dockerd": "/usr/sbin/dockerd"},
        "units": {"docker": {"active": active}},
    }


EXTRA = "docker_host_daemon_extra"
ONE = {"containers": [{"name": "web"}]}
SILENT = {"error": "GET /info at /var/run/docker.sock: no answer within 5 s"}


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({}, host({"bip": "172.31.7.1/24", "log-driver": "journald", "log-opts": {"tag": "x"}})),
        ({}, host({"live-restore": True, "dns": ["10.0.0.11"]})),
        ({}, host(ours={"live-restore": False, "dns": ["10.0.0.1"]})),
        ({"docker_host_dns": ["10.0.0.53"]}, host({"dns": ["192.0.2.53"]})),
        ({EXTRA: {"dns": []}}, host({"dns": ["192.0.2.53"]})),
        ({EXTRA: {"live-restore": False}}, host({"live-restore": False}, engine={"swarm": True})),
        ({}, host(engine={"flags": ["containerd", "host", "log-driver", "log-opt", "add-runtime"]})),
        ({}, host(engine={"flags": ["live-restore"], "live_restore": True})),
        ({EXTRA: {"runtimes": {"a": {"path": "/a"}}}}, host(engine={"flags": ["runtime"]})),
        ({"docker_host_log_max_size": "50m"}, host({"log-driver": "local"})),
        ({EXTRA: {"bip": "172.31.7.1/24"}}, host({"bip": "172.31.7.1/24"}, engine=ONE)),
        ({EXTRA: {"bip": "172.31.7.1/24"}}, host()),
        ({}, host(paths=["/run/user/1000/docker.pid"])),
        ({"docker_host_restart_serial": "25%"}, host()),
        # a data-root that is placed, and stays
        ({EXTRA: {"data-root": "/srv/docker"}}, host(ours={"data-root": "/srv/docker"}, engine=ONE)),
        # one that goes, without containers, and one that is the user's
        ({}, host(ours={"data-root": "/srv/docker"})),
        ({}, host({"data-root": "/srv/docker"}, engine=ONE)),
        # an engine that does not run, and does not lose anything
        ({}, host(engine={"error": "the engine does not run", "live_restore": None}, active="failed")),
        ({}, host({"data-root": "/srv/docker"}, engine=SILENT, active="inactive")),
    ],
)
def test_right_on_a_host_with_an_engine(said, given, known):
    given = {"docker_host_dns": ["10.0.0.11"], **given}
    assert said("docker_host", given, look=known) == []


@pytest.mark.parametrize(
    ("given", "known", "text"),
    [
        (
            {},
            host(error="is not JSON (line 3, column 1: x)"),
            (
                "/etc/docker/daemon.json is not JSON (line 3, column 1: x). The role merges its settings into that file. Correct"
                " the file on the host."
            ),
        ),
        (
            {},
            host({"live-restore": False}),
            (
                "/etc/docker/daemon.json on the host has a live-restore other than true, so containers stop when the engine"
                f" restarts. Remove it from the file, or set live-restore in {EXTRA}: true to switch it on, false to keep it off."
            ),
        ),
        (
            {"docker_host_log_max_size": "50m"},
            host({"log-driver": "journald"}),
            (
                "docker_host_log_max_size cannot be applied, because the engine has a log driver other than json-file and local."
                f" Leave the default, or set log-driver in {EXTRA}."
            ),
        ),
        (
            {EXTRA: {"hosts": ["fd://"]}},
            host(engine={"flags": ["dns", "host", "insecure-registry"]}),
            (
                "dockerd on the host has dns, hosts on its command line, and does not start if /etc/docker/daemon.json has it too."
                " Remove it from the command line: see systemctl cat docker, and /etc/default/docker."
            ),
        ),
        (
            {},
            host(engine={"flags": ["config-file"]}),
            (
                "dockerd on the host reads another file than /etc/docker/daemon.json: it has --config-file on its command line."
                " Move your settings to /etc/docker/daemon.json, and remove the option (see systemctl cat docker, and"
                " /etc/default/docker)."
            ),
        ),
        (
            {},
            host(engine={"swarm": True}),
            (
                "The engine is a node of a swarm, and does not start with live-restore. Set docker_host_daemon_extra:"
                " {live-restore: false}. Containers then stop when the engine restarts."
            ),
        ),
        (
            {EXTRA: {"data-root": "/srv/docker"}},
            host({"data-root": "/var/lib/docker"}, engine=ONE),
            (
                f"{EXTRA} has data-root '/srv/docker', and /etc/docker/daemon.json on the host does not. The engine has a container,"
                f" which it would lose. Remove it first, or remove data-root from {EXTRA}."
            ),
        ),
        (
            {},
            host(ours={"data-root": "/srv/docker"}, engine=ONE),
            (
                f"{EXTRA} does not have data-root any more, so the role would remove it from /etc/docker/daemon.json. The engine has"
                f" a container, which it would lose. Remove it first, or set data-root in {EXTRA} to the value in that file."
            ),
        ),
        (
            {},
            host(engine=SILENT),
            (
                "The Docker engine of web1 runs, and could not be read: GET /info at /var/run/docker.sock: no answer within 5 s. The"
                " role does not change an engine that may lose containers. Check the engine (docker info, journalctl -u docker),"
                " then run again."
            ),
        ),
        (
            {},
            host(paths=["/snap/bin/docker"]),
            (
                "This host has the engine of the snap docker. Remove it (snap remove docker), or remove the host from the group"
                " docker_host."
            ),
        ),
        (
            {},
            host(packages={"podman-docker": "4.3"}),
            (
                "This host has the package podman-docker, with which docker is podman. Remove it, or remove the host from the group"
                " docker_host."
            ),
        ),
        (
            {},
            host(engine={"error": "the engine does not run"}, paths=["/run/user/1000/docker.pid"], active="inactive"),
            (
                "This host has a rootless engine of the user 1000, and no other engine runs. Stop it, or remove the host from the"
                " group docker_host."
            ),
        ),
        (
            {"docker_host_restart_serial": 0},
            host(),
            "docker_host_restart_serial is 0. It must be a number of hosts, 1 or more, or a percentage, such as 25%.",
        ),
    ],
)
def test_wrong_on_a_host_with_an_engine(said, given, known, text):
    given = {"docker_host_dns": ["10.0.0.11"], **given}
    assert said("docker_host", given, look=known) == [text]


@pytest.mark.parametrize("value", ["true", "", 1, 0, None, [], [True]])
def test_a_live_restore_of_another_type(said, value):
    """dockerd refuses it, and the role does not guess what was meant."""
    (text,) = said("docker_host", {"docker_host_dns": ["10.0.0.11"]}, look=host({"live-restore": value}))
    assert "has a live-restore other than true" in text
    assert (
        said(
            "docker_host",
            {"docker_host_dns": ["10.0.0.11"], EXTRA: {"live-restore": True}},
            look=host({"live-restore": value}),
        )
        == []
    )


def test_other_nameservers(values):
    known = host({"dns": ["192.0.2.53"]})
    # The default of docker_host_dns is a template.
    v = values("docker_host", {}, look=known)
    v._known["docker_host_dns"] = ["10.0.0.11"]
    assert [problem.text for problem in CHECKS["docker_host"](v)] == [
        (
            '/etc/docker/daemon.json on the host has other nameservers (dns) than docker_host_dns, which is ["10.0.0.11"] by'
            " default. Containers on a bridge may not resolve Consul names with them. Set docker_host_dns to the nameservers to"
            " use, or remove dns from the file."
        )
    ]


def test_an_engine_that_does_not_run_may_have_containers(values):
    """A wrong setting may be why it does not run, so the run goes on."""
    engine = {"error": "the engine does not run"}
    given = {"docker_host_dns": ["10.0.0.11"], EXTRA: {"data-root": "/srv/docker"}}
    (problem,) = CHECKS["docker_host"](values("docker_host", given, look=host(engine=engine, active="inactive")))
    assert problem.is_warning and problem.text == (
        f"{EXTRA} has data-root '/srv/docker', and /etc/docker/daemon.json on the host does not. The engine does not run, so its"
        f" containers are not known. It would lose them. To keep them, remove data-root from {EXTRA}."
    )
