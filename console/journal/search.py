"""Searches the journal a page at a time, newest first; reads no more than it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from console.journal.errors import VERIFY, JournalError
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.journal.sqlite_tables import among, decode_row
from queries.model.frozen import dataclass

PAGE = 200
WAITS = "waiting to be shared"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`kinds` and `authors` match prefixes; `words` match anywhere in the event, ignoring the case of ASCII letters."""

    kinds: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    unshared: bool = False
    complaint: str = ""
    since: float | None = None
    until: float | None = None
    """Unix seconds, both included, in the order of all consoles; None for no limit."""
    environments: tuple[str, ...] = ()
    """Empty for all."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`unshared` says why the event is only on this machine; empty where it is shared, or nothing is."""

    event: Event
    unshared: str = ""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Entries, and whether older ones follow; `last_sequence` is the newest event's."""

    entries: tuple[SearchHit, ...] = ()
    older: bool = False
    last_sequence: int = 0


def parse_query(typed: str) -> SearchQuery:
    """Parses a filter such as `kind:alert. by:ann is:unshared rollback`."""
    kinds, authors, words, unshared, complaint = [], [], [], False, ""
    for part in typed.split():
        name, _, value = part.partition(":")
        if name == "kind" and value:
            kinds.append(value)
        elif name == "by" and value:
            authors.append(value)
        elif part == "is:unshared":
            unshared = True
        elif name in ("kind", "by", "is") and ":" in part:
            complaint = "expected kind:NAME, by:NAME, is:unshared, or plain words"
        else:
            words.append(part)
    return SearchQuery(tuple(kinds), tuple(authors), tuple(words), unshared, complaint)


def search(journal: Journal, query: SearchQuery, *, before: Event | None = None, limit: int = PAGE) -> SearchPage:
    """The newest matching entries before `before` in the order of all consoles. Raises JournalError; safe in any thread."""
    where, values = _conditions(query)
    if before is not None:
        where.append("(stamp, id) < (?, ?)")
        values += [before.stamp, before.id]
    # Through the index over the stamps, which stops as soon as the page is full.
    source = "waiting CROSS JOIN events USING (sequence)" if query.unshared else "events LEFT JOIN waiting USING (sequence)"
    statement = f"""SELECT {journal.columns}, store, trouble FROM {source}
        {"WHERE " + " AND ".join(where) if where else ""} ORDER BY stamp DESC, id DESC LIMIT ?"""  # noqa: S608 - no input
    last = journal.last_sequence()
    rows = journal.select(statement, (*values, limit + 1))
    entries = tuple(
        SearchHit(decode_row(columns), "" if store is None else reason or WAITS) for *columns, store, reason in rows[:limit]
    )
    if not query.unshared:
        _compare(journal, query, entries, before=before, older=len(rows) > limit, last=last)
    return SearchPage(entries, len(rows) > limit, last)


def _compare(
    journal: Journal, query: SearchQuery, entries: Sequence[SearchHit], *, before: Event | None, older: bool, last: int
) -> None:
    """Raises JournalError where the index hides an event of this page.

    It counts, without an index, the events written since the page's first (up to the page before) that sort among its
    entries.
    """
    where, values = _conditions(query)
    numbers = [entry.event.sequence for entry in entries]
    first = min(numbers) if older else 1
    where.append("sequence BETWEEN ? AND ?")
    values += [first, max([*numbers, before.sequence if before else last])]
    for limit, event in (("(stamp, id) < (?, ?)", before), ("(stamp, id) >= (?, ?)", entries[-1].event if older else None)):
        if event is not None:
            where.append(limit)
            values += [event.stamp, event.id]
    ((count,),) = journal.select(f"SELECT count(*) FROM events NOT INDEXED WHERE {' AND '.join(where)}", values)  # noqa: S608 - no input
    if count > len(entries):
        hidden = f"an index hides {count - len(entries)} events of this page"
        raise JournalError(f"the journal {journal.path} is damaged: {hidden}; {VERIFY}")


def _conditions(query: SearchQuery) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for column, starts in (("kind", query.kinds), ("author", query.authors)):
        if starts:
            where.append(f"({' OR '.join([f'+{column} LIKE ? ESCAPE ?'] * len(starts))})")
            values += [value for start in starts for value in (f"{_escaped(start)}%", "\\")]
    if query.environments:
        where.append(f"+environment {among(query.environments)}")
        values += query.environments
    for limit, at in ((">=", query.since), ("<=", query.until)):
        if at is not None:
            where.append(f"stamp {limit} ?")
            values.append(int(at * 1e6))
    for word in query.words:
        # As the stored JSON spells it: quotes and backslashes are escaped there.
        stored = json.dumps(word, ensure_ascii=False)[1:-1]
        where.append("(kind || ' ' || subject || ' ' || author || ' ' || environment || ' ' || data) LIKE ? ESCAPE ?")
        values += [f"%{_escaped(stored)}%", "\\"]
    return where, values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
