# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in Consul and outside resolve on every client, and no manager of resolv.conf undoes it."""

from __future__ import annotations

import pytest

INSIDE = "consul.service.consul"
RESOLV_CONF = "cat /etc/resolv.conf"
# What dhclient calls when a lease is renewed, with a nameserver in it.
RENEW = (
    "env reason=RENEW interface=lo old_ip_address=127.0.0.1 new_ip_address=127.0.0.1 new_subnet_mask=255.0.0.0"
    " new_domain_name_servers=192.0.2.53 /sbin/dhclient-script"
)


@pytest.mark.parametrize("host", ["repository1", "archive1", "local1"])
def test_resolves(lab, host):
    assert lab.resolves(host, INSIDE)
    assert lab.resolves(host, lab.outside_name(host))


@pytest.mark.parametrize("host", ["repository1", "archive1"])
def test_agent_is_first_and_the_former_nameserver_behind_it(lab, host):
    nameservers = [
        line.split()[1] for line in lab.exec(host, RESOLV_CONF).splitlines() if line.startswith("nameserver")
    ]
    assert nameservers[0] == "127.0.0.1"
    assert len(nameservers) == 2


def test_networkmanager(lab):
    before = lab.exec("repository1", RESOLV_CONF)
    assert "NetworkManager" not in before
    lab.exec("repository1", "nmcli general reload dns-full")
    assert lab.exec("repository1", RESOLV_CONF) == before
    lab.exec("repository1", "systemctl restart NetworkManager && nm-online -s -q -t 30")
    assert lab.exec("repository1", RESOLV_CONF) == before


def test_networkmanager_would_have_written_it(lab):
    """Without the role's drop-in the test above would see a change."""
    host, drop_in = "repository1", "/etc/NetworkManager/conf.d/consul.conf"
    lab.exec(host, f"cp -a /etc/resolv.conf /root/resolv.conf && mv {drop_in} /root/consul.conf")
    try:
        lab.exec(host, "nmcli general reload conf && nmcli general reload dns-full")
        lab.wait_for(lambda: "NetworkManager" in lab.exec(host, RESOLV_CONF), 10, "NetworkManager writes resolv.conf")
    finally:
        lab.exec(host, f"mv /root/consul.conf {drop_in} && nmcli general reload conf")
        lab.exec(host, "cp -a /root/resolv.conf /etc/resolv.conf")


def test_dhclient(lab):
    before = lab.exec("archive1", RESOLV_CONF)
    lab.exec("archive1", RENEW)
    assert lab.exec("archive1", RESOLV_CONF) == before


def test_dhclient_would_have_written_it(lab):
    """Without the role's hook the test above would see a change."""
    host, hook = "archive1", "/etc/dhcp/dhclient-enter-hooks.d/consul"
    lab.exec(host, f"cp -a /etc/resolv.conf /root/resolv.conf && mv {hook} /root/hook")
    try:
        lab.exec(host, RENEW)
        assert "192.0.2.53" in lab.exec(host, RESOLV_CONF)
    finally:
        lab.exec(host, f"mv /root/hook {hook} && cp -a /root/resolv.conf /etc/resolv.conf")


def test_systemd_resolved(lab):
    """resolv.conf is its own still, and it asks the agent."""
    assert lab.exec("local1", "readlink --canonicalize /etc/resolv.conf") == "/run/systemd/resolve/stub-resolv.conf"
    assert lab.address("repo1") in lab.exec("local1", f"resolvectl query --cache=no {INSIDE}")
    assert lab.exec("local1", f"resolvectl query --cache=no {lab.outside_name('local1')}")
    # Everything but 127.0.0.53, which systemd-resolved has.
    assert lab.dns(INSIDE, "local1")
    sockets = lab.exec("local1", "ss --udp --listening --numeric --no-header '( sport = :53 )'")
    assert {f"{lab.address('local1')}:53", "127.0.0.1:53"} <= set(sockets.split())


def test_nameservers_of_all_interfaces_are_refused(lab):
    """systemd-resolved would ask them for names in Consul, and the agent for none: seen before anything is changed."""
    drop_in = "/etc/systemd/resolved.conf.d/zz-site.conf"
    lab.exec("local1", f"printf '[Resolve]\\nDNS=192.0.2.53\\n' >{drop_in} && systemctl restart systemd-resolved")
    try:
        run = lab.client_playbook("--limit", "local1")
    finally:
        lab.exec("local1", f"rm {drop_in} && systemctl restart systemd-resolved")
    assert not run.ok, run.output
    assert "systemd-resolved has nameservers for all interfaces (192.0.2.53" in " ".join(run.output.split())


def test_outside_names_resolve_without_servers(lab):
    """No server is up and the clients' hosts restart: their agents answer nothing, the hosts' resolvers do."""
    hosts = ["archive1", "local1"]
    lab.exec("repo1", "systemctl stop consul")
    try:
        for host in hosts:
            lab.restart(host)
        for host in hosts:
            lab.wait_for(
                lambda host=host: lab.resolves(host, lab.outside_name(host)), 60, f"an outside name resolves on {host}"
            )
            assert lab.fails(host, "dig +time=2 +tries=1 @127.0.0.1 consul.service.consul")
    finally:
        lab.exec("repo1", "systemctl start consul")
    for host in hosts:
        lab.wait_for(lambda host=host: lab.resolves(host, INSIDE), 90, f"names in Consul resolve on {host} again")
        assert lab.resolves(host, lab.outside_name(host))
