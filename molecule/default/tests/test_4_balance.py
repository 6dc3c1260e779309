# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load balancer: over both instances, over six, with none, and with either kind of resolver."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.testing import ROOT, Answer, ask

SERVICES = [("lb1", "nginx"), ("lb1", "consul")]
MYDEMO = {"name": "mydemo", "port": 5000}
SIX = {"name": "six", "port": 7000, "listen": 8080}


def get_many(lab, count: int, port: int = 80) -> list[Answer]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda _number: lab.http("lb1", port), range(count)))


def counted(answer: Answer) -> int:
    return int(re.fullmatch(r".*! I have been seen (\d+) times\.", answer.text).group(1))


def test_100_requests_reach_both_instances_and_count_100(lab, instances, figures):
    before = counted(lab.http("lb1"))
    answers = get_many(lab, 100)
    assert {answer.status for answer in answers} == {200}
    by = [answer.headers["X-Served-By"] for answer in answers]
    assert set(by) == set(instances)
    assert sorted(counted(answer) for answer in answers) == list(range(before + 1, before + 101))
    figures.append(("100 requests, served by either instance", " + ".join(str(by.count(name)) for name in instances)))


def test_the_demos_last_screen_shows_all_of_it(lab, instances):
    inventory = ",".join(str(path) for path in lab.inventory[1::2])

    def show() -> str:
        screen = lab.run(ROOT / "lab" / "show", cwd=ROOT, env=os.environ | {"ANSIBLE_INVENTORY": inventory}).stdout
        # nginx begins with either instance by chance: once in 512 times all ten go to one.
        return screen if all(f" {instance}\n" in screen for instance in instances) else ""

    screen = lab.wait_for(show, 15, "ten answers come from both instances")
    for host in lab.hosts():
        role = "server" if host in lab.hosts("consul_server") else "client"
        assert re.search(rf"^  {host} +{lab.address(host)} +{role} +alive$", screen, re.MULTILINE), screen
    for host in lab.hosts("mydemo"):
        assert re.search(rf"^  mydemo +{host} +{lab.address(host)}:5000 +passing$", screen, re.MULTILINE), screen
    assert re.search(rf"^  redis +redis1 +{lab.address('redis1')}:6379 +passing$", screen, re.MULTILINE), screen
    answers = re.findall(r"^  Hello from dockyard! I have been seen (\d+) times[.] +(\S+)$", screen, re.MULTILINE)
    assert {served_by for _count, served_by in answers} == set(instances), screen
    counts = [int(count) for count, _served_by in answers]
    assert counts == list(range(counts[0], counts[0] + 10)), screen
    balancer, ui = re.search(r"curl -i (\S+)", screen)[1], re.search(r"UI: +(\S+)", screen)[1]
    assert ask(balancer).status == 200
    assert "<title>Consul" in ask(ui).text


def test_nginx_says_how_it_is_on_loopback_only(lab):
    assert "Active connections" in lab.exec("lb1", "curl --fail --silent http://127.0.0.1:8081/nginx_status")
    with pytest.raises(OSError):
        lab.http("lb1", 8081, "/nginx_status")


def test_the_access_log_names_the_upstream(lab):
    answer = lab.http("lb1", path="/?look-for=this")
    address = answer.headers["X-Served-By"].removeprefix("mydemo-").removesuffix("-5000")
    assert f"to {address}:5000 in" in lab.exec("lb1", "grep look-for=this /var/log/nginx/access.log | tail -n 1")


SIX_SERVERS = """
import http.server, sys, threading
class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.server.server_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)
    def log_message(self, *_):
        pass
for address in sys.argv[1:]:
    threading.Thread(target=http.server.ThreadingHTTPServer((address, 7000), Name).serve_forever).start()
"""


@pytest.fixture
def six(lab) -> Iterator[set[str]]:
    """Six instances of a test service, each at an address of its own, on a host that has them all."""
    network = lab.address("redis1").rpartition(".")[0]
    addresses = [f"{network}.{number}" for number in range(101, 107)]
    for address in addresses:
        lab.exec("redis1", f"ip address replace {address}/32 dev eth0")
    lab.exec("redis1", "cat > /run/six.py", stdin=SIX_SERVERS)
    lab.exec("redis1", ["systemd-run", "--unit=six", "--collect", "python3", "/run/six.py", *addresses])
    for address in addresses:
        service = {"Name": "six", "ID": address, "Address": address, "Port": 7000}
        lab.consul("agent/service/register", "redis1", "PUT", service)
    yield set(addresses)
    for address in addresses:
        lab.consul(f"agent/service/deregister/{address}", "redis1", "PUT")
        lab.exec("redis1", f"ip address delete {address}/32 dev eth0")
    lab.exec("redis1", "systemctl stop six; rm /run/six.py")


@pytest.mark.parametrize("resolver", ["the host's own agent", "the server"])
def test_six_instances_are_all_reached(lab, nginx, six, resolver):
    resolvers = ["127.0.0.1"] if "own" in resolver else [lab.address("consul1")]
    run = nginx(nginx_lb_services=[MYDEMO, SIX], nginx_lb_resolvers=resolvers)
    assert run.ok, run.output
    lab.wait_for(lambda: len(lab.consul("health/service/six?passing", "lb1")) == 6, 10, "all six are known at lb1")

    answers = get_many(lab, 120, 8080)
    assert {answer.status for answer in answers} == {200}
    assert {answer.text for answer in answers} == six
    assert lab.http("lb1").status == 200, "the other service goes on"


def test_a_service_without_an_instance_is_plainly_unavailable(lab, nginx):
    assert nginx(nginx_lb_services=[MYDEMO, {**SIX, "name": "nobody"}]).ok
    answer = lab.http("lb1", 8080)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.text == "nobody is not available at the moment. Please try again.\n"


def test_what_nginx_refuses_leaves_the_running_one_as_it_was(lab, nginx):
    """A word that only `nginx -t` knows to be wrong; what the role itself can tell stops the run earlier."""
    what_runs = (
        "sha256sum /etc/nginx/sites-enabled/zz_nginx_lb.conf; systemctl show --property MainPID,ExecReload nginx"
    )
    before = lab.exec("lb1", what_runs)
    run = nginx(nginx_lb_next_upstream="error sometimes")
    assert not run.ok and 'invalid value "sometimes"' in run.output.replace('\\"', '"'), run.output
    assert not run.changed, run.changes
    assert lab.exec("lb1", what_runs) == before
    assert lab.http("lb1").status == 200


def test_a_run_that_was_cut_short_is_made_good_by_the_next(lab, nginx):
    """Killed with the configuration placed and nginx not yet told."""
    elsewhere = {"nginx_lb_status_port": 8082}
    status = "curl --fail --silent http://127.0.0.1:8082/nginx_status"
    lab.interrupted_playbook("Ensure that nginx runs with this configuration", "playbooks/nginx_lb.yml", **elsewhere)
    assert lab.exec("lb1", "grep 8082 /etc/nginx/sites-enabled/zz_nginx_lb.conf")
    assert lab.fails("lb1", status)

    assert nginx(**elsewhere).ok
    assert "Active connections" in lab.exec("lb1", status)
    assert not nginx(**elsewhere).changed
