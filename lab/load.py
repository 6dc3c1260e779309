# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on while something breaks: users who ask, and somebody who writes keys.

with Users(["https://10.0.0.41/", "https://10.0.0.42/"], host="demo.example.com") as users, Writer(put) as writer:
    ...
    assert users.stop().enough and users.failed == 0
    assert not writer.stop().lost(read_all())
"""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self


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


class Writer:
    """Writes a numbered key so many times a second, and remembers which writes were acknowledged."""

    def __init__(self, put: Callable[[int], bool], rate: int = 10) -> None:
        self._put, self._rate = put, rate
        self.acknowledged: set[int] = set()
        self.refused = 0
        self._stop = threading.Event()
        self._pacer = threading.Thread(target=self._pace, daemon=True)

    def __enter__(self) -> Self:
        self._pacer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> Self:
        self._stop.set()
        self._pacer.join()
        return self

    def _pace(self) -> None:
        start, number = time.monotonic(), 0
        with ThreadPoolExecutor(20) as pool:
            while not self._stop.wait(max(0.0, start + number / self._rate - time.monotonic())):
                pool.submit(self._write, number)
                number += 1

    def _write(self, number: int) -> None:
        try:
            done = self._put(number)
        except (OSError, http.client.HTTPException):  # no answer, or half of one
            done = False
        if done:
            self.acknowledged.add(number)
        else:
            self.refused += 1

    def lost(self, values: Mapping[int, str]) -> set[int]:
        """Which acknowledged writes are not among the values read."""
        return {number for number in self.acknowledged if values.get(number) != str(number)}

    def __str__(self) -> str:
        return f"{len(self.acknowledged)} writes acknowledged, {self.refused} not"
