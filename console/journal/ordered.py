"""The journal's rows, a page at a time: in the order of all consoles, or in the order in which they were written.

A damaged index must not hide or move a row. So the index over the stamps only says where to look: the rows themselves are
compared with it, and the reader counts them at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from console.journal.errors import VERIFY, JournalError
from console.journal.event import Event
from console.journal.sqlite_tables import decode_row
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

PAGE = 1000
FIRST = -(1 << 63)
"""Before every stamp."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file; `event` is None for another environment or a kind that the filter excludes.

    `stamp` is None where the column does not hold a number: then the row has no place in the order.
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
    """The kinds and environments whose events are decoded; other rows are only counted."""

    kinds: Collection[str]
    environments: Collection[str]


def read_in_order(
    journal: Journal, row_filter: RowFilter, *, after: Any = FIRST, limit: int = PAGE
) -> tuple[tuple[Row, ...], Any]:
    """The rows after a stamp in order, and where to continue; rows of one stamp are never on two pages. Empty at the end.

    Raises JournalError where index and rows disagree.
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
            raise JournalError(f"the journal {journal.path} is damaged: an index misplaces #{row[0]}; {VERIFY}")
    if stamps:
        raise JournalError(
            f"the journal {journal.path} is damaged: an index lists #{min(stamps)}, which does not exist; {VERIFY}"
        )
    ordered = sorted((_row(journal, row, row_filter) for row in rows), key=_sort_key)
    return tuple(ordered), listed[-1][0] if listed else after


def read_as_written(journal: Journal, row_filter: RowFilter, *, after: int, until: int, limit: int = PAGE) -> tuple[Row, ...]:
    """The rows after a sequence, in the order in which they were written, without an index."""
    statement = f"""SELECT {journal.columns} FROM events NOT INDEXED
        WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"""  # noqa: S608 - no input
    return tuple(_row(journal, row, row_filter) for row in journal.select(statement, (after, until, limit)))


def _row(journal: Journal, columns: Sequence[Any], row_filter: RowFilter) -> Row:
    sequence, _, kind, _, _, environment, _, identity, stamp = columns
    mine = kind in row_filter.kinds and environment in row_filter.environments
    event = decode_row(columns) if mine else None
    return Row(sequence, stamp if isinstance(stamp, int) else None, str(identity), event)


def _sort_key(row: Row) -> tuple[bool, int, str]:
    return (row.stamp is None, *row.order)
