# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the agent of the host already uses, by the look: its gossip key and its CA.

An agent keeps its gossip keys in a keyring, which takes precedence over its configuration. So another key would restart every
agent and change nothing, and a new host could not join. Another CA would part the hosts of this run from the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dockyard.consul.plugins.module_utils.host.certificates import certificates_in, fingerprint
from ansible_collections.dockyard.consul.plugins.module_utils.host.consul_config import ca_of
from ansible_collections.dockyard.consul.plugins.plugin_utils import adoption, look, site_secrets
from ansible_collections.dockyard.consul.plugins.plugin_utils.checks.common import is_server
from ansible_collections.dockyard.consul.plugins.plugin_utils.keyrings import stale_keyring
from ansible_collections.dockyard.consul.plugins.plugin_utils.problems import Problem
from ansible_collections.dockyard.consul.plugins.plugin_utils.values import Values

CA_ON_HOST = "/etc/consul.d/ca.pem"
HOW_TO = "docs/troubleshooting.md of the collection has the steps"


def gossip_key(v: Values) -> Iterator[Problem]:
    """A key that is in the keyring and not in use is right, too: a rotation is under way."""
    known = _keyrings(v)
    if not known:
        return
    variable, file = "consul_agent_gossip_key", site_secrets.FILES["gossip_key"].path
    given = v.is_set(variable)
    try:
        key = v[variable] if given else site_secrets.read(Path(v.site.secrets_dir), file, "gossip_key")
    except site_secrets.SecretError:
        return  # site_secrets reports it
    name = variable if given else f"{v.site.secrets_dir}/{file}"
    if key is None:
        yield Problem(
            variable,
            f"The agent of this host has a gossip key, and {name} does not exist. A new key would be made, and no host could join"
            f" with it. Restore the file from your backup, or set {variable} to the key of the cluster. If there is no such cluster"
            f" any more: {HOW_TO} ('The agent of this host has a gossip key').",
        )
        return
    digest = look.digest(key.encode())
    for folder, digests in known.items():
        if digest in digests:
            continue
        if not is_server(v) and stale_keyring(v.look, folder, key, _looks_of_servers(v)):
            continue  # the role removes it
        if _running(v):
            yield Problem(
                variable,
                f"{name} is not a gossip key of the agent that runs on this host. A running cluster takes a new key only from"
                f" 'consul keyring'. Set the key of the cluster again, or rotate the key first ({HOW_TO}). If this is a client"
                " that never joined, because its key was wrong: run the site with the servers, which repairs it.",
            )
        else:
            yield Problem(
                variable,
                f"{name} is not in the keyring of this host ({folder}/serf), and its agent does not run. Set the key of the"
                " cluster again. If the cluster changed its key while this host was away, remove the files *.keyring from that"
                f" folder ({HOW_TO}).",
            )


def _looks_of_servers(v: Values) -> list[look.Look]:
    return [v.look_of(server) for server in v.site.servers]


def ca(v: Values) -> Iterator[Problem]:
    """One CA in common is enough: a file with the old and the new one is how a CA is replaced."""
    path, used = _ca_on_host(v)
    if not path or not _running(v):
        return
    variable, where, content = _site_ca(v)
    if content is None:
        unread = "" if used else ", which cannot be read"
        yield Problem(
            variable,
            f"The agent that runs on this host has a CA ({path}){unread}, and {where} does not exist. A new CA would be made, and"
            " the agents with the old one would refuse its certificates. Restore ca.pem and ca.key from your backup, or set"
            " site_tls_ca_certificate and site_tls_ca_private_key.",
        )
        return
    if not used:
        return
    try:
        ours = {fingerprint(der) for der in certificates_in(content)}
    except ValueError:
        return  # what uses the file reports it
    if ours and not ours & used:
        yield Problem(
            variable,
            f"{where} is another CA than that of the agent that runs on this host ({path}). The agents with the old one"
            " would refuse its certificates. Set the CA of the cluster again, or replace it in steps, with both CAs in the file"
            f" meanwhile ({HOW_TO}).",
        )


def _running(v: Values) -> bool:
    unit = v.look.unit("consul") or {}
    return unit.get("active") == "active" or bool(adoption.agents(v.look))


def _keyrings(v: Values) -> dict[str, set[str]]:
    """The digests of the keys in the keyrings, by data folder: of the agents that run, or else of the one to be started. An
    agent without a keyring uses the key in its files."""
    files = v.look.get("consul_config") or {}
    found: dict[str, set[str]] = {}
    for agent in adoption.site_agents(v.look) or [{"data_dir": v["consul_agent_data_dir"], "files": []}]:
        folder = agent["data_dir"]
        digests = adoption.data_in(v.look, folder).get("gossip_key_digests")
        if digests is None or digests == []:
            digests = [files[path]["gossip_key_digest"] for path in agent.get("files") or [] if path in files]
        found[folder] = set(filter(None, digests))
    return {folder: digests for folder, digests in found.items() if digests}


def _ca_on_host(v: Values) -> tuple[str, set[str]]:
    """The file with the CA of the agent, and the fingerprints of what is in it. Without a CA, an empty name."""
    for agent in adoption.foreign_agents(v.look):
        path = ca_of(agent.get("settings") or {})
        if path and agent.get("ca_fingerprints") is not None:
            return path, set(agent["ca_fingerprints"])
    if v.look.path(CA_ON_HOST) is None:  # this run has replaced it
        return "", set()
    found = [one for one in v.look.get("certificates") or [] if one["path"] == CA_ON_HOST]
    used = {one for file in found for one in file["fingerprints"]}
    return CA_ON_HOST if used else "", used


def _site_ca(v: Values) -> tuple[str, str, str | None]:
    """The variable to correct, what a message calls the CA, and its certificate; None if there is none yet."""
    if v["consul_agent_tls_ca_file"]:
        file = Path(v["consul_agent_tls_ca_file"]).expanduser()
        return "consul_agent_tls_ca_file", f"consul_agent_tls_ca_file ({file})", _content(file) or ""
    if v.is_set("site_tls_ca_certificate"):
        return "site_tls_ca_certificate", "site_tls_ca_certificate", v["site_tls_ca_certificate"]
    file = Path(v.site.secrets_dir, site_secrets.FILES["ca_certificate"].path)
    return "site_secrets_dir", str(file), _content(file)


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


CHECKS = [gossip_key, ca]
