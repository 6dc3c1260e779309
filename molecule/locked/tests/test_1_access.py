# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may see what: nothing is open that this site did not open."""

from __future__ import annotations

import pytest

from lab.testing import ask

NO_TOKEN = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(scope="module", autouse=True)
def something_to_read(lab):
    lab.consul("kv/probe", method="PUT", data="for the operator's eyes only")
    yield
    lab.consul("kv/probe", method="DELETE")


def test_both_nodes_are_alive(lab):
    assert lab.members() == {"consul1": 1, "client1": 1}
    assert {node["Node"] for node in lab.consul("catalog/nodes", "client1")} == {"consul1", "client1"}


@pytest.mark.parametrize("host", ["consul1", "client1"])
@pytest.mark.parametrize(
    "path",
    [
        "kv/probe",
        "kv/?recurse",
        "kv/?keys",
        "session/list",
        "query",
        "acl/tokens",
        "acl/policies",
        "agent/self",
        "agent/metrics",
        "operator/raft/configuration",
    ],
)
def test_anonymous_reads_nothing(lab, host, path):
    see_nothing(lab.api(host, path))


@pytest.mark.parametrize("path", ["operator/keyring", "snapshot"])
def test_anonymous_reads_nothing_of_the_cluster_on_the_server(lab, path):
    see_nothing(lab.api("consul1", path))


def see_nothing(reply) -> None:
    """Consul refuses with 403, and the keyring with 500; a list that it may not show it shows as an empty one."""
    refused = reply.status in (403, 404) or "denied by ACLs" in reply.text
    assert refused or reply in [(200, nothing) for nothing in ("[]", "{}", "null")], reply


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_anonymous_reads_no_more_of_the_catalog_than_dns_tells(lab, host):
    """Before Consul 1.17 the token that DNS answers with serves the API's anonymous, too. See the README of consul_agent."""
    before_dns_tokens = tuple(map(int, _version(lab, host).split("."))) < (1, 17)
    nodes = {node["Node"] for node in lab.api(host, "catalog/nodes").json()}
    assert nodes == ({"consul1", "client1"} if before_dns_tokens else set())
    # What is read by name in DNS, and no other resource: the token's only policy says so.
    (policy,) = [one for one in lab.consul("acl/policies") if one["Name"] == "dns"]
    rules = lab.consul(f"acl/policy/{policy['ID']}")["Rules"]
    assert rules.splitlines() == [
        'node_prefix "" { policy = "read" }',
        'service_prefix "" { policy = "read" }',
    ]
    (token,) = [one for one in lab.consul("acl/tokens") if one["Description"] == "DNS"]
    assert [one["Name"] for one in token["Policies"]] == ["dns"]


def _version(lab, host: str) -> str:
    return lab.consul("agent/self", host)["Config"]["Version"]


@pytest.mark.parametrize("host", ["consul1", "client1"])
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("kv/probe", "mine"),
        ("agent/service/register", {"Name": "probe"}),
        ("catalog/register", {"Node": "probe", "Address": "192.0.2.1"}),
        ("agent/maintenance?enable=true", None),
        ("agent/reload", None),
        ("agent/force-leave/client1", None),
        ("acl/token", {"Description": "mine"}),
        # 1.8 has the call to make the first management token: it must have been used up.
        ("acl/bootstrap", None),
    ],
)
def test_anonymous_changes_nothing(lab, host, path, data):
    reply = lab.api(host, path, method="PUT", data=data)
    assert reply.status == 403, reply


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_a_token_that_is_none_is_refused(lab, host):
    assert lab.api(host, "catalog/nodes", token=NO_TOKEN).status == 403


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_a_nodes_own_token_is_no_key_to_the_rest(lab, host):
    token = lab.secret(f"node/{host}/agent.token")
    other = "client1" if host == "consul1" else "consul1"
    assert lab.api(host, "kv/probe", token).status == 403
    assert lab.api(host, "acl/tokens", token).status == 403
    foreign = {"Node": other, "Address": "192.0.2.1", "SkipNodeUpdate": True, "Check": {"Name": "probe"}}
    assert lab.api(host, "catalog/register", token, "PUT", foreign).status == 403


def test_the_api_is_reached_from_the_host_itself_only(lab):
    for host in lab.hosts():
        for port in (8500, 8502):
            with pytest.raises(OSError):
                ask(f"http://{lab.address(host)}:{port}/v1/status/leader", timeout=3)
        open_ports = lab.exec(
            host, r"ss --listening --numeric --no-header --tcp --udp --processes | awk '/\"consul\"/ {print $5}'"
        )
        reached = {address.rpartition(":")[2] for address in open_ports.split() if not address.startswith("127.")}
        # RPC of the servers requires a certificate, and gossip requires the key.
        assert reached == ({"8300", "8301", "8302"} if host == "consul1" else {"8301"})


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_dns_answers_on_every_host(lab, host):
    """An agent gives its host DNS, whether it is a server or a client."""
    assert lab.exec(host, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "1024", "anybody could bind 53"
    assert set(lab.exec(host, "ps -C consul -o user=,group=").split()) == {"consul"}
    assert lab.dns("consul.service.consul", host) == {lab.address("consul1")}
    assert lab.dns("client1.node.consul", host) == {lab.address("client1")}
    assert lab.exec(host, "getent hosts consul.service.consul").split()[0] == lab.address("consul1")


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_an_outside_name_resolves_through_the_agent(lab, host):
    name = lab.outside_name(host)
    assert lab.dns(name, host)
    assert lab.exec(host, ["getent", "hosts", name])


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_resolv_conf_asks_the_agent_first(lab, host):
    """After it comes what the host had."""
    had = [line.split() for line in lab.former_resolv_conf.read_text().splitlines()]
    former = [words[1] for words in had if words[0] == "nameserver"]
    assert lab.exec(host, "awk '/^nameserver/ {print $2}' /etc/resolv.conf").split() == ["127.0.0.1", *former]


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_only_consul_and_root_read_the_secrets(lab, host):
    wanted = {"ca.pem", "consul.json", "reloadable.json", "secrets.json", "start.json"}
    wanted |= {"agent.pem", "agent.key"} if host == "consul1" else set()
    lines = lab.exec(host, "stat --format '%n %a %U:%G' /etc/consul.d/*").splitlines()
    files = {name.removeprefix("/etc/consul.d/"): rest for name, rest in (line.split(" ", 1) for line in lines)}
    assert {name: files[name] for name in wanted} == dict.fromkeys(wanted, "640 root:consul")
    assert (
        lab.exec(host, "stat --format '%a %U:%G' /etc/consul.d /var/lib/consul") == "750 root:consul\n750 consul:consul"
    )
    # Whoever is neither is turned away at the folder.
    assert "Permission denied" in lab.fails(host, "setpriv --reuid 65534 --clear-groups cat /etc/consul.d/secrets.json")


@pytest.mark.parametrize("host", ["consul1", "client1"])
def test_no_secret_lies_where_others_look(lab, host):
    assert lab.secrets_in(lab.exec(host, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")) == []
    assert lab.secrets_in(lab.exec(host, "journalctl --no-pager --output cat")) == []
    # Of the files that anybody may read, all that are of this site's making.
    others = "find /etc /root /tmp /var /run /usr/local -xdev -type f -newer /etc/machine-id -perm /o=r"
    names = "\n".join(lab.secret_values().values())
    found = lab.exec(
        host, f"{others} -print0 | xargs -0 --no-run-if-empty grep --files-with-matches -F -f - || true", names
    )
    assert found == ""


def test_the_cas_key_has_not_left_the_controller(lab):
    (key,) = [value for name, value in lab.secret_values().items() if name == "ca.key"]
    for host in lab.hosts():
        assert lab.exec(host, "grep --recursive --files-with-matches -F -f - /etc /var/lib/consul || true", key) == ""
