# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site stands, and listens where the documentation says that it does."""

from __future__ import annotations

import re

from lab.testing import ROOT

SERVICES = [("consul1", "consul"), ("consul2", "consul"), ("consul3", "consul"), ("lb1", "nginx"), ("lb2", "nginx")]
ROW = re.compile(
    r"^\| (?P<group>\w+) \| (?P<port>\d+|any) \| (?P<protocols>[a-z, ]+) \| (?P<addresses>[\w, ]+) \|", re.MULTILINE
)


def test_three_servers_have_one_leader(lab):
    peers = lab.consul("operator/raft/configuration")["Servers"]
    assert {peer["Node"] for peer in peers} == set(lab.hosts("consul_server"))
    assert all(peer["Voter"] for peer in peers)
    leaders = {lab.api(server, "status/leader").json() for server in lab.hosts("consul_server")}
    assert len(leaders) == 1 and leaders <= {f"{lab.address(server)}:8300" for server in lab.hosts("consul_server")}


def test_every_node_is_alive_and_every_check_passes(lab):
    assert lab.members() == dict.fromkeys(lab.hosts(), 1)
    lab.wait_for(
        lambda: {check["Status"] for check in lab.consul("health/state/any")} == {"passing"}, 30, "every check passes"
    )
    services = {name: len(lab.consul(f"health/service/{name}?passing")) for name in lab.consul("catalog/services")}
    assert services == {"consul": 3, "mydemo": 3, "redis": 1, "registry": 1}


def test_what_listens_is_what_the_documentation_says(lab):
    rows = [match.groupdict() for match in ROW.finditer((ROOT / "docs" / "production.md").read_text())]
    assert len(rows) > 10
    for host in lab.hosts():
        documented = {
            (protocol, address, row["port"])
            for row in rows
            if row["group"] == "all" or host in lab.hosts(row["group"])
            for protocol in row["protocols"].split(", ")
            for address in row["addresses"].split(", ")
        }
        assert listening(lab, host) == documented, host


def listening(lab, host: str) -> set[tuple[str, str, str]]:
    """Each (protocol, address, port), the address being "loopback", "LAN" or "all"."""
    kinds = {"127.0.0.1": "loopback", lab.address(host): "LAN", "0.0.0.0": "all", "[::]": "all", "*": "all"}
    found = set()
    for line in lab.exec(host, "ss --listening --numeric --no-header --tcp --udp --processes").splitlines():
        # The process is missing of a socket that systemd holds.
        protocol, _state, _received, _sent, local, _peer, *process = line.split()
        address, _colon, port = local.rpartition(":")
        # The resolver that Docker puts into a lab's host; a real host has none.
        if address.partition("%")[0] != "127.0.0.11":
            found.add((protocol, kinds.get(address, address), "any" if '"containerd"' in "".join(process) else port))
    return found


def test_both_load_balancers_answer_from_every_instance(lab):
    everybody = {f"mydemo-{lab.address(host)}-5000" for host in lab.hosts("mydemo")}
    for host in lab.hosts("nginx_lb"):
        lab.wait_for(
            lambda host=host: {lab.site(host).headers["X-Served-By"] for _request in range(12)} == everybody,
            20,
            f"{host} asks every instance",
        )


def test_each_load_balancer_is_in_the_mode_that_its_nginx_takes(lab):
    """One in each: what is said of both load balancers is said of both modes."""
    # These lines alone: a test that fails shows what it has looked at, and `nginx -T` tells the token of the metrics.
    look = "grep -e 'set $nginx_lb_upstream ' -e ' resolve ' /etc/nginx/sites-enabled/zz_nginx_lb.conf"
    lines = {host: lab.exec(host, look) for host in ("lb1", "lb2")}
    assert lines["lb1"] == "set $nginx_lb_upstream mydemo.service.consul;"
    assert "server mydemo.service.consul:5000 resolve " in lines["lb2"] and "$nginx_lb_upstream" not in lines["lb2"]


def test_a_user_is_sent_on_to_https_by_the_name(lab):
    certificate = lab.secrets.parent / "demo.pem"
    for host in lab.hosts("nginx_lb"):
        answer = lab.http(host, headers={"Host": "demo.example.com"})
        assert (answer.status, answer.headers["Location"]) == (308, "https://demo.example.com/")
        curl = ["curl", "--silent", "--fail", "--cacert", certificate, "--noproxy", "*"]
        by_name = ["--resolve", f"demo.example.com:443:{lab.address(host)}", "https://demo.example.com/"]
        assert "I have been seen" in lab.run(*curl, *by_name).stdout
