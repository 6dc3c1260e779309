# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another gossip key or CA than that of the agent on the host."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible_collections.dockyard.consul.plugins.plugin_utils.look import FACT, digest, run_id

OLD, NEW, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
FOLDER = "/var/lib/consul"
RUNS = {"units": {"consul": {"active": "active"}}}


def with_keys(*keys, **more):
    return {"consul_data": {FOLDER: {"gossip_key_digests": [digest(key.encode()) for key in keys]}}, **more}


def write_key(folder, key):
    file = folder / "operator" / "gossip.key"
    file.parent.mkdir(mode=0o700)
    file.write_text(f"{key}\n")
    file.chmod(0o600)
    folder.chmod(0o700)


@pytest.mark.parametrize(
    "look",
    [
        None,
        with_keys(NEW, **RUNS),
        with_keys(OLD, NEW, **RUNS),
        with_keys(NEW),
        with_keys(**RUNS),
        {"consul_data": {}, **RUNS},
        {"consul_data": {FOLDER: {"gossip_key_digests": None}}, **RUNS},
    ],
)
def test_a_key_of_the_agent(said, tmp_path, look):
    assert said("consul_client", {"consul_agent_gossip_key": NEW}, look=look) == []
    write_key(tmp_path, NEW)
    assert said("consul_client", look=look) == []


@pytest.mark.parametrize("role", ["consul_client", "consul_server"])
def test_another_key_than_that_of_the_agent_that_runs(said, tmp_path, role):
    look, given = with_keys(OLD, **RUNS), {"consul_agent_resolver": False}
    (text,) = said(role, {"consul_agent_gossip_key": NEW, **given}, look=look)
    assert text.startswith("consul_agent_gossip_key is not a gossip key of the agent that runs on this host.")
    assert "rotate the key first" in text and NEW not in text
    write_key(tmp_path, NEW)
    (text,) = said(role, given, look=look)
    assert text.startswith(f"{tmp_path}/operator/gossip.key is not a gossip key of the agent")
    assert NEW not in text


def test_the_agent_may_keep_its_keys_elsewhere_and_be_of_another_unit(said):
    agent = {"running": [{"data_dir": "/srv/consul"}]}
    data = {"/srv/consul": {"gossip_key_digests": [digest(OLD.encode())]}, **with_keys(NEW)["consul_data"]}
    given = {"consul_agent_gossip_key": NEW, "consul_agent_data_dir": "/srv/consul"}
    (text,) = said("consul_client", given, look={"consul": agent, "consul_data": data})
    assert "is not a gossip key of the agent that runs" in text


def test_a_key_that_is_not_of_the_agent_that_runs(said):
    look = with_keys(OLD, consul={"running": [{"data_dir": "/srv/consul"}]})
    given = {"consul_agent_gossip_key": NEW, "consul_agent_data_dir": "/srv/consul"}
    assert said("consul_client", given, look=look) == []


def test_a_key_in_the_files_of_an_agent_without_a_keyring(said):
    agent = {"running": [{"data_dir": FOLDER, "files": ["/etc/consul.d/a.hcl"]}]}
    files = {
        "/etc/consul.d/a.hcl": {
            "gossip_key_digest": digest(OLD.encode()),
            "settings": {},
            "keys": [],
            "services": [],
            "checks": [],
        }
    }
    look = {"consul": agent, "consul_config": files, **with_keys()}
    (text,) = said("consul_client", {"consul_agent_gossip_key": NEW}, look=look)
    assert "is not a gossip key of the agent that runs" in text
    assert said("consul_client", {"consul_agent_gossip_key": OLD}, look=look) == []


def test_another_key_than_in_the_keyring_of_an_agent_that_does_not_run(said):
    look = with_keys(OLD, OTHER, units={"consul": {"active": "inactive"}})
    (text,) = said("consul_client", {"consul_agent_gossip_key": NEW}, look=look)
    assert f"is not in the keyring of this host ({FOLDER}/serf), and its agent does not run" in text


def test_a_lost_key_is_not_made_again(said, tmp_path):
    (text,) = said("consul_client", look=with_keys(OLD, **RUNS))
    assert f"{tmp_path}/operator/gossip.key does not exist" in text and "Restore the file" in text
    assert "remove" not in text and "troubleshooting.md" in text, "the cluster may run, and its data be needed"


def test_a_key_that_cannot_be_read_is_reported_elsewhere(said, tmp_path):
    write_key(tmp_path, "no key")
    assert said("consul_client", look=with_keys(OLD, **RUNS)) == []


def pem(content: bytes) -> str:
    """A certificate, for those who compare only."""
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(content).decode()}\n-----END CERTIFICATE-----\n"


def with_ca(*contents: bytes, **more):
    fingerprints = [hashlib.sha256(content).hexdigest() for content in contents]
    other = {"path": "/etc/consul.d/agent.pem", "fingerprints": ["00"]}
    ca = {"path": "/etc/consul.d/ca.pem", "fingerprints": fingerprints}
    return {"certificates": [other, ca], "patterns": ["/etc/consul.d/*"], **RUNS, **more}


@pytest.mark.parametrize(
    "look",
    [
        with_ca(b"new"),
        with_ca(b"new", b"old"),
        with_ca(b"old", units={"consul": {"active": "inactive"}}),
        with_ca(b"old", changed=["/etc/consul.d/ca.pem"]),
        {"certificates": [], **RUNS},
        {"certificates": None, **RUNS},
    ],
)
def test_the_ca_of_the_agent(said, tmp_path, look):
    (tmp_path / "ca.pem").write_text(pem(b"new"))
    assert said("consul_client", look=look) == []


def test_both_cas_while_one_is_replaced(said, tmp_path):
    (tmp_path / "ca.pem").write_text(pem(b"new") + pem(b"old"))
    assert said("consul_client", look=with_ca(b"old")) == []


def test_another_ca_than_that_of_the_agent(said, tmp_path):
    (tmp_path / "ca.pem").write_text(pem(b"new"))
    (text,) = said("consul_client", look=with_ca(b"old"))
    assert text.startswith(f"{tmp_path}/ca.pem is another CA than that of the agent that runs on this host")

    given = {"consul_agent_tls_ca_file": str(tmp_path / "ca.pem")}
    (text,) = said("consul_client", given, look=with_ca(b"old"))
    assert text.startswith(f"consul_agent_tls_ca_file ({tmp_path}/ca.pem) is another CA")

    given = {"site_tls_ca_certificate": pem(b"new"), "site_tls_ca_private_key": "key", "consul_agent_resolver": False}
    (text,) = said("consul_server", given, look=with_ca(b"old"))
    assert text.startswith("site_tls_ca_certificate is another CA")
    assert said("consul_server", given, look=with_ca(b"new")) == []


def test_a_lost_ca_is_not_made_again(said, tmp_path):
    (text,) = said("consul_client", look=with_ca(b"old"))
    assert f"{tmp_path}/ca.pem does not exist" in text and "Restore ca.pem and ca.key" in text


def test_a_damaged_ca_is_reported_elsewhere(said, tmp_path):
    (tmp_path / "ca.pem").write_text(pem(b"new").replace("bmV3", "bmV"))
    assert said("consul_client", look=with_ca(b"old")) == []


def by_hand(*contents: bytes, **settings):
    """The look at an agent that somebody has set up with a CA in a file, or in a folder of files."""
    agent = {
        "pid": 42,
        "unit": "consul",
        "config_dirs": ["/etc/consul.d"],
        "config_files": [],
        "options": {},
        "data_dir": FOLDER,
        "settings": settings or {"tls.defaults.ca_file": "/srv/tls/ca.crt"},
        "ca_fingerprints": [hashlib.sha256(content).hexdigest() for content in contents],
    }
    return {"placed": [], "consul": {"running": [agent]}, **RUNS}


def of_the_ca(texts):
    return [text for text in texts if "another CA" in text or " has a CA " in text or "cannot be read" in text]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"ca_file": "/a"}, "/a"),
        ({"ca_path": "/folder"}, "/folder"),
        ({"tls.defaults.ca_file": "/a"}, "/a"),
        ({"tls.defaults.ca_path": "/folder"}, "/folder"),
        ({"tls.internal_rpc.ca_file": "/a"}, "/a"),
        ({"tls.internal_rpc.ca_path": "/folder"}, "/folder"),
        # Consul uses the one of internal RPC among servers, and a file before a folder.
        ({"tls.defaults.ca_file": "/public", "tls.internal_rpc.ca_file": "/a"}, "/a"),
        ({"tls.defaults.ca_file": "/a", "tls.internal_rpc.ca_path": "/folder"}, "/a"),
    ],
)
def test_the_ca_of_an_agent_of_another(said, tmp_path, settings, path):
    look = by_hand(b"old", **settings)
    (text,) = of_the_ca(said("consul_client", look=look))
    assert f"has a CA ({path}), and {tmp_path}/ca.pem does not exist. A new CA would be made" in text
    (tmp_path / "ca.pem").write_text(pem(b"new"))
    (text,) = of_the_ca(said("consul_client", look=look))
    assert text.startswith(f"{tmp_path}/ca.pem is another CA than that of the agent that runs on this host ({path})")
    (tmp_path / "ca.pem").write_text(pem(b"old"))
    assert of_the_ca(said("consul_client", look=look)) == []


def test_a_ca_of_an_agent_of_another_that_cannot_be_read(said, tmp_path):
    """As with a name that is relative to the folder in which the agent was started. A new CA would be made in silence."""
    look = by_hand(ca_file="tls/ca.crt")
    (text,) = of_the_ca(said("consul_client", look=look))
    assert f"has a CA (tls/ca.crt), which cannot be read, and {tmp_path}/ca.pem does not exist" in text
    (tmp_path / "ca.pem").write_text(pem(b"new"))
    assert of_the_ca(said("consul_client", look=look)) == [], "the user has brought one"
    assert of_the_ca(said("consul_client", look=by_hand(verify_outgoing=False))) == []


def test_a_client_that_is_alone_with_a_wrong_key(said):
    """The role removes its keyring, if the servers use the right one."""
    running = {"consul": {"running": [{"data_dir": FOLDER}]}}
    client, given = with_keys(OLD, **running), {"consul_agent_gossip_key": NEW, "consul_agent_resolver": False}
    server = {FACT: {"run": run_id(), **with_keys(NEW, **running)}}
    hostvars = {"consul1": {"consul_agent_bind_addr": "10.0.0.1", "ansible_facts": server}}
    assert said("consul_client", given, look=client, hostvars=hostvars) == []
    (text,) = said("consul_client", given, look=client)
    assert "is not a gossip key of the agent" in text and "run the site with the servers, which repairs it" in text
    assert said("consul_server", given, look=client, hostvars=hostvars) != []
