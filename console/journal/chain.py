"""The hash chain: each entry's hash is over the entry and the hash before it, so that a change or a gap shows.

An entry as `journal export` writes it is one JSON object a line. Its hash is SHA-256 over that object without `hash`, as
JSON in ASCII with sorted keys and no spaces; `previous` is the hash of the entry before it, empty for the first of all.
After the entries comes one line that says where they end, so that a cut file shows too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from console.journal.event import Event


@dataclass(frozen=True, slots=True)
class Link:
    """One event with the hash of the entry before it and its own, both as they were written."""

    event: Event
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class End:
    """Where an export says that it ends: the newest entry's sequence and hash."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: how many entries, from which sequence to which, the newest hash, and everything that is wrong."""

    entries: int
    first: int
    last: int
    head: str
    faults: tuple[str, ...]


def hash_of(event: Event, previous: str) -> str:
    return hashlib.sha256(_text({**_fields(event), "previous": previous}).encode("ascii")).hexdigest()


def line(link: Link) -> str:
    """As one line of an export, without its line break."""
    return _text({**_fields(link.event), "previous": link.previous, "hash": link.hash})


def end_line(end: End) -> str:
    return _text({"end": end.sequence, "hash": end.hash})


def parsed(text: str) -> Link | End:
    """One line of an export. Raises ValueError with what is wrong."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    if "end" in found:
        return End(*_typed(found, (("end", int), ("hash", str))))
    at, kind, subject, author, environment, data, sequence, identity, stamp, previous, hash_ = _typed(found, _KEYS)
    event = Event(float(at), kind, subject, author, environment, data, sequence, identity, stamp)
    return Link(event, previous, hash_)


def checked(links: Iterable[Link | End], *, whole: bool = True) -> Checked:
    """Goes through entries in the order in which they stand; with `whole` the last of them has to be an End.

    A fault names the sequence of the entry that is missing, out of order, changed, or not the successor of the one before.
    """
    faults: list[str] = []
    seen: set[int] = set()
    head: Link | None = None
    end: End | None = None
    for item in links:
        if isinstance(item, End):
            end = item
            continue
        end = None
        seen.add(item.event.sequence)
        faults += _faults(item, head)
        if head is None or item.event.sequence > head.event.sequence:
            head = item
    first, last, hash_ = (min(seen), head.event.sequence, head.hash) if head else (0, 0, "")
    if end is not None and end.sequence <= last and (end.sequence, end.hash) != (last, hash_):
        faults.append(f"the last line is that of an export that ends at #{end.sequence}, not at #{last}")
    faults += missing(seen, first=first, last=max(last, end.sequence if end else 0))
    if whole and end is None:
        faults.append(f"the end is missing: what came after #{last} was cut off")
    return Checked(len(seen), first, last, hash_, tuple(faults))


def _faults(link: Link, head: Link | None) -> Iterator[str]:
    """What is wrong with one entry, where `head` is the newest of those before it."""
    number = link.event.sequence
    if hash_of(link.event, link.previous) != link.hash:
        yield f"#{number} was changed: its hash does not fit it"
    if head is None:
        return
    last = head.event.sequence
    if number <= last:
        yield f"#{number} stands after #{last}: it was moved, or is there twice"
    elif number == last + 1 and link.previous != head.hash:
        yield f"#{number} does not continue #{last}: one of the two was put in the place of another"


def missing(seen: Set[int], *, first: int, last: int) -> Iterator[str]:
    """The gaps between two sequences, both of which should be there."""
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
    for key, wanted in keys:
        if not isinstance(found.get(key), wanted) or isinstance(found[key], bool):
            raise ValueError(f"has no {key}, or one of a wrong kind")
    return [found[key] for key, _ in keys]


def _fields(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "id": event.id,
        "stamp": event.stamp,
        "at": float(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "author": event.author,
        "environment": event.environment,
        "data": event.data,
    }


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
