# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the app's tests: see programs.py for what they hand out.

CONSUL_BIN    the Consul binary; default: `consul` on the PATH
REDIS_BIN     the Redis server; default: `redis-server` on the PATH
APP_PYTHON    the Python that the app runs on; default: the one that runs the tests
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import APP, ROOT, App, Consul, Redis


def _program(name: str, variable: str) -> str:
    path = os.environ.get(variable) or shutil.which(name)
    if not path or not shutil.which(path):
        pytest.fail(f"{name} is not there: install it or give its path in {variable}", pytrace=False)
    return path


@pytest.fixture(scope="session")
def consul_binary() -> str:
    return _program("consul", "CONSUL_BIN")


@pytest.fixture(scope="session")
def app_venv() -> Path:
    """The app's own environment, made once for these requirements and this Python."""
    python = os.environ.get("APP_PYTHON", sys.executable)
    version = subprocess.run([python, "-VV"], check=True, capture_output=True).stdout
    requirements = APP / "requirements.txt"
    digest = hashlib.sha256(version + requirements.read_bytes()).hexdigest()[:12]
    venv = ROOT / ".cache" / f"app-venv-{digest}"
    complete = venv / "complete"
    venv.parent.mkdir(exist_ok=True)
    with open(venv.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be about it
        _make_app_venv(python, venv, requirements, complete)
    return venv


def _make_app_venv(python: str, venv: Path, requirements: Path, complete: Path) -> None:
    if not complete.exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python, "-m", "venv", venv], check=True)
        pip = [venv / "bin" / "python", "-m", "pip", "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--requirement", requirements], check=True)
        subprocess.run([*pip, "check"], check=True)
        complete.touch()


@pytest.fixture
def start_consul(consul_binary, tmp_path) -> Iterator[Callable[..., Consul]]:
    started = []

    def start(config: dict | None = None, now: bool = True) -> Consul:
        agent = Consul(consul_binary, tmp_path, config)
        started.append(agent)
        return agent.start() if now else agent

    yield start
    for agent in started:
        if agent.popen:
            agent.stop(signal.SIGKILL)


@pytest.fixture
def consul(start_consul) -> Consul:
    return start_consul()


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    server = Redis(_program("redis-server", "REDIS_BIN"), tmp_path).start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def make_app(app_venv, tmp_path) -> Iterator[Callable[..., App]]:
    """Makes apps, stops them, and looks into the log of each for what must never be there."""
    made: list[App] = []

    def make(consul: Consul, **environment: str | None) -> App:
        app = App(app_venv, tmp_path, consul, **environment)
        made.append(app)
        return app

    yield make
    for app in made:
        if app.popen:
            app.stop()
        text = app.text() if app.log.exists() else ""
        assert "Traceback" not in text, text
        for secret in app.secrets:
            assert secret not in text
            assert base64.b64encode(secret.encode()).decode().rstrip("=") not in text


@pytest.fixture
def app(make_app, consul, redis) -> App:
    """One app with all it needs, up and answering."""
    consul.put(redis.settings())
    return make_app(consul).start()
