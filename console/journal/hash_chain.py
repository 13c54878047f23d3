"""The hash chain: each entry's hash covers the entry and the hash before it, so that changes and gaps show.

`journal export` writes one JSON object a line. An entry's hash is the SHA-256 of its object without `hash`, as ASCII JSON
with sorted keys and no spaces; `previous` is the hash of the entry before it, empty for the first one. Entries without
`writer` come from the release before, whose hash did not cover that column. The last line says where the entries end and how
many there are, so that a truncated file shows too.

Anybody who can rewrite the whole file can also recompute its hashes. Only a head noted elsewhere reveals that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from typing import Any

from console.journal.event import Event
from queries.model.frozen import dataclass

HEAD_DIGITS = 32
"""The length of a hash that people note: 128 bits, infeasible to find a second chain for."""
_LEAST_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """An event with its hash and that of the entry before it, both as stored.

    `writer` is the process that wrote it; None if the hash does not cover it. `intact` is False if a column holds what the
    console never writes, so that no hash can fit. `fits` tells whether the hash fits; None before it was checked.
    """

    event: Event
    previous: str
    hash: str
    writer: str | None = None
    intact: bool = True
    fits: bool | None = None


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last line of an export: the newest entry's sequence and hash, the number of entries and the first sequence.

    `entries` is None in an export of the release before, which did not count them.
    """

    sequence: int
    hash: str
    entries: int | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """The hash of an entry, as noted elsewhere; `sequence` is 0 if only the hash was noted."""

    hash: str
    sequence: int = 0
    where: str = ""

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash[:HEAD_DIGITS]}" if self.sequence else self.hash[:HEAD_DIGITS]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of a verification: the number of entries, their range of sequences, the newest hash, and every fault.

    `older` counts the entries of the release before; `heads` are the noted heads that the chain contains. `uncounted` is True
    if the export's last line does not state the number of entries.
    """

    entries: int
    first: int
    last: int
    head: str
    faults: tuple[str, ...]
    older: int = 0
    heads: tuple[Head, ...] = ()
    uncounted: bool = False


def hash_of(event: Event, previous: str, writer: str | None) -> str:
    """The entry's SHA-256 in hexadecimal; `writer` None where it is not part of the hash."""
    return hashlib.sha256(_text(_fields(event, previous, writer)).encode("ascii")).hexdigest()


def chain_entry(
    event: Event, previous: str, hash_: str, writer: str, *, intact: bool = True, older: bool = False
) -> ChainEntry:
    """A stored entry, with or without `writer` in its hash, whichever fits: a file also holds entries of the release before.

    `older` is the likelier case, and is tried first.
    """
    for covered in (None, writer) if older else (writer, None):
        if intact and hash_of(event, previous, covered) == hash_:
            return ChainEntry(event, previous, hash_, covered, intact, fits=True)
    return ChainEntry(event, previous, hash_, writer, intact, fits=False)


def format_entry(link: ChainEntry) -> str:
    """A line of an export, without its line break."""
    return _text({**_fields(link.event, link.previous, link.writer), "hash": link.hash})


def format_end(end: ChainEnd) -> str:
    """The last line of an export, without its line break."""
    return _text({"end": end.sequence, "hash": end.hash, "entries": end.entries or 0, "first": end.first})


def parse_line(text: str) -> ChainEntry | ChainEnd:
    """Parses a line of an export. Raises ValueError with the reason."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except _Twice:
        raise ValueError("has a duplicate key") from None
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    if "end" in found:
        counted = ("entries", int), ("first", int)
        sequence, hash_ = _typed(found, (("end", int), ("hash", str)))
        return ChainEnd(sequence, hash_, *(_typed(found, counted) if "entries" in found else ()))
    at, kind, subject, author, environment, data, sequence, identity, stamp, previous, hash_ = _typed(found, _KEYS)
    event = Event(float(at), kind, subject, author, environment, data, sequence, identity, stamp)
    (writer,) = _typed(found, (("writer", str),)) if "writer" in found else (None,)
    # A key outside the hash, or another spelling of a number, means that the line was edited.
    return ChainEntry(event, previous, hash_, writer, found == {**_fields(event, previous, writer), "hash": hash_})


def parse_head(text: str) -> Head:
    """Parses `1234:3fa9…`, or only a hash. Raises ValueError with the reason."""
    number, colon, digits = text.strip().lower().rpartition(":")
    if colon and not (number.isascii() and number.isdigit()):
        raise ValueError("expected NUMBER:HASH or HASH")
    if not _LEAST_DIGITS <= len(digits) <= 64 or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"a hash has {_LEAST_DIGITS} to 64 hexadecimal digits")
    return Head(digits, int(number or 0))


def verify_chain(
    links: Iterable[ChainEntry | ChainEnd], *, whole: bool = True, begin: int = 0, heads: Iterable[Head] = ()
) -> ChainReport:
    """Verifies entries in file order. With `whole` the last item must be a ChainEnd; with `begin` the first entry must have
    that sequence; each of `heads` must be the hash of an entry.

    A fault names the sequence of an entry that is missing, out of order, changed, or not the successor of the entry before
    it. Memory does not grow with the number of entries.
    """
    check = _Check(heads, begin)
    for item in links:
        if isinstance(item, ChainEnd):
            check.end_at(item)
        else:
            check.take(item)
    return check.result(whole=whole)


class _Check:
    """The state of a verification between two entries."""

    def __init__(self, heads: Iterable[Head], begin: int) -> None:
        self._heads = tuple(heads)
        self._by_number: dict[int, list[Head]] = {}
        for head in self._heads:
            self._by_number.setdefault(head.sequence, []).append(head)
        self._expected = begin
        self._found: dict[Head, bool] = {}
        self._faults: list[str] = []
        self._gaps: list[tuple[int, int]] = []
        self._late: set[int] = set()
        self._newest: ChainEntry | None = None
        self._end: ChainEnd | None = None
        self._first = self._entries = self._older = self._since = self._begin = 0
        self._uncounted = False

    def take(self, link: ChainEntry) -> None:
        number, newest = link.event.sequence, self._newest
        self._end = None
        self._entries += 1
        self._since += 1
        self._begin = self._begin if self._since > 1 else number
        self._older += link.writer is None
        self._faults += _faults(link, newest)
        self._see(link)
        if newest is None:
            self._first = number
            if self._expected and number > self._expected:
                self._gaps.append((self._expected, number - 1))
        elif number <= newest.event.sequence:
            # An entry that was moved fills a gap; otherwise it precedes all others or is a duplicate.
            self._late.add(number)
            self._first = min(self._first, number)
            return
        elif number > newest.event.sequence + 1:
            self._gaps.append((newest.event.sequence + 1, number - 1))
        self._newest = link

    def end_at(self, end: ChainEnd) -> None:
        if end.entries is None:
            self._uncounted = True
        elif end.entries != self._since or (self._since and end.first != self._begin):
            claim = f"{end.entries} from #{end.first} on" if end.entries else "none"
            self._faults.append(f"the export says that it has {claim}, and has {self._since} from #{self._begin} on")
        self._end, self._since = end, 0

    def result(self, *, whole: bool) -> ChainReport:
        end, newest = self._end, self._newest
        last, hash_ = (newest.event.sequence, newest.hash) if newest else (0, "")
        if end is not None and end.sequence <= last and (end.sequence, end.hash) != (last, hash_):
            self._faults.append(f"the last line is that of an export that ends at #{end.sequence}, not at #{last}")
        if end is not None and end.sequence > last:
            self._gaps.append((last + 1 if newest else end.first or 1, end.sequence))
        for begin, until in self._gaps:
            late = {number for number in self._late if begin <= number <= until}
            self._faults += find_missing(late, first=begin, last=until)
        if whole and end is None:
            self._faults.append(f"the end is missing: what came after #{last} was cut off")
        self._faults += [_not_there(head, last) for head in self._heads if not self._found.get(head)]
        good = tuple(head for head in self._heads if self._found.get(head))
        faults = tuple(self._faults)
        return ChainReport(self._entries, self._first, last, hash_, faults, self._older, good, self._uncounted)

    def _see(self, link: ChainEntry) -> None:
        for number in {link.event.sequence, 0} & self._by_number.keys():
            for head in self._by_number[number]:
                self._found[head] = self._found.get(head, False) or link.hash.startswith(head.hash)


def _not_there(head: Head, last: int) -> str:
    where = f", noted in {head.where}," if head.where else ""
    if head.sequence > last:
        return f"the head {head}{where} is not there: what came after #{last} was cut off, or this is another journal"
    return f"the head {head}{where} is not there: the chain up to it was written again, or this is another journal"


def _faults(link: ChainEntry, head: ChainEntry | None) -> Iterator[str]:
    """The faults of an entry; `head` is the newest entry before it."""
    number = link.event.sequence
    fits = hash_of(link.event, link.previous, link.writer) == link.hash if link.fits is None else link.fits
    if not link.intact or not fits:
        yield f"#{number} was changed: its hash does not fit it"
    if head is None:
        if number == 1 and link.previous:
            yield "#1 does not begin the chain: one was put before it, or in its place"
        return
    last = head.event.sequence
    if number <= last:
        yield f"#{number} stands after #{last}: it was moved, or is there twice"
    elif number == last + 1 and link.previous != head.hash:
        yield f"#{number} does not continue #{last}: one of the two was put in the place of another"


def find_missing(seen: Set[int], *, first: int, last: int) -> Iterator[str]:
    """A sentence for each gap in `seen` from `first` to `last`, both included."""
    before = max(first - 1, 0)
    for number in (*sorted(seen), last + 1):
        if number > before + 1:
            yield f"#{before + 1} is missing" if number == before + 2 else f"#{before + 1} to #{number - 1} are missing"
        before = max(before, number)


_KEYS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("at", (int, float)),
    ("kind", str),
    ("subject", str),
    ("author", str),
    ("environment", str),
    ("data", dict),
    ("sequence", int),
    ("id", str),
    ("stamp", int),
    ("previous", str),
    ("hash", str),
)


def _typed(found: dict[str, Any], keys: Iterable[tuple[str, type | tuple[type, ...]]]) -> list[Any]:
    for key, expected in keys:
        if not isinstance(found.get(key), expected) or isinstance(found[key], bool):
            raise ValueError(f"has no {key}, or one of a wrong kind")
    return [found[key] for key, _ in keys]


def _fields(event: Event, previous: str, writer: str | None) -> dict[str, Any]:
    fields = {
        "sequence": event.sequence,
        "id": event.id,
        "stamp": event.stamp,
        "at": float(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "author": event.author,
        "environment": event.environment,
        "data": event.data,
        "previous": previous,
    }
    return fields if writer is None else {**fields, "writer": writer}


class _Twice(ValueError):
    """A duplicate key: readers differ in which of the values they take."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _text(value: dict[str, Any]) -> str:
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
