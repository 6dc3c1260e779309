# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Reports the state of a host and of its site
version_added: 0.1.0
description:
  - Reports what a host has of Consul, Docker, nginx and the files, packages and units around them, in one call.
  - Each option selects a part. A part that cannot be read has the reason in RV(ignore:error), and the other parts are
    returned all the same. The module fails only if its options are wrong.
  - Returns no secret. Files and keys are compared by a digest that is keyed with O(digest_key).
  - The filter P(dockyard.consul.site_status#filter) makes a report from the results of all hosts.
notes:
  - Each question to Consul, Docker, nginx or a program waits at most O(timeout). Consul is not asked further questions
    after one that got no answer.
  - With O(consistency=stale) a cluster without a leader is reported as well. Otherwise Consul waits some seconds for a
    leader, and then reports only that there is none.
  - A Docker engine that does not run is not asked, because a question to its socket would start it.
  - Of a container, its environment is never returned. Of a file in O(ages), only the path and the time are read.
  - Under the ACL default policy V(deny), Consul answers a token without permissions with an empty list of services
    and checks, not with an error.
author:
  - The dockyard.consul authors (@dockyard)
extends_documentation_fragment:
  - dockyard.consul.consul
  - dockyard.consul.consul.attributes
attributes:
  diff_mode:
    support: none
options:
  agent:
    description: Read the Consul agent, its services and checks, and the processes of Consul on this host.
    type: bool
    default: true
  node:
    description:
      - Name of the node of this host. With O(agent), read what the catalog has of this node.
      - The token needs to read the node and its services. Without a leader, the catalog is not read.
    type: str
  management:
    description: With O(agent), read whether the token is a management token.
    type: bool
    default: false
  checks:
    description:
      - Read the checks of the agent alone. The token needs to read the node and its services, as the agent's own token
        does.
    type: bool
    default: false
  cluster:
    description: Read the cluster through the agent, its leader, members, services and checks.
    type: bool
    default: false
  consul_binaries:
    description:
      - Paths of the C(consul) program. Those that do not exist are left out of the result.
      - With O(agent), the programs of the agents that run are read as well.
    type: list
    elements: str
    default: []
  consul_data_dirs:
    description:
      - Data folders of Consul. With O(agent), the data folders of the agents that run are read as well.
      - Folders that do not exist are left out of the result.
    type: list
    elements: str
    default: []
  consul_config_dirs:
    description:
      - Folders with configuration files of Consul. With O(agent), the files of the agents that run are read as well.
      - Of a file, the names of its settings are returned, and the values of a fixed list of settings that are no secrets.
    type: list
    elements: str
    default: []
  paths:
    description:
      - Absolute paths of files and folders. V(*) and V(?) match as in a shell, but also a leading dot.
    type: list
    elements: str
    default: []
  json_files:
    description: JSON files that M(dockyard.consul.files) merges settings into.
    type: list
    elements: str
    default: []
  digest_key:
    description:
      - Key of the digests in RV(paths), RV(json_files) and RV(consul_data), in hexadecimal. Without it there are no
        digests.
      - A digest is the HMAC-SHA256 of the content with this key.
    type: str
  packages:
    description: Names of Debian packages.
    type: list
    elements: str
    default: []
  programs:
    description: Names of programs to look for in C(PATH) and in the folders of system programs, such as C(/usr/sbin).
    type: list
    elements: str
    default: []
  units:
    description: Names of systemd units, with or without C(.service).
    type: list
    elements: str
    default: []
  workers_of:
    description: Names of systemd units whose child processes are read as well.
    type: list
    elements: str
    default: []
  resolver:
    description: Read the nameservers of the host, and which program writes C(/etc/resolv.conf).
    type: bool
    default: false
  docker:
    description: Read the Docker engine and its containers, and its systemd unit C(docker).
    type: bool
    default: false
  docker_images:
    description: References of images to look for in the engine. Used with O(docker).
    type: list
    elements: str
    default: []
  nginx:
    description:
      - Read the version of nginx, and from its configuration files where its servers listen, for which names.
    type: bool
    default: false
  nginx_status_port:
    description:
      - Port of C(stub_status) on 127.0.0.1. Read the version of nginx, and check that nginx answers there.
      - With V(0), nginx is not asked.
    type: int
    default: 0
  redis:
    description:
      - Read the settings of Redis in C(/etc/redis/site.conf), which the role P(dockyard.consul.redis#role) places, or in
        C(/etc/redis/redis.conf).
      - If C(redis-server) is one of O(units) and runs, ask Redis, too, with the password in that file.
    type: bool
    default: false
  services:
    description:
      - Services to look up in DNS, in the form of the variable C(nginx_lb_services) of the role
        P(dockyard.consul.nginx_lb#role).
      - C(name), C(upstream) and C(port) are used. With the C(port) V(srv), SRV records are looked up.
    type: list
    elements: dict
    default: []
  nameserver:
    description: Nameserver for O(services), with its port (C(host:port)) if that is not 53.
    type: str
    default: 127.0.0.1
  domain:
    description: DNS domain of Consul.
    type: str
    default: consul
  certificates:
    description:
      - Files with certificates in PEM form. V(*) and V(?) match as in a shell.
      - Files that do not exist are left out. So are files without a certificate, unless the path has no pattern.
    type: list
    elements: str
    default: []
  ages:
    description: Files whose age is read. V(*) and V(?) match as in a shell. Files that do not exist are left out.
    type: list
    elements: str
    default: []
seealso:
  - module: dockyard.consul.look
  - plugin: dockyard.consul.site_status
    plugin_type: filter
  - module: dockyard.consul.consul_service_info
"""

EXAMPLES = r"""
- name: Read the host and the cluster
  dockyard.consul.host_info:
    cluster: true
    certificates: [/etc/consul.d/*.pem]
    consistency: stale
    timeout: 5
    retries: 0
  register: known

- name: Show the version of Consul and the leader
  ansible.builtin.debug:
    msg: "{{ known.consul.version }}, leader {{ known.cluster.leader }}"

- name: Read files, packages and units
  dockyard.consul.host_info:
    agent: false
    paths: [/etc/redis, /etc/redis/*]
    packages: [redis-server]
    units: [redis-server]
  register: redis
"""

RETURN = r"""
hostname:
  description: The name of the host, which Consul takes as the name of the node if its configuration has none.
  returned: success
  type: str
  sample: app1
os:
  description: Name and version of the operating system.
  returned: success
  type: str
  sample: Debian GNU/Linux 12 (bookworm)
errors:
  description:
    - Why something could not be read, by the pattern in O(paths), or V(units) or V(packages). Such a part, or what
      matches such a pattern, is missing from the result.
  returned: success
  type: dict
  sample: {"units": "systemctl cannot be run on this host."}
paths:
  description:
    - The files and folders that exist, by path. All have C(mode), C(owner), C(group), and C(mtime), the modification
      time in microseconds since 1970. Of a link, C(mtime) is the later time of the link and its target.
    - The C(type) is V(file), with C(size) in bytes and C(digest), V(directory), V(link), with its C(target), or V(other).
    - A link to a folder also has C(folder), with the C(mode), C(owner) and C(group) of that folder.
    - C(digest) is V(null) without O(digest_key), for a file larger than 1 MiB, and for one that cannot be read.
  returned: with O(paths)
  type: dict
  sample:
    /etc/redis/site.conf:
      type: file
      size: 123
      digest: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      mode: "0640"
      owner: root
      group: redis
      mtime: 1764170000123456
placed:
  description: The paths of the files that M(dockyard.consul.files) has placed on the host, V(null) if they cannot be read.
  returned: with O(paths) or O(consul_config_dirs)
  type: list
  elements: str
  sample: [/etc/consul.d/consul.json]
patterns:
  description: The paths and patterns that were looked for. What matches one of them and is not in RV(paths) does not exist.
  returned: with O(paths)
  type: list
  elements: str
  sample: ["/etc/redis/*"]
json_files:
  description: The settings in the JSON files, by path. A file that does not exist has none.
  returned: with O(json_files)
  type: dict
  contains:
    error:
      description: Why it could not be read, the end of a sentence about the file. V(null) if it could.
      type: str
      sample: null
    settings:
      description:
        - The settings by JSON pointer. C(digest) is that of the value as JSON, with sorted keys and without spaces.
        - C(placed) tells whether M(dockyard.consul.files) placed this value.
      type: dict
      sample: {/log-opts/max-size: {digest: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, placed: true}}
    changed:
      description: When M(dockyard.consul.files) changed or removed a setting, in microseconds since 1970.
      type: dict
      sample: {/log-opts/max-size: 1764170000123456}
origins:
  description:
    - Of each file in RV(paths) where it comes from. V(placed) is a file that is as M(dockyard.consul.files) placed it,
      V(package) a conffile of O(packages) that is as its package brought it. All other files are missing.
  returned: with O(paths) and O(packages), if the host has dpkg and the record of M(dockyard.consul.files) can be read
  type: dict
  sample: {/etc/redis/site.conf: placed, /etc/redis/redis.conf: package}
packages:
  description: The version of each package, an empty string if it is not installed.
  returned: with O(packages), if the host has dpkg and it can be read
  type: dict
  sample: {"redis-server": "5:7.0.15-1~deb12u7", "docker.io": ""}
programs:
  description: The path of each program, an empty string if it was not found.
  returned: with O(programs)
  type: dict
  sample: {"setcap": /usr/sbin/setcap, "gpgv": ""}
units:
  description:
    - The state of each unit, by its name without C(.service). Times are in microseconds since 1970, 0 for never.
    - From systemd come C(load), C(active), C(sub), C(enabled), C(type), C(result), C(fragment), C(drop_ins), C(pid),
      C(restarts), C(job), C(daemon_reload), C(can_reload), C(reload_failed), C(begun) (the last start began), C(started)
      (it was completed) and C(changed) (the state changed).
    - C(binary_replaced) tells whether the program of the main process is no longer on the disk.
    - C(workers), start times by process id, and C(workers_started), the newest of them, are there for O(workers_of).
  returned: with O(units) or O(workers_of), if systemd runs
  type: dict
  sample: {redis-server: {load: loaded, active: active, sub: running, enabled: enabled, pid: 123}}
resolver:
  description: The name resolution of the host.
  returned: with O(resolver)
  type: dict
  contains:
    error:
      description: Why not all of it could be read, V(null) if it could.
      type: str
      sample: null
    resolv_conf:
      description: The content of C(/etc/resolv.conf), empty if there is none.
      type: str
      sample: "nameserver 127.0.0.53"
    nameservers:
      description: The nameservers in C(/etc/resolv.conf).
      type: list
      elements: str
      sample: [127.0.0.53]
    managers:
      description:
        - The programs on this host that write C(/etc/resolv.conf), of V(systemd-resolved), V(NetworkManager), V(dhclient),
          V(resolvconf) and V(dhcpcd), in the order of their precedence.
        - V(systemd-resolved) is there only if C(/etc/resolv.conf) names it.
      type: list
      elements: str
      sample: [systemd-resolved]
    upstream_nameservers:
      description: The nameservers that systemd-resolved uses, from C(/run/systemd/resolve/resolv.conf).
      type: list
      elements: str
      sample: [192.0.2.1]
    other_dns_listeners:
      description:
        - Where other programs than Consul listen on port 53, each with C(address) and C(program), V(null) if that is not known.
        - The stub of systemd-resolved is left out.
      type: list
      elements: dict
      sample: [{address: 0.0.0.0, program: dnsmasq}]
    global_nameservers:
      description: The nameservers that systemd-resolved uses for all interfaces.
      type: list
      elements: str
      sample: []
consul_binaries:
  description: The C(consul) programs that exist, by path.
  returned: with O(consul_binaries)
  type: dict
  contains:
    error:
      description: Why it could not be run or read, V(null) if it could.
      type: str
      sample: null
    version:
      description: Its version.
      type: str
      sample: 1.8.7
    capabilities:
      description: Its file capabilities in the form of C(getcap), empty if there are none.
      type: str
      sample: cap_net_bind_service=ep
consul_data:
  description: The data folders that exist, by path.
  returned: with O(consul_data_dirs)
  type: dict
  contains:
    error:
      description: Why not all of it could be read, V(null) if it could.
      type: str
      sample: null
    owner:
      description: The user that owns the folder.
      type: str
      sample: consul
    services_without_token:
      description: The ids of the services that were registered through the API of the agent, and without a token.
      type: list
      elements: str
      sample: [web-1]
    checks_without_token:
      description: The same for checks, apart from those of such a service.
      type: list
      elements: str
      sample: [disk]
    node_id_on_disk:
      description: The id in the file C(node-id), V(null) if there is no such file.
      type: str
      sample: 9462b729-8407-5dd9-be89-d81900ac2e55
    gossip_key_digests:
      description:
        - Digests of the gossip keys in the keyring of the agent, each key in base64 as in its configuration. The first
          is the one in use.
        - Empty if there is no keyring, V(null) without O(digest_key).
      type: list
      elements: str
      sample: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]
consul_config:
  description:
    - The configuration files of Consul, by path. C(keys) are the names of all settings. Of services, checks and watches, it has
      only that there are some.
  returned: with O(consul_config_dirs)
  type: dict
  contains:
    error:
      description: Why it could not be read, V(null) if it could.
      type: str
      sample: null
    settings:
      description:
        - The values of settings that are no secrets, such as C(data_dir), C(ports.dns) and C(verify_incoming).
        - C(retry_join) is there only if it is a list of plain addresses.
      type: dict
      sample: {data_dir: /opt/consul, ports.dns: 8600}
    services:
      description: The services that it registers, each with C(id), C(name), and whether it has a C(token).
      type: list
      elements: dict
      sample: [{id: web-1, name: web, token: true}]
    checks:
      description: The same for checks that are not part of a service.
      type: list
      elements: dict
      sample: [{id: disk, name: disk, token: true}]
    gossip_key_digest:
      description: Digest of the gossip key in it (C(encrypt)). V(null) if there is none, or without O(digest_key).
      type: str
      sample: null
consul:
  description: The agent. What could not be read is missing.
  returned: with O(agent)
  type: dict
  contains:
    error:
      description: Why the agent or its checks could not be read, V(null) if they could.
      type: str
      sample: null
    errors:
      description:
        - The reason by question, V(self), V(checks), V(services), V(leader), V(management) or V(catalog). A question that the
          token may not ask does not hide the answers to the others.
      type: dict
      sample: {}
    version:
      description: Its version.
      type: str
      sample: 1.21.4
    node:
      description: The name of its node.
      type: str
      sample: app1
    node_id:
      description: The id of its node.
      type: str
      sample: 9462b729-8407-5dd9-be89-d81900ac2e55
    datacenter:
      description: Its datacenter.
      type: str
      sample: dc1
    management:
      description: Whether the token has the policy C(global-management).
      returned: with O(management)
      type: bool
      sample: true
    encrypted:
      description: Whether it encrypts its gossip. V(null) if it does not tell.
      type: bool
      sample: true
    domain:
      description: Its DNS domain. V(null) if it does not tell.
      type: str
      sample: consul
    acl_default_policy:
      description: Its ACL default policy, V(disabled) without ACLs. V(null) if it does not tell.
      type: str
      sample: deny
    address:
      description: Its address on the LAN.
      type: str
      sample: 192.0.2.31
    server:
      description: Whether it is a server.
      type: bool
      sample: false
    leader:
      description: Address of the leader, empty if there is none.
      type: str
      sample: 192.0.2.11:8300
    services:
      description: The services of the agent by id, as Consul returns them. They hold no token.
      type: dict
      sample: {web-1: {ID: web-1, Service: web, Port: 80}}
    catalog:
      description:
        - What the catalog has of the node, with the services by id. V(null) if it does not have the node, or the token may not
          read it.
        - Before you rely on it, check that C(address) is an address of this host. O(node) may be the name of another node.
      returned: with O(node), if there is a leader
      type: dict
      sample:
        node: app1
        address: 192.0.2.31
        services: {web-1: {name: web, modify_index: 12}}
    checks:
      description: The checks of the agent by id.
      type: dict
      sample: {"service:web-1": {service_id: web-1, name: web, type: http, status: passing, output: "200 OK"}}
    outputs:
      description: The last output of the checks that do not pass, by id. The cluster learns it only minutes later.
      type: dict
      sample: {"service:web-1": "HTTP GET http://192.0.2.31/health: 500"}
    running:
      description: The agents that run on this host, from C(/proc). Empty if none does.
      type: list
      elements: dict
      contains:
        error:
          description: Why its open files could not be read, V(null) if they could.
          type: str
          sample: null
        pid:
          description: Its process id.
          type: int
          sample: 619
        unit:
          description: The systemd unit that it belongs to, without C(.service). V(null) if it belongs to none.
          type: str
          sample: consul
        main:
          description:
            - Whether it is the main process of its unit. An agent that cron or a supervisor has started is not.
            - V(null) if it belongs to no service.
          returned: unless systemd cannot be asked
          type: bool
          sample: true
        started:
          description: When it started, in microseconds since 1970.
          type: int
          sample: 1764170000123456
        binary:
          description: Its program, V(null) if that is hidden. The kernel marks one that was replaced since as deleted.
          type: str
          sample: /usr/bin/consul
        config_dirs:
          description: Values of C(-config-dir) on its command line.
          type: list
          elements: str
          sample: [/etc/consul.d]
        config_files:
          description: Values of C(-config-file) on its command line.
          type: list
          elements: str
          sample: []
        options:
          description: The settings among the options on its command line, as C(settings) in RV(consul_config).
          type: dict
          sample: {node_name: app1}
        files:
          description: Its configuration files.
          returned: with O(consul_config_dirs)
          type: list
          elements: str
          sample: [/etc/consul.d/server.hcl]
        settings:
          description: The settings of its files and options, as in RV(consul_config).
          returned: with O(consul_config_dirs)
          type: dict
          sample: {data_dir: /opt/consul}
        ca_fingerprints:
          description: Fingerprints of the certificates in its C(ca_file) or C(ca_path), as in RV(certificates).
          returned: with O(consul_config_dirs)
          type: list
          elements: str
          sample: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]
        user:
          description: The user that it runs as.
          type: str
          sample: consul
        contained:
          description: Whether it runs in a container.
          type: bool
          sample: false
        data_dir:
          description: Its data folder, by its open files or else by C(-data-dir). V(null) if neither tells.
          type: str
          sample: /var/lib/consul
        server:
          description: Whether it has the data of a server open. V(null) if its open files cannot be read.
          type: bool
          sample: false
checks:
  description: The checks of the agent.
  returned: with O(checks)
  type: dict
  contains:
    error:
      description: Why the agent could not be asked, V(null) if it could.
      type: str
      sample: null
    passing:
      description: The ids of the checks that pass, sorted.
      type: list
      elements: str
      sample: ["service:web-2"]
    outputs:
      description: The last output of the checks that do not pass, by id.
      type: dict
      sample: {"service:web-1": "HTTP GET http://192.0.2.31/health: 500"}
cluster:
  description: The cluster, as the agent sees it.
  returned: with O(cluster)
  type: dict
  contains:
    error:
      description: Why it could not be asked for, V(null) if it could.
      type: str
      sample: null
    leader:
      description: Address of the leader, empty if there is none.
      type: str
      sample: 192.0.2.11:8300
    peers:
      description: Addresses of the Raft peers.
      type: list
      elements: str
      sample: ["192.0.2.11:8300"]
    members:
      description: All members, each with name, address, state, whether it is a server, and its version.
      type: list
      elements: dict
      sample: [{name: app1, address: 192.0.2.31, state: alive, server: false, version: 1.21.4}]
    instances:
      description: All instances of all services.
      type: list
      elements: dict
      sample: [{service: web, id: web-1, node: app1, address: 192.0.2.31, port: 80}]
    checks:
      description: All checks.
      type: list
      elements: dict
      sample: [{node: app1, service_id: web-1, id: "service:web-1", name: web, status: passing, output: "", notes: ""}]
docker:
  description: The engine and its containers.
  returned: with O(docker)
  type: dict
  contains:
    error:
      description:
        - Why not all could be read, V(null) if it could. A part that could not be read is missing. RV(ignore:containers) are
          then those that were read before the error.
      type: str
      sample: null
    version:
      description: Its version.
      type: str
      sample: 26.1.5
    live_restore:
      description: Whether containers keep running while the engine restarts.
      type: bool
      sample: true
    swarm:
      description: Whether the engine is a node of a swarm.
      type: bool
      sample: false
    flags:
      description:
        - The names of the options on its command line, without their values. C(config-file) is there if it is another file
          than C(/etc/docker/daemon.json).
      type: list
      elements: str
      sample: [containerd, host]
    containers:
      description:
        - All containers. RV(ignore:kept) tells whether the restart policy is C(always) or C(unless-stopped).
        - RV(ignore:image) and RV(ignore:digest) are those of the image that runs, RV(ignore:image_ref) is the reference
          that the container was created with.
      type: list
      elements: dict
      sample:
        - name: web
          state: running
          status: Up 2 hours
          image: registry.example.com/web
          digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          kept: true
          image_ref: registry.example.com/web:1.0
          labels: {com.example.team: web}
    images:
      description: What the engine has of O(docker_images), by reference. V(null) if it does not have the image.
      returned: with O(docker_images)
      type: dict
      sample:
        registry.example.com/web:1.0:
          id: sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
          repo_digests: ["registry.example.com/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
          cmd: [web, --port, "80"]
nginx:
  description: The nginx of the host.
  returned: with O(nginx) or O(nginx_status_port)
  type: dict
  contains:
    error:
      description: Why it could not be asked, V(null) if it could.
      type: str
      sample: null
    version:
      description: The version of the program.
      type: str
      sample: 1.26.3
    config:
      description: What its configuration files say, as nginx would read them.
      returned: with O(nginx), if nginx is installed
      type: dict
      contains:
        error:
          description: Why not all of it could be read, V(null) if it could.
          type: str
          sample: null
        user:
          description: The value of C(user), V(null) if it is not set.
          type: str
          sample: www-data
        error_log:
          description: The value of C(error_log) outside of C(http), V(null) if it is not set.
          type: str
          sample: /var/log/nginx/error.log
        worker_connections:
          description: The value of C(worker_connections), V(null) if it is not set.
          type: str
          sample: "768"
        servers:
          description:
            - The servers in the order in which nginx reads them. The C(kind) is V(http), V(stream) or V(mail).
            - C(listen) has the arguments of each directive C(listen), C(names) those of C(server_name).
          type: list
          elements: dict
          sample: [{kind: http, file: /etc/nginx/sites-enabled/shop, line: 3, listen: ["80"], names: [shop.example.com]}]
        includes:
          description: What is included inside of C(http), and how many servers nginx has read by the end of it.
          type: list
          elements: dict
          sample: [{pattern: /etc/nginx/conf.d/*.conf, servers: 2}]
        welcome_sites:
          description:
            - Files of servers that are as the package brought them, or lead to one that is, if the folder that they
              serve has only the package's own pages.
          type: list
          elements: str
          sample: [/etc/nginx/sites-enabled/default]
        nginx_conf:
          description:
            - The text of C(/etc/nginx/nginx.conf) if RV(origins) has it. It has no secrets then. Otherwise V(null).
          type: str
          sample: "user www-data;"
redis:
  description: The settings of Redis, V(null) if there is no C(/etc/redis/redis.conf).
  returned: with O(redis)
  type: dict
  contains:
    error:
      description: Why not all of it could be read, V(null) if it could.
      type: str
      sample: null
    bind:
      description: The addresses of C(bind), without a leading C(-). Empty if it is not set.
      type: list
      elements: str
      sample: [127.0.0.1, "::1"]
    port:
      description: The port.
      type: int
      sample: 6379
    password:
      description: Whether C(requirepass) is set.
      type: bool
      sample: true
    password_digest:
      description: A digest of the password, V(null) without O(digest_key).
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    users:
      description: Whether C(user) or C(aclfile) is set.
      type: bool
      sample: false
    persistence:
      description: The settings that decide whether Redis has its data again after a restart, or their defaults.
      type: dict
      sample: {save: 3600 1 300 100 60 10000, appendonly: "no", dir: /var/lib/redis, dbfilename: dump.rdb}
    running:
      description:
        - The same settings as the running Redis has them, and C(keys), the number of keys in all databases.
        - V(null) if Redis does not run, does not answer, or refuses the password.
      type: dict
      sample: {save: "", appendonly: "no", dir: /var/lib/redis, dbfilename: dump.rdb, keys: 3}
dns:
  description: What each of O(services) resolves to.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: Name of the service.
      type: str
      sample: web
    name:
      description: The name looked up.
      type: str
      sample: web.service.consul
    answers:
      description: Addresses, with the port where SRV records were asked for.
      type: list
      elements: str
      sample: [192.0.2.31]
    error:
      description: Why there is no answer, V(null) if there is one. That a name has no address is an answer.
      type: str
      sample: null
certificates:
  description: The certificates that were found. Of a file with several, the one that ends first.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
      sample: /etc/consul.d/agent.pem
    ends:
      description: When it ends, in seconds since 1970; V(null) if it cannot be read.
      type: int
      sample: 1830000000
    fingerprint:
      description: SHA-256 of the certificate.
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    fingerprints:
      description: SHA-256 of every certificate in the file, in their order.
      type: list
      elements: str
      sample: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]
    error:
      description: Why it cannot be read, V(null) if it can.
      type: str
      sample: null
ages:
  description: The files of O(ages), each with its path and when it was last written, in seconds since 1970.
  returned: success
  type: list
  elements: dict
  sample: [{path: /home/admin/site/.secrets/operator/gossip.key, written: 1790000000}]
"""

import re
import socket

from ansible_collections.dockyard.consul.plugins.module_utils.consul_client import ConsulError
from ansible_collections.dockyard.consul.plugins.module_utils.consul_module import ConsulModule
from ansible_collections.dockyard.consul.plugins.module_utils.host import (
    agent,
    certificates,
    consul_binary,
    consul_config,
    consul_process,
    dns,
    docker,
    json_files,
    listeners,
    nginx,
    nginx_config,
    origins,
    packages,
    paths,
    programs,
    redis_config,
    resolver,
)
from ansible_collections.dockyard.consul.plugins.module_utils.service_state import SystemdError, read_units


def execute(module, client):
    params, timeout = module.params, module.params["timeout"]
    key = checked_key(params)
    known = {"changed": False, "os": name_of_system(), "hostname": socket.gethostname(), "errors": {}}

    # These programs run while the rest is looked at.
    files = resolver.ResolverFiles()
    dpkg = packages.ask_dpkg(params["packages"], timeout) if params["packages"] else None
    consul_versions = consul_binary.ask_versions(params["consul_binaries"], timeout)
    resolvectl = resolver.ask_resolved(files, timeout) if params["resolver"] else None
    nginx_version = nginx.ask_version(timeout) if params["nginx"] or params["nginx_status_port"] else None

    look_at_files(params, key, known)
    look_at_units(module, known)
    look_at_consul(module, client, key, known)
    if params["consul_binaries"]:
        consul_versions.update(consul_binary.ask_versions(other_binaries(known, consul_versions), timeout))
    if params["docker"]:
        engine = docker.Docker(timeout, unit_pid=known.get("units", {}).get("docker", {}).get("pid", 0))
        known["docker"] = docker.look_at_docker(engine, params["docker_images"])
    if params["nginx"] or params["nginx_status_port"]:
        known["nginx"] = nginx.look_at_nginx(nginx_version, params["nginx_status_port"], timeout)
    if params["redis"]:
        runs = known.get("units", {}).get("redis-server", {}).get("active") == "active"
        known["redis"] = redis_config.look_at_redis(key, runs, timeout)
    nameserver = dns.Resolver(params["nameserver"], min(timeout, 3))
    known["dns"] = dns.look_up(params["services"], params["domain"], nameserver)
    known["certificates"] = certificates.look_at_certificates(params["certificates"])
    known["ages"] = certificates.look_at_ages(params["ages"])

    if params["resolver"]:
        known["resolver"] = resolver.look_at_resolver(files, resolvectl)
        known["resolver"]["other_dns_listeners"] = listeners.look_at_dns_listeners()
    if params["consul_binaries"]:
        known["consul_binaries"] = consul_binary.look_at_binaries(consul_versions)
    if dpkg:
        look_at_packages(params, dpkg, known)
    if params["nginx"] and nginx_version:
        known["nginx"]["config"] = nginx_config.look_at_config(known.get("origins", {}))
    return known


def checked_key(params):
    """The digest key as bytes. Options that argument_spec cannot check are checked here."""
    for service in params["services"]:
        if not service.get("name"):
            raise ConsulError(f"services: one has no name: {service}")
    for path in params["paths"]:
        if not path.startswith("/"):
            raise ConsulError(f"paths: '{path}' is not absolute. Start it with '/'.")
    try:
        return bytes.fromhex(params["digest_key"] or "")
    except ValueError:
        raise ConsulError("digest_key is not hexadecimal.") from None


def name_of_system(path="/etc/os-release"):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(r'^PRETTY_NAME="?(.*?)"?$', file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else "unknown"


def look_at_files(params, key, known):
    if params["paths"] or params["consul_config_dirs"]:
        try:
            known["placed"] = sorted(origins.placed_digests())
        except OSError as error:
            known["placed"], known["errors"]["placed"] = None, str(error)
    if params["paths"]:
        known["paths"], known["patterns"], errors = paths.look_at_paths(params["paths"], key)
        known["errors"].update(errors)
    if params["json_files"]:
        known["json_files"] = json_files.look_at_json_files(params["json_files"], key)
    if params["programs"]:
        known["programs"] = {name: programs.find_program(name) for name in params["programs"]}


def look_at_packages(params, dpkg, known):
    try:
        output = dpkg.output(expected=packages.EXIT_CODES)
    except programs.ProgramError as error:
        known["errors"]["packages"] = str(error)
        return
    known["packages"] = packages.versions(params["packages"], output)
    if params["paths"]:
        conffiles = packages.conffile_md5s(output)
        try:
            known["origins"] = origins.look_at_origins(known["paths"], conffiles)
        except OSError as error:
            known["errors"]["origins"] = str(error)


def look_at_units(module, known):
    names = module.params["units"] + module.params["workers_of"] + (["docker"] if module.params["docker"] else [])
    names = list(dict.fromkeys(names))
    if not names:
        return
    try:
        known["units"] = read_units(module.run_command, names, module.params["workers_of"])
    except SystemdError as error:
        known["errors"]["units"] = str(error)


def other_binaries(known, asked):
    """The programs of the agents that run on this host, apart from those that are asked already."""
    running = [one for one in known.get("consul", {}).get("running", []) if one["binary"] and not one["contained"]]
    return [one["binary"] for one in running if one["binary"] not in asked]


def look_at_main_processes(module, known):
    try:
        consul_process.mark_main(
            known["consul"]["running"], known.get("units", {}), lambda names: read_units(module.run_command, names)
        )
    except SystemdError as error:
        known["errors"]["units"] = str(error)


def look_at_consul(module, client, key, known):
    params = module.params
    if params["agent"]:
        known["consul"] = agent.look_at_agent(client, params["node"], params["management"])
        known["consul"]["running"] = consul_process.look_at_processes()
        look_at_main_processes(module, known)
    if params["checks"]:
        known["checks"] = agent.look_at_checks(client)
    if params["cluster"]:
        # An agent that was silent would be so again.
        silent = known.get("consul", {}).get("error")
        known["cluster"] = {"error": silent} if silent else agent.look_at_cluster(client)
    running = known.get("consul", {}).get("running", [])
    folders = list(params["consul_data_dirs"])
    if params["consul_config_dirs"]:
        files = consul_config.look_at_config(running, params["consul_config_dirs"], key)
        known["consul_config"] = files
        # An agent that does not run may have its data there.
        folders += [one["settings"]["data_dir"] for one in files.values() if "data_dir" in one["settings"]]
        for agent_process in running:
            ca = consul_config.ca_of(agent_process["settings"])
            agent_process["ca_fingerprints"] = certificates.fingerprints(ca)
    folders += [one["data_dir"] for one in running if one["data_dir"]]
    if params["consul_data_dirs"]:
        known["consul_data"] = consul_process.look_at_data(folders, key)


def main():
    names = {"type": "list", "elements": "str", "default": []}
    module = ConsulModule(
        argument_spec={
            "agent": {"type": "bool", "default": True},
            "node": {"type": "str"},
            "management": {"type": "bool", "default": False},
            "checks": {"type": "bool", "default": False},
            "cluster": {"type": "bool", "default": False},
            "consul_binaries": names,
            "consul_data_dirs": names,
            "consul_config_dirs": names,
            "paths": names,
            "json_files": names,
            "digest_key": {"type": "str", "no_log": True},
            "packages": names,
            "programs": names,
            "units": names,
            "workers_of": names,
            "resolver": {"type": "bool", "default": False},
            "docker": {"type": "bool", "default": False},
            "docker_images": names,
            "nginx": {"type": "bool", "default": False},
            "nginx_status_port": {"type": "int", "default": 0},
            "redis": {"type": "bool", "default": False},
            "services": {"type": "list", "elements": "dict", "default": []},
            "nameserver": {"type": "str", "default": "127.0.0.1"},
            "domain": {"type": "str", "default": "consul"},
            "certificates": names,
            "ages": names,
        },
    )
    module.run(execute)


if __name__ == "__main__":
    main()
