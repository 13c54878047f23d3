"""A table: rows under a heading, sorted and with the columns that a person chose, and the room for as many as fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.message import Message

from queries.model.frozen import dataclass
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit

T = TypeVar("T")

_MEASURED = 200
"""Rows whose cells decide how wide a column is once a person scrolls to it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, `width` cells wide; `flex` is its share of the spare width. The higher `rank`, the sooner it is dropped.

    `name` is for one whose heading is empty. `key` returns what a row is sorted by, None for unknown, which is last in both
    directions; without one, the text of its cell is.
    """

    title: str
    width: int
    flex: int = 0
    rank: int = 0
    right: bool = False
    name: str = ""
    key: Callable[[Any], Any] | None = None

    @property
    def label(self) -> str:
        """What a person calls it; empty for a column that is only a mark."""
        return self.name or self.title


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a person arranged a table: `order` is one of the table's own or the label of a column, empty for the usual one;
    `hidden` are labels of columns.
    """

    order: str = ""
    descending: bool = False
    hidden: frozenset[str] = frozenset()


class Table(Rows[T]):
    """Rows of cells; `cells` returns one span per column, in the order of `columns`.

    `orders` are the orders that whoever gives the rows knows, the usual one first: it reads `arrangement` and gives them so.
    A table by any column the table sorts itself. Without `sortable` the rows have one order, such as that of time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "next_order", "sort", tooltip="Change the sort order: each column in turn", id="rows.sort"),
        Binding("O", "reverse", "reverse", show=False, tooltip="Reverse the sort order", id="rows.reverse"),
        Binding("C", "columns", "columns", show=False, tooltip="Choose the columns, and the one to sort by", id="rows.columns"),
        Binding(
            "greater_than_sign", "scroll_columns(1)", "right", show=False,
            tooltip="Further columns: scroll to the right", id="rows.columns_right",
        ),
        Binding(
            "less_than_sign", "scroll_columns(-1)", "left", show=False,
            tooltip="Scroll back to the left", id="rows.columns_left",
        ),
    ]  # fmt: skip

    fixed = 1

    @dataclass
    class Rearranged(Message):
        """A person changed the order or the columns."""

        table: Table[Any]

        @property
        def control(self) -> Table[Any]:
            return self.table

    @dataclass
    class ColumnsRequested(Message):
        """A person wants to choose columns."""

        table: Table[Any]

        @property
        def control(self) -> Table[Any]:
            return self.table

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        key: Callable[[T], str],
        cells: Callable[[T], tuple[Span, ...]],
        empty: str = "",
        opens: bool = True,
        marks: bool = False,
        orders: tuple[str, ...] = ("",),
        sortable: bool = True,
        id: str | None = None,
    ) -> None:
        super().__init__(key=key, draw=self._row, empty=empty, opens=opens, marks=marks, id=id)
        self._columns = columns
        self._cells = cells
        self._orders = orders
        self._sortable = sortable
        self.arrangement = Arrangement()
        self._first = 0
        """How many columns a person scrolled past; those up to the first that stretches stay."""
        self._layout: tuple[int, tuple[tuple[int, int], ...]] = (-1, ())
        self._arranged: tuple[Any, ...] = ()
        """The rows and the arrangement of the last sort, and its result."""

    # Order and columns

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns

    @property
    def order(self) -> str:
        """The order in use: one of `orders`, or the label of a column."""
        return self.arrangement.order or self._orders[0]

    @property
    def order_text(self) -> str:
        """`by restarts, reversed`; empty for the usual order."""
        order = self.arrangement.order
        named = order if order in self._orders or not order else f"by {order}"
        return f"{named}, reversed".lstrip(", ") if self.arrangement.descending else named

    @property
    def sorts_itself(self) -> bool:
        """Whether the table's own order is in use, whatever the order of the rows that it was given."""
        return self.arrangement.descending or (bool(self.arrangement.order) and self.arrangement.order not in self._orders)

    def rearrange(self, arrangement: Arrangement) -> None:
        """Sort and show the columns so; what this table does not have is left out."""
        labels = {item.label for item in self._columns}
        order = arrangement.order if arrangement.order in labels or arrangement.order in self._orders else ""
        order = "" if order == self._orders[0] else order
        requested = replace(arrangement, order=order, hidden=arrangement.hidden & labels)
        if requested != self.arrangement:
            self.arrangement = requested
            self._first, self._layout, self._arranged = 0, (-1, ()), ()
            self.post_message(self.Rearranged(self))
            self.show(self._given)
            self.redraw()

    def action_next_order(self) -> None:
        own = [item.label for item in self._columns if item.label and item.label not in self.arrangement.hidden]
        every = [*self._orders, *own]
        at = every.index(self.order) if self.order in every else -1
        self.rearrange(replace(self.arrangement, order=every[(at + 1) % len(every)], descending=False))

    def action_reverse(self) -> None:
        self.rearrange(replace(self.arrangement, descending=not self.arrangement.descending))

    def action_columns(self) -> None:
        self.post_message(self.ColumnsRequested(self))

    def action_scroll_columns(self, by: int) -> None:
        """Show the columns to the right, each as wide as its cells; the first ones stay."""
        others = self._split()[1]
        self._first = min(max(0, self._first + by), max(0, len(others) - 1))
        self._layout = (-1, ())
        self.refresh_changes()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("next_order", "reverse"):
            return self._sortable
        return super().check_action(action, parameters)

    def row_text(self, item: T) -> str:
        return " ".join(content for content, _ in self._cells(item))

    def choose_rows(self, items: Sequence[T]) -> Sequence[T]:
        chosen = self.arrangement
        column = next((at for at, item in enumerate(self._columns) if item.label and item.label == chosen.order), None)
        if not self._words and column is None and not chosen.descending:
            return items
        known = (items, self._words, chosen)
        if self._arranged and self._arranged[0] is items and self._arranged[1:3] == known[1:]:
            shown: Sequence[T] = self._arranged[3]
            return shown
        rows = list(super().choose_rows(items))
        unknown: list[T] = []
        if column is not None:
            key = self._columns[column].key or (lambda item: cell_key(self._cells(item)[column][0]))
            keyed = [(key(item), item) for item in rows]
            rows = [item for _, item in sorted((each for each in keyed if each[0] is not None), key=itemgetter(0))]
            unknown = [item for value, item in keyed if value is None]
        if chosen.descending:
            rows.reverse()
        self._arranged = (*known, (*rows, *unknown))
        return (*rows, *unknown)

    # Drawing

    def heading(self, width: int) -> Line:
        layout = self._layout_for(width - 1)
        spans: list[Span] = [("‹" if self._first else " ", "dim")]
        for at, size in layout:
            column = self._columns[at]
            title = column.title
            if self.arrangement.order and self.arrangement.order == column.label:
                title = f"{title or column.label}{'↓' if self.arrangement.descending else '↑'}"
            spans.append((fit(title, size, right=column.right) + " ", "dim"))
        last = layout[-1][0] if layout else 0
        shown = {at for at, _ in layout}
        more = any(at not in shown for at in self._visible() if not self._first or at > last)
        return (*spans[:-1], (spans[-1][0][:-1], "dim"), ("›", "dim")) if more else tuple(spans)

    def _row(self, item: T, width: int) -> Line:
        cells = self._cells(item)
        return tuple(
            (fit(cells[at][0], size, right=self._columns[at].right) + " ", cells[at][1]) for at, size in self._layout_for(width)
        )

    def _visible(self) -> list[int]:
        return [at for at, item in enumerate(self._columns) if item.label not in self.arrangement.hidden or not item.label]

    def _split(self) -> tuple[list[int], list[int]]:
        """The columns that stay when a person scrolls, up to the first that stretches, and the others."""
        visible = self._visible()
        main = next((place for place, at in enumerate(visible) if self._columns[at].flex), 0)
        return visible[: main + 1], visible[main + 1 :]

    def _layout_for(self, width: int) -> tuple[tuple[int, int], ...]:
        if self._layout[0] != width:
            self._layout = (width, self._scrolled_layout(width) if self._first else self._fitted_layout(width))
        return self._layout[1]

    def _fitted_layout(self, width: int) -> tuple[tuple[int, int], ...]:
        visible = self._visible()
        fitted = arrange(tuple(self._columns[at] for at in visible), width)
        return tuple((visible[place], size) for place, size in fitted)

    def _scrolled_layout(self, width: int) -> tuple[tuple[int, int], ...]:
        kept, others = self._split()
        sizes = [(at, self._columns[at].width) for at in kept]
        left = width - sum(size + 1 for _, size in sizes)
        cells = [self._cells(item) for item in self._items[:_MEASURED]]
        for at in others[self._first :]:
            if left < 4:
                break
            column = self._columns[at]
            size = min(left - 1, max(column.width, *(len(row[at][0]) for row in cells), 0))
            sizes.append((at, size))
            left -= size + 1
        return tuple(sizes)


def set_keys(columns: tuple[Column, ...], keys: Mapping[str, Callable[[Any], Any]]) -> tuple[Column, ...]:
    """The columns with these keys, by label: for a key that only the screen knows."""
    return tuple(replace(item, key=keys.get(item.label, item.key)) for item in columns)


def cell_key(text: str) -> tuple[Any, ...]:
    """What a cell is sorted by: an age or a number by its size, other text by itself; empty ones last."""
    from queries.text.durations import measure_text  # noqa: PLC0415  # only for a table that a person sorts

    stripped = text.strip().casefold()
    if stripped in ("", "-", "–"):
        return (2, 0.0, "")
    number = measure_text(stripped)
    return (1, 0.0, stripped) if number is None else (0, number, stripped)


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
