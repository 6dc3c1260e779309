# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forks that do the same thing at the same moment, as those of Ansible do."""

from __future__ import annotations

import multiprocessing

FORKS = 8


def race(function, *arguments):
    """What each of the forks gets from the function."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(FORKS), context.Queue()
    forks = [context.Process(target=_run, args=(barrier, answers, function, arguments)) for _fork in range(FORKS)]
    for fork in forks:
        fork.start()
    results = [answers.get(timeout=30) for _fork in forks]
    for fork in forks:
        fork.join()
    return results


def _run(barrier, answers, function, arguments):
    barrier.wait()
    answers.put(function(*arguments))
