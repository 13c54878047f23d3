"""The hash chain: whole where nothing was touched, and the sequence of whatever was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from console.journal.event import Event
from console.journal.hash_chain import ChainEnd, ChainEntry, format_end, format_entry, hash_of, parse_line, verify_chain


def chain(count: int, *, begin: int = 1, writer: str | None = "host boot 1 1") -> list[ChainEntry | ChainEnd]:
    links: list[ChainEntry | ChainEnd] = []
    previous = ""
    for number in range(begin, begin + count):
        event = Event(
            1000.5 + number,
            "note",
            f"s{number} ü",
            "you",
            "prod",
            {"text": "x", "n": [number, 0.1]},
            number,
            f"id{number}",
            number,
        )
        links.append(ChainEntry(event, previous, hash_of(event, previous, writer), writer))
        previous = links[-1].hash
    return [*links, ChainEnd(begin + count - 1, previous)]


def test_an_untouched_chain_is_whole() -> None:
    """All of it, a part that begins later, and two exports one after the other; the newest hash is told."""
    links = chain(9)
    found = verify_chain(links)
    assert (found.entries, found.first, found.last, found.faults) == (9, 1, 9, ())
    assert isinstance(links[-1], ChainEnd) and found.head == links[-1].hash
    assert verify_chain(links[4:]).faults == ()
    first = links[:5]
    middle = ChainEnd(5, first[-1].hash)
    assert verify_chain([*first, middle, *links[5:]]).faults == ()


def test_lines_come_back_as_they_were_and_can_be_checked_by_anybody() -> None:
    """A line read again is the same entry, and its hash is SHA-256 of the line's own JSON without the hash."""
    for link in chain(3)[:-1]:
        assert isinstance(link, ChainEntry)
        text = format_entry(link)
        assert parse_line(text) == link
        told = json.loads(text)
        stated = told.pop("hash")
        whole = json.dumps(told, sort_keys=True, separators=(",", ":"))
        assert stated == hashlib.sha256(whole.encode()).hexdigest()
    assert parse_line(format_end(ChainEnd(3, "h", 2, 2))) == ChainEnd(3, "h", 2, 2)
    assert parse_line('{"end":3,"hash":"h"}') == ChainEnd(3, "h")


def changed(link: ChainEntry | ChainEnd) -> ChainEntry:
    assert isinstance(link, ChainEntry)
    return replace(link, event=replace(link.event, author="somebody else"))


def rewritten(link: ChainEntry | ChainEnd) -> ChainEntry:
    """Changed by somebody who knows how the hash is made."""
    event = changed(link).event
    assert isinstance(link, ChainEntry)
    return ChainEntry(event, link.previous, hash_of(event, link.previous, link.writer), link.writer)


LINKS = chain(9)


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ([*LINKS[:4], changed(LINKS[4]), *LINKS[5:]], ["#5 was changed: its hash does not fit it"]),
        ([*LINKS[:4], *LINKS[5:]], ["#5 is missing"]),
        ([*LINKS[:4], *LINKS[7:]], ["#5 to #7 are missing"]),
        ([*LINKS[:2], LINKS[3], LINKS[2], *LINKS[4:]], ["#3 stands after #4: it was moved, or is there twice"]),
        ([*LINKS[:3], LINKS[2], *LINKS[3:]], ["#3 stands after #3: it was moved, or is there twice"]),
        (
            [*LINKS[:4], rewritten(LINKS[4]), *LINKS[5:]],
            ["#6 does not continue #5: one of the two was put in the place of another"],
        ),
        (LINKS[:7], ["the end is missing: what came after #7 was cut off"]),
        ([*LINKS[:7], LINKS[-1]], ["#8 to #9 are missing"]),
        ([*LINKS[:9], ChainEnd(4, "x")], ["the last line is that of an export that ends at #4, not at #9"]),
        ([*LINKS[:8], rewritten(LINKS[8]), LINKS[9]], ["the last line is that of an export that ends at #9, not at #9"]),
        ([], ["the end is missing: what came after #0 was cut off"]),
    ],
)
def test_what_was_touched_is_named(links: list[ChainEntry | ChainEnd], told: list[str]) -> None:
    """A change, a gap, a swap, a copy, a forged entry, a cut end: the sequence of it, and nothing else is blamed."""
    assert list(verify_chain(links).faults) == told


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", '{"end": "x", "hash": ""}', '{"end": true, "hash": ""}', "[" * 100_000,
     format_entry(LINKS[0]).replace('"id":"id1"', '"id":7'), format_entry(LINKS[0]).replace('"data":{', '"date":{')],
)  # fmt: skip
def test_what_is_no_entry_is_refused(text: str) -> None:
    """A line of another shape is a ValueError that says what is wrong."""
    with pytest.raises(ValueError, match=r"is no|has no"):
        parse_line(text)
