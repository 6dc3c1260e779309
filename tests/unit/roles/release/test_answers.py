# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that waits for an instance, against servers of all sorts."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "roles" / "release" / "files" / "answers.py"


class Done(NamedTuple):
    ok: bool
    said: str
    seconds: float


def wait(what: str, seconds: float = 1, timeout: float = 0.5) -> Done:
    begin = time.monotonic()
    command = [sys.executable, SCRIPT, what, str(seconds), str(timeout)]
    # A proxy is nothing to an instance on this very host.
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"http_proxy": "http://192.0.2.1:3128"}
    )
    assert not done.stderr
    return Done(done.returncode == 0, done.stdout, time.monotonic() - begin)


class Instance(BaseHTTPRequestHandler):
    ill_until = 0.0

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        ill = self.path == "/ill" or time.monotonic() < self.ill_until
        self.send_response(302 if self.path == "/moved" else 503 if ill else 200)
        if self.path == "/moved":
            self.send_header("Location", "/health")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def instance() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Instance) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def nobody() -> str:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{place.getsockname()[1]}"


@pytest.mark.parametrize("what", ["http://{}/health", "http://{}/moved", "{}"])
def test_one_that_is_well_answers_at_once(instance, what):
    assert wait(what.format(instance)).ok


def test_one_that_gets_well_is_waited_for(instance, monkeypatch):
    monkeypatch.setattr(Instance, "ill_until", time.monotonic() + 1)
    done = wait(f"http://{instance}/health", 10)
    assert done.ok and 0.7 < done.seconds < 5


@pytest.mark.parametrize(
    ("path", "says"), [("ill", "503"), ("slow", "timed out"), ("", "does not answer as it should after 1 s")]
)
def test_one_that_does_not_is_given_up_in_time(instance, nobody, path, says):
    done = wait(f"http://{instance}/{path}" if path else nobody)
    assert not done.ok and says in done.said, done
    assert done.seconds < 2.5
