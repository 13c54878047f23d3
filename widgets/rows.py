"""A list of rows with a cursor that follows its row, for any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from queries.model.frozen import dataclass
from widgets.line_view import LineView
from widgets.styled_text import Line, wrap

T = TypeVar("T")


@dataclass
class RowsMessage(Message):
    """What a person did with a list of rows."""

    rows: Rows[Any]

    @property
    def control(self) -> Rows[Any]:
        return self.rows


class Rows(LineView, Generic[T], can_focus=True):
    """Renders only the rows in view; `key` identifies a row, `draw` renders it for a width. `opens` says whether rows can be
    opened; without that, or without rows, the footer does not offer enter.

    An equal list repaints nothing. When rows come and go, the cursor stays on its key and that row on its screen line.
    With `marks` a person can mark several rows for one action.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, tooltip="One row up", id="rows.up"),
        Binding("down,j", "move(1)", "down", show=False, tooltip="One row down", id="rows.down"),
        Binding("pageup", "page(-1)", "page up", show=False, tooltip="One page up", id="rows.page_up"),
        Binding("pagedown", "page(1)", "page down", show=False, tooltip="One page down", id="rows.page_down"),
        Binding("home,g", "edge(-1)", "first", show=False, tooltip="To the first row", id="rows.first"),
        Binding("end,G", "edge(1)", "last", show=False, tooltip="To the last row", id="rows.last"),
        Binding("enter", "choose", "open", key_display="enter", tooltip="Open what the cursor is on", id="rows.open"),
        Binding(
            "space", "mark", "mark", show=False, tooltip="Mark the row for an action on several, or unmark it", id="rows.mark"
        ),
        Binding("asterisk", "mark_all", "mark all", show=False, tooltip="Mark every row, or none", id="rows.mark_all"),
    ]

    @dataclass
    class Selected(RowsMessage):
        """A person opened a row."""

        key: str

    @dataclass
    class Highlighted(RowsMessage):
        """The cursor moved to another row."""

        key: str

    @dataclass
    class Marked(RowsMessage):
        """A person marked rows, or unmarked them."""

    @dataclass
    class EdgeReached(RowsMessage):
        """A person moved the cursor beyond the first (-1) or the last (1) row."""

        direction: int

    def __init__(
        self,
        *,
        key: Callable[[T], str],
        draw: Callable[[T, int], Line],
        empty: str = "",
        opens: bool = True,
        marks: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._opens = opens
        self._marks = marks
        self._marked: frozenset[str] = frozenset()
        self._key_of = key
        self._draw = draw
        self._empty = empty
        self._given: Sequence[T] = ()
        """All rows, before the words of the filter and the order."""
        self._words: tuple[str, ...] = ()
        self._filtered: tuple[Sequence[T], tuple[str, ...], Sequence[T]] = ((), (), ())
        """The rows and the words that were filtered last, and which rows those were."""
        self._items: Sequence[T] = ()
        self._cursor_key = ""
        self._cursor = 0
        self.always_active = False
        """Draw the cursor as active although the focus is elsewhere (a list below an input)."""

    @property
    def active(self) -> bool:
        return self.has_focus or self.always_active

    @property
    def items(self) -> Sequence[T]:
        return self._items

    @property
    def cursor_key(self) -> str:
        """The key under the cursor; empty without rows."""
        return self._cursor_key if self._items else ""

    @property
    def current(self) -> T | None:
        return self._items[self._cursor] if self._items else None

    @property
    def marked(self) -> tuple[T, ...]:
        """The marked rows that are shown, in their order; a row that is gone or filtered out does not count."""
        return tuple(item for item in self._items if self._key_of(item) in self._marked) if self._marked else ()

    @property
    def in_view(self) -> Sequence[T]:
        """The rows that are in view."""
        top = self.scroll_offset.y
        return self._items[top : top + max(0, self.size.height - self.fixed)]

    def unmark(self) -> None:
        """Mark no row."""
        self._set_marked(frozenset())

    def filter_words(self, words: str) -> None:
        """Show only the rows whose text has all of these words, in any case; every row without words."""
        self._words = tuple(words.casefold().split())
        self.show(self._given)

    def row_text(self, item: T) -> str:
        """What the filter searches: the row as it is drawn on a very wide screen."""
        return "".join(content for content, _ in self._draw(item, 500))

    def choose_rows(self, items: Sequence[T]) -> Sequence[T]:
        """The rows to show, in their order; the same object if those are all."""
        if not self._words:
            return items
        if self._filtered[0] is not items or self._filtered[1] != self._words:
            self._filtered = (items, self._words, self._filter(items))
        return self._filtered[2]

    def _filter(self, items: Sequence[T]) -> Sequence[T]:
        return tuple(
            item for item in items if all(word in text for text in (self.row_text(item).casefold(),) for word in self._words)
        )

    def show(self, items: Sequence[T], *, empty: str | None = None) -> None:
        """Show these rows; cursor and scroll position follow their key."""
        if empty is not None:
            self._empty = empty
        self._given = items
        self._show_chosen(self.choose_rows(items))

    def _show_chosen(self, items: Sequence[T]) -> None:
        old = self._cursor
        if bool(items) != bool(self._items) and self.is_mounted:
            self.refresh_bindings()
        self._items = items
        if items:
            if old >= len(items) or self._key_of(items[old]) != self._cursor_key:
                index = next((at for at, item in enumerate(items) if self._key_of(item) == self._cursor_key), None)
                self._cursor = min(old, len(items) - 1) if index is None else index
            key = self._key_of(items[self._cursor])
            if key != self._cursor_key:
                self._cursor_key = key
                if self.is_mounted:
                    self.post_message(self.Highlighted(self, key))
        shift = self._cursor - old
        self.refresh_changes()
        if shift and self.is_mounted and self.scroll_offset.y:
            self.scroll_to(y=self.scroll_offset.y + shift, animate=False, immediate=True)
        self._scroll_into_view()

    def move_to(self, key: str) -> None:
        """Move the cursor to this key if it is among the rows."""
        for at, item in enumerate(self._items):
            if self._key_of(item) == key:
                self._move_to_index(at)
                return

    # rendering

    def line_count(self, width: int) -> int:
        return self.fixed + (len(self._items) or len(self._empty_lines(width)))

    def _empty_lines(self, width: int) -> list[str]:
        """The reason why there are no rows, wrapped."""
        reason = "nothing matches the filter" if self._given and self._words else self._empty
        return wrap(reason, width - 2) if reason else []

    def heading(self, width: int) -> Line:
        """The fixed line above the rows, if `fixed` is 1."""
        return ()

    def line_at(self, index: int, width: int) -> Line:
        if index < self.fixed:
            return self.heading(width)
        at = index - self.fixed
        if not self._items:
            lines = self._empty_lines(width)
            return ((f" {lines[at]}", "dim"),) if at < len(lines) else ()
        pointed = at == self._cursor and self.active
        if self._marked and self._key_of(self._items[at]) in self._marked:
            mark: Line = (("±" if pointed else "+", "accent"),)
        else:
            mark = (("›" if pointed else " ", ""),)
        return (*mark, *self._draw(self._items[at], width - 1))

    def row_tone(self, index: int) -> str:
        if not self._items or index - self.fixed != self._cursor or index < self.fixed:
            return ""
        return "cursor" if self.active else ""

    # cursor movement

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("mark", "mark_all"):
            return self._marks
        if action != "choose" or (self._opens and self._items):
            return True
        return None if self._opens else False  # None: help still lists the key

    def action_move(self, by: int) -> None:
        target = self._cursor + by
        if not 0 <= target < len(self._items):
            self.post_message(self.EdgeReached(self, by))
            return
        self._move_to_index(target)

    def action_page(self, by: int) -> None:
        self._move_to_index(self._cursor + by * max(1, self.size.height - self.fixed - 1))

    def action_edge(self, direction: int) -> None:
        self._move_to_index(0 if direction < 0 else len(self._items) - 1)

    def action_choose(self) -> None:
        if self._items:
            self.post_message(self.Selected(self, self._cursor_key))

    def action_mark(self) -> None:
        """Mark the row under the cursor, or unmark it, and go to the next one."""
        if self._items:
            self._set_marked(self._marked ^ {self._cursor_key})
            self._move_to_index(self._cursor + 1)

    def action_mark_all(self) -> None:
        every = frozenset(map(self._key_of, self._items))
        self._set_marked(frozenset() if every <= self._marked else every)

    def _set_marked(self, marked: frozenset[str]) -> None:
        if marked != self._marked:
            self._marked = marked
            self.refresh_changes()
            self.post_message(self.Marked(self))

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y - self.fixed
        if event.y < self.fixed or not 0 <= index < len(self._items):
            return
        again = index == self._cursor
        self._move_to_index(index)
        if again:
            self.action_choose()

    def on_focus(self) -> None:
        self.refresh_changes()

    def on_blur(self) -> None:
        self.refresh_changes()

    def on_resize(self) -> None:
        super().on_resize()
        self._scroll_into_view()

    def _move_to_index(self, index: int) -> None:
        if not self._items:
            return
        self._cursor = min(max(0, index), len(self._items) - 1)
        key = self._key_of(self._items[self._cursor])
        if key != self._cursor_key:
            self._cursor_key = key
            self.post_message(self.Highlighted(self, key))
        self.refresh_changes()
        self._scroll_into_view()

    def _scroll_into_view(self) -> None:
        room = self.size.height - self.fixed
        if room <= 0 or not self._items:
            return
        self.virtual_size = Size(self.inner_width, self.line_count(max(1, self.inner_width)))
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + room:
            self.scroll_to(y=self._cursor - room + 1, animate=False, immediate=True)
