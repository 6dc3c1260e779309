#!/usr/bin/python3
# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers on a port with its name in X-Served-By, and with what it was asked as JSON: instance PORT
Asked for /drop, it breaks off without an answer, and counts that."""

import http.server
import json
import socket
import sys


class Instance(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Idle connections stay open for longer than nginx keeps them.
    timeout = 30
    # Head and body in one packet: an answer of which a part has come cannot be asked for elsewhere.
    wbufsize = 65536
    dropped = 0

    def do_GET(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/drop":
            Instance.dropped += 1
            self.close_connection = True
            return
        asked = {"method": self.command, "headers": dict(self.headers), "body": data.decode(), "dropped": self.dropped}
        body = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("X-Served-By", f"{socket.gethostname()}:{self.server.server_port}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_words):
        pass


class Server(http.server.ThreadingHTTPServer):
    # A burst of connections waits here; what does not fit would wait for a repeated SYN.
    request_queue_size = 512


Server(("", int(sys.argv[1])), Instance).serve_forever()
