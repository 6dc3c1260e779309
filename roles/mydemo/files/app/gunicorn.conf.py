# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How gunicorn runs mydemo, and which process does what.

The master reads the key before anything listens, and takes the service out of Consul before the workers stop. It has
no threads: a lock that a thread holds at the moment of a fork is held in the child for ever (seen: a worker hung on
that of stderr). Each worker watches the key in a thread of its own; one of them, the lead, also keeps the service
registered for all. What they share is made by the import of the app here, before the first fork.
"""

import signal
import sys

# To PID 1 a signal that it does not handle is lost, and gunicorn handles them only later. So first of all:
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

import app as mydemo

# --- gunicorn's settings ----------------------------------------------------------------------------------------------

try:
    instance = mydemo.Instance.from_environment()
    mydemo.check_key()
    mydemo.consul_client(timeout=1)
    workers = mydemo.number_from_environment("WEB_CONCURRENCY", "2", int, 1)
    # For this long after leaving DNS we go on serving: nginx may hold our address for as long as its resolver's `valid`.
    drain = mydemo.number_from_environment("MYDEMO_DRAIN", "3", float, 0)
except mydemo.Unusable as error:
    sys.exit(f"mydemo: {error}")

# The LAN address only: the container shares its host's network, and the host may have others. Also, a LAN_IP that is
# not this host's is then refused here, not found out by a check that never passes.
bind = f"{instance.address}:{instance.port}"
worker_class = "gthread"
threads = 4
# Longer than nginx keeps an idle connection to an upstream (60 s): who closes first must not be us, for a request may
# be under way by then.
keepalive = 75
# With the drain below it fits into the 10 s after which `docker stop` kills.
graceful_timeout = 5
# Heartbeats in memory: a slow disk must not look like a hung worker.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
accesslog = "-"
errorlog = "-"
access_log_format = '%(t)s %(h)s "%(r)s" %(s)s %(b)s %(L)ss %(p)s "%({x-forwarded-for}i)s"'

# --- its hooks --------------------------------------------------------------------------------------------------------

registration = mydemo.Registration(mydemo.shared, instance, mydemo.watch)
mydemo.app.config["INSTANCE_ID"] = instance.id


def on_starting(server):
    # A key that is not there or not good ends us here, before anything listens; without Consul we go on and wait.
    mydemo.watch.turn()
    mydemo.shared.resign()


def when_ready(server):
    # gunicorn has no hook between the signal and the end of the listeners.
    stop = server.handle_term

    def leave_and_stop():
        registration.leave(drain)
        stop()

    server.handle_term = leave_and_stop


def post_worker_init(worker):
    mydemo.watch.start()
    registration.start()


def on_exit(server):
    # Whatever ended us: a second call does nothing.
    registration.leave()
