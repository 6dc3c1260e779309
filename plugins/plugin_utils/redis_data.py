# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Redis that runs has its data again after a restart."""

from __future__ import annotations

from ansible_collections.dockyard.consul.plugins.plugin_utils.look import Look

FILE = "/etc/redis/redis.conf"
KEEP = "'redis-cli config set shutdown-on-sigterm save' on the host"
LOSE = "'redis-cli config set shutdown-on-sigterm nosave' on the host"


def lost_at_restart(look: Look) -> str:
    """What to say if not. A Redis that does not answer is taken to run with the settings in its file."""
    redis = look.get("redis")
    if not redis or redis["error"] or not look.runs("redis-server"):
        return ""
    later = redis["persistence"]
    now = redis["running"] or later
    at_stop = now["shutdown-on-sigterm"].split()
    if now.get("keys") == 0 or "nosave" in at_stop:
        return ""
    keys = f" (keys: {now['keys']})" if "keys" in now else ""
    start = f"A restart would lose the data of Redis{keys}"

    if later["appendonly"] == "yes":
        names = ["appendonly", "dir", "appenddirname", "appendfilename"]
    elif now["save"] or "save" in at_stop:
        names = ["dir", "dbfilename"]
    else:
        return (
            f"{start}, which is in memory only: save and appendonly are off. To keep it, run {KEEP}, put 'shutdown-on-sigterm"
            f" save' into {FILE}, and run again. To accept the loss, do the same with nosave."
        )
    differs = [f"{name} {now[name]}, and {FILE} has {later[name]}" for name in names if now[name] != later[name]]
    if not differs:
        return ""
    return (
        f"{start}: it runs with {'; with '.join(differs)}. Make both the same, with 'redis-cli config set' on the host or in the"
        f" file, and run again. To accept the loss, run {LOSE} first."
    )
