# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on in the background while a scenario breaks something."""

from __future__ import annotations

import math
import time

import pytest

from lab.load import Watched, Writer
from lab.testing import wait_for


def test_it_looks_until_the_end_of_the_block():
    looks = iter(range(1000))
    with Watched(lambda: next(looks), pause=0.01) as watched:
        watched.two_more_rounds()
    seen = list(watched.seen)
    assert seen == list(range(len(seen))) and len(seen) >= 3
    time.sleep(0.05)
    assert watched.seen == seen


def test_a_look_that_fails_is_not_taken_for_one_that_saw_nothing():
    watched = Watched(iter([]).__next__, pause=0.01)
    with pytest.raises(StopIteration), watched:
        watched.two_more_rounds()
    watched.stop()  # raised once


def test_a_write_without_an_answer_is_not_acknowledged():
    def put(number: int) -> bool:
        if number in (2, 3):
            raise ConnectionResetError
        return number != 6

    with Writer(put, rate=50) as writer:
        wait_for(lambda: 9 in writer.acknowledged, 5, "ten writes")
    assert writer.acknowledged >= {0, 1, 4, 5, 7, 8, 9} and not writer.acknowledged & {2, 3, 6}
    assert str(writer) == f"{len(writer.acknowledged)} writes acknowledged, 3 not"
    first, second = writer.outages
    assert 0.03 < first < 0.3 and 0.01 < second < 0.3
    assert writer.lost({number: str(number) for number in writer.acknowledged - {7}}) == {7}


def test_a_mistake_in_a_request_is_shown():
    with pytest.raises(ZeroDivisionError), Writer(lambda number: 1 // number > 0, rate=50) as writer:
        writer.two_more_rounds()


def test_an_outage_without_an_end():
    with Writer(lambda number: number < 2, rate=100) as writer:
        writer.two_more_rounds()
        wait_for(lambda: writer.outages, 5, "the outage")
    assert writer.outages == [math.inf]
