"""Whether a journal's file is what the console wrote: SQLite's own check, the tables, and the hash chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from console.journal.errors import JournalError
from console.journal.hash_chain import ChainEntry, ChainReport, Head, find_missing, verify_chain
from console.journal.payloads import ActionIntent, ActionOutcome, kind_of
from console.journal.schema import VERSION, schema
from console.journal.sqlite import Journal

_INTENT, _OUTCOME = kind_of(ActionIntent), kind_of(ActionOutcome)
_MOST = 50
"""Of the faults that SQLite names; a damaged index has one for every event."""


def verify(journal: Journal, *, heads: Iterable[Head] = ()) -> ChainReport:
    """Everything that is wrong with the file, as far as the file itself and `heads`, noted elsewhere, tell.

    Memory does not grow with the file. Raises JournalError where nothing of it can be read.
    """
    faults: list[str] = []
    watch = _Watch(journal.links())
    found = verify_chain(watch, whole=False, begin=1, heads=heads)
    if watch.fault:
        faults.append(f"what comes after #{found.last} cannot be read: {watch.fault}")
    else:
        faults += find_missing(frozenset(), first=found.last + 1, last=journal.counted())
        faults += watch.open_intents(journal)
    return replace(found, faults=(*found.faults, *faults, *_schema(journal), *_sqlite(journal)))


class _Watch:
    """The entries as they come, until one cannot be read, and what they leave open."""

    def __init__(self, links: Iterator[ChainEntry]) -> None:
        self._links = links
        self._open: dict[str, list[int]] = {}
        self.fault = ""

    def __iter__(self) -> Iterator[ChainEntry]:
        try:
            for link in self._links:
                event = link.event
                if event.kind == _INTENT:
                    self._open.setdefault(event.subject, []).append(event.sequence)
                elif event.kind == _OUTCOME:
                    self._open.pop(event.subject, None)
                yield link
        except JournalError as error:
            self.fault = str(error)

    def open_intents(self, journal: Journal) -> Iterator[str]:
        """The table that names unfinished actions against the events that make it."""
        if journal.file_version < VERSION:
            return
        listed = {sequence for (sequence,) in journal.select("SELECT sequence FROM open_intents", ())}
        expected = {number for numbers in self._open.values() for number in numbers}
        for number in sorted(expected - listed):
            yield f"#{number} has no outcome, and the list of unfinished actions does not name it"
        for number in sorted(listed - expected):
            yield f"#{number} is in the list of unfinished actions, and is not one"


def _schema(journal: Journal) -> Iterator[str]:
    """Tables, indexes and triggers that are missing, changed, or that no release makes."""
    statement = "SELECT name, type, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    there = {name: (kind, sql) for name, kind, sql in journal.select(statement, ())}
    expected = schema(journal.file_version)
    for name, sql in expected.items():
        kind, found = there.get(name, ("", ""))
        if not found:
            yield f"the {sql.split()[1].lower()} {name} is missing"
        elif found.split() != sql.split():
            yield f"the {kind} {name} was changed"
    if "about" in expected and "about" in there and not journal.identity():
        yield "the id of the file is missing"
    for name in sorted(there.keys() - expected.keys()):
        yield f"the {there[name][0]} {name} is not one of the console's"


def _sqlite(journal: Journal) -> Iterator[str]:
    """What SQLite finds in its own pages, in every index, and in what no two rows may share."""
    try:
        rows = journal.select(f"PRAGMA integrity_check({_MOST})", ())
    except JournalError as error:
        yield str(error)
        return
    answers = [
        line.removeprefix("*** in database main ***").strip() for (text,) in rows if text != "ok" for line in text.split("\n")
    ]
    for line in filter(None, answers):
        yield f"SQLite: {line}"
