# Copyright: (c) 2026, The dockyard.consul authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what is read, however it is written; and any text is read or refused."""

from __future__ import annotations

import json
import re

import pytest

hypothesis = pytest.importorskip("hypothesis")  # not installed beside the oldest ansible-core

from ansible_collections.dockyard.consul.plugins.module_utils.host.hcl import HclError, parse
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

NAMES = st.from_regex(re.compile(r"[a-z_][a-z0-9_.-]{0,8}", re.ASCII), fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: text.replace("${", "$"))
SCALARS = TEXTS | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10
)
FILES = st.dictionaries(NAMES, VALUES, max_size=5)
FILLERS = st.sampled_from([" ", "\n", "\n\n", " # a = 1 {\n", ' // "\n', " /* } */ ", "\t"])


def quoted(text: str) -> str:
    """JSON escapes what HCL does, except for two slashes and pairs of surrogates."""
    escaped = json.dumps(text, ensure_ascii=False)
    return escaped.replace("\x7f", "\\x7f")


def written(value, draw) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + "".join(f"{draw(FILLERS)}{written(one, draw)}{draw(FILLERS)}," for one in value) + "]"
    if isinstance(value, dict):
        return "{" + settings(value, draw) + "}"
    return repr(value)


def settings(values, draw) -> str:
    text = ""
    for name, value in values.items():
        shown = quoted(name) if draw(st.booleans()) else name
        equals = "" if isinstance(value, dict) and draw(st.booleans()) else "="
        text += f"{draw(FILLERS)}{shown} {equals}{draw(FILLERS)}{written(value, draw)}\n"
    return text


@with_settings(max_examples=50, deadline=None)
@given(FILES, st.data())
def test_what_is_written_is_read(values, data):
    assert parse(settings(values, data.draw)) == values


@with_settings(deadline=None)
@given(st.text(st.sampled_from('ab="{}[]\n#/*\\$<,1- .E'), max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(parse(text), dict)
    except HclError as error:
        assert re.fullmatch(r"line \d+: .* is expected", str(error))
