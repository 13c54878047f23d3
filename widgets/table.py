"""A table: rows under a heading, sorted and with the columns that a person chose, and the room for as many as fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from queries.model.frozen import dataclass
from widgets.column_widths import Column, Sizes, arrange, page_starts, split_spare
from widgets.rows import Rows
from widgets.styled_text import Line, Span, cut_left, fit

T = TypeVar("T")

_KEPT = 8
"""Cells that a column keeps although others are cut, if it does not stretch."""
_MEASURED = 200
"""Rows whose cells decide how wide a column is once a person scrolls to it."""


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

    A column whose cells in view are cut takes the room that others do not need. Where there is none, `>` scrolls.

    `orders` are the orders that whoever gives the rows knows, the usual one first: it reads `arrangement` and gives them so.
    A table by any column the table sorts itself. Without `sortable` the rows have one order, such as that of time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "next_order", "sort", tooltip="Change the sort order: each column in turn", id="rows.sort"),
        Binding("O", "reverse", "reverse", show=False, tooltip="Reverse the sort order", id="rows.reverse"),
        Binding("C", "columns", "columns", show=False, tooltip="Choose the columns, and the one to sort by", id="rows.columns"),
        Binding(
            "greater_than_sign", "scroll_columns(1)", "right", show=False,
            tooltip="Scroll to the right: cut texts and further columns", id="rows.columns_right",
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
        self._stop = 0
        """How far a person scrolled to the right, in columns and pages of one; those up to the first that stretches stay."""
        self._layout: tuple[int, Sizes] = (-1, ())
        self._more_right = False
        """Whether there is more to the right."""
        self._scrolled, self._skipped = 0, 0
        """The first scrolled column, and how many of its cells lie to the left of it."""
        self._widest = [0] * len(columns)
        """The widest cell of each column among the rows in view, from one repaint to the next."""
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
            self._stop, self._layout, self._arranged = 0, (-1, ()), ()
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
        """Show what is to the right, each column as wide as its cells; the first ones stay."""
        self._stop = max(0, self._stop + by)
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
        spans: list[Span] = [("‹" if self._stop else " ", "dim")]
        for at, size in layout:
            column = self._columns[at]
            title = column.title
            if self.arrangement.order and self.arrangement.order == column.label:
                title = f"{title or column.label}{'↓' if self.arrangement.descending else '↑'}"
            spans.append((fit(title, size, right=column.right) + " ", "dim"))
        return (*spans[:-1], (spans[-1][0][:-1], "dim"), ("›", "dim")) if self._more_right else tuple(spans)

    def redraw(self) -> None:
        self._widest = [0] * len(self._columns)
        super().redraw()

    def refresh_changes(self) -> None:
        self._widest = [0] * len(self._columns)
        super().refresh_changes()
        self._widen()

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if y == self.size.height - 1:  # all lines of a repaint are drawn
            self.call_next(self._widen)
        return strip

    def _row(self, item: T, width: int) -> Line:
        cells = self._cells(item)
        layout = self._layout_for(width)
        self._measure(cells)
        spans: list[Span] = []
        for at, size in layout:
            content, tone = cells[at]
            if self._skipped and at == self._scrolled:
                content = cut_left(content, self._skipped)
            spans.append((fit(content, size, right=self._columns[at].right) + " ", tone))
        return tuple(spans)

    def _widen(self) -> None:
        if (shared := self._share_width()) != self._layout[1]:
            self._layout = (self._layout[0], shared)
            super().refresh_changes()

    def _visible(self) -> list[int]:
        return [at for at, item in enumerate(self._columns) if item.label not in self.arrangement.hidden or not item.label]

    def _split(self) -> tuple[list[int], list[int]]:
        """The columns that stay when a person scrolls, up to the first that stretches, and the others."""
        visible = self._visible()
        main = next((place for place, at in enumerate(visible) if self._columns[at].flex), 0)
        return visible[: main + 1], visible[main + 1 :]

    def _layout_for(self, width: int) -> Sizes:
        if self._layout[0] != width:
            self._layout = (width, self._scrolled_layout(width) if self._stop else self._fitted_layout(width))
            if not self._stop:
                top = self.scroll_offset.y
                for item in self._items[top : top + self.size.height]:
                    self._measure(self._cells(item))
                self._layout = (width, self._share_width())
        return self._layout[1]

    def _measure(self, cells: Sequence[Span]) -> None:
        for at, (content, _) in enumerate(cells):
            length = len(content) if content.isascii() else cell_len(content)
            self._widest[at] = max(self._widest[at], length)

    def _share_width(self) -> Sizes:
        """The widths in use; if a cell in view is cut, others give its column the room that they do not need."""
        width, layout = self._layout
        if self._stop or all(self._widest[at] <= size for at, size in layout):
            return layout
        fitted = self._fitted_layout(width)
        needs = {at: self._need(at, size) for at, size in fitted}
        return split_spare(fitted, needs, name=self._split()[0][-1])

    def _need(self, at: int, size: int) -> int:
        """The cells that a column needs; a narrow one that does not stretch keeps its `size`, so that little moves."""
        column = self._columns[at]
        return max(self._widest[at], cell_len(column.title), 0 if column.flex else min(size, _KEPT))

    def _fitted_layout(self, width: int) -> Sizes:
        visible = self._visible()
        fitted = arrange(tuple(self._columns[at] for at in visible), width)
        self._skipped, self._more_right = 0, len(fitted) < len(visible)
        return tuple((visible[place], size) for place, size in fitted)

    def _scrolled_layout(self, width: int) -> Sizes:
        """The columns from the stop on, as wide as their cells; a column wider than the screen has several stops."""
        kept, others = self._split()
        rows = [self._cells(item) for item in self._items[:_MEASURED]]
        natural = {at: max([self._columns[at].width, *(cell_len(row[at][0]) for row in rows)]) for at in (*kept, *others)}
        *first, main = ((at, self._columns[at].width) for at in kept)
        sizes = [*first, (main[0], min(natural[main[0]], max(main[1], width // 2)))]
        room = width - sum(size + 1 for _, size in sizes) - 1
        stops = [(place, start) for place, at in enumerate(others) for start in page_starts(natural[at], room)]
        fitted = dict(self._fitted_layout(width))
        if others and fitted.get(others[0], 0) >= natural[others[0]]:
            stops = stops[1:]  # it is in view without scrolling
        self._stop = min(self._stop, len(stops))
        if not self._stop:
            return tuple(fitted.items())
        self._more_right = self._stop < len(stops)
        place, self._skipped = stops[self._stop - 1]
        for at in others[place:]:
            if room < 3:
                break
            size = min(room, natural[at] - (self._skipped if at == others[place] else 0))
            sizes.append((at, size))
            room -= size + 1
        self._scrolled = others[place]
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
