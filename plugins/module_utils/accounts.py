# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of a host, by name and by number."""

from __future__ import annotations

import functools
import grp
import pwd


def user_id(name):
    """The number of a user, or None if there is no such user."""
    return _number(name, lambda: pwd.getpwnam(name).pw_uid)


def group_id(name):
    return _number(name, lambda: grp.getgrnam(name).gr_gid)


def _number(name, number_of):
    try:
        return number_of()
    except KeyError:
        return int(name) if name.isdigit() else None


@functools.lru_cache(maxsize=None)
def user_name(number):
    """The name of a user. One without a name has its number."""
    return _name(number, lambda: pwd.getpwuid(number).pw_name)


@functools.lru_cache(maxsize=None)
def group_name(number):
    return _name(number, lambda: grp.getgrgid(number).gr_name)


def _name(number, name_of):
    try:
        return name_of()
    except KeyError:
        return str(number)
