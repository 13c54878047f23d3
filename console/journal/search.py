"""The journal a page at a time, newest first, with what a person wants of it; reads no more than it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.journal.errors import VERIFY, JournalError
from console.journal.event import Event
from console.journal.sqlite import Journal

PAGE = 200
WAITS = "it waits to be shared"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`kinds` and `authors` as they begin; `words` anywhere in the event, small and capital ASCII letters alike."""

    kinds: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    unshared: bool = False
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`unshared` says why the event is only on this machine; empty where it is shared, or there is nothing to share."""

    event: Event
    unshared: str = ""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Entries, and whether older ones follow; `last_sequence` is that of the newest event of all."""

    entries: tuple[SearchHit, ...] = ()
    older: bool = False
    last_sequence: int = 0


def parse_query(typed: str) -> SearchQuery:
    """`kind:alert. by:ann is:unshared rollback`: what is typed in the filter."""
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
    """The newest entries of those that every console sorts before `before`. Raises JournalError; for any thread."""
    where, values = _conditions(query)
    if before is not None:
        where.append("(stamp, id) < (?, ?)")
        values += [before.stamp, before.id]
    # From the index over the stamps: it stops as soon as the page is full, however many events there are.
    source = "waiting CROSS JOIN events USING (sequence)" if query.unshared else "events LEFT JOIN waiting USING (sequence)"
    statement = f"""SELECT {journal.columns}, store, trouble FROM {source}
        {"WHERE " + " AND ".join(where) if where else ""} ORDER BY stamp DESC, id DESC LIMIT ?"""  # noqa: S608 - no input
    last = journal.last_sequence()
    rows = journal.select(statement, (*values, limit + 1))
    entries = tuple(
        SearchHit(journal.event(columns), "" if store is None else error or WAITS) for *columns, store, error in rows[:limit]
    )
    if not query.unshared:
        _compare(journal, query, entries, before=before, older=len(rows) > limit, last=last)
    return SearchPage(entries, len(rows) > limit, last)


def _compare(
    journal: Journal, query: SearchQuery, entries: Sequence[SearchHit], *, before: Event | None, older: bool, last: int
) -> None:
    """Raises JournalError where the index, which gave the page, hides an event that belongs on it.

    Of the events that were written from the first of the page until now, or until the page before, those that sort among
    its entries are counted by no index.
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
        reason = f"an index hides {count - len(entries)} events of this page"
        raise JournalError(f"the journal {journal.path} is damaged: {reason}; {VERIFY}")


def _conditions(query: SearchQuery) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for column, starts in (("kind", query.kinds), ("author", query.authors)):
        if starts:
            where.append(f"({' OR '.join([f'+{column} LIKE ? ESCAPE ?'] * len(starts))})")
            values += [value for start in starts for value in (f"{_escaped(start)}%", "\\")]
    for word in query.words:
        # As it stands in the stored JSON; a word there is found as it was typed, but for quotes and backslashes.
        stored = json.dumps(word, ensure_ascii=False)[1:-1]
        where.append("(kind || ' ' || subject || ' ' || author || ' ' || environment || ' ' || data) LIKE ? ESCAPE ?")
        values += [f"%{_escaped(stored)}%", "\\"]
    return where, values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
