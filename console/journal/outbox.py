"""The events that the shared store does not have: pending and rejected ones, with the store they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from console.journal.event import Anchor, Event
from console.journal.sqlite_tables import CHAINED, COLUMNS, among, decode_row
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Outbox:
    """The table `waiting` of a journal file.

    An event enters it in the transaction that appends it and leaves it once the store has it, so that neither a crash nor a
    store that is unreachable loses one. Every method raises JournalError.
    """

    store: str
    """The shared store's name; empty without a store, when nothing is ever pending."""
    version: int
    """The version of the journal's file."""
    select: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
    """`Journal.select`"""
    writing: Callable[[], AbstractContextManager[sqlite3.Connection]]
    """`Journal.writing`"""

    def pending(self, *, limit: int = 100) -> tuple[Event, ...]:
        """The oldest pending events, in order, each with its anchor in this file's hash chain."""
        statement = f"""SELECT hash, {COLUMNS} FROM events WHERE sequence IN (
            SELECT sequence FROM waiting WHERE store = ? AND trouble = '' ORDER BY sequence LIMIT ?) ORDER BY sequence"""  # noqa: S608 - no input
        rows = self.select("SELECT value FROM about WHERE name = 'journal'", ())
        journal = str(rows[0][0]) if rows else ""
        return tuple(
            replace(decode_row(columns), anchor=Anchor(journal, columns[0], hash_))
            for hash_, *columns in self.select(statement, (self.store, limit))
        )

    def pending_count(self) -> int:
        """The number of pending events."""
        ((count,),) = self.select("SELECT count(*) FROM waiting WHERE store = ? AND trouble = ''", (self.store,))
        return int(count)

    def pending_elsewhere(self) -> int:
        """The number of events pending for a store other than this one."""
        ((count,),) = self.select("SELECT count(*) FROM waiting WHERE store <> ? AND trouble = ''", (self.store,))
        return int(count)

    def refused(self) -> dict[str, int]:
        """The number of events that the store will never get, by reason."""
        statement = "SELECT trouble, count(*) FROM waiting WHERE store = ? AND trouble <> '' GROUP BY trouble"
        return {str(reason): int(count) for reason, count in self.select(statement, (self.store,))}

    def unshared(self) -> tuple[tuple[int, str, str], ...]:
        """Sequence, store and reason of every event that exists only in this file; the reason is empty while it is pending."""
        if self.version < CHAINED:
            return ()
        return tuple(self.select("SELECT sequence, store, trouble FROM waiting ORDER BY sequence", ()))

    def mark_delivered(self, events: Iterable[Event]) -> None:
        """Removes events that the store has."""
        with self.writing() as connection:
            connection.executemany("DELETE FROM waiting WHERE sequence = ?", [(event.sequence,) for event in events])

    def mark_refused(self, event: Event, reason: str) -> None:
        """Records why the store rejects an event; the event is not pushed again."""
        with self.writing() as connection:
            connection.execute("UPDATE waiting SET trouble = ? WHERE sequence = ?", (reason, event.sequence))

    def adopt(self, former: Sequence[str]) -> None:
        """Moves events pending under a former name of the store to its present name.

        The cursor is not carried over: reading the store again from its beginning misses nothing, and known events are skipped.
        """
        if former and self.select(f"SELECT 1 FROM waiting WHERE store {among(former)} LIMIT 1", former):  # noqa: S608 - no input
            with self.writing() as connection:
                connection.execute(f"UPDATE waiting SET store = ? WHERE store {among(former)}", (self.store, *former))  # noqa: S608
