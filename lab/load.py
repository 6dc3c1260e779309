# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on while something breaks: users who ask, somebody who writes keys, and somebody who looks again and again.

with Users(["https://10.0.0.41/", "https://10.0.0.42/"], host="demo.example.com") as users, Writer(put) as writer:
    ...
    assert users.stop().enough and users.failed == 0
    assert not writer.stop().lost(read_all())
"""

from __future__ import annotations

import http.client
import math
import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

from lab.testing import ask, wait_for


class Users:
    """So many requests a second, evenly over some URLs, by hey; it keeps its connections, as browsers do. hey checks no
    certificate: that is a test of its own."""

    def __init__(self, urls: Iterable[str], host: str, rate: int = 200, longest: str = "20m") -> None:
        self._urls, self.rate = list(urls), rate
        workers = 20
        each = rate / len(self._urls) / workers
        self._command = ["hey", "-z", longest, "-c", str(workers), "-q", f"{each:g}", "-t", "10", "-host", host]
        self._programs: list[subprocess.Popen] = []
        self.said: list[str] = []

    def __enter__(self) -> Self:
        for url in self._urls:
            program = subprocess.Popen(
                [*self._command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            self._programs.append(program)
        self._since = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> Self:
        """Ask no more. What was counted is known from then on."""
        if not self.said:
            asked_to_the_end = all(program.poll() is None for program in self._programs)
            for program in self._programs:
                program.send_signal(signal.SIGINT)
            self.said = [program.communicate(timeout=30)[0] for program in self._programs]
            self.seconds = time.monotonic() - self._since
            # What one counted that ended by itself would say nothing.
            assert asked_to_the_end, "hey ended before it was told to"
        return self

    def _count(self, pattern: str) -> list[tuple[str, int]]:
        found = [match for text in self.said for match in re.findall(pattern, text, re.MULTILINE)]
        return [(what, int(number)) for what, number in found]

    @property
    def statuses(self) -> dict[str, int]:
        """{"200": 12000}"""
        sums: dict[str, int] = {}
        for status, number in self._count(r"^\s+\[(\d+)\]\t(\d+) responses$"):
            sums[status] = sums.get(status, 0) + number
        return sums

    @property
    def errors(self) -> dict[str, int]:
        """What went wrong before there was an answer, and how often."""
        lists = [text.partition("Error distribution:")[2] for text in self.said]
        return {
            what: int(number)
            for text in lists
            for number, what in re.findall(r"^\s+\[(\d+)\]\t(.+)$", text, re.MULTILINE)
        }

    @property
    def requests(self) -> int:
        return sum(self.statuses.values()) + sum(self.errors.values())

    @property
    def failed(self) -> int:
        return self.requests - self.statuses.get("200", 0)

    @property
    def enough(self) -> bool:
        """Whether so many asked that their success says something. Who is kept waiting asks the less, but not by this."""
        return self.requests > 0.75 * self.rate * self.seconds

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max(float(seconds) for text in self.said for seconds in re.findall(r"Slowest:\s+([\d.]+) secs", text))

    def __str__(self) -> str:
        return (
            f"{self.requests} requests in {self.seconds:.0f} s, {self.failed} failed, slowest {self.slowest:.2f} s"
            + "".join(
                f"; {number} x {what}" for what, number in {**self.statuses, **self.errors}.items() if what != "200"
            )
        )


class Repeated:
    """Calls once() again and again in the background, from the start of its `with` block until stop() or the end of the block.

    An error in once() ends it, and is raised by stop(): nothing was seen from then on."""

    pause = 0.2  # seconds

    def __init__(self) -> None:
        self.rounds = 0
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._try, args=[self._go_on], daemon=True)

    def once(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._since = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> Self:
        self._stop.set()
        self._thread.join()
        error, self._error = self._error, None
        if error:
            raise error
        return self

    def two_more_rounds(self) -> None:
        """Returns when two rounds have begun and ended. The one under way does not count."""
        rounds = self.rounds
        wait_for(lambda: self.rounds > rounds + 2 or self._error, 60, "two more rounds")

    def _wait(self) -> float:
        """Seconds until the next round."""
        return self.pause

    def _go_on(self) -> None:
        while not self._stop.wait(self._wait()):
            self.once()
            self.rounds += 1

    def _try(self, do: Callable[..., None], *arguments: object) -> None:
        try:
            do(*arguments)
        except Exception as error:  # noqa: BLE001 - it is raised by stop()
            self._error = error
            self._stop.set()


class Watched(Repeated):
    """All that a look has returned: seen."""

    def __init__(self, look: Callable[[], Any], pause: float = 0.2) -> None:
        super().__init__()
        self._look, self.pause = look, pause
        self.seen: list[Any] = []

    def once(self) -> None:
        self.seen.append(self._look())


class Paced(Repeated):
    """Begins so many numbered requests a second, however long each takes."""

    def __init__(self, rate: int, at_once: int) -> None:
        super().__init__()
        self.rate, self._at_once = rate, at_once

    def request(self, number: int) -> None:
        raise NotImplementedError

    def once(self) -> None:
        self._pool.submit(self._try, self.request, self.rounds)

    def _go_on(self) -> None:
        with ThreadPoolExecutor(self._at_once) as self._pool:
            super()._go_on()

    def _wait(self) -> float:
        return max(0.0, self._since + self.rounds / self.rate - time.monotonic())


class Writer(Paced):
    """Writes a numbered key so many times a second, and remembers which writes were acknowledged."""

    def __init__(self, put: Callable[[int], bool], rate: int = 10) -> None:
        super().__init__(rate, at_once=20)
        self._put = put
        self.acknowledged: set[int] = set()
        self._writes: list[tuple[float, bool]] = []  # when each began, and whether it was acknowledged

    def request(self, number: int) -> None:
        began = time.monotonic()
        try:
            done = self._put(number)
        except (OSError, http.client.HTTPException):  # no answer, or half of one
            done = False
        if done:
            self.acknowledged.add(number)
        self._writes.append((began, done))

    @property
    def outages(self) -> list[float]:
        """For how many seconds no write was acknowledged, each time. The last one may have no end."""
        found, since = [], None
        for began, done in sorted(self._writes):
            if not done and since is None:
                since = began
            elif done and since is not None:
                found.append(began - since)
                since = None
        return found if since is None else [*found, math.inf]

    def lost(self, values: Mapping[int, str]) -> set[int]:
        """Which acknowledged writes are not among the values read."""
        return {number for number in self.acknowledged if values.get(number) != str(number)}

    def __str__(self) -> str:
        return f"{len(self.acknowledged)} writes acknowledged, {len(self._writes) - len(self.acknowledged)} not"


class Request(NamedTuple):
    number: int
    status: int
    text: str
    seconds: float
    served_by: str


class Load(Paced):
    """A steady stream of requests, each on a connection of its own.

    with Load(url) as load:
        load.go_on(2)
        ...
    assert not load.failures
    """

    def __init__(self, url: str, rate: int = 50, at_once: int = 100, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(rate, at_once)
        self.url, self.tls = url, tls
        self.requests: list[Request] = []

    def request(self, number: int) -> None:
        start = time.monotonic()
        try:
            answer = ask(f"{self.url}?request={number}", tls=self.tls)
            status, text, served_by = answer.status, answer.text, answer.headers.get("X-Served-By", "")
        except Exception as error:  # noqa: BLE001 - whatever it was, it is no answer
            status, text, served_by = 0, repr(error), ""
        self.requests.append(Request(number, status, text, time.monotonic() - start, served_by))

    def go_on(self, seconds: float) -> list[Request]:
        """Wait until as many more requests were answered, and give them."""
        done = len(self.requests)
        wanted = int(self.rate * seconds)
        wait_for(lambda: len(self.requests) >= done + wanted, 2 * seconds + 30, f"{wanted} more answers under load")
        return self.requests[done:]

    @property
    def failures(self) -> list[Request]:
        return [request for request in self.requests if request.status != 200]

    @property
    def slowest(self) -> float:
        return max(request.seconds for request in self.requests)


def served(requests: Iterable[Request]) -> set[str]:
    """The instances that answered."""
    return {request.served_by for request in requests}
