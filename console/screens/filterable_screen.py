"""A screen with one table that a field narrows: `/` opens the field, esc clears it, and without a filter goes back."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.screens.base import ConsoleScreen
from widgets.table import Table


class FilterField(Input):
    """An input whose keys are told in the footer."""

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
    """Who derives from it makes `_table` and `_field` in the constructor, and hears in `narrow` what is typed."""

    _table: Table[Any]
    _field: FilterField

    def narrow(self, words: str) -> None:
        """Show only what these fit; empty for everything."""
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
    def _typed(self, event: Input.Changed) -> None:
        self.narrow(event.value)

    @on(Input.Submitted, "FilterField")
    def _kept(self) -> None:
        if not self._field.value:
            self._field.add_class("hidden")
        self._table.focus()
