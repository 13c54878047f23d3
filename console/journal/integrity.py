"""Verifies a journal's file: SQLite's own check, the tables, and the hash chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from console.journal.errors import JournalError
from console.journal.hash_chain import ChainEntry, ChainReport, Head, find_missing, verify_chain
from console.journal.payloads import ActionIntent, ActionOutcome, event_kind
from console.journal.sqlite import Journal
from console.journal.sqlite_tables import VERSION, schema

_INTENT, _OUTCOME = event_kind(ActionIntent), event_kind(ActionOutcome)
_MOST = 50
"""Limit of SQLite's faults; a damaged index has one for every event."""


def verify(journal: Journal, *, heads: Iterable[Head] = ()) -> ChainReport:
    """Every fault that the file itself and `heads`, noted elsewhere, reveal.

    Memory does not grow with the file. Raises JournalError where nothing can be read.
    """
    faults: list[str] = []
    entries = _Entries(journal.links())
    report = verify_chain(entries, whole=False, begin=1, heads=heads)
    if entries.fault:
        faults.append(f"what follows #{report.last} cannot be read: {entries.fault}")
    else:
        faults += find_missing(frozenset(), first=report.last + 1, last=journal.counted())
        faults += entries.open_intents(journal)
    return replace(report, faults=(*report.faults, *faults, *_schema(journal), *_sqlite(journal)))


class _Entries:
    """Iterates the entries until one cannot be read, and tracks the intents without an outcome."""

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
        """Compares the table of unfinished actions with the events that it derives from."""
        if journal.format_version < VERSION:
            return
        listed = {sequence for (sequence,) in journal.select("SELECT sequence FROM open_intents", ())}
        expected = {number for numbers in self._open.values() for number in numbers}
        for number in sorted(expected - listed):
            yield f"#{number} has no outcome, and is missing from the list of unfinished actions"
        for number in sorted(listed - expected):
            yield f"#{number} is in the list of unfinished actions, and has an outcome"


def _schema(journal: Journal) -> Iterator[str]:
    """Tables, indexes and triggers that are missing, changed, or unknown."""
    statement = "SELECT name, type, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    there = {name: (kind, sql) for name, kind, sql in journal.select(statement, ())}
    expected = schema(journal.format_version)
    for name, sql in expected.items():
        kind, found = there.get(name, ("", ""))
        if not found:
            yield f"the {sql.split()[1].lower()} {name} is missing"
        elif found.split() != sql.split():
            yield f"the {kind} {name} was changed"
    if "about" in expected and "about" in there and not journal.identity():
        yield "the id of the file is missing"
    for name in sorted(there.keys() - expected.keys()):
        yield f"the {there[name][0]} {name} does not belong to the console"


def _sqlite(journal: Journal) -> Iterator[str]:
    """What SQLite finds in its pages, indexes and unique constraints."""
    try:
        rows = journal.select(f"PRAGMA integrity_check({_MOST})", ())
    except JournalError as error:
        yield str(error)
        return
    lines = [
        line.removeprefix("*** in database main ***").strip() for (text,) in rows if text != "ok" for line in text.split("\n")
    ]
    for line in filter(None, lines):
        yield f"SQLite: {line}"
