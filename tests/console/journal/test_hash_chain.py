"""The hash chain: whole where nothing was touched, and the sequence of whatever was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from console.journal.event import Event
from console.journal.hash_chain import (
    ChainEnd,
    ChainEntry,
    Head,
    format_end,
    format_entry,
    hash_of,
    parse_head,
    parse_line,
    verify_chain,
)


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


def whole(count: int, *, begin: int = 1) -> list[ChainEntry | ChainEnd]:
    """With an end that counts."""
    links = chain(count, begin=begin)
    last = links[-1]
    assert isinstance(last, ChainEnd)
    return [*links[:-1], replace(last, entries=count, first=begin if count else 0)]


@pytest.mark.parametrize(("digits", "good"), [(15, False), (16, True), (17, True), (32, True), (64, True), (65, False)])
def test_a_noted_hash_has_16_to_64_digits(digits: int, good: bool) -> None:
    """As noted, with or without its number, in either case; only hexadecimal digits are any."""
    for text, number in (("a" * digits, 0), (f"12:{'B' * digits}", 12), (f" 7:{'0' * digits} ", 7)):
        if good:
            found = parse_head(text)
            assert (found.sequence, len(found.hash), found.hash == found.hash.lower()) == (number, digits, True)
            assert str(found) == (f"{number}:" if number else "") + found.hash[:32]
        else:
            with pytest.raises(ValueError, match="a hash has 16 to 64 hexadecimal digits"):
                parse_head(text)
    for bad in ("x:" + "a" * 16, "-1:" + "a" * 16, "g" * 16, "٣:" + "a" * 16):
        with pytest.raises(ValueError, match=r"expected NUMBER:HASH|hexadecimal"):
            parse_head(bad)


@pytest.mark.parametrize(
    ("links", "begin", "told"),
    [
        (whole(5), 1, []),
        (whole(5), 0, []),
        (whole(3, begin=4), 4, []),
        (whole(3, begin=4), 3, ["#3 is missing"]),
        (whole(3, begin=4), 1, ["#1 to #3 are missing"]),
        ([*whole(3), *whole(3, begin=4)], 1, ["#4 does not continue #3: one of the two was put in the place of another"]),
        ([replace(whole(0)[-1], sequence=0)], 0, []),
        ([ChainEnd(2, "h", 0, 0)], 1, ["#1 to #2 are missing"]),
        ([ChainEnd(4, "h", 0, 3)], 1, ["#3 to #4 are missing"]),
        ([*whole(5)[:-1], replace(whole(5)[-1], entries=4)], 1,
         ["the export says that it has 4 from #1 on, and has 5 from #1 on"]),
        ([*whole(5)[:-1], replace(whole(5)[-1], first=2)], 1,
         ["the export says that it has 5 from #2 on, and has 5 from #1 on"]),
        ([*whole(5)[:-1], replace(whole(5)[-1], entries=0)], 1,
         ["the export says that it has none, and has 5 from #1 on"]),
        ([*LINKS[:2], *LINKS[3:5], LINKS[2], *LINKS[5:]], 1, ["#3 stands after #5: it was moved, or is there twice"]),
        ([*LINKS[1:3], LINKS[0], *LINKS[3:]], 1, ["#1 stands after #3: it was moved, or is there twice"]),
        ([*LINKS[:2], *LINKS[5:8], LINKS[3], *LINKS[8:]], 1,
         ["#4 stands after #8: it was moved, or is there twice", "#3 is missing", "#5 is missing"]),
        ([*LINKS[:9], ChainEnd(9, "x")], 1, ["the last line is that of an export that ends at #9, not at #9"]),
        ([*LINKS[:9], ChainEnd(10, "x")], 1, ["#10 is missing"]),
    ],
)  # fmt: skip
def test_what_is_missing_moved_or_miscounted_is_named(links: list[ChainEntry | ChainEnd], begin: int, told: list[str]) -> None:
    """Beginning, end, both of two gaps and an entry that fills one: each sequence, and nothing else."""
    found = verify_chain(links, begin=begin)
    assert list(found.faults) == told
    numbers = [item.event.sequence for item in links if isinstance(item, ChainEntry)]
    assert (found.entries, found.first, found.last) == (len(numbers), min(numbers, default=0), max(numbers, default=0))


def test_an_entry_before_the_first_is_noticed() -> None:
    """The first one continues nothing; in a part that begins later it does."""
    later = chain(3)[1:]
    first = later[0]
    assert isinstance(first, ChainEntry)
    moved = replace(first, event=replace(first.event, sequence=1))
    moved = replace(moved, hash=hash_of(moved.event, moved.previous, moved.writer))
    told = verify_chain([moved], whole=False).faults
    assert told == ("#1 does not begin the chain: one was put before it, or in its place",)
    assert verify_chain(later, whole=False).faults == ()


def test_every_noted_head_is_looked_for() -> None:
    """Two of one entry, one without a number, and three that are not there, each with where it was noted."""
    links = whole(9)
    third, ninth = links[2], links[8]
    assert isinstance(third, ChainEntry) and isinstance(ninth, ChainEntry)
    there = (Head(third.hash[:16], 3), Head(third.hash, 3, "a mail"), Head(ninth.hash[:20]), Head(ninth.hash, 9))
    found = verify_chain(links, heads=there)
    assert (found.faults, found.heads) == ((), there)
    gone = (Head(third.hash, 4, "a mail"), Head("0" * 16), Head(third.hash, 10))
    found = verify_chain(links, heads=(*there, *gone))
    rewritten_ = "is not there: the chain up to it was written again, or this is another journal"
    assert found.heads == there
    assert found.faults == (
        f"the head 4:{third.hash[:32]}, noted in a mail, {rewritten_}",
        f"the head {'0' * 16} {rewritten_}",
        f"the head 10:{third.hash[:32]} is not there: what came after #9 was cut off, or this is another journal",
    )


def test_entries_of_the_release_before_are_counted() -> None:
    """Their hash does not cover the writer; an export of theirs does not say how many there are."""
    older, newer = chain(2, writer=None), chain(5)
    found = verify_chain(older)
    assert (found.older, found.uncounted, found.faults) == (2, True, ())
    assert (verify_chain(newer).older, verify_chain(whole(5)).uncounted) == (0, False)
