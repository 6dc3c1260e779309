# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services and checks of the agent that is asked: reads and writes them, and waits for them."""

from __future__ import annotations

import copy
import time

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import version_of, what_an_agent_lacks
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import (
    catalog_node,
    is_addressable,
    one_line,
    refuse_unknown_characters,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_services import (
    checks_by_service,
    expiring,
    has_sidecar,
    incomplete,
    own_sidecar,
    replaced_checks,
    sidecar_id,
)

# Consul stops an alias check of a node only after its blocking query, which lasts up to a minute and a sixteenth.
LONGEST_STOP = 75
LONGEST_OUTPUT = 300


class Agent:
    """The services and checks of the agent that is asked."""

    def __init__(self, client):
        self.client = client
        self.services = {}
        self.checks = {}
        self.maintained = {}
        self._self = None

    def load(self):
        checks = self.client.get("agent/checks").data or {}
        self.services = self.client.get("agent/services").data or {}
        self.checks = checks_by_service(checks)
        self.maintained = {check["ServiceID"]: check for check in checks.values() if check["Type"] == "maintenance"}

    def agent_self(self):
        """C(agent/self), which has the version and the settings. Empty if the token may not read it."""
        if self._self is None:
            try:
                self._self = self.client.get("agent/self").data
            except ConsulError as error:
                if error.status != 403:
                    raise
                self._self = {}
        return self._self

    def node(self):
        """The name of the agent's node. None if the token may not read it."""
        for checks in self.checks.values():
            for check in checks.values():
                return check["Node"]
        return self.agent_self().get("Config", {}).get("NodeName")

    def described(self, identity):
        """A service as C(agent/service/<id>) describes it, which is more than the list of services does."""
        return self.client.get("agent/service/" + identity, missing_ok=True).data or self.services[identity]

    def refuse_impossible(self, body):
        """ConsulError for what this agent would refuse, or worse, of a registration."""
        where = f"service {one_line(body['ID'])}"
        refuse_unknown_characters(self.client, f"{where}: the id", body["ID"])
        if body["Name"] != body["ID"]:
            refuse_unknown_characters(self.client, f"{where}: the name", body["Name"])
        for check in body["Checks"]:
            self.refuse_impossible_check(check, f"{where}: check {one_line(check['CheckID'])}")

    def refuse_impossible_check(self, check, where):
        refuse_unknown_characters(self.client, f"{where}: the id", check["CheckID"])
        if what_an_agent_lacks(check, (0, 0, 0), scripts=False):  # something that not every agent has
            version = version_of(self.agent_self().get("Config", {}).get("Version"))
            scripts = self.agent_self().get("DebugConfig", {}).get("EnableRemoteScriptChecks")
            lack = what_an_agent_lacks(check, version, scripts)
            if lack:
                raise ConsulError(f"{where}: {lack}")
        node = check.get("AliasNode")
        if node and not catalog_node(self.client, node):
            raise ConsulError(
                f"{where}: alias_node: the catalog has no node {node}, or the token may not read it. Some versions of "
                "Consul, such as 1.8, crash on such a check"
            )

    def present_tags(self, body):
        """The tags of a registered service. The catalog has them first: the agent learns of tags that others have set
        there with its next full synchronisation, and would overwrite them until then."""
        registered = self.services[body["ID"]]
        entries = [
            entry
            for entry in self.client.get("catalog/service/" + registered["Service"], missing_ok=True).data or []
            if entry["ServiceID"] == body["ID"]
        ]
        if len(entries) > 1:
            node = self.node()
            entries = [entry for entry in entries if entry["Node"] == node]
        return (entries[0]["ServiceTags"] if entries else registered["Tags"]) or []

    def register(self, body):
        identity = body["ID"]
        try:
            self._register(body)
        except ConsulError as error:  # of many services it is this one
            message = f"service {one_line(identity)}: {error}"
            raise ConsulError(message, error.status, error.method, error.path, error.detail) from error

    def _register(self, body):
        identity = body["ID"]
        wanted = {check["CheckID"] for check in body["Checks"]}
        found = self.checks.get(identity, {})
        client = self.patient(found.values())
        replaced = replaced_checks(body, self.services, self.checks)
        if replaced:
            # The new checks are there before the old ones go, and an interrupted run is seen as one.
            client.put("agent/service/register", data=incomplete(body), idempotent=True)
            for check in replaced:
                client.put("agent/check/deregister/" + check, idempotent=True)
            self._taken(identity, wanted)
        left_over = set(found) - wanted
        sidecar = own_sidecar(identity, self.services)
        # To replace all checks ends the maintenance of the service as well, so it is the last resort. It is also the only
        # way to remove the checks that a sidecar no longer has: Consul adds checks of its own to a sidecar.
        lost = [check for check in left_over if not is_addressable(self.client, check)]
        replace_all = bool(lost or (sidecar and has_sidecar(body)))
        parameters = {"replace-existing-checks": "true"} if replace_all else None
        client.put("agent/service/register", parameters, data=body, idempotent=True)
        if replace_all:
            self._maintain_again(identity)
            self._maintain_again(sidecar_id(identity))
        else:
            for check in sorted(left_over):
                client.put("agent/check/deregister/" + check, idempotent=True)
        if sidecar and not has_sidecar(body):
            client.put("agent/service/deregister/" + sidecar_id(identity), idempotent=True)

    def patient(self, checks):
        """A client that waits until checks like these have been stopped."""
        client = copy.copy(self.client)
        if any(check and check["Type"] == "alias" for check in checks):
            client.timeout = max(client.timeout, LONGEST_STOP)
        return client

    def _taken(self, identity, wanted):
        """Checks that have moved to a service are not for their former owner to deregister."""
        self.checks = {
            owner: checks if owner == identity else {key: one for key, one in checks.items() if key not in wanted}
            for owner, checks in self.checks.items()
        }

    def _maintain_again(self, identity):
        maintenance = self.maintained.get(identity)
        if maintenance:
            parameters = {"enable": "true", "reason": maintenance["Notes"]}
            self.client.put("agent/service/maintenance/" + identity, parameters, idempotent=True)

    def remove(self, identity):
        client = self.patient(self.checks.get(identity, {}).values())
        if is_addressable(self.client, identity):
            client.put("agent/service/deregister/" + identity, idempotent=True)
        else:
            parameters = {"replace-existing-checks": "true"}
            client.put("agent/service/register", parameters, expiring(self.services[identity]), idempotent=True)

    def ids_of(self, options):
        """The ids that options for removal mean.

        What the token may not read is missing from lists; asking for it by itself makes that an error.
        """
        if options["id"]:
            if options["id"] in self.services:
                return [options["id"]]
            self._ask("agent/service/", options["id"])
            return []
        ids = [identity for identity, service in self.services.items() if service["Service"] == options["name"]]
        if not ids:
            self._ask("agent/health/service/name/", options["name"])
        return ids

    def _ask(self, path, name):
        # For a name that no path can hold, only the validity of the token can be asked.
        known = name if is_addressable(self.client, name) else "dockyard-consul"
        self.client.get(path + known, missing_ok=True)


def wait_until_in_dns(agent, bodies, timeout):
    """Block on the catalog, which is what DNS answers from, until it gives each service with all checks passing, and
    those of its node."""
    deadline = time.monotonic() + timeout
    for body in bodies:
        Wait(agent, body).until(deadline, timeout)


class Wait:
    """For one service of the agent."""

    def __init__(self, agent, body):
        self.agent = agent
        self.body = body
        self.ids = {check["CheckID"] for check in body["Checks"]}
        self.node = agent.node()
        self.index = 0
        self.answered = False

    def until(self, deadline, timeout):
        pause = None
        while True:
            left = deadline - time.monotonic()
            checks = self.read(max(min(left, pause or left), 0.001))
            passing = checks is not None and all(check["Status"] == "passing" for check in checks.values())
            if passing and self.ids <= set(checks):
                if self.is_synchronised():
                    return
                pause = 0.5  # the catalog may not change any more
            if left <= 0:
                self.agent.load()
                raise ConsulError(self.problem(checks, timeout))

    def read(self, wait):
        """The checks of the service and of its node in the catalog, by id. None if the service is not there."""
        answer = self.agent.client.get("health/service/" + self.body["Name"], {"index": self.index}, wait=wait)
        # Consul's advice: an index that goes backwards starts again from nothing.
        self.index = answer.index if answer.index and answer.index > self.index else 0
        entries = [entry for entry in answer.data or [] if entry["Service"]["ID"] == self.body["ID"]]
        if self.node is None and len(entries) > 1:
            raise ConsulError(
                f"service {one_line(self.body['ID'])}: {len(entries)} nodes have a service with this id, and the token "
                'may not read which of them is this agent\'s; give it agent_prefix "" with policy read'
            )
        for entry in entries:
            if self.node in (None, entry["Node"]["Node"]):
                return {check["CheckID"]: check for check in entry["Checks"]}
        return None

    def is_synchronised(self):
        """Whether the agent sees its checks as passing, too. It writes a change into the catalog a moment later."""
        self.agent.load()
        found = self.agent.checks.get(self.body["ID"], {})
        return all(check["Status"] == "passing" for check in found.values())

    def problem(self, checks, timeout):
        """The output of a check reaches the catalog minutes late, so it is taken from the agent."""
        on_agent = {identity: check for of_one in self.agent.checks.values() for identity, check in of_one.items()}
        states = [] if checks is not None else ["the catalog does not show it"]
        for identity in sorted(self.ids | set(checks or {})):
            check = (checks or {}).get(identity)
            if check is None:
                states.append(f"{identity} is not in the catalog (may the token read this service and node?)")
            elif identity == "_node_maintenance":
                states.append(f"node {check['Node']} is in maintenance: {in_words(check['Notes'])}")
            elif identity.startswith("_service_maintenance:"):
                states.append(f"the service is in maintenance: {in_words(check['Notes'])}")
            else:
                latest = on_agent.get(identity, check)
                status = check["Status"] if check["Status"] != "passing" else latest["Status"]
                if status != "passing":
                    of_node = "" if check["ServiceID"] else f" (check of node {check['Node']})"
                    words = in_words(latest["Output"]) or check["Notes"] or "no output yet"
                    states.append(f"{identity}{of_node} is {status}: {words}")
        return f"service {one_line(self.body['ID'])} is not passing after {timeout:g} s: {'; '.join(states)}"


def in_words(output):
    return " ".join(output.split())[:LONGEST_OUTPUT]
