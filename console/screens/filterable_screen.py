"""A screen with lists: `/` filters them, and filter, order and columns can be saved as a view."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.messages import ChooseViewRequested
from console.screens.views import View
from widgets.rows import Rows
from widgets.table import Arrangement, Table


class FilterField(Input):
    """An input whose keys are in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "submit",
            "to the list",
            key_display="enter",
            tooltip="Keep the filter",
            id="filter.keep",
        ),
        Binding("escape", "screen.leave_filter", "clear", tooltip="Clear the filter", id="filter.clear"),
    ]

    def open(self) -> None:
        """Show the field and type into it."""
        self.remove_class("hidden")
        self.screen.set_focus(self)  # at once: what is typed next belongs to the field

    def clear_to(self, rest: Widget) -> bool:
        """Clear and hide the field and go to `rest`; False if there is nothing to clear."""
        if not (self.has_focus or self.value):
            return False
        self.value = ""
        self.add_class("hidden")
        rest.focus()
        return True

    def keep_to(self, rest: Widget) -> None:
        """Keep what was typed and go to `rest`; an empty field is hidden."""
        if not self.value:
            self.add_class("hidden")
        rest.focus()


class FilterableScreen(ConsoleScreen):
    """`/` opens the field, esc clears marks, filter or goes back; a view has the filter, and how each table is arranged.

    A subclass yields `_field` in its body. The words of the filter select the rows of every list; one with a filter of its own
    overrides `apply_filter`.
    """

    FILTER_HINT: ClassVar[str] = "words"
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.FILTER,
        keys.VIEWS,
        Binding("escape", "leave_filter", "back", tooltip="Clear marks and filter, else back", id="rows.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._field = FilterField(placeholder=self.FILTER_HINT, id="filter", classes="field hidden")

    @property
    def main_list(self) -> Rows[Any]:
        """The list that has the focus at first, and when a person leaves the field."""
        return self.query(Rows).first()

    def apply_filter(self, text: str) -> None:
        """Show only what matches the text; everything if it is empty."""
        for rows in self.query(Rows):
            rows.filter_words(text)

    def on_mount(self) -> None:
        super().on_mount()
        self.main_list.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return False if action == "filter" and self._field.has_focus else super().check_action(action, parameters)

    def action_filter(self) -> None:
        self._field.open()

    async def action_leave_filter(self) -> None:
        marked = next((rows for rows in self.query(Rows) if rows.marked), None)
        if marked is not None and not self._field.has_focus:
            marked.unmark()
        elif not self._field.clear_to(self.main_list):
            await self.app.run_action("back")

    @on(Input.Changed, "FilterField")
    def _filter_changed(self, event: Input.Changed) -> None:
        self.apply_filter(event.value)

    @on(Input.Submitted, "FilterField")
    def _filter_submitted(self) -> None:
        self._field.keep_to(self.main_list)

    # Order, columns and views

    @on(Table.Rearranged)
    @on(Rows.Marked)
    def _rearranged(self) -> None:
        self.refresh_bindings()
        self.redraw()

    def marks_text(self) -> str:
        """` · 3 marked`, for the title; empty without marks."""
        count = sum(len(rows.marked) for rows in self.query(Rows))
        return f" · {count} marked" if count else ""

    def action_views(self) -> None:
        self.post_message(ChooseViewRequested())

    def capture_view(self, screen: str) -> View:
        """How the lists look now; `screen` is the command that opens them."""
        tables = tuple((table.id or "", table.arrangement) for table in self.query(Table))
        return View(screen, self._field.value, self.view_group, tables)

    def apply_view(self, view: View) -> None:
        """Show the lists so."""
        arranged = dict(view.tables)
        for table in self.query(Table):
            table.rearrange(arranged.get(table.id or "", Arrangement()))
        self.view_group = view.group
        self._field.value = view.filter
        self._field.set_class(not view.filter, "hidden")
        self.main_list.focus()
        self.redraw()

    @property
    def view_group(self) -> str:
        """By what the rows are grouped, where they can be."""
        return ""

    @view_group.setter
    def view_group(self, group: str) -> None:
        pass
