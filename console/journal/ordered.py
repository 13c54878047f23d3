"""The journal's rows, a page at a time: in the order in which every console sorts them, and in that in which they were written.

An index that is damaged must not hide a row or put it elsewhere. So the index over the stamps only says where to look; what
it says is compared with the rows themselves, and whoever reads to the end counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.journal.errors import VERIFY, JournalError
from console.journal.event import Event

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

PAGE = 1000
FIRST = -(1 << 63)
"""Before every stamp."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file; `event` is None where it is of another environment or of a kind that nobody asked for.

    `stamp` is None where the column holds no number: then it has no place among the others.
    """

    sequence: int
    stamp: int | None
    id: str
    event: Event | None

    @property
    def order(self) -> tuple[int, str]:
        return self.stamp or 0, self.id


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Of which kinds and environments the events are read; of the others only that they are there."""

    kinds: Collection[str]
    environments: Collection[str]


def read_in_order(
    journal: Journal, row_filter: RowFilter, *, after: Any = FIRST, limit: int = PAGE
) -> tuple[tuple[Row, ...], Any]:
    """The rows after a stamp in their order, and where to go on; rows of one stamp are never on two pages. Empty at the end.

    Raises JournalError where the index and the rows do not agree.
    """
    listed = journal.select(
        "SELECT stamp, sequence FROM events INDEXED BY events_by_stamp WHERE stamp > ? ORDER BY stamp LIMIT ?", (after, limit)
    )
    if len(listed) == limit:
        listed += journal.select(
            "SELECT stamp, sequence FROM events INDEXED BY events_by_stamp WHERE stamp = ? AND sequence > ? ORDER BY sequence",
            listed[-1],
        )
    stamps = {sequence: stamp for stamp, sequence in listed}
    numbers = ",".join(str(int(sequence)) for sequence in stamps)
    rows = journal.select(f"SELECT {journal.columns} FROM events NOT INDEXED WHERE sequence IN ({numbers})", ())  # noqa: S608 - numbers
    for row in rows:
        if stamps.pop(row[0]) != row[-1]:
            raise JournalError(f"the journal {journal.path} is damaged: an index puts #{row[0]} in another place; {VERIFY}")
    if stamps:
        raise JournalError(f"the journal {journal.path} is damaged: an index names #{min(stamps)}, which is no row; {VERIFY}")
    found = sorted((_row(journal, row, row_filter) for row in rows), key=_sorted)
    return tuple(found), listed[-1][0] if listed else after


def read_as_written(journal: Journal, row_filter: RowFilter, *, after: int, until: int, limit: int = PAGE) -> tuple[Row, ...]:
    """The rows after a sequence, in the order in which they were written, by no index."""
    statement = f"""SELECT {journal.columns} FROM events NOT INDEXED
        WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"""  # noqa: S608 - no input
    return tuple(_row(journal, row, row_filter) for row in journal.select(statement, (after, until, limit)))


def _row(journal: Journal, columns: Sequence[Any], row_filter: RowFilter) -> Row:
    sequence, _, kind, _, _, environment, _, identity, stamp = columns
    mine = kind in row_filter.kinds and environment in row_filter.environments
    event = journal.event(columns) if mine else None
    return Row(sequence, stamp if isinstance(stamp, int) else None, str(identity), event)


def _sorted(row: Row) -> tuple[bool, int, str]:
    return (row.stamp is None, *row.order)
