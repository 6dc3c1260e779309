# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server and one client under allow: taken over, brought to deny, back to what they were, and taken over again. The tests
run in their order, and follow docs/adopt.md."""

from __future__ import annotations

import base64
import shutil
from typing import Any

import pytest

pytestmark = pytest.mark.chaos

SERVICES = [("old1", "consul"), ("app1", "consul")]
OUTAGE = 30  # seconds that an agent may be without an answer around a restart. The only server must elect itself.
WEB = "/etc/consul.d/web.hcl"
KEYRING = "/opt/consul/serf/local.keyring"


@pytest.fixture(scope="module")
def files(lab, before) -> dict[str, set[str]]:
    """The files of each host before anybody has run anything."""
    return {host: files_of(lab, host) for host in lab.hosts()}


def files_of(lab, host: str) -> set[str]:
    """With their modes, owners and sums. Those of packages are not the subject here, nor is a file that the user has changed
    meanwhile."""
    folders = "/etc/consul.d /etc/systemd/system /etc/resolv.conf"
    lines = lab.exec(host, f"find {folders} -type f -printf '%p %m %u %g\\n' -exec md5sum {{}} +")
    return {line for line in lines.splitlines() if WEB not in line}


def said(run) -> str:
    return " ".join(run.output.split())


def as_before(state: dict[str, Any], before: dict[str, Any]) -> bool:
    """With the tokens of the site, perhaps."""
    return {**state, "tokens": None} == {**before, "tokens": None} and state["tokens"] >= before["tokens"]


def test_adopt_says_what_to_do(lab, before, files):
    run = lab.site("adopt", adopt_secrets=True)
    assert run.ok, run.output
    for line in ("consul_agent_data_dir: /opt/consul", "consul_agent_adopt: true"):
        assert line in run.output, line
    (lab.secrets / "operator" / "management.token").write_text(lab.management_token + "\n")
    shutil.copyfile(lab.by_hand / "consul-agent-ca-key.pem", lab.secrets / "ca.key")
    for name in ("operator/management.token", "ca.key"):
        (lab.secrets / name).chmod(0o600)
    lab.lines.update(
        consul_agent_adopt=True, consul_agent_data_dir="/opt/consul", consul_agent_acl_default_policy="allow"
    )


def test_the_site_takes_it_over(lab, before, names, figures):
    run = lab.site("site")
    assert run.ok, run.output
    names.go_on()
    figures.append(("one server: the takeover", str(names)))
    assert names.missing == [] and max(names.silence.values()) < OUTAGE, str(names)
    assert as_before(lab.state(), before)
    assert {unit for unit, _pid in lab.agents().values()} == {"consul.service"}


def test_the_second_run_changes_nothing(lab):
    agents = lab.agents()
    run = lab.site("site")
    assert run.ok and not run.changed, run.changes
    assert lab.agents() == agents


def test_deny_is_refused_while_services_have_no_token(lab):
    run = lab.site("consul_client", consul_agent_acl_default_policy="deny")
    assert not run.ok and not run.changed, run.output
    assert "these services of this host were registered without a token: " in said(run)
    for part in ("api", "web", "'From allow to deny'"):
        assert part in said(run), part


def test_from_allow_to_deny(lab, before, names, figures):
    # Step 2. There is nothing for step 1: the site has none of its roles.
    identities = [{"ServiceName": "web"}, {"ServiceName": "api"}]
    token = lab.consul("acl/token", method="PUT", data={"ServiceIdentities": identities})["SecretID"]
    lab.exec("app1", f'sed -i \'s/token = ""/token = "{token}"/\' {WEB} && consul reload')
    service = {"Name": "api", "ID": "api-app1", "Port": 8000}
    assert lab.api("app1", "agent/service/register", token, "PUT", service).status == 200
    # Step 3.
    lab.lines["consul_agent_acl_default_policy"] = "deny"
    run = lab.site("consul_client")
    assert run.ok, run.output
    run = lab.site("site")
    assert run.ok, run.output
    names.go_on()
    figures.append(("one server: from allow to deny", str(names)))
    assert names.missing == [] and max(names.silence.values()) < OUTAGE, str(names)
    assert as_before(lab.state(), before)


def test_now_a_token_is_needed(lab):
    for host in lab.hosts():
        assert lab.api(host, "kv/shop/greeting").status == 403
        assert lab.consul("kv/shop/greeting", host)
    run = lab.site("site")
    assert run.ok and not run.changed, run.changes


@pytest.mark.parametrize(("host", "options"), [("app1", {}), ("old1", {"uninstall_servers": True})])
def test_back_from_the_takeover(lab, before, files, host, options):
    # That of a drop-in which the takeover has moved.
    lab.exec(host, "rm -rf /etc/systemd/system/consul.service.d")
    run = lab.site("uninstall", "--limit", host, uninstall_confirm=True, **options)
    assert run.ok, run.output
    assert files_of(lab, host) == files[host]
    lab.exec(host, "systemctl enable --now consul")
    lab.wait_for(lambda: set(lab.members().values()) == {1}, 60, "every agent is alive")
    if host == "app1":  # its DNS has no token, and the server is under deny
        assert lab.exec(host, "dig +short @127.0.0.1 -p 8600 web.service.consul") == ""


def test_all_is_as_it_was(lab, before, names):
    lab.wait_for(lambda: as_before(lab.state(), before), 30, "the cluster is as before")
    for host in lab.hosts():
        assert lab.consul("agent/self", host)["DebugConfig"]["ACLDefaultPolicy"] == "allow"
    names.go_on()
    assert names.missing == []


def test_a_client_that_has_joined_with_a_wrong_gossip_key_is_taken_over(lab, before):
    """Also its configuration has it. It never meets the others until the site has come."""
    wrong = base64.b64encode(bytes(32)).decode()
    lab.exec("app1", "systemctl stop consul")
    lab.exec("app1", f"cat >{KEYRING}", f'["{wrong}"]')
    lab.exec("app1", f"sed -i 's|^encrypt .*|encrypt = \"{wrong}\"|' /etc/consul.d/consul.hcl; systemctl start consul")
    told = "journalctl --unit consul --lines 20 | grep 'No installed keys could decrypt the message'"
    lab.wait_for(lambda: lab.exec("app1", told), 30, "app1 cannot join")
    assert lab.members()["app1"] != 1

    lab.lines["consul_agent_acl_default_policy"] = "allow"
    run = lab.site("site")
    assert run.ok and wrong not in run.output, run.output
    lab.wait_for(lambda: set(lab.members().values()) == {1}, 30, "every agent is alive")
    lab.wait_for(lambda: as_before(lab.state(), before), 30, "the cluster is as before")
    assert wrong in lab.exec("app1", f"cat /var/backups/dockyard{KEYRING}.*")
