# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers: hosts on the same network that run the same Consul and know more than they should."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest

from lab.testing import ROOT, CommandFailed


class Stranger:
    """A container that is none of the site's, with an agent of its own."""

    def __init__(self, lab, folder) -> None:
        self._lab, self._folder = lab, folder
        self._container = lab.container("stranger")
        self._binary = lab.run(ROOT / "lab" / "consul-binary", timeout=600).stdout.strip()
        self._image = lab.run("docker", "inspect", "--format", "{{.Image}}", lab.container("client1")).stdout.strip()

    def start(self, **config: object) -> None:
        config |= {"retry_join": [self._lab.address("consul1")], "retry_interval": "2s"}
        (self._folder / "agent.json").write_text(json.dumps(config))
        (self._folder / "ca.pem").write_bytes((self._lab.secrets / "ca.pem").read_bytes())
        self.remove()
        self._lab.run(
            *["docker", "run", "--detach", "--name", self._container, "--hostname", "stranger"],
            *["--network", self._lab.name, "--label", f"dockyard.lab={self._lab.name}"],
            *["--volume", f"{self._binary}:/consul:ro", "--volume", f"{self._folder}:/etc/stranger:ro"],
            *["--entrypoint", "/consul", self._image, "agent", "-config-file=/etc/stranger/agent.json"],
            *["-data-dir=/tmp", "-log-level=debug"],
        )

    def remove(self) -> None:
        self._lab.run("docker", "rm", "--force", "--volumes", self._container)

    def said(self, text: str) -> int:
        """How often its agent has said this."""
        done = self._lab.run("docker", "logs", self._container)
        return (done.stdout + done.stderr).count(text)

    def reads(self, path: str) -> tuple[int, str]:
        reply = self._lab.api("stranger", path)
        return reply.status, reply.text


@pytest.fixture
def stranger(lab, tmp_path):
    one = Stranger(lab, tmp_path)
    yield one
    one.remove()
    if "stranger" in lab.members():
        lab.consul("agent/force-leave/stranger?prune", method="PUT")
        lab.wait_for(lambda: "stranger" not in lab.members(), 30, "the stranger is forgotten")


@pytest.fixture
def token(lab) -> Callable[[str], str]:
    """Makes a token that may write a node. Afterwards it is gone."""
    made = []

    def make(node: str) -> str:
        secret = str(uuid.uuid4())
        identity = {"NodeName": node, "Datacenter": "dc1"}
        made.append(lab.consul("acl/token", method="PUT", data={"SecretID": secret, "NodeIdentities": [identity]}))
        return secret

    yield make
    for one in made:
        lab.consul(f"acl/token/{one['AccessorID']}", method="DELETE")


def as_a_client(lab, **more: object) -> dict[str, object]:
    """What a client of the site says of itself, its token apart."""
    return {
        "datacenter": "dc1",
        "encrypt": lab.secret("operator/gossip.key"),
        "auto_encrypt": {"tls": True},
        "ca_file": "/etc/stranger/ca.pem",
        "verify_outgoing": True,
        "verify_server_hostname": True,
        "acl": {"enabled": True, **more},
    }


def test_without_the_gossip_key_a_stranger_cannot_join(lab, stranger):
    stranger.start(datacenter="dc1")
    lab.wait_for(lambda: stranger.said("Join cluster failed") >= 2, 60, "the stranger tried to join, twice")
    assert "stranger" not in lab.members()


def test_with_the_key_alone_a_stranger_cannot_use_rpc(lab, stranger):
    stranger.start(datacenter="dc1", encrypt=lab.secret("operator/gossip.key"))
    lab.wait_for(lambda: "stranger" in lab.members(), 60, "the stranger is in the gossip")
    lab.wait_for(lambda: stranger.said("adding server"), 60, "the stranger knows the server")
    for path in ("catalog/nodes", "kv/?recurse", "health/service/consul"):
        status, text = stranger.reads(path)
        assert status == 500 and "rpc error" in text, text


def test_with_the_key_and_auto_encrypt_a_stranger_gets_no_certificate(lab, stranger):
    stranger.start(**as_a_client(lab))
    see_that_it_is_refused(lab, stranger)


def test_with_the_token_of_another_node_a_stranger_gets_no_certificate(lab, stranger, token):
    stranger.start(**as_a_client(lab, tokens={"agent": token("somebody")}))
    see_that_it_is_refused(lab, stranger)


def see_that_it_is_refused(lab, stranger) -> None:
    lab.wait_for(lambda: stranger.said("Permission denied") >= 2, 90, "the stranger asked for a certificate, twice")
    assert "stranger" not in lab.members()
    with pytest.raises(CommandFailed, match="Failed to connect|refused"):
        stranger.reads("catalog/nodes")


def test_with_a_token_of_its_own_it_is_no_stranger(lab, stranger, token):
    """The same agent, its token apart: what kept it out above was that token, and nothing else."""
    stranger.start(**as_a_client(lab, tokens={"agent": token("stranger")}))
    lab.wait_for(lambda: lab.members().get("stranger") == 1, 60, "the newcomer is a member")
    lab.wait_for(lambda: stranger.reads("catalog/nodes")[0] == 200, 60, "the newcomer's API answers")
