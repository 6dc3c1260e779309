# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the role, which makes certificates on the controller."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.dockyard.consul.plugins.action import site_certificates as action
from ansible_collections.dockyard.consul.plugins.modules import site_certificates as module
from ansible_collections.dockyard.consul.plugins.plugin_utils import certificates, tls_files
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ["web1", "web2", "web3"]


def one_each(*addresses):
    """Every host asks for its own certificate."""
    own = "10.0.0.{{ groups.all.index(inventory_hostname) + 1 }}"
    certificate = {
        "name": "node/{{ inventory_hostname }}/server",
        "dns_names": ["{{ inventory_hostname }}.example.com"],
        "addresses": [own, *addresses],
    }
    return {"site_tls_certificates": [certificate]}


ONE_EACH = one_each()
ALL_AT_ONCE = {
    "site_tls_certificates": [
        {"name": f"node/{host}/server", "dns_names": [f"{host}.example.com"], "addresses": [f"10.0.0.{number}"]}
        for number, host in enumerate(HOSTS, start=1)
    ]
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


@pytest.fixture
def converge(local_playbook, folder):
    def converge(variables=None, run=local_playbook, once=False, play=None, **options):
        include = {"ansible.builtin.include_role": {"name": "dockyard.consul.site_tls"}}
        include |= {"run_once": True} if once else {}
        variables = {"site_secrets_dir": str(folder), **(ONE_EACH if variables is None else variables)}
        return run({"tasks": [include], **(play or {})}, **{"hosts": HOSTS, "variables": variables, **options})

    return converge


def serials(folder):
    found = {}
    for host in HOSTS:
        certificate = tls_files.load_certificate(folder / f"node/{host}/server.pem")
        assert certificates.is_signed_by(certificate, tls_files.load_certificate(folder / "ca.pem"))
        key = tls_files.load_key(folder / f"node/{host}/server.key")
        assert tls_files.public_key(certificate) == tls_files.public_key(key)
        found[host] = certificate.serial_number
    return found


def names(folder, host):
    return certificates.names_of(tls_files.load_certificate(folder / f"node/{host}/server.pem"))


def secrets(folder):
    return [line for file in folder.rglob("*.key") for line in file.read_text().splitlines()[1:-1]]


@pytest.fixture(scope="module")
def given():
    """A CA of the operator's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Site CA")])
    now = action.datetime.datetime.now(action.datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + certificates.CLOCK_SKEW)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    certificate = certificates.pem_of(builder.sign(key, hashes.SHA256()))
    return {"site_tls_ca_certificate": certificate, "site_tls_ca_private_key": pem}


def test_the_documentation_has_the_options():
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: option.get("default") for name, option in documented.items()} == {
        name: option.get("default") for name, option in action.OPTIONS.items()
    }


@pytest.mark.parametrize("once", [False, True], ids=["one each", "all at once"])
def test_fresh_and_repeated(converge, folder, once):
    variables = ALL_AT_ONCE if once else ONE_EACH
    foretold = converge(variables, once=once, check=True)
    assert foretold.changed and not folder.exists()
    assert f"+ {folder}/node/web3/server.pem: missing" in foretold.output

    made = converge(variables, once=once, options=["-vvv"])
    assert made.changed == foretold.changed and made.modules == []
    assert set(made.changed) == ({"web1"} if once else set(HOSTS))
    assert len(secrets(folder)) >= 4 and not any(line in made.output for line in secrets(folder))
    before = serials(folder)
    assert names(folder, "web2") == {"web2.example.com", "10.0.0.2"}

    again = converge(variables, once=once)
    assert not again.changed and again.modules == []
    assert not converge(variables, once=once, check=True).changed
    assert serials(folder) == before


def test_renewal(converge, folder):
    converge()
    before = serials(folder)
    done = converge(ONE_EACH | {"site_tls_renew_days": 400}, hosts=["web1"])
    assert done.changed == {"web1": 1} and "server.pem: ends on " in done.output
    after = serials(folder)
    assert [host for host in HOSTS if after[host] != before[host]] == ["web1"]


def test_an_address_is_added(converge, folder):
    converge()
    before = serials(folder)
    done = converge(one_each("10.0.0.99"), options=["--limit", "web2"])
    assert done.changed == {"web2": 1}
    assert f"+ {folder}/node/web2/server.pem: does not cover 10.0.0.99" in done.output
    assert names(folder, "web2") == {"web2.example.com", "10.0.0.2", "10.0.0.99"}
    after = serials(folder)
    assert [host for host in HOSTS if after[host] != before[host]] == ["web2"]


def test_another_ca(converge, folder, given):
    converge()
    before, key = serials(folder), (folder / "ca.key").read_bytes()
    done = converge(ALL_AT_ONCE | given, once=True, options=["-vvv"])
    assert done.changed == {"web1": 1} and done.output.count("signed by another CA") >= 3
    assert given["site_tls_ca_private_key"].splitlines()[1] not in done.output
    assert (folder / "ca.pem").read_text() == given["site_tls_ca_certificate"]
    assert (folder / "ca.key").read_bytes() == key, "the key of a given CA is written nowhere"
    assert not set(serials(folder).values()) & set(before.values())
    assert not converge(ALL_AT_ONCE | given, once=True).changed


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_two_runs_at_once(converge, local_playbook, folder, strategy):
    runs = [converge(run=local_playbook.start, play={"strategy": f"ansible.builtin.{strategy}"}) for _run in range(2)]
    done = [run() for run in runs]
    assert all(run.ok for run in done), done[0].output + done[1].output
    assert len(serials(folder)) == 3
    assert not converge().changed


def test_what_is_wrong_is_said_before_anything_changes(converge, local_playbook, folder):
    converge(hosts=["web1"])
    (folder / "ca.key").unlink()
    before = sorted(folder.rglob("*"))
    done = converge(run=local_playbook.fails)
    assert f"{folder}/ca.pem exists and its key {folder}/ca.key does not" in done.output
    assert sorted(folder.rglob("*")) == before


def test_the_callback_would_see_a_module(local_playbook):
    assert local_playbook({"tasks": [{"ansible.builtin.ping": None}]}).modules == ["ansible.builtin.ping"]
