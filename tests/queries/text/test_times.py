"""Moments in words: right where there is a date, and a word where there is none."""

from __future__ import annotations

import ast
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.text.times import UNKNOWN, format_milliseconds, format_time

ROOT = Path(__file__).parents[3]
_MAKES_DATES = {"fromtimestamp", "utcfromtimestamp", "strftime", "gmtime", "localtime", "ctime", "isoformat"}


def test_a_moment_is_written_as_its_form_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC by default, the machine's zone where that is asked for, milliseconds cut as before."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert format_time(1_767_225_600.0) == "2026-01-01T00:00:00Z"
        assert format_time(1_767_225_600.0, "%H:%M %Z", local=True) == "01:00 CET"
        assert format_milliseconds(1_767_225_600.25) == "2026-01-01T00:00:00.250Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.floats() | st.integers() | st.sampled_from([10.0**300, 10**400, -7e10, 253_402_300_799.9, -62_135_596_800.0]))
def test_no_number_raises(at: float) -> None:
    """Any number at all gives a text: a date, or the word for none."""
    for local in (False, True):
        assert format_time(at, local=local)
    assert format_milliseconds(at)


def test_what_is_no_date_says_so() -> None:
    """NaN, infinity and years outside the calendar are unknown, never another date."""
    for at in (math.nan, math.inf, -math.inf, 1e300, -7e10):
        assert format_time(at) == format_milliseconds(at) == UNKNOWN


def test_nothing_else_makes_dates() -> None:
    """No other module turns a number into a date or a date into text, so no other can raise on one. Parsing may; the demo's
    servers write what the real ones write.
    """
    found = []
    for folder in ("console", "widgets", "queries"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name == "queries/text/times.py" or name.startswith("console/demo/"):
                continue
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
            found += [f"{name}:{node.lineno} {node.attr}" for node in calls if node.attr in _MAKES_DATES]
    assert found == []
