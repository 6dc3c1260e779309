# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations of services: from a task's options to the body that Consul takes, and whether an agent has it already.

Pure functions. The module consul_service uses them on the host, its action plugin on the controller."""

from __future__ import annotations

import copy

from ansible_collections.dockyard.consul.plugins.module_utils.consul_checks import (
    CHECK_SPEC,
    digest_of,
    normal_durations,
    normalised_checks,
    plain,
    refuse_not_json,
    shown_check,
    type_of,
    without_secrets,
)
from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import DIGEST
from ansible_collections.dockyard.consul.plugins.module_utils.consul_names import one_line, refuse_unaddressable
from ansible_collections.dockyard.consul.plugins.module_utils.consul_validation import (
    DERIVED_ADDRESSES,
    port_number,
    tagged_addresses,
    validated_address,
    validated_meta,
    validated_weights,
)

# In place of a digest, in the meta of a service while its checks are being replaced...
INCOMPLETE = "incomplete"
# ... and while the agent is about to remove it by itself.
EXPIRING = "expiring"

# What Consul takes in a sidecar's registration, and as which type. Consul gives it its id, and it has no sidecar.
SIDECAR_FIELDS = {
    "name": str,
    "kind": str,
    "tags": list,
    "address": str,
    "tagged_addresses": dict,
    "meta": dict,
    "port": int,
    "check": dict,
    "checks": list,
    "weights": dict,
    "token": str,
    "enable_tag_override": bool,
    "proxy": dict,
}


def service_spec(port, token):
    """The options of one service, in which the names of two differ between the top level and a list."""
    return {
        "name": {"type": "str"},
        "id": {"type": "str"},
        "address": {"type": "str"},
        "tagged_addresses": {"type": "dict"},
        "service_port": port,
        "tags": {"type": "list", "elements": "str"},
        "meta": {"type": "dict"},
        "weights": {
            "type": "dict",
            "options": {
                "passing": {"type": "int", "default": 1, "no_log": False},
                "warning": {"type": "int", "default": 1},
            },
        },
        "enable_tag_override": {"type": "bool", "default": False},
        "service_token": token,
        "connect": {"type": "dict"},
        "checks": {"type": "list", "elements": "dict", "options": CHECK_SPEC},
    }


# enable_tag_override is not among them: its default would always seem to be given.
SERVICE_OPTIONS = (
    "name",
    "id",
    "address",
    "tagged_addresses",
    "service_port",
    "tags",
    "meta",
    "weights",
    "service_token",
    "connect",
    "checks",
)


SERVICE_ARGUMENTS = {
    **service_spec(port={"type": "int"}, token={"type": "str", "no_log": True}),
    "services": {
        "type": "list",
        "elements": "dict",
        "options": service_spec(
            port={"type": "int", "aliases": ["port"]},
            token={"type": "str", "no_log": True, "aliases": ["token"]},
        ),
    },
    "purge": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "wait": {"type": "str", "choices": ["passing"]},
    "wait_timeout": {"type": "float", "default": 60},
}


def described_services(params):
    """Each service that the options describe, with the words for it in an error."""
    if params["purge"] and params["services"] is None:
        raise ConsulError("purge: services is needed, the list of those that are to stay")
    if params["services"] is None:
        return [(label("service", params), params)]
    return [(label(f"services[{number}]", service), service) for number, service in enumerate(params["services"])]


def registrations(params, token=None):
    """The bodies of all registrations that the options describe, or ConsulError. C(token) is that of the call, which
    a service keeps where it has none of its own."""
    bodies = [registration(options, where, token) for where, options in described_services(params)]
    refuse_duplicates(bodies)
    return bodies


def service_id(options):
    return options["id"] or options["name"]


def label(where, options):
    """The words for a service in an error, in one line whatever its name holds."""
    return f"{where} ({one_line(service_id(options))})" if service_id(options) else where


def registration(options, where, token=None):
    """The body of a registration, or ConsulError for what Consul would refuse or misunderstand."""
    if not options["name"]:
        raise ConsulError(f"{where}: name is needed to register a service")
    identity = service_id(options)
    refuse_unaddressable(f"{where}: id" if options["id"] else f"{where}: name", identity)
    refuse_unaddressable(f"{where}: name", options["name"])
    checks = normalised_checks(options["checks"] or [], identity, where)
    connect = validated_connect(options["connect"], where)
    meta = validated_meta(options["meta"], where)
    body = {
        "ID": identity,
        "Name": options["name"],
        "Address": validated_address(options["address"], where),
        "Port": port_number(options["service_port"] or 0, where),
        "Tags": options["tags"] or [],
        "Weights": validated_weights(options["weights"], where),
        "EnableTagOverride": options["enable_tag_override"],
        "Meta": {**meta, DIGEST: digest(checks, options["connect"], options["service_token"] or token)},
        "Checks": checks,
    }
    if options["tagged_addresses"]:
        body["TaggedAddresses"] = tagged_addresses(options["tagged_addresses"], where)
    if connect:
        body["Connect"] = connect
    if options["service_token"]:
        body["Token"] = options["service_token"]
    refuse_not_json(body, where)
    return body


def validated_connect(given, where):
    """The mesh settings, where the sidecar's meta marks it as this module's. Consul copies the service's meta to a
    sidecar that has none."""
    connect = copy.deepcopy(given or {})
    here = f"{where}: connect"
    unknown = [name for name in connect if plain(name) not in ("native", "sidecarservice")]
    if unknown:
        raise ConsulError(f"{here}: {one_line(str(unknown[0]))} is not known; give native or sidecar_service")
    if not isinstance(field(connect, "native") or False, bool):
        raise ConsulError(f"{here}: native must be true or false")
    sidecar = field(connect, "sidecar_service")
    if sidecar is None:
        return connect
    here = f"{here}: sidecar_service"
    if not isinstance(sidecar, dict):
        raise ConsulError(f"{here} must be a dictionary")
    types = {plain(name): (name, kind) for name, kind in SIDECAR_FIELDS.items()}
    for name, value in sidecar.items():
        if plain(name) == "id":
            raise ConsulError(f"{here}: id: Consul itself gives the sidecar the id <service id>-sidecar-proxy")
        if plain(name) not in types:
            raise ConsulError(f"{here}: {one_line(str(name))} is not known; give {', '.join(SIDECAR_FIELDS)}")
        option, kind = types[plain(name)]
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise ConsulError(f"{here}: {option} must be of type {kind.__name__}")
    if field(sidecar, "port"):
        port_number(field(sidecar, "port"), here)
    validated_address(field(sidecar, "address"), here)
    validated_weights({plain(key): value for key, value in (field(sidecar, "weights") or {}).items()}, here)
    key = next((name for name in sidecar if plain(name) == "meta"), "meta")
    if sidecar.get(key):
        sidecar[key] = {**validated_meta(sidecar[key], here), DIGEST: "sidecar"}
    return connect


def field(structure, name):
    return next((value for key, value in structure.items() if plain(key) == plain(name)), None)


def digest(checks, connect, token=None):
    """The same for checks that mean the same, however their durations are written or they are ordered."""
    plain_checks = sorted((normal_durations(check) for check in checks), key=lambda check: check["CheckID"])
    return digest_of({"checks": plain_checks, "connect": connect or {}}, token)


def refuse_duplicates(bodies):
    ids = [body["ID"] for body in bodies]
    duplicates = sorted({identity for identity in ids if ids.count(identity) > 1})
    if duplicates:
        raise ConsulError(
            f"services: these ids are given more than once: {', '.join(duplicates)}; give each its own id"
        )
    sidecars = sorted(set(ids) & {sidecar_id(body["ID"]) for body in bodies if has_sidecar(body)})
    if sidecars:
        raise ConsulError(f"services: these ids are those of sidecars: {', '.join(sidecars)}; give each its own id")
    owners = {}
    for body in bodies:
        for check in body["Checks"]:
            owner = owners.setdefault(check["CheckID"], body["ID"])
            if owner != body["ID"]:
                raise ConsulError(
                    f"services {owner} and {body['ID']}: both have a check with the id {check['CheckID']}, which is "
                    "unique on an agent; give one of them another id"
                )


def refuse_taken_checks(bodies, removed, services, checks):
    """ConsulError if the id of a check belongs to something on the agent that keeps it."""
    described = {body["ID"]: {check["CheckID"] for check in body["Checks"]} for body in bodies}
    owners = {identity: owner for owner, found in checks.items() for identity in found}
    for body in bodies:
        for check in body["Checks"]:
            owner = owners.get(check["CheckID"], body["ID"])
            if owner == body["ID"] or owner in removed or owner in described or (owner and owner not in services):
                continue
            holder = f"service {owner}" if owner else "the node"
            raise ConsulError(
                f"service {body['ID']}: a check of {holder} on this agent has the id {check['CheckID']} already; give "
                "the check another id"
            )


def chosen_addresses(service):
    """The tagged addresses that someone gave: neither what Consul derived from the address, nor what its servers add."""
    own = {"Address": service["Address"], "Port": service["Port"]}
    return {
        name: address
        for name, address in (service.get("TaggedAddresses") or {}).items()
        if not name.startswith("consul-") and not (name in DERIVED_ADDRESSES and address == own)
    }


def comparable(service):
    """What of a service, wanted or registered, can be compared."""
    fields = {
        "Name": service.get("Name") or service.get("Service"),
        "Address": service["Address"],
        "Port": service["Port"],
        "Meta": service["Meta"] or {},
        "Weights": service["Weights"],
        "EnableTagOverride": service["EnableTagOverride"],
    }
    if not service["EnableTagOverride"]:
        fields["Tags"] = sorted(set(service["Tags"] or []))
    if chosen_addresses(service):
        fields["TaggedAddresses"] = chosen_addresses(service)
    return fields


def checks_by_service(checks):
    """What the agent gives as C(agent/checks), by service and id. Maintenance is not part of a registration."""
    found = {}
    for check in checks.values():
        if check["Type"] != "maintenance":
            found.setdefault(check["ServiceID"], {})[check["CheckID"]] = check
    return found


def is_registered(body, services, checks):
    """Whether an agent with these services and checks already has this registration. Consul does not show all of it."""
    service = services.get(body["ID"])
    if service is None or not same_types(body, checks.get(body["ID"], {})):
        return False
    return comparable(service) == comparable(body) and bool(own_sidecar(body["ID"], services)) == has_sidecar(body)


def is_of_other_type(wanted, found):
    """Whether a registered check is known to be of another type than the wanted one. An agent shows no other part of its
    definition, and goes on to run the old check beside the new one, under the same id."""
    return bool(found["Type"]) and found["Type"] != type_of(wanted)


def has_sidecar(body):
    return field(body.get("Connect") or {}, "sidecar_service") is not None


def sidecar_id(identity):
    return f"{identity}-sidecar-proxy"


def own_sidecar(identity, services):
    """The sidecar that Consul registered with this service for this module. None if there is none."""
    sidecar = services.get(sidecar_id(identity))
    if sidecar and sidecar.get("Kind") == "connect-proxy" and DIGEST in (sidecar.get("Meta") or {}):
        return sidecar
    return None


def unlisted(bodies, services):
    """The ids of services that this module registered and that are not among these. A sidecar goes with its service."""
    listed = {body["ID"] for body in bodies}
    return [
        identity
        for identity, service in services.items()
        if DIGEST in (service.get("Meta") or {})
        and identity not in listed
        and service.get("Kind", "") != "connect-proxy"
    ]


def replaced_checks(body, services, checks):
    """The ids of checks on the agent that must be deregistered before this body is in force as a whole: they are of
    another type, or of another service, or of a registration that was interrupted while it replaced them."""
    registered = services.get(body["ID"]) or {}
    interrupted = (registered.get("Meta") or {}).get(DIGEST) == INCOMPLETE
    found = {identity: check for of_one in checks.values() for identity, check in of_one.items()}
    return [
        check["CheckID"]
        for check in body["Checks"]
        if check["CheckID"] in found
        and (
            interrupted
            or found[check["CheckID"]]["ServiceID"] != body["ID"]
            or is_of_other_type(check, found[check["CheckID"]])
        )
    ]


def incomplete(body):
    return {**body, "Meta": {**body["Meta"], DIGEST: INCOMPLETE}}


def expiring(service):
    """A registration with which the agent removes the service by itself: its check is never reported."""
    return {
        "ID": service["ID"],
        "Name": service["Service"],
        "Meta": {DIGEST: EXPIRING},
        "Checks": [
            {
                "CheckID": f"expiring:{digest_of({'id': service['ID']})}",
                "TTL": "1s",
                # Consul's least. It looks every 30 s.
                "DeregisterCriticalServiceAfter": "1m",
            }
        ],
    }


def is_expiring(service):
    return (service.get("Meta") or {}).get(DIGEST) == EXPIRING


def keeps_tags(body, services):
    """Whether the tags of a registered service are those of other programs."""
    registered = services.get(body["ID"])
    return body["EnableTagOverride"] and registered is not None and registered["EnableTagOverride"]


def described(body):
    """A service as the agent will describe it."""
    service = {name: value for name, value in body.items() if name not in ("Name", "Checks", "Token", "Connect")}
    return dict(service, Service=body["Name"])


def shown(service, services, checks, changed):
    """A registered service, for a diff. Its checks are known by digest, id and type only."""
    view = shown_fields(service)
    wanted = next((body for body in changed if body["ID"] == service["ID"]), None)
    found = checks.get(service["ID"], {})
    if wanted is None or not same_checks(service, wanted):
        view["Checks"] = dict.fromkeys(sorted(found), "(Consul does not tell definitions)")
    elif not same_types(wanted, found):
        view["Checks"] = {identity: f"(registered: {found[identity]['Type']})" for identity in sorted(found)}
    if own_sidecar(service["ID"], services):
        view["Sidecar"] = sidecar_id(service["ID"])
    return view


def shown_wanted(body, service=None, checks=None):
    """A wanted service, for a diff. The definitions of its checks are left out if they stay."""
    view = shown_fields(body)
    if has_sidecar(body):
        view["Sidecar"] = sidecar_id(body["ID"])
    if not service or not same_checks(service, body) or not same_types(body, (checks or {}).get(body["ID"], {})):
        view["Checks"] = {check["CheckID"]: shown_check(check) for check in body["Checks"]}
        if "Connect" in body:
            view["Connect"] = without_secrets(body["Connect"])
    return view


def shown_fields(service):
    meta = {key: value for key, value in (service["Meta"] or {}).items() if key != DIGEST}
    return {**comparable(service), "Meta": meta}


def same_types(body, found):
    """Whether the checks on the agent have the ids and types of the wanted ones."""
    wanted = {check["CheckID"]: check for check in body["Checks"]}
    return set(wanted) == set(found) and not any(is_of_other_type(wanted[key], found[key]) for key in wanted)


def same_checks(service, body):
    return (service["Meta"] or {}).get(DIGEST) == body["Meta"][DIGEST]
