"""A screen with a table and a filter field: `/` opens the field, esc clears it, or goes back without a filter."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.screens.base import ConsoleScreen
from widgets.table import Table


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


class FilterableScreen(ConsoleScreen):
    """A subclass creates `_table` and `_field` in its constructor, and applies the filter in `apply_filter`."""

    _table: Table[Any]
    _field: FilterField

    def apply_filter(self, text: str) -> None:
        """Show only what matches the text; everything if it is empty."""
        raise NotImplementedError

    def on_mount(self) -> None:
        super().on_mount()
        self._table.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "filter" and self._field.has_focus else True

    def action_filter(self) -> None:
        self._field.remove_class("hidden")
        self._field.focus()

    async def action_leave_filter(self) -> None:
        if self._field.has_focus or self._field.value:
            self._field.value = ""
            self._field.add_class("hidden")
            self._table.focus()
        else:
            await self.app.run_action("back")

    @on(Input.Changed, "FilterField")
    def _filter_changed(self, event: Input.Changed) -> None:
        self.apply_filter(event.value)

    @on(Input.Submitted, "FilterField")
    def _filter_submitted(self) -> None:
        if not self._field.value:
            self._field.add_class("hidden")
        self._table.focus()
