"""Compares a journal's hash chain with the heads in the shared store, which a rewritten chain cannot match."""

from __future__ import annotations

import threading
import time

from console.journal.event import Event
from console.journal.shared_store import SharedStore
from console.journal.sqlite import Journal
from queries.errors import TimedOut
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

_MOST = 20
"""Differences that the report lists one by one."""


@dataclass(frozen=True, slots=True)
class AnchorComparison:
    """How many heads of this file the store has, up to which sequence, and where the file differs."""

    heads: int = 0
    last: int = 0
    faults: tuple[str, ...] = ()


def compare(journal: Journal, store: SharedStore, *, seconds: float) -> AnchorComparison:
    """Reads the whole store once, within `seconds`. Raises SourceError and JournalError."""
    comparison = _Comparison(journal)
    woken = threading.Event()
    ends = time.monotonic() + seconds
    try:
        store.listen(woken.set)
        while not store.read("", comparison.ingest):
            left = ends - time.monotonic()
            if (fault := store.fault) is not None and left <= 0:
                raise TimedOut(fault.what, where=fault.where, hint=fault.hint)
            if left <= 0:
                raise TimedOut(
                    f"no answer within {format_duration(seconds)}", where=store.where, hint="check that the store is up"
                )
            woken.wait(min(left, 0.2))
            woken.clear()
    finally:
        store.close()
    return comparison.result()


class _Comparison:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._identity = journal.identity()
        self._heads = self._last = self._wrong = 0
        self._faults: list[str] = []

    def ingest(self, events: tuple[Event, ...], cursor: str) -> None:
        for event in events:
            anchor = event.anchor
            if anchor is None or not self._identity or anchor.journal != self._identity:
                continue
            self._heads += 1
            self._last = max(self._last, anchor.sequence)
            rows = self._journal.select("SELECT hash FROM events WHERE sequence = ?", (anchor.sequence,))
            if rows == [(anchor.hash,)]:
                continue
            self._wrong += 1
            if self._wrong <= _MOST:
                what = (
                    "differs from what this file shared under that number"
                    if rows
                    else "was shared from this file and is missing"
                )
                self._faults.append(f"#{anchor.sequence} {what}: the file was rewritten, or restored from a copy")

    def result(self) -> AnchorComparison:
        more = (f"and {self._wrong - _MOST} more that were shared",) if self._wrong > _MOST else ()
        return AnchorComparison(self._heads, self._last, (*self._faults, *more))
