"""What an event may be: every limit exactly on its line, by a rule written out a second time."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.journal.elapsed import NO_TIMESTAMP, BootTimestamp, boot_timestamp, elapsed_between
from console.journal.event import Anchor, Event, make_storable, parse_data, replace_unstorable, validate
from console.journal.shared_store import EVENT_BYTES, LeftOut, from_json, left_out_sentence, to_json

NOW = 1_700_000_000.0
DAY = 86_400.0
GOOD = Event(NOW, "note", "s", "ann", "prod", {"text": "x"}, 0, "id", int(NOW * 1e6))
LARGEST = 2**63


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"at": 0.0}, ""), ({"at": -0.001}, "its time is impossible"), ({"at": math.nan}, "its time is impossible"),
        ({"at": NOW + DAY}, ""), ({"at": NOW + DAY + 0.001}, "its time is more than a day ahead of this machine's clock"),
        ({"at": 253_402_300_800.0}, "its time is impossible"), ({"at": math.inf}, "its time is impossible"),
        ({"stamp": 1}, ""), ({"stamp": 0}, "it has no order stamp or no id"), ({"stamp": -1}, "it has no order stamp or no id"),
        ({"stamp": int((NOW + DAY) * 1e6)}, ""),
        ({"stamp": int((NOW + DAY) * 1e6) + 1}, "its order stamp is more than a day ahead of this machine's clock"),
        ({"id": "i"}, ""), ({"id": "i" * 64}, ""), ({"id": "i" * 65}, "it has no order stamp or no id"),
        ({"id": ""}, "it has no order stamp or no id"),
        ({"kind": "k" * 200}, ""), ({"kind": "k" * 201}, "its kind, author or environment is longer than 200 characters"),
        ({"kind": ""}, "it has no kind"), ({"kind": "k"}, ""),
        ({"author": "a" * 200}, ""), ({"author": "a" * 201}, "its kind, author"), ({"author": ""}, ""),
        ({"environment": "e" * 200}, ""), ({"environment": "e" * 201}, "its kind, author"), ({"environment": ""}, ""),
        ({"subject": "s" * 1000}, ""), ({"subject": "s" * 1001}, "or its subject than 1000"), ({"subject": ""}, ""),
        ({"author": "a" * 201, "subject": "s" * 1001}, "its kind, author"),
    ],
)  # fmt: skip
def test_an_event_is_valid_up_to_each_limit(changes: dict[str, Any], why: str) -> None:
    """The limit itself is allowed and the next value is not; each alone decides."""
    found = validate(replace(GOOD, **changes), now=NOW)
    assert bool(found) is bool(why) and why in found


def test_at_the_end_of_the_calendar_nothing_is_valid() -> None:
    """A second before its end an event can still be drawn, on a machine whose clock says so."""
    last = 253_402_300_799.0
    assert validate(replace(GOOD, at=last, stamp=1), now=last) == ""
    assert validate(replace(GOOD, at=last, stamp=1), now=last - DAY) == ""
    assert validate(replace(GOOD, at=last + 1.0, stamp=1), now=last) == "its time is impossible"


def nested(levels: int, kind: str) -> Any:
    """So many levels below the object itself."""
    found: Any = 7
    for _ in range(levels):
        found = [found] if kind == "list" else {"a": found}
    return found


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize(("levels", "fits"), [(0, True), (1, True), (31, True), (32, False), (40, False), (100_000, False)])
def test_data_is_nested_at_most_32_levels(kind: str, levels: int, fits: bool) -> None:
    """The object and 31 in it, for the one who writes and for the one who reads; two wide and flat things are not deep."""
    opening, closing = ("[", "]") if kind == "list" else ('{"a":', "}")
    text = f'{{"x":{opening * levels}7{closing * levels}}}'
    if fits:
        data = {"x": nested(levels, kind)}
        assert parse_data(text) == data == make_storable(replace(GOOD, data=data)).data
    else:
        with pytest.raises(ValueError, match="its data is nested deeper than 32 levels"):
            parse_data(text)
        if levels < 1000:
            with pytest.raises(ValueError, match="its data is nested deeper than 32 levels"):
                make_storable(replace(GOOD, data={"x": nested(levels, kind)}))
    assert parse_data(json.dumps({"wide": [[1]] * 40, "text": "[" * 90})) == {"wide": [[1]] * 40, "text": "[" * 90}
    for bad in ("[]", "7", "", "{"):
        with pytest.raises(ValueError, match=r"not an object|Expecting"):
            parse_data(bad)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan"), (0.5, 0.5), (-0.0, -0.0), (1e308, 1e308),
        (LARGEST - 1, LARGEST - 1), (LARGEST, "0x8000000000000000"), (-LARGEST, -LARGEST),
        (-LARGEST - 1, "-0x8000000000000001"), (True, True), (None, None),
        ("ascii", "ascii"), ("é", "é"), ("\ud800x", "\\ud800x"), ((1, (2,)), [1, [2]]),
        ({7: math.inf, "\ud800": "x"}, {"7": "inf", "\\ud800": "x"}),
    ],
)  # fmt: skip
def test_what_no_store_can_hold_becomes_text(value: Any, kept: Any) -> None:
    """Numbers that are no JSON, or have more than 64 bits, and lone surrogates, in keys as well; all else stays as it is."""
    assert replace_unstorable(value) == kept and type(replace_unstorable(value)) is type(kept)
    assert replace_unstorable([value, [value]]) == [kept, [kept]]
    stored = make_storable(
        replace(GOOD, subject="\ud800", author="\udfff", kind="\ud801", environment="\ud802", data={"x": value})
    )
    assert (stored.subject, stored.author, stored.kind, stored.environment, stored.data) == (
        "\\ud800", "\\udfff", "\\ud801", "\\ud802", {"x": kept},
    )  # fmt: skip


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(max_size=3), items, max_size=3), max_leaves=8,
)  # fmt: skip


@given(data=st.dictionaries(st.text(max_size=3), PLAIN, max_size=3), text=st.text(max_size=20), anchored=st.booleans())
def test_a_shared_event_comes_back_as_it_was(data: dict[str, Any], text: str, anchored: bool) -> None:
    """Through the JSON of the shared store, which is ASCII in one line; its place in a chain goes along."""
    made = make_storable(replace(GOOD, data=data, subject=text, anchor=Anchor("j", 3, "h") if anchored else None))
    line = to_json(made)
    assert line.isascii() and "\n" not in line
    back = from_json(line, now=NOW)
    assert back == made and back.anchor == made.anchor


@pytest.mark.parametrize(("over", "why"), [(0, "it is not an event"), (1, "it is larger than any event")])
def test_a_text_of_twice_the_largest_event_is_still_looked_at(over: int, why: str) -> None:
    """What is longer is none, whatever it says."""
    with pytest.raises(ValueError, match=why):
        from_json("x" * (2 * EVENT_BYTES + over), now=NOW)
    line = to_json(GOOD)
    padded = line + " " * (2 * EVENT_BYTES - len(line))
    assert from_json(padded, now=NOW) == GOOD


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_what_is_ahead_is_tried_again_once_a_minute() -> None:
    """Not before, exactly then; one that is invalid for good is not; two are taken in the order of their stamps."""
    clock = Clock()
    left = LeftOut(clock)
    ahead = [replace(GOOD, id=f"a{at}", at=NOW + DAY + 30.0, stamp=GOOD.stamp - at) for at in range(2)]
    texts = {
        "1": to_json(ahead[0]),
        "2": to_json(ahead[1]),
        "3": to_json(replace(GOOD, at=-1.0)),
        "4": to_json(GOOD),
        "5": "no",
    }
    assert left.read(texts) == (GOOD,)
    assert left.places == ("1", "2", "3", "5")
    clock.now += 59.999
    assert left.read_again() == ()
    clock.now = NOW + 60.0
    assert left.read_again() == (ahead[1], ahead[0])
    assert left.places == ("3", "5")
    later = replace(GOOD, id="later", at=NOW + DAY + 100.0)
    assert left.read({"6": to_json(later)}) == ()
    clock.now = NOW + 119.0
    assert left.read_again() == ()
    clock.now = NOW + 1.0  # a clock that was set back is not waited for
    assert left.read_again() == () and left.places == ("3", "5", "6")
    clock.now = NOW - 60.0
    assert left.read_again() == ()
    clock.now = NOW + 100.0
    assert left.read_again() == (later,)
    left.forget(lambda place: place == "5")
    assert left.places == ("5",)
    assert left.sentences == ("1 entry of the store is left out: it is not an event (5)",)


@pytest.mark.parametrize(
    ("names", "count", "sentence"),
    [
        (["a"], 0, "1 entry here is left out: why (a)"),
        (["a", "b"], 0, "2 entries here are left out: why (a, b)"),
        (["a", "b", "c"], 0, "3 entries here are left out: why (a, b, c)"),
        (["a", "b", "c", "d"], 0, "4 entries here are left out: why (a, b, c, …)"),
        (["a", "b"], 9, "9 entries here are left out: why (a, b, …)"),
        (["a"], 1, "1 entry here is left out: why (a)"),
    ],
)
def test_three_of_what_is_left_out_are_named(names: list[str], count: int, sentence: str) -> None:
    assert left_out_sentence("here", "why", names, count) == sentence


@pytest.mark.parametrize(
    ("old", "new", "seconds", "measured"),
    [
        (BootTimestamp("b", 5.0), BootTimestamp("b", 9.0), 4.0, True),
        (BootTimestamp("b", 5.0), BootTimestamp("b", 5.0), 0.0, True),
        (BootTimestamp("b", 0.0), BootTimestamp("b", 0.0), 0.0, True),
        (BootTimestamp("b", 5.0), BootTimestamp("b", 4.999), 100.0, False),
        (BootTimestamp("b", -1.0), BootTimestamp("b", 4.0), 100.0, False),
        (BootTimestamp("b", 0.0), BootTimestamp("b", 1e10), 100.0, False),
        (BootTimestamp("b", 0.0), BootTimestamp("b", 1e10 - 1.0), 1e10 - 1.0, True),
        (BootTimestamp("b", 5.0), BootTimestamp("c", 9.0), 100.0, False),
        (BootTimestamp("", 5.0), BootTimestamp("", 9.0), 100.0, False),
        (BootTimestamp("b", None), BootTimestamp("b", 9.0), 100.0, False),
        (BootTimestamp("b", 5.0), BootTimestamp("b", None), 100.0, False),
        (NO_TIMESTAMP, NO_TIMESTAMP, 100.0, False),
    ],
)
def test_the_time_between_two_moments_is_measured_within_one_boot(
    old: BootTimestamp, new: BootTimestamp, seconds: float, measured: bool
) -> None:
    """By the clock that nobody sets, where both moments have it; else by the wall clock, and never less than nothing."""
    found = elapsed_between((NOW, old), (NOW + 100.0, new))
    assert (found.seconds, found.measured) == (seconds, measured)
    back = elapsed_between((NOW + 100.0, NO_TIMESTAMP), (NOW, NO_TIMESTAMP))
    assert (back.seconds, back.measured) == (0.0, False)
    now, later = boot_timestamp(), boot_timestamp()
    assert now.boot == later.boot and now.seconds is not None and later.seconds is not None and now.seconds <= later.seconds
