"""A table: rows under a heading, with columns that are dropped on a narrow terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """One column, `width` cells wide; `flex` is its share of the spare width. The higher `rank`, the sooner it is dropped."""

    title: str
    width: int
    flex: int = 0
    rank: int = 0
    right: bool = False


class Table(Rows[T]):
    """Rows of cells; `cells` returns one span per column, in the order of `columns`."""

    fixed = 1

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        key: Callable[[T], str],
        cells: Callable[[T], tuple[Span, ...]],
        empty: str = "",
        opens: bool = True,
        id: str | None = None,
    ) -> None:
        super().__init__(key=key, draw=self._row, empty=empty, opens=opens, id=id)
        self._columns = columns
        self._cells = cells
        self._layout: tuple[int, tuple[tuple[int, int], ...]] = (-1, ())

    def heading(self, width: int) -> Line:
        layout = self._layout_for(width - 1)
        titles = tuple((fit(self._columns[at].title, size, right=self._columns[at].right) + " ", "dim") for at, size in layout)
        return ((" ", ""), *titles)

    def _row(self, item: T, width: int) -> Line:
        cells = self._cells(item)
        return tuple(
            (fit(cells[at][0], size, right=self._columns[at].right) + " ", cells[at][1]) for at, size in self._layout_for(width)
        )

    def _layout_for(self, width: int) -> tuple[tuple[int, int], ...]:
        if self._layout[0] != width:
            self._layout = (width, arrange(self._columns, width))
        return self._layout[1]


def arrange(columns: tuple[Column, ...], width: int) -> tuple[tuple[int, int], ...]:
    """The columns that fit into `width` cells, as (position, width); each is followed by a space."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(columns[at].width + 1 for at in kept) > width:
        worst = max(kept, key=lambda at: (columns[at].rank, at))
        kept.remove(worst)
    spare = max(0, width - sum(columns[at].width + 1 for at in kept))
    shares = sum(columns[at].flex for at in kept)
    sizes: list[tuple[int, int]] = []
    for at in kept:
        extra = spare * columns[at].flex // shares if shares else 0
        sizes.append((at, columns[at].width + extra))
    return tuple(sizes)
