# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until an instance answers by itself: 200 or its like to a GET, or its port to a connection.

    answers.py http://ADDRESS:PORT/PATH|ADDRESS:PORT SECONDS TIMEOUT

SECONDS is for how long it is tried, TIMEOUT how many of them one try may take. Redirects are followed.
"""

import http.client
import socket
import sys
import time
import urllib.request

PAUSE = 0.2
# The instance is on this host: what the environment says of a proxy is not for it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(what, timeout):
    """Raise what is in the way of an answer."""
    if "://" in what:
        OPENER.open(what, timeout=timeout).close()
    else:
        address, _colon, port = what.rpartition(":")
        socket.create_connection((address, int(port)), timeout).close()


def main():
    what, seconds, timeout = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    begin = time.monotonic()
    while True:
        # The last try, too, ends in time.
        left = max(0.1, min(timeout, begin + seconds - time.monotonic()))
        try:
            ask(what, left)
        except (OSError, ValueError, http.client.HTTPException) as error:
            trouble = str(error) or type(error).__name__
        else:
            print(f"{what} answers after {time.monotonic() - begin:.1f} s")
            return 0
        if time.monotonic() - begin + PAUSE >= seconds:
            print(f"{what} does not answer as it should after {seconds:g} s: {trouble}")
            return 1
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
