"""The dialog in which a person chooses the columns of a table, and the one that sorts it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from widgets.dialogs.dialog import Dialog
from widgets.rows import Rows
from widgets.styled_text import Line, fit, text
from widgets.table import Arrangement
from widgets.text_view import TextView


class ColumnsDialog(Dialog[Arrangement]):
    """Returns the arrangement that a person left it with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "done", tooltip="Show the table so", id="columns.leave"),
        Binding("space", "show_or_hide", "show or hide", tooltip="Show or hide this column", id="columns.toggle"),
        Binding("r", "reset", "reset", tooltip="Every column, in the usual order", id="columns.reset"),
    ]

    def __init__(self, labels: tuple[str, ...], arrangement: Arrangement) -> None:
        super().__init__()
        self._arrangement = arrangement
        self._labels: Rows[str] = Rows(key=lambda item: item, draw=self._draw_label, id="column-choices")
        self._labels.show(labels)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView((((" Columns", "title"),),), classes="caption")
            yield self._labels
            hint = " space shows or hides · enter sorts, again reverses · r resets · esc done"
            yield TextView((((hint, "dim"),),), classes="caption")

    def on_mount(self) -> None:
        self._labels.focus()

    def action_leave(self) -> None:
        self.dismiss(self._arrangement)

    def action_show_or_hide(self) -> None:
        """The last column that is shown stays."""
        label = self._labels.cursor_key
        hidden = self._arrangement.hidden ^ {label}
        if len(hidden) < len(self._labels.items):
            self._arrangement = replace(self._arrangement, hidden=hidden)
            self._labels.refresh_changes()

    def action_reset(self) -> None:
        self._arrangement = Arrangement()
        self._labels.refresh_changes()

    @on(Rows.Selected)
    def _sort_by(self, event: Rows.Selected) -> None:
        again = event.key == self._arrangement.order
        descending = again and not self._arrangement.descending
        self._arrangement = replace(self._arrangement, order=event.key, descending=descending)
        self._labels.refresh_changes()

    def _draw_label(self, label: str, width: int) -> Line:
        shown = label not in self._arrangement.hidden
        order = ""
        if label == self._arrangement.order:
            order = "↓ sorted, reversed" if self._arrangement.descending else "↑ sorted"
        name = text(fit(label, 20), "" if shown else "dim")
        return (("[x] " if shown else "[ ] ", "key" if shown else "dim"), name, (order, "accent"))
